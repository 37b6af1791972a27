"""What belongs to an application rather than a device: rights, link, activation settings, pub/sub, webhooks.

Setting a pub/sub or a webhook starts its integration, deleting it stops it; the integrations themselves are in
`integrations`.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from local.things_stack import errors, frequency_plans, masks
from local.things_stack.calls import Call, Handler
from local.things_stack.errors import INVALID_ARGUMENT, NOT_FOUND, ApiError
from local.things_stack.servers import rfc3339

_NOT_FOUND = "pkg/redis:not_found", "entity not found"
_NO_WEBHOOK = "pkg/applicationserver/io/web:webhook_not_found", "webhook not found"
_NO_SETTINGS = (
    "pkg/joinserver:application_activation_settings_not_found",
    "application activation settings not found",
)

_FIELD_MASK = "pkg/joinserver:field_mask", "invalid field mask"


def _found(
    records: MutableMapping[Any, dict[str, Any]], at: Any, missing: tuple[str, str] = _NOT_FOUND
) -> dict[str, Any]:
    if at not in records:
        raise ApiError(NOT_FOUND, *missing)
    return records[at]


def _set(
    call: Call, records: MutableMapping[Any, dict[str, Any]], at: Any, sent: dict[str, Any], ids: dict[str, Any]
) -> dict[str, Any]:
    """Writes the masked paths into the record at `at`, made with `ids` when it is new."""
    now = rfc3339(time.time_ns())
    record = records.setdefault(at, {**({"ids": ids} if ids else {}), "created_at": now})
    paths = [path for path in call.mask if path.split(".")[0] not in ("ids", "created_at", "updated_at")]
    masks.write(record, sent, paths)
    record["updated_at"] = now
    return masks.shown(record, paths)


# Rights --------------------------------------------------------------------------------------------------------------
def auth_info(call: Call) -> dict[str, Any]:
    if call.key is None:
        return {}
    key = {"id": call.key.id, "rights": list(call.key.rights)}
    return {"api_key": {"api_key": key, "entity_ids": {"application_ids": {"application_id": call.key.application_id}}}}


def list_rights(call: Call) -> dict[str, Any]:
    """The key's rights on the application; an application the key doesn't belong to answers with none."""
    return {"rights": list(call.key.rights)} if call.key and call.key.application_id == call.application_id else {}


def list_frequency_plans(call: Call) -> dict[str, Any]:
    return {"frequency_plans": frequency_plans.listed(call.query.get("band_id"), call.query.get("base_frequency"))}


# Link and activation settings ----------------------------------------------------------------------------------------
def get_link(call: Call) -> dict[str, Any]:
    link = _found(call.simulation.servers.application.links, call.application_id)
    return {name: value for name, value in masks.shown(link, call.mask).items() if not name.endswith("_at")}


def set_link(call: Call) -> dict[str, Any]:
    _set(call, call.simulation.servers.application.links, call.application_id, call.body.get("link", {}), {})
    return get_link(call)


def delete_link(call: Call) -> dict[str, Any]:
    """Takes the application's package associations with it, as the Stack does."""
    application = call.simulation.servers.application
    _found(application.links, call.application_id)
    del application.links[call.application_id]
    for at in [at for at in application.associations if at[0] == call.application_id]:
        call.simulation.integrations.stop("package", *at)
        del application.associations[at]
    return {}


def get_settings(call: Call) -> dict[str, Any]:
    settings = _found(call.simulation.servers.join.settings, call.application_id, _NO_SETTINGS)
    return {name: value for name, value in masks.shown(settings, call.mask).items() if not name.endswith("_at")}


def set_settings(call: Call) -> dict[str, Any]:
    sent = call.body.get("settings", {})
    if not call.mask:
        raise ApiError(INVALID_ARGUMENT, *_FIELD_MASK)
    if {"kek", "kek.key"} & set(call.mask) and "kek" in sent:
        if not int(masks.lookup(sent, "kek.key") or "0", 16):
            raise errors.field_value("pkg/joinserver", "kek.key")
        if "kek_label" not in call.mask:
            raise ApiError(INVALID_ARGUMENT, *_FIELD_MASK)
        if not sent.get("kek_label"):
            raise ApiError(INVALID_ARGUMENT, "pkg/joinserver:no_kek_label", "no KEK label specified")
    _set(call, call.simulation.servers.join.settings, call.application_id, sent, {})
    return get_settings(call)


def delete_settings(call: Call) -> dict[str, Any]:
    settings = call.simulation.servers.join.settings
    _found(settings, call.application_id, _NO_SETTINGS)
    del settings[call.application_id]
    return {}


# Pub/sub and webhooks ------------------------------------------------------------------------------------------------
_PROVIDERS = ("nats", "mqtt", "aws_iot")


def set_pubsub(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["pub_sub_id"]
    sent, records = call.body.get("pubsub", {}), call.simulation.servers.application.pubsubs
    chooses = any(path.split(".")[0] in _PROVIDERS for path in call.mask)
    if (chooses or at not in records) and sum(provider in sent for provider in _PROVIDERS) != 1:
        raise errors.validation("pubsub.provider", "value is required")
    if at not in records and sent.get("format") != "json":
        raise ApiError(NOT_FOUND, "pkg/applicationserver/io/pubsub:format_not_found", "format `{format}` not found",
                       {"format": sent.get("format", "")})  # fmt: skip
    for provider in _PROVIDERS:  # they are alternatives of one field
        if chooses and at in records and provider not in sent:
            records[at].pop(provider, None)
    ids = {"application_ids": {"application_id": at[0]}, "pub_sub_id": at[1]}
    answer = _set(call, records, at, sent, ids)
    call.simulation.integrations.start("pubsub", *at, records[at])
    return answer


def get_pubsub(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["pub_sub_id"]
    return masks.shown(_found(call.simulation.servers.application.pubsubs, at), call.mask)


def list_pubsubs(call: Call) -> dict[str, Any]:
    records = call.simulation.servers.application.pubsubs
    return {
        "pubsubs": [masks.shown(record, call.mask) for at, record in records.items() if at[0] == call.application_id]
    }


def delete_pubsub(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["pub_sub_id"]
    _found(call.simulation.servers.application.pubsubs, at)
    call.simulation.integrations.stop("pubsub", *at)
    del call.simulation.servers.application.pubsubs[at]
    return {}


def set_webhook(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["webhook_id"]
    sent, records = call.body.get("webhook", {}), call.simulation.servers.application.webhooks
    for name in ("base_url", "format"):
        if at not in records and (name not in call.mask or not sent.get(name)):
            raise errors.validation(f"webhook.{name}", "value is required")
    if "format" in call.mask and sent.get("format") != "json":
        raise ApiError(NOT_FOUND, "pkg/applicationserver/io/web:format_not_found", "format `{format}` not found",
                       {"format": sent.get("format", "")})  # fmt: skip
    ids = {"application_ids": {"application_id": at[0]}, "webhook_id": at[1]}
    answer = _set(call, records, at, sent, ids)
    call.simulation.integrations.start("webhook", *at, records[at])
    return answer


def get_webhook(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["webhook_id"]
    return masks.shown(_found(call.simulation.servers.application.webhooks, at, _NO_WEBHOOK), call.mask)


def list_webhooks(call: Call) -> dict[str, Any]:
    records = call.simulation.servers.application.webhooks
    return {
        "webhooks": [masks.shown(record, call.mask) for at, record in records.items() if at[0] == call.application_id]
    }


def delete_webhook(call: Call) -> dict[str, Any]:
    at = call.application_id, call.path["webhook_id"]
    _found(call.simulation.servers.application.webhooks, at, _NO_WEBHOOK)
    call.simulation.integrations.stop("webhook", *at)
    del call.simulation.servers.application.webhooks[at]
    return {}


HANDLERS: dict[str, Handler] = {
    "EntityAccess_AuthInfo": auth_info,
    "ApplicationAccess_ListRights": list_rights,
    "Configuration_ListFrequencyPlans": list_frequency_plans,
    "As_GetLink": get_link,
    "As_SetLink": set_link,
    "As_DeleteLink": delete_link,
    "ApplicationActivationSettingRegistry_Get": get_settings,
    "ApplicationActivationSettingRegistry_Set": set_settings,
    "ApplicationActivationSettingRegistry_Delete": delete_settings,
    "ApplicationPubSubRegistry_Set": set_pubsub,
    "ApplicationPubSubRegistry_Get": get_pubsub,
    "ApplicationPubSubRegistry_List": list_pubsubs,
    "ApplicationPubSubRegistry_Delete": delete_pubsub,
    "ApplicationWebhookRegistry_Set": set_webhook,
    "ApplicationWebhookRegistry_Get": get_webhook,
    "ApplicationWebhookRegistry_List": list_webhooks,
    "ApplicationWebhookRegistry_Delete": delete_webhook,
}
