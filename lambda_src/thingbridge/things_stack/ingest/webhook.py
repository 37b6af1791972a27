"""Mode `webhook`: The Things Stack posts every message to the function `webhook`, with a secret in a header.

Works on every deployment. (`applicationserver_web.proto`, `pkg/applicationserver/io/web`.)
"""

from typing import Any, Final

from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.messaging.webhook import SECRET_HEADER
from thingbridge.things_stack.api_key import INTEGRATION_RIGHTS
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound
from thingbridge.things_stack.ingest.account import Account
from thingbridge.things_stack.ingest.integration import Integration

RIGHTS: Final = INTEGRATION_RIGHTS


def configure(
    things_stack: ThingsStack, integration: Integration, _previous: Integration | None, account: Account
) -> None:
    """Name the address, the secret and a path for every kind of message. `settings`: `url`, `secret_arn`.

    No `downlink_api_key`: with one, The Things Stack would send a key for downlinks along with every message.
    """
    webhook: dict[str, Any] = {
        "base_url": integration.settings["url"].rstrip("/"),
        "format": "json",
        "headers": {SECRET_HEADER: account.secret(integration.settings["secret_arn"])},
        **{kind: {"path": f"/{event}"} for kind, event in UPSTREAM_EVENTS.items()},
    }
    # In the mask though it is not sent: whatever key somebody set is taken away.
    things_stack.set_webhook(integration.id, webhook, (*webhook, "downlink_api_key"))


def remove(things_stack: ThingsStack, integration: Integration, _account: Account) -> None:
    """A key or application that was deleted can't be had back, and must not hold up the destroy."""
    try:
        things_stack.delete_webhook(integration.id)
    except (ApiKeyRefused, NotFound):
        return
