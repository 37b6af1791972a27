"""The activation settings of an application on the Join Server: the KEK with which it wraps AppSKeys."""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import errors, field_masks
from local.things_stack.description.errors import INVALID_ARGUMENT, NOT_FOUND, ApiError
from local.things_stack.description.proto3_json import Json

_FIELD_MASK = "pkg/joinserver:field_mask", "invalid field mask"
_NOT_FOUND = (
    "pkg/joinserver:application_activation_settings_not_found",
    "application activation settings not found",
)


def get_settings(call: Call) -> Json:
    settings = call.cluster.servers.join.settings.get(call.application_id)
    if settings is None:
        raise ApiError(NOT_FOUND, *_NOT_FOUND, cause=errors.not_found())
    return records.without_times(field_masks.select(settings, call.mask))


def set_settings(call: Call) -> Json:
    sent = call.body.get("settings", {})
    if not call.mask:
        raise ApiError(INVALID_ARGUMENT, *_FIELD_MASK)
    if {"kek", "kek.key"} & set(call.mask) and "kek" in sent:
        _check_kek(sent, call.mask)
    records.write(call.cluster.servers.join.settings, call.application_id, sent, call.mask, {})
    return get_settings(call)


def delete_settings(call: Call) -> Json:
    settings = call.cluster.servers.join.settings
    records.find(settings, call.application_id, _NOT_FOUND)
    del settings[call.application_id]
    return {}


def _check_kek(sent: Json, mask: list[str]) -> None:
    if not int(field_masks.value_at(sent, "kek.key") or "0", 16):
        raise errors.field_value("pkg/joinserver", "kek.key")
    if "kek_label" not in mask:
        raise ApiError(INVALID_ARGUMENT, *_FIELD_MASK)
    if not sent.get("kek_label"):
        raise ApiError(INVALID_ARGUMENT, "pkg/joinserver:no_kek_label", "no KEK label specified")


HANDLERS: dict[str, Handler] = {
    "ApplicationActivationSettingRegistry_Get": get_settings,
    "ApplicationActivationSettingRegistry_Set": set_settings,
    "ApplicationActivationSettingRegistry_Delete": delete_settings,
}
