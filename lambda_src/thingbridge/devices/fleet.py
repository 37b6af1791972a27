"""What Terraform configures for the devices of a stack (`modules/devices/registration.tf`): types, locations, policies.

A device of a stack is a thing whose thing type is one of the stack's types. Things of The Things Stack have another
type and an attribute `stackName`, which no device has: neither kind is ever taken for the other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from thingbridge.devices.authority import AMAZON_ROOT_CA_1

MQTT_PORT: Final = 8883
"""MQTT with a client certificate (AWS IoT Core developer guide, "Device communication protocols")."""


@dataclass(frozen=True)
class DeviceType:
    """One type of devices. `initial_shadow`: `desired` and `reported` of a new device, None for no shadow."""

    thing_type: str
    group: str
    initial_shadow: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Fleet:
    """The devices of one stack.

    `policies`: names of the policies that a certificate gets, in this order; only with the last one it can connect.
    `locations`: location → name of its thing group; empty if locations are free.
    """

    stack_name: str
    region: str
    endpoint: str
    policies: Sequence[str]
    types: Mapping[str, DeviceType]
    locations: Mapping[str, str]
    ca_certificate: str = AMAZON_ROOT_CA_1

    @classmethod
    def read(cls, stack_name: str, text: str) -> Self:
        """From the JSON in the environment variable DEVICES. Raises KeyError, TypeError or ValueError."""
        found = json.loads(text)
        return cls(
            stack_name=stack_name,
            region=found["region"],
            endpoint=found["endpoint"],
            policies=tuple(found["policies"]),
            types={name: DeviceType(**each) for name, each in found["types"].items()},
            locations=found["locations"],
            ca_certificate=found["ca_certificate"] or AMAZON_ROOT_CA_1,
        )

    @property
    def policy(self) -> str:
        """The policy that lets a device connect: a certificate that carries it belongs to a registered device."""
        return self.policies[-1]

    def type_of(self, thing_type: str | None) -> str | None:
        """The type of devices that a thing type stands for, None for one of other things."""
        return next((name for name, each in self.types.items() if each.thing_type == thing_type), None)
