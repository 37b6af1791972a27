"""Mode `webhook`: The Things Stack posts every message to the function `webhook`, with a secret in a header.

Works on every deployment. (`applicationserver_web.proto`, `pkg/applicationserver/io/web`.)
"""

from collections.abc import Iterator, Mapping
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
    url = address(integration.settings["url"], things_stack.application_id)
    post_to(things_stack, integration, url, {SECRET_HEADER: account.secret(integration.settings["secret_arn"])})


def post_to(
    things_stack: ThingsStack, integration: Integration, base_url: str, headers: Mapping[str, str], query: str = ""
) -> None:
    """Have every kind of message posted to its path below an address, with these headers and this query."""
    webhook: dict[str, Any] = {
        "base_url": base_url,
        "format": "json",
        "headers": dict(headers),
        **{kind: {"path": f"/{event}{query}"} for kind, event in UPSTREAM_EVENTS.items()},
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
    """The webhook: whether it is there, as configured, and called."""
    url = address(integration.settings["url"], things_stack.application_id)
    headers = {SECRET_HEADER: account.secret(integration.settings["secret_arn"])}
    yield examine_post(
        things_stack, integration, url, headers.items() <= held_headers(things_stack, integration).items()
    )


def examine_post(
    things_stack: ThingsStack, integration: Integration, base_url: str, admitted: bool, query: str = ""
) -> Finding:
    """What `post_to` has configured. `admitted`: whether its headers are those that the receiver admits."""
    what = f"webhook {integration.id}"
    held = things_stack.webhooks.get(integration.id, ("base_url", *UPSTREAM_EVENTS, *_RESUMES))
    if held is None:
        return Finding(what, "it does not exist", CONFIGURE_AGAIN)
    paths = {kind: f"/{event}{query}" for kind, event in UPSTREAM_EVENTS.items()}
    wrong = [kind for kind, path in paths.items() if held.get(kind, {}).get("path") != path]
    failures = held.get("health_status", {}).get("unhealthy")
    if held.get("paused"):
        fix = f"resume it in the Console, or {CONFIGURE_AGAIN}"
        return Finding(what, "it is paused: The Things Stack sends nothing", fix)
    if failures:
        times = failures.get("failed_attempts", "several")
        fix = f"look at the log of what receives its messages, then {CONFIGURE_AGAIN}"
        return Finding(what, f"The Things Stack stopped calling it after {times} failures in a row", fix)
    if held.get("base_url") != base_url:
        return Finding(what, f"it posts to {held.get('base_url')}", CONFIGURE_AGAIN)
    if not admitted:
        return Finding(what, "what it shows in its headers is refused", CONFIGURE_AGAIN)
    if wrong:
        return Finding(what, f"it does not send {', '.join(wrong)}", CONFIGURE_AGAIN)
    return Finding(what, "it posts every kind of message")


def held_headers(things_stack: ThingsStack, integration: Integration) -> dict[str, str]:
    """The headers that The Things Stack sends."""
    return dict((things_stack.webhooks.get(integration.id, ("headers",)) or {}).get("headers", {}))


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove it."""
    things_stack.webhooks.delete(integration.id)


def release(_integration: Integration, _account: Account) -> None:
    """Nothing to do: what it used is Terraform's."""
