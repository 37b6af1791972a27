"""The two deployments of The Things Stack that differ in what they answer: the open source, and the hosted one.

Only differences are here, each with its source. What both do alike is in the handlers and in `description`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

AWS_IOT_PACKAGE = "aws-iot"
DEFAULT = "open-source"
HOSTED = "hosted"


@dataclass(frozen=True)
class Profile:
    """What one deployment has.

    `longest_page`: the most items on a page of a list, whatever its `limit`. `packages`: application package → its
    default FPort. `has_aws_iot`: whether the provider `aws_iot` of a pub/sub publishes. `claims`: whether the Device
    Claiming Server is connected with The Things Join Server. `network_ids`: those in messages, beside the NetID.
    `describes_devices`: whether messages have the attributes of the device, every kind its locations, versions and
    network, and uplinks its last known battery. `limits_downlinks_by_application`: whether a limit of downlink requests
    is for all devices of an application, and not for each device.
    """

    longest_page: int
    packages: Mapping[str, int]
    has_aws_iot: bool
    claims: bool
    network_ids: Mapping[str, str]
    describes_devices: bool
    limits_downlinks_by_application: bool


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        # v3.32.1, as configured without changes. A pub/sub with the provider `aws_iot` is accepted and publishes
        # nothing: the provider is not part of the open source. Claiming is answered with `claiming_not_supported`.
        DEFAULT: Profile(
            longest_page=1000,
            packages=MappingProxyType(
                {"lora-cloud-device-management-v1": 199, "lora-cloud-geolocation-v3": 197, "alcsync-v1": 202}
            ),
            has_aws_iot=False,
            claims=False,
            network_ids=MappingProxyType({}),
            describes_devices=False,
            limits_downlinks_by_application=False,
        ),
        # The Things Stack Cloud and The Things Network, as their documentation of integrations and of claiming has it.
        HOSTED: Profile(
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
            # As in the documentation's example of an uplink. What messages say of devices: release notes of 3.33.1
            # (battery) and 3.34.0 (the rest), and the documentation of data formats; not seen.
            network_ids=MappingProxyType(
                {
                    "ns_id": "EC656E0000000181",
                    "tenant_id": "ttn",
                    "cluster_id": "eu1",
                    "cluster_address": "eu1.cloud.thethings.network",
                }
            ),
            describes_devices=True,
            # Release notes of 3.35.2; the figures are not public.
            limits_downlinks_by_application=True,
        ),
    }
)
"""Name → profile."""
