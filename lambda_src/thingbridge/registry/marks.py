"""The mark on an end device that ties it to its thing: whose it is, and which state of the thing it was brought to.

It lives in the attributes of the device on the Identity Server, so that one listing shows it. Without it, a device
whose thing was deleted could not be told from a device that is new.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.registry.attributes import SECRETS, Attribute
from thingbridge.registry.provisioning import DIGEST_ATTRIBUTE, STACK_ATTRIBUTE, THING_ATTRIBUTE

_SAID: Final = tuple(str(name) for name in sorted(Attribute) if name not in (*SECRETS, Attribute.STACK_NAME))


@dataclass(frozen=True)
class Mark:
    """What a device says about its thing. `digest` is empty until the device was brought in step once."""

    thing_name: str
    stack_name: str
    digest: str

    @classmethod
    def of(cls, thing_name: str, attributes: Mapping[str, str], stack_name: str) -> "Mark":
        """The mark that the device of a thing is to carry."""
        return cls(thing_name, stack_name, digest(attributes))

    def attributes(self) -> dict[str, str]:
        """As attributes of the device."""
        return {
            THING_ATTRIBUTE: self.thing_name,
            STACK_ATTRIBUTE: self.stack_name,
            **({DIGEST_ATTRIBUTE: self.digest} if self.digest else {}),
        }


def read(attributes: Mapping[str, Any]) -> Mark | None:
    """The mark among a device's attributes, None without one."""
    thing_name, stack_name = attributes.get(THING_ATTRIBUTE), attributes.get(STACK_ATTRIBUTE)
    if not thing_name or not stack_name:
        return None
    return Mark(str(thing_name), str(stack_name), str(attributes.get(DIGEST_ATTRIBUTE) or ""))


def digest(attributes: Mapping[str, str]) -> str:
    """16 hex digits that change with what a thing says about its device.

    Secrets are left out: they may be taken off the thing once they have served, and a claim code could be guessed
    from its digest.
    """
    said = [f"{name}={value}" for name in _SAID if (value := attributes.get(name))]
    return hashlib.blake2b("\n".join(said).encode(), digest_size=8).hexdigest()
