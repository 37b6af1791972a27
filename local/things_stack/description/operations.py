"""The operations that the simulation serves, as data: method, path, parameters, body, and the rights each needs.

Paths are relative to /api/v3 and spelled as published, so that `swagger` can compare them name by name. What an
operation does is in `api/handlers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.things_stack.description.messages import (
    ACTIVATION_SETTINGS,
    API_KEY,
    APPLICATION,
    APPLICATION_IDS,
    AS_DEVICE,
    ASSOCIATION,
    BOOL,
    CLAIM,
    COUNT,
    DEV_ADDR,
    DEVICE,
    DOWNLINKS,
    EUI,
    FIELD_MASK,
    GATEWAY,
    IS_DEVICE,
    JS_DEVICE,
    LINK,
    NS_DEVICE,
    PUBSUB,
    TEXT,
    WEBHOOK,
)
from local.things_stack.description.rights import (
    API_KEYS,
    DELETE_APPLICATION,
    DEVICES_READ,
    DEVICES_WRITE,
    DOWN_WRITE,
    PACKAGES,
    READ_KEYS,
    SETTINGS,
    TRAFFIC_READ,
    WRITE_KEYS,
)
from local.things_stack.description.schema import Message, Scalar

PREFIX = "/api/v3"


@dataclass(frozen=True)
class Operation:
    """One operation. `server` is IS, NS, AS, JS, DCS or CONFIGURATION (which every cluster host serves). The paths of
    a field mask must exist in `masked`; `path_rights` maps a path to the further right that a mask with it needs."""

    name: str
    server: str
    method: str
    path: str
    rights: tuple[str, ...] = ()
    query: Message = field(default_factory=dict, hash=False)
    body: Message | None = field(default=None, hash=False)
    masked: Message | None = field(default=None, hash=False)
    path_rights: Mapping[str, str] = field(default_factory=dict, hash=False)


# Paths. Parameter names differ by operation, as in the protos from which the published description is generated.
_APP = "applications/{application_ids.application_id}"
_DEVICE_CREATED = "applications/{end_device.ids.application_ids.application_id}/devices"
_DEVICE_SET = "applications/{end_device.ids.application_ids.application_id}/devices/{end_device.ids.device_id}"
_DEVICE_READ = "applications/{end_device_ids.application_ids.application_id}/devices/{end_device_ids.device_id}"
_DEVICE_NAMED = "applications/{application_ids.application_id}/devices/{device_id}"
_CLAIMED = "/edcs/claim/{application_ids.application_id}/devices/{device_id}"
_PUBSUBS = "/as/pubsub/{application_ids.application_id}"
_PUBSUB_SET = "/as/pubsub/{pubsub.ids.application_ids.application_id}/{pubsub.ids.pub_sub_id}"
_PUBSUB_READ = "/as/pubsub/{ids.application_ids.application_id}/{ids.pub_sub_id}"
_WEBHOOKS = "/as/webhooks/{application_ids.application_id}"
_WEBHOOK_SET = "/as/webhooks/{webhook.ids.application_ids.application_id}/{webhook.ids.webhook_id}"
_WEBHOOK_READ = "/as/webhooks/{ids.application_ids.application_id}/{ids.webhook_id}"
_ASSOCIATION_SET = (
    "/as/applications/{default.ids.application_ids.application_id}/packages/associations/{default.ids.f_port}"
)
_ASSOCIATION_READ = "/as/applications/{ids.application_ids.application_id}/packages/associations/{ids.f_port}"
_ASSOCIATION_NAMED = "/as/applications/{application_ids.application_id}/packages/associations/{f_port}"

_MASK: Message = {"field_mask": FIELD_MASK}
_IDS: Message = {"dev_eui": EUI, "join_eui": EUI, "dev_addr": DEV_ADDR}
_READ: Message = {**{f"end_device_ids.{name}": type_ for name, type_ in _IDS.items()}, **_MASK}
_FIELDS = ("device_id", "join_eui", "dev_eui", "name", "description", "created_at", "last_seen_at")
_ORDER = Scalar("string", one_of=(*_FIELDS, *(f"-{name}" for name in _FIELDS)))
_LIST: Message = {**_MASK, "order": _ORDER, "limit": Scalar("int", most=1000), "page": COUNT}
_CONTAINS: Message = dict.fromkeys(
    (f"{what}_contains" for what in ("id", "name", "description", "dev_eui", "join_eui", "dev_addr")), TEXT
)
_SET: Message = {"end_device": DEVICE, **_MASK}
_INTEGRATION = (SETTINGS, TRAFFIC_READ, DOWN_WRITE)
_KEYS = (READ_KEYS, WRITE_KEYS)


def _registry(server: str, device: Message, keys: str) -> tuple[Operation, ...]:
    """The device registry of JS, NS or AS; `keys` is the field that holds its keys."""
    name, prefix = f"{server.title()}EndDeviceRegistry", f"/{server.lower()}"
    write, read, delete = f"{prefix}/{_DEVICE_SET}", f"{prefix}/{_DEVICE_READ}", f"{prefix}/{_DEVICE_NAMED}"
    return (
        Operation(f"{name}_Set", server, "PUT", write, (DEVICES_WRITE,), {}, _SET, device, {keys: WRITE_KEYS}),
        Operation(f"{name}_Get", server, "GET", read, (DEVICES_READ,), _READ, None, device, {keys: READ_KEYS}),
        Operation(f"{name}_Delete", server, "DELETE", delete, (DEVICES_WRITE,), _IDS),
    )


def _setting(
    name: str, read: str, write: str, delete: str, field_name: str, message: Message, needs: str
) -> tuple[Operation, ...]:
    """Get, set and delete of a setting of an application on the Application Server; `needs` is the right to read it."""
    rights = _INTEGRATION if needs == TRAFFIC_READ else (needs,)
    suffix = "DefaultAssociation" if field_name == "default" else ""
    return (
        Operation(f"{name}_Get{suffix}", "AS", "GET", read, (needs,), _MASK, None, message),
        Operation(f"{name}_Set{suffix}", "AS", "PUT", write, rights, {}, {field_name: message, **_MASK}, message),
        Operation(f"{name}_Delete{suffix}", "AS", "DELETE", delete, rights),
    )


_SETTINGS = f"/js/{_APP}/settings"
_SET_SETTINGS: Message = {"application_ids": APPLICATION_IDS, "settings": ACTIVATION_SETTINGS, **_MASK}
_NAMED, _KEYS_OF = "/applications/{application_id}", f"/{_APP}/api-keys"
_SET_APPLICATION: Message = {"application": APPLICATION, **_MASK}
_OF_USER, _GATEWAY = "/users/{collaborator.user_ids.user_id}", "/gateways/{gateway_id}"
_SET_LINK: Message = {"application_ids": APPLICATION_IDS, "link": LINK, **_MASK}
_PLANS: Message = {"base_frequency": COUNT, "band_id": TEXT, "gateways_only": BOOL}

# fmt: off
OPERATIONS: tuple[Operation, ...] = (
    Operation("EntityAccess_AuthInfo", "IS", "GET", "/auth_info"),
    Operation("ApplicationAccess_ListRights", "IS", "GET", "/applications/{application_id}/rights"),
    Operation("ApplicationRegistry_Create", "IS", "POST", f"{_OF_USER}/applications", (), {},
              {"application": APPLICATION}),
    Operation("ApplicationRegistry_Update", "IS", "PUT", "/applications/{application.ids.application_id}", (SETTINGS,),
              {}, _SET_APPLICATION, APPLICATION),
    Operation("ApplicationRegistry_Delete", "IS", "DELETE", _NAMED, (DELETE_APPLICATION,)),
    Operation("ApplicationRegistry_Purge", "IS", "DELETE", f"{_NAMED}/purge"),
    Operation("ApplicationAccess_CreateAPIKey", "IS", "POST", _KEYS_OF, (API_KEYS,), {}, API_KEY),
    Operation("ApplicationAccess_DeleteAPIKey", "IS", "DELETE", f"{_KEYS_OF}/{{key_id}}", (API_KEYS,)),
    Operation("GatewayRegistry_Create", "IS", "POST", f"{_OF_USER}/gateways", (), {}, {"gateway": GATEWAY}),
    Operation("GatewayRegistry_Delete", "IS", "DELETE", _GATEWAY),
    Operation("GatewayRegistry_Purge", "IS", "DELETE", f"{_GATEWAY}/purge"),
    Operation("EndDeviceRegistry_Create", "IS", "POST", f"/{_DEVICE_CREATED}", (DEVICES_WRITE,), {},
              {"end_device": IS_DEVICE}),
    Operation("EndDeviceRegistry_Get", "IS", "GET", f"/{_DEVICE_READ}", (DEVICES_READ,), _READ, None, IS_DEVICE),
    Operation("EndDeviceRegistry_Update", "IS", "PUT", f"/{_DEVICE_SET}", (DEVICES_WRITE,), {}, _SET, IS_DEVICE),
    Operation("EndDeviceRegistry_Delete", "IS", "DELETE", f"/{_DEVICE_NAMED}", (DEVICES_WRITE,), _IDS),
    Operation("EndDeviceRegistry_List", "IS", "GET", f"/{_APP}/devices", (DEVICES_READ,), _LIST, None, IS_DEVICE),
    Operation("EndDeviceRegistrySearch_SearchEndDevices", "IS", "GET", f"/search/{_APP}/devices", (DEVICES_READ,),
              {**_LIST, **_CONTAINS}, None, IS_DEVICE),
    *_registry("JS", JS_DEVICE, "root_keys"),
    *_registry("NS", NS_DEVICE, "session.keys"),
    *_registry("AS", AS_DEVICE, "session.keys"),
    Operation("ApplicationActivationSettingRegistry_Get", "JS", "GET", _SETTINGS, (READ_KEYS,), _MASK, None,
              ACTIVATION_SETTINGS),
    Operation("ApplicationActivationSettingRegistry_Set", "JS", "POST", _SETTINGS, _KEYS, {}, _SET_SETTINGS,
              ACTIVATION_SETTINGS),
    Operation("ApplicationActivationSettingRegistry_Delete", "JS", "DELETE", _SETTINGS, _KEYS),
    Operation("As_GetLink", "AS", "GET", f"/as/{_APP}/link", (SETTINGS,), _MASK, None, LINK),
    Operation("As_SetLink", "AS", "PUT", f"/as/{_APP}/link", (SETTINGS,), {}, _SET_LINK, LINK),
    Operation("As_DeleteLink", "AS", "DELETE", "/as/applications/{application_id}/link", (SETTINGS,)),
    Operation("AppAs_DownlinkQueuePush", "AS", "POST", f"/as/{_DEVICE_READ}/down/push", (DOWN_WRITE,), {}, DOWNLINKS),
    Operation("AppAs_DownlinkQueueReplace", "AS", "POST", f"/as/{_DEVICE_READ}/down/replace", (DOWN_WRITE,), {},
              DOWNLINKS),
    Operation("AppAs_DownlinkQueueList", "AS", "GET", f"/as/{_DEVICE_NAMED}/down", (TRAFFIC_READ,), _IDS),
    *_setting("ApplicationPubSubRegistry", _PUBSUB_READ, _PUBSUB_SET, f"{_PUBSUBS}/{{pub_sub_id}}", "pubsub", PUBSUB,
              TRAFFIC_READ),
    Operation("ApplicationPubSubRegistry_GetFormats", "AS", "GET", "/as/pubsub-formats"),
    Operation("ApplicationPubSubRegistry_List", "AS", "GET", _PUBSUBS, (TRAFFIC_READ,), _MASK, None, PUBSUB),
    *_setting("ApplicationWebhookRegistry", _WEBHOOK_READ, _WEBHOOK_SET, f"{_WEBHOOKS}/{{webhook_id}}", "webhook",
              WEBHOOK, TRAFFIC_READ),
    Operation("ApplicationWebhookRegistry_List", "AS", "GET", _WEBHOOKS, (TRAFFIC_READ,), _MASK, None, WEBHOOK),
    *_setting("ApplicationPackageRegistry", _ASSOCIATION_READ, _ASSOCIATION_SET, _ASSOCIATION_NAMED, "default",
              ASSOCIATION, PACKAGES),
    Operation("ApplicationPackageRegistry_List", "AS", "GET", f"/as/{_DEVICE_NAMED}/packages", (PACKAGES,), _IDS),
    Operation("EndDeviceClaimingServer_GetInfoByJoinEUI", "DCS", "POST", "/edcs/claim/info", (), {}, {"join_eui": EUI}),
    Operation("EndDeviceClaimingServer_Claim", "DCS", "POST", "/edcs/claim", (DEVICES_WRITE,), {}, CLAIM),
    Operation("EndDeviceClaimingServer_GetClaimStatus", "DCS", "GET", _CLAIMED, (DEVICES_WRITE,), _IDS),
    Operation("EndDeviceClaimingServer_Unclaim", "DCS", "DELETE", _CLAIMED, (DEVICES_WRITE,), _IDS),
    Operation("Configuration_ListFrequencyPlans", "CONFIGURATION", "GET", "/configuration/frequency-plans", (), _PLANS),
)
# fmt: on
