"""The mark of an end device, which ties it to its thing, and to the state of the thing that it was last in step with.

The mark is one attribute of the device on the Identity Server, so that a listing of the devices contains it. Without
it, a device whose thing was deleted could not be distinguished from a new device. What a mark proves about its device
is in `standing`; who reads and writes it, in `flows.marking`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.registry.attributes import SECRETS, Attribute

ATTRIBUTE: Final = "aws-iot-thing"
"""The attribute of the device that holds the mark: `<region>/<account>/<stack>/<digest>/<thing id>/<thing>`."""

ATTRIBUTES_PER_DEVICE: Final = 10
LONGEST_VALUE: Final = 200
"""Limits of the attributes of a device (TTS `end_device.proto`: 10 pairs, values of 200 characters)."""

UNFINISHED: Final = "unfinished"
"""In place of the digest: the device has not been in step with its thing yet."""

KEPT: Final = "kept"
"""In place of the digest: the device is kept without a thing, which was recorded. It is not looked at again."""

UNLISTED: Final = "00000000"
"""In place of the thing's id: it is unknown, because a listing does not contain it. It is that of no thing."""

_DIGESTED: Final = tuple(str(name) for name in sorted(Attribute) if name not in (*SECRETS, Attribute.STACK_NAME))
_SEPARATOR: Final = "/"


@dataclass(frozen=True)
class Owner:
    """The stack that a mark belongs to: its name is unique in one region of one account only."""

    region: str
    account_id: str
    stack_name: str

    @classmethod
    def of_function(cls, arn: str, stack_name: str) -> "Owner":
        """The stack of a Lambda function with this ARN, `arn:<partition>:lambda:<region>:<account>:function:<name>`."""
        _, _, _, region, account_id, *_ = arn.split(":")
        return cls(region, account_id, stack_name)

    def is_neighbour_of(self, other: "Owner") -> bool:
        """Whether both are different stacks of one account and region, with the same things."""
        return self != other and (self.region, self.account_id) == (other.region, other.account_id)

    def __str__(self) -> str:
        return f"the stack {self.stack_name} of the account {self.account_id} in {self.region}"


@dataclass(frozen=True)
class Mark:
    """A device's mark. `digest`: of the thing's attributes when the device was last in step, UNFINISHED or KEPT.

    `thing_id`: see `short_id`. UNLISTED only without a digest: the comparison then looks at the thing, which has one.
    """

    thing_name: str
    owner: Owner
    digest: str = UNFINISHED
    thing_id: str = UNLISTED

    @classmethod
    def of(cls, thing_name: str, attributes: Mapping[str, str], owner: Owner, thing_id: str = "") -> "Mark":
        """The mark for the device of a thing with these attributes. `thing_id`: the whole one, "" if unknown."""
        return cls(thing_name, owner, digest(attributes), short_id(thing_id))

    def is_of(self, thing_name: str, thing_id: str) -> bool:
        """Whether the mark names this very thing, for certain: its id is known, and not only its name."""
        return (self.thing_name, self.thing_id) == (thing_name, short_id(thing_id)) and self.thing_id != UNLISTED

    def is_older_than(self, thing_id: str) -> bool:
        """Whether the thing of the mark is gone for certain, because the thing that has its name now has another id."""
        return self.thing_id != short_id(thing_id) and UNLISTED not in (self.thing_id, short_id(thing_id))

    def may_replace(self, other: "Mark | None") -> bool:
        """Whether a device may have this mark instead of another: one of this stack, or one that comes with the thing.

        Stacks of a region share their things. A mark that names a thing of this stack, and that its own stack was never
        in step with, is that of the stack which the thing belonged to before, or which does not exist.
        """
        if other is None or other.owner == self.owner:
            return True
        handed_over = other.thing_name == self.thing_name and not other.is_in_step
        return handed_over and self.owner.is_neighbour_of(other.owner)

    def takes_over(self, other: "Mark") -> bool:
        """Whether a device that has this mark instead is in step with a thing that it was not in step with before."""
        return self.is_in_step and (other.digest == UNFINISHED or other.thing_id != self.thing_id)

    @property
    def is_in_step(self) -> bool:
        """Whether the device was in step with the thing."""
        return self.digest not in (UNFINISHED, KEPT)

    @property
    def fits(self) -> bool:
        """Whether the mark fits in an attribute: a long name of a thing and a long one of its stack may not."""
        return len(self.text()) <= LONGEST_VALUE

    def text(self) -> str:
        """The value of the attribute. No part contains a slash."""
        owner = self.owner
        of_thing = (self.digest, self.thing_id, self.thing_name)
        return _SEPARATOR.join((owner.region, owner.account_id, owner.stack_name, *of_thing))

    def attributes(self) -> dict[str, str]:
        """The mark as an attribute of the device; none if it does not fit."""
        return {ATTRIBUTE: self.text()} if self.fits else {}


def read(attributes: Mapping[str, Any]) -> Mark | None:
    """The mark in a device's attributes, None if there is none, or something else in its place."""
    parts = str(attributes.get(ATTRIBUTE, "")).split(_SEPARATOR)
    if len(parts) != 6 or not all(parts):
        return None
    region, account_id, stack_name, digested, thing_id, thing_name = parts
    return Mark(thing_name, Owner(region, account_id, stack_name), digested, thing_id)


def has_room(attributes: Mapping[str, Any]) -> bool:
    """Whether a device with these attributes can have a mark: a value of somebody else's in its place is kept."""
    return read(attributes) is not None or (ATTRIBUTE not in attributes and len(attributes) < ATTRIBUTES_PER_DEVICE)


def short_id(thing_id: str) -> str:
    """The first 8 hex digits of a thing's id (a random UUID), to leave room for names; UNLISTED for an unknown id."""
    return thing_id[: len(UNLISTED)] or UNLISTED


def digest(attributes: Mapping[str, str]) -> str:
    """16 hex digits that change with the attributes of a thing that describe its device.

    Secrets are left out: they may be removed from the thing once the device exists, and a claim code could be guessed
    from its digest.
    """
    described = [f"{name}={value}" for name in _DIGESTED if (value := attributes.get(name))]
    return hashlib.blake2b("\n".join(described).encode(), digest_size=8).hexdigest()
