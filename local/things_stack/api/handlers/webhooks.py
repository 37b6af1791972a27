"""The webhooks of an application. Setting one (re)starts its provider, deleting it stops the provider."""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import errors, field_masks
from local.things_stack.description.errors import NOT_FOUND, ApiError
from local.things_stack.description.proto3_json import Json

_NOT_FOUND = "pkg/applicationserver/io/web:webhook_not_found", "webhook not found"


def set_webhook(call: Call) -> Json:
    at = call.application_id, call.path["webhook_id"]
    sent, webhooks = call.body.get("webhook", {}), call.cluster.servers.application.webhooks
    for name in ("base_url", "format"):
        if at not in webhooks and (name not in call.mask or not sent.get(name)):
            raise errors.validation(f"webhook.{name}", "value is required")
    if "format" in call.mask and sent.get("format") != "json":
        raise ApiError(NOT_FOUND, "pkg/applicationserver/io/web:format_not_found", "format `{format}` not found",
                       {"format": sent.get("format", "")})  # fmt: skip
    ids = {"application_ids": {"application_id": at[0]}, "webhook_id": at[1]}
    answer = records.write(webhooks, at, sent, call.mask, ids)
    call.cluster.integrations.start("webhook", *at, webhooks[at])
    return answer


def get_webhook(call: Call) -> Json:
    at = call.application_id, call.path["webhook_id"]
    return field_masks.select(records.find(call.cluster.servers.application.webhooks, at, _NOT_FOUND), call.mask)


def list_webhooks(call: Call) -> Json:
    webhooks = call.cluster.servers.application.webhooks
    own = [record for at, record in webhooks.items() if at[0] == call.application_id]
    return {"webhooks": [field_masks.select(record, call.mask) for record in own]}


def delete_webhook(call: Call) -> Json:
    at = call.application_id, call.path["webhook_id"]
    records.find(call.cluster.servers.application.webhooks, at, _NOT_FOUND)
    call.cluster.integrations.stop("webhook", *at)
    del call.cluster.servers.application.webhooks[at]
    return {}


HANDLERS: dict[str, Handler] = {
    "ApplicationWebhookRegistry_Set": set_webhook,
    "ApplicationWebhookRegistry_Get": get_webhook,
    "ApplicationWebhookRegistry_List": list_webhooks,
    "ApplicationWebhookRegistry_Delete": delete_webhook,
}
