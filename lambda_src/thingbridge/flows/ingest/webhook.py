"""Mode `webhook`: The Things Stack posts every message to the function `webhook`, with a secret in a header.

Works on every deployment. (`applicationserver_web.proto`, `pkg/applicationserver/io/web`.)
"""

from collections.abc import Iterator
from typing import Any, Final

from thingbridge.diagnostics import emit
from thingbridge.flows.api_key import INTEGRATION_RIGHTS
from thingbridge.flows.findings import CONFIGURE_AGAIN, Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.messaging.webhook import SECRET_HEADER, address
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, ThingsStackRefused

RIGHTS: Final = INTEGRATION_RIGHTS

_RESUMES: Final = ("health_status", "paused")
"""Fields that are cleared: The Things Stack stops calling a webhook that failed too often in a row, and a person can
pause one. Without a health status it is called again at once."""

_CLEARED: Final = (*_RESUMES, "downlink_api_key")
"""In the mask although they are not sent, which removes what was set by other means."""


def configure(
    things_stack: ThingsStack, integration: Integration, _previous: Integration | None, account: Account
) -> None:
    """Set the address, the secret and a path for every kind of message, and resume a webhook that is switched off.

    `settings`: `url`, `secret_arn`. No `downlink_api_key`: with one, The Things Stack would include a key for downlinks
    in every message.
    """
    webhook: dict[str, Any] = {
        "base_url": address(integration.settings["url"], things_stack.application_id),
        "format": "json",
        "headers": {SECRET_HEADER: account.secret(integration.settings["secret_arn"])},
        **{kind: {"path": f"/{event}"} for kind, event in UPSTREAM_EVENTS.items()},
    }
    before = things_stack.webhooks.get(integration.id, _RESUMES) or {}
    things_stack.webhooks.set(integration.id, webhook, (*webhook, *_CLEARED))
    failures = before.get("health_status", {}).get("unhealthy")
    if failures or before.get("paused"):
        emit(
            "WARN",
            "webhook_resumed",
            webhook_id=integration.id,
            paused=bool(before.get("paused")),
            failed_attempts=int((failures or {}).get("failed_attempts", 0)),
        )
    _enable_queue(things_stack, integration)


def _enable_queue(things_stack: ThingsStack, integration: Integration) -> None:
    """Have The Things Stack repeat what is not accepted, where it can.

    The field is not part of the open source, and hosted deployments have it with some subscriptions. A request of its
    own, because a field mask with an unknown path is refused as a whole.
    """
    try:
        things_stack.webhooks.set(integration.id, {"queue": {"enabled": True}}, ("queue.enabled",))
    except (ApiKeyRefused, ThingsStackRefused) as error:
        emit("INFO", "webhook_without_queue", webhook_id=integration.id, reason=str(error))


def examine(things_stack: ThingsStack, integration: Integration, account: Account) -> Iterator[Finding]:
    """The webhook: whether it is there, as configured, called, and repeated by The Things Stack when it fails."""
    what = f"webhook {integration.id}"
    kinds = tuple(UPSTREAM_EVENTS)
    held = things_stack.webhooks.get(integration.id, ("base_url", "headers", *kinds, *_RESUMES))
    if held is None:
        yield Finding(what, "it does not exist", CONFIGURE_AGAIN)
        return
    wrong = [kind for kind, event in UPSTREAM_EVENTS.items() if held.get(kind, {}).get("path") != f"/{event}"]
    failures = held.get("health_status", {}).get("unhealthy")
    if held.get("paused"):
        yield Finding(
            what, "it is paused: The Things Stack sends nothing", f"resume it in the Console, or {CONFIGURE_AGAIN}"
        )
    elif failures:
        failed = (
            f"The Things Stack stopped calling it after {failures.get('failed_attempts', 'several')} failures in a row"
        )
        yield Finding(what, failed, f"look at the log of the function webhook, then {CONFIGURE_AGAIN}")
    elif held.get("base_url") != address(integration.settings["url"], things_stack.application_id):
        yield Finding(what, f"it posts to {held.get('base_url')}", CONFIGURE_AGAIN)
    elif held.get("headers", {}).get(SECRET_HEADER) != account.secret(integration.settings["secret_arn"]):
        yield Finding(what, "its secret is another one: the function refuses its messages", CONFIGURE_AGAIN)
    elif wrong:
        yield Finding(what, f"it does not send {', '.join(wrong)}", CONFIGURE_AGAIN)
    else:
        yield Finding(what, "it posts every kind of message to the function")


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove it."""
    things_stack.webhooks.delete(integration.id)


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""
