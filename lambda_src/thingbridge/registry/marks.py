"""The mark of an end device, which ties it to its thing, and to the state of the thing that it was last in step with.

The mark is in the device's attributes on the Identity Server, so that a listing of the devices contains it. Without it,
a device whose thing was deleted could not be distinguished from a new device.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.registry.attributes import SECRETS, Attribute
from thingbridge.registry.provisioning import DIGEST_ATTRIBUTE, STACK_ATTRIBUTE, THING_ATTRIBUTE

_DIGESTED: Final = tuple(str(name) for name in sorted(Attribute) if name not in (*SECRETS, Attribute.STACK_NAME))


@dataclass(frozen=True)
class Mark:
    """A device's mark. `digest` is empty until the device has been in step with its thing once."""

    thing_name: str
    stack_name: str
    digest: str

    @classmethod
    def of(cls, thing_name: str, attributes: Mapping[str, str], stack_name: str) -> "Mark":
        """The mark for the device of a thing with these attributes."""
        return cls(thing_name, stack_name, digest(attributes))

    def attributes(self) -> dict[str, str]:
        """The mark as attributes of the device."""
        return {
            THING_ATTRIBUTE: self.thing_name,
            STACK_ATTRIBUTE: self.stack_name,
            **({DIGEST_ATTRIBUTE: self.digest} if self.digest else {}),
        }


def read(attributes: Mapping[str, Any]) -> Mark | None:
    """The mark in a device's attributes, None if there is none."""
    thing_name, stack_name = attributes.get(THING_ATTRIBUTE), attributes.get(STACK_ATTRIBUTE)
    if not thing_name or not stack_name:
        return None
    return Mark(str(thing_name), str(stack_name), str(attributes.get(DIGEST_ATTRIBUTE) or ""))


def digest(attributes: Mapping[str, str]) -> str:
    """16 hex digits that change with the attributes of a thing that describe its device.

    Secrets are left out: they may be removed from the thing once the device exists, and a claim code could be guessed
    from its digest.
    """
    described = [f"{name}={value}" for name in _DIGESTED if (value := attributes.get(name))]
    return hashlib.blake2b("\n".join(described).encode(), digest_size=8).hexdigest()
