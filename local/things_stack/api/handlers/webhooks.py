"""The webhooks of an application. Setting one (re)starts its provider, deleting it stops the provider."""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import errors, field_masks
from local.things_stack.description.proto3_json import Json


def set_webhook(call: Call) -> Json:
    at = call.application_id, call.path["webhook_id"]
    sent, webhooks = call.body.get("webhook", {}), call.cluster.servers.application.webhooks
    for name in ("base_url", "format"):
        if at not in webhooks and (name not in call.mask or not sent.get(name)):
            raise errors.validation(f"webhook.{name}", "value is required")
    ids = {"application_ids": {"application_id": at[0]}, "webhook_id": at[1]}
    records.write(webhooks, at, sent, call.mask, ids)
    call.cluster.integrations.start("webhook", *at, webhooks[at])
    return _answer(call, webhooks[at])


def get_webhook(call: Call) -> Json:
    at = call.application_id, call.path["webhook_id"]
    return _answer(call, records.find(call.cluster.servers.application.webhooks, at))


def list_webhooks(call: Call) -> Json:
    webhooks = call.cluster.servers.application.webhooks
    own = [record for at, record in webhooks.items() if at[0] == call.application_id]
    call.headers["X-Total-Count"] = str(len(own))
    return {"webhooks": [_answer(call, record) for record in own]}


def _answer(call: Call, record: Json) -> Json:
    """The paths of the field mask, and those that are answered without being asked for."""
    return field_masks.select(record, ["base_url", "format", *records.writable(call.mask)])


def delete_webhook(call: Call) -> Json:
    """Idempotent, as in the Stack: what does not exist is deleted."""
    at = call.application_id, call.path["webhook_id"]
    call.cluster.integrations.stop("webhook", *at)
    call.cluster.servers.application.webhooks.pop(at, None)
    return {}


HANDLERS: dict[str, Handler] = {
    "ApplicationWebhookRegistry_Set": set_webhook,
    "ApplicationWebhookRegistry_Get": get_webhook,
    "ApplicationWebhookRegistry_List": list_webhooks,
    "ApplicationWebhookRegistry_Delete": delete_webhook,
}
