"""Requests for things of no stack: one of the account's stacks answers, so that the sender learns it, and once.

Every stack of an account and region receives every downlink request. The one that the thing belongs to handles it. If
there is none, the stacks elect the one that answers with a conditional write: the named shadow `downlink-rejections`
of the reserved name `thingbridge-stacks`, which no stack has to create and all of them share, is written by version.
The shadow service refuses all writers of a version but one; the others read again, and find the request answered.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.aws.shadows import Shadows
from thingbridge.aws.stacks import Stacks
from thingbridge.aws.things import Thing
from thingbridge.errors import BadInput, Busy
from thingbridge.messaging import topics
from thingbridge.messaging.downlink import ReceivedRequest
from thingbridge.registry.attributes import Attribute

ELECTION_THING: Final = "thingbridge-stacks"
ELECTION_SHADOW: Final = "downlink-rejections"
"""Where the election is held: a shadow whose name is not in the registry."""

SAME_WITHIN: Final = 10.0
"""Seconds within which the stacks receive a message. A request that is repeated sooner is answered once."""

MOST_ENTRIES: Final = 40
"""Answered requests that the shadow keeps, of 8 KB at most."""

PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts, after another stack has written first."""


@dataclass(frozen=True)
class Claim:
    """A stack answers a request. `at`: when it received it, in seconds since 1970."""

    stack_name: str
    at: float

    def is_of(self, other: "Claim") -> bool:
        """Whether another claim is for the same request, which both stacks received at about the same time."""
        return abs(self.at - other.at) <= SAME_WITHIN


@dataclass(frozen=True)
class UnownedRequests:
    """What a stack answers to a request whose thing is not its own. `shadows`: those named `ELECTION_SHADOW`."""

    stack_name: str
    stacks: Stacks
    shadows: Shadows
    pauses: Sequence[float] = PAUSES
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def answer(self, request: ReceivedRequest, thing: Thing | None) -> BadInput | None:
        """Why nobody handles the request; None if another stack handles or answers it.

        `thing`: the thing that the request names, None if there is none. Raises Busy, Misconfigured or Refused.
        """
        owner = thing.attributes.get(Attribute.STACK_NAME) if thing else None
        if owner and self.stacks.exists(owner):
            return None
        if not self._elected(request):
            return None
        return _reason(request, thing, owner)

    def _elected(self, request: ReceivedRequest) -> bool:
        """Whether this stack answers; the same each time the request is handled."""
        own = Claim(self.stack_name, request.received_at or self.now())
        key = hashlib.sha256(request.content.encode(errors="surrogatepass")).hexdigest()[:16]
        for pause in self.pauses:
            document = self.shadows.document(ELECTION_THING)
            if document is None:
                self.shadows.report(
                    ELECTION_THING, {"topic": topics.DOWNLINK_REJECTED}
                )  # the first request of all, whoever is first
                continue
            answered = _claims(document)
            known = answered.get(key)
            if known and known.is_of(own):
                return known == own
            change = _change(answered, key, own)
            if self.shadows.report(ELECTION_THING, {"answered": change}, version=int(document["version"])):
                return True
            self.sleep(pause)
        raise Busy(f"answer a request for {request.thing_name}: other stacks are answering requests")


def _reason(request: ReceivedRequest, thing: Thing | None, owner: str | None) -> BadInput:
    if thing is None:
        return request.fault or BadInput("thingName", "there is no thing of this name")
    if owner:
        return BadInput(
            Attribute.STACK_NAME, f"is {owner}, which is not a stack of this account and region: set stackName to one"
        )
    return BadInput(Attribute.STACK_NAME, "is missing: set this attribute of the thing to the name of its stack")


def _claims(document: Mapping[str, Any]) -> dict[str, Claim]:
    answered = document.get("state", {}).get("reported", {}).get("answered")
    return {key: _claim(each) for key, each in answered.items()} if isinstance(answered, dict) else {}


def _claim(entry: object) -> Claim:
    """A claim as it was written; of anything else in its place, one that is older than all others."""
    match entry:
        case {"by": str(stack_name), "at": int() | float() as at}:
            return Claim(stack_name, float(at))
    return Claim("", 0.0)


def _change(answered: Mapping[str, Claim], key: str, own: Claim) -> dict[str, Any]:
    """What is written: the own claim, and null for the oldest ones above the limit."""
    others = sorted((each for each in answered if each != key), key=lambda each: answered[each].at)
    dropped = others[: max(0, len(others) + 1 - MOST_ENTRIES)]
    return {**dict.fromkeys(dropped), key: {"by": own.stack_name, "at": own.at}}
