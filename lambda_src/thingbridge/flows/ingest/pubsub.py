"""Mode `pubsub`: a Pub/Sub integration with the provider `aws_iot`.

The Things Stack assumes the cross-account role and publishes to AWS IoT itself; the provider's default deployment
defines the topics. (`applicationserver_pubsub.proto`, `AWSIoTProvider`.)
"""

from collections.abc import Iterator
from typing import Final

from thingbridge.errors import Misconfigured
from thingbridge.flows.api_key import INTEGRATION_RIGHTS
from thingbridge.flows.findings import CONFIGURE_AGAIN, Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ThingsStackRefused

RIGHTS: Final = INTEGRATION_RIGHTS


def configure(
    things_stack: ThingsStack, integration: Integration, _previous: Integration | None, _account: Account
) -> None:
    """Configure role, region and stack. `settings`: `role_arn`, and `external_id`, which may be None."""
    assume_role = {"arn": integration.settings["role_arn"]}
    if integration.settings.get("external_id"):
        assume_role["external_id"] = integration.settings["external_id"]
    provider = {
        "region": integration.region,
        "assume_role": assume_role,
        "default": {"stack_name": integration.stack_name},
    }
    try:
        things_stack.pubsubs.set(
            integration.id, {"format": "json", "aws_iot": provider}, ("format", "provider.aws_iot")
        )
    except ThingsStackRefused as error:
        # The hosted deployments no longer have Pub/Sub, and the open source has it without this provider.
        raise Misconfigured(
            f"{error}: does this The Things Stack have Pub/Sub with AWS IoT? If not, choose another ingest.mode, such "
            "as webhook"
        ) from error


def examine(things_stack: ThingsStack, integration: Integration, _account: Account) -> Iterator[Finding]:
    """The pub/sub: whether it is there, and with this provider. Whether it is connected, only its messages show."""
    what = f"pub/sub {integration.id}"
    held = things_stack.pubsubs.get(integration.id, ("provider",))
    if held is None:
        yield Finding(what, "it does not exist", CONFIGURE_AGAIN)
    elif "aws_iot" not in held:
        fix = "choose another ingest.mode, such as webhook"
        yield Finding(what, "this The Things Stack has kept no provider aws_iot of it", fix)
    elif held["aws_iot"].get("assume_role", {}).get("arn") != integration.settings["role_arn"]:
        yield Finding(what, "it assumes another role", CONFIGURE_AGAIN)
    else:
        yield Finding(what, "it publishes with the role of this stack, if this deployment has the provider aws_iot")


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove it."""
    things_stack.pubsubs.delete(integration.id)


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""
