"""Histories of one shadow: messages in any order and repeated, copies of the function, and what happens meanwhile."""

from collections.abc import Callable
from functools import partial
from typing import Final

from hypothesis import strategies as st

from tests.unit.flows.shadow_account import ShadowAccount, throttled
from thingbridge.errors import Busy

INTERVAL: Final = 60

MESSAGES: Final = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1)), min_size=1, max_size=10)
"""When the network received a message, and which copy of the function handles it. Most come more than once."""

EVENTS: Final = st.dictionaries(st.integers(1, 20), st.integers(1, 4) | st.none(), max_size=4)
"""What happens before the call with that number: a third copy handles a message, or AWS is overloaded (None)."""

PAUSES: Final = st.lists(st.sampled_from([0, INTERVAL]))
"""Seconds before a message, from the last one on."""


class History:
    """Messages that three copies of the function handle with `write`, each again until it was handled."""

    def __init__(
        self,
        account: ShadowAccount,
        messages: list[tuple[int, int]],
        events: dict[int, int | None],
        write: Callable[[int, int], None],
    ) -> None:
        self._account, self._waiting, self._write = account, list(messages), write
        self.handled = set[int]()
        for call, event in events.items():
            account.interruptions[call] = throttled if event is None else partial(self._meanwhile, event)

    def run(self, pauses: list[int] | None = None) -> None:
        """Handle all messages, and the writes that they defer."""
        while self._waiting or self._account.deferred:
            if self._waiting:
                self._account.clock.now += pauses.pop() if pauses else 0
                self._handle(*self._waiting.pop(0))
            due = min(self._account.deferred, default=(0.0, ""))[0]
            if self._account.deferred and (not self._waiting or due <= self._account.clock.now):
                deliver(self._account)

    def _handle(self, second: int, copy: int) -> None:
        self.handled.add(second)
        try:
            self._write(second, copy)
        except Busy:
            self._waiting.append((second, copy))  # Lambda tries again

    def _meanwhile(self, second: int) -> None:
        self._account.clock.now += INTERVAL
        self._handle(second, 2)


def deliver(account: ShadowAccount) -> None:
    """Deliver the next deferred write, again later if it fails."""
    account.deferred.sort()
    due, body = account.deferred.pop(0)
    account.clock.now = max(account.clock.now, due)
    try:
        account.paced(INTERVAL).write_scheduled(body)
    except Busy:
        account.deferred.append((account.clock.now + 90, body))


def settle(account: ShadowAccount) -> None:
    """Deliver deferred writes until there are none."""
    for _ in range(200):
        if not account.deferred:
            return
        deliver(account)
    raise AssertionError("writes are deferred forever")
