"""The two deployments of The Things Stack that differ in what they answer: the open source, and the hosted one.

Only differences are here, each with its source. What both do alike is in the handlers and in `description`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

AWS_IOT_PACKAGE = "aws-iot"


@dataclass(frozen=True)
class Profile:
    """What one deployment has.

    `longest_page`: the most items on a page of a list, whatever its `limit`. `packages`: application package → its
    default FPort. `has_aws_iot`: whether the provider `aws_iot` of a pub/sub publishes. `claims`: whether the Device
    Claiming Server is connected with The Things Join Server.
    """

    longest_page: int
    packages: Mapping[str, int]
    has_aws_iot: bool
    claims: bool


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        # v3.32.1, as configured without changes. A pub/sub with the provider `aws_iot` is accepted and publishes
        # nothing: the provider is not part of the open source. Claiming is answered with `claiming_not_supported`.
        "open-source": Profile(
            longest_page=1000,
            packages=MappingProxyType(
                {"lora-cloud-device-management-v1": 199, "lora-cloud-geolocation-v3": 197, "alcsync-v1": 202}
            ),
            has_aws_iot=False,
            claims=False,
        ),
        # The Things Stack Cloud and The Things Network, as their documentation of integrations and of claiming has it.
        "hosted": Profile(
            longest_page=100,
            packages=MappingProxyType(
                {
                    "alcsync-v1": 202,
                    AWS_IOT_PACKAGE: 198,
                    "lora-cloud-geolocation-v3": 197,
                    "storage-integration": 200,
                }
            ),
            has_aws_iot=True,
            claims=True,
        ),
    }
)
"""Name → profile."""
