"""What a stack works with and ends one day: the API key, and the certificate of a private authority.

Other secrets have no end. The certificate that The Things Stack connects with in the mode `mqtt` is signed by AWS IoT,
and valid until 2049; those of devices are examined where they are renewed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from thingbridge.flows import api_key
from thingbridge.things_stack import authority
from thingbridge.things_stack.client import ThingsStack

SOON: Final = 30
"""Days before its end from which on something is to be renewed."""


@dataclass(frozen=True)
class Ending:
    """`what` ends `at` a time (Unix seconds); `fix`: what to do before."""

    what: str
    at: float
    fix: str

    def days(self, now: float) -> int:
        """Whole days that are left; negative when it has ended."""
        return int((self.at - now) // 86_400)

    def sentence(self, now: float) -> str:
        """How long it is valid."""
        day, days = datetime.fromtimestamp(self.at, UTC).date().isoformat(), self.days(now)
        return f"it ended on {day}" if days < 0 else f"it ends in {days} day{'' if days == 1 else 's'}, on {day}"


def endings(things_stack: ThingsStack, ca_certificate: str | None) -> Iterator[Ending]:
    """What ends, the API key first. Raises like every call of The Things Stack."""
    key = things_stack.application.api_key_ends()
    if key is not None:
        yield Ending("API key", key, api_key.another_key(things_stack.application_id))
    certificate = authority.ends(ca_certificate) if ca_certificate else None
    if certificate is not None:
        fix = f"add the authority's next certificate to {authority.VARIABLE}, and drop this one once servers show that"
        yield Ending(f"certificate of the authority ({authority.VARIABLE})", certificate, fix)
