"""Mode `webhook`: The Things Stack posts every message to the function `webhook`, with a secret in a header.

Works on every deployment. (`applicationserver_web.proto`, `pkg/applicationserver/io/web`.)
"""

from typing import Any, Final

from thingbridge.flows.api_key import INTEGRATION_RIGHTS
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.messaging.webhook import SECRET_HEADER
from thingbridge.things_stack.client import ThingsStack

RIGHTS: Final = INTEGRATION_RIGHTS


def configure(
    things_stack: ThingsStack, integration: Integration, _previous: Integration | None, account: Account
) -> None:
    """Set the address, the secret and a path for every kind of message. `settings`: `url`, `secret_arn`.

    No `downlink_api_key`: with one, The Things Stack would include a key for downlinks in every message.
    """
    webhook: dict[str, Any] = {
        "base_url": integration.settings["url"].rstrip("/"),
        "format": "json",
        "headers": {SECRET_HEADER: account.secret(integration.settings["secret_arn"])},
        **{kind: {"path": f"/{event}"} for kind, event in UPSTREAM_EVENTS.items()},
    }
    # In the mask although it is not sent: this removes a key that was set by other means.
    things_stack.webhooks.set(integration.id, webhook, (*webhook, "downlink_api_key"))


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove it."""
    things_stack.webhooks.delete(integration.id)


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""
