"""The end device registries of the Identity, Join, Network and Application Server: create, set, get, delete, list.

Each server stores only what was sent to it. Downlink queues are in `downlink_queue`, sessions in the network.
Sources: the Stack's end_device_registry (IS), grpc_deviceregistry (JS, NS, AS).
"""

from __future__ import annotations

import time

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import errors, field_masks
from local.things_stack.description.errors import ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND, ApiError
from local.things_stack.description.proto3_json import Json, rfc3339
from local.things_stack.network.frequency_plans import FREQUENCY_PLANS, has_band
from local.things_stack.servers import DeviceServer

_NAMESPACE = {"NS": "pkg/networkserver", "AS": "pkg/applicationserver", "JS": "pkg/joinserver"}
_EUIS = ("dev_eui", "join_eui")
_BAND = ("lorawan_phy_version", "frequency_plan_id")
_STAMPS = ("created_at", "updated_at")


def _server(call: Call) -> DeviceServer:
    servers = call.cluster.servers
    return {"NS": servers.network, "AS": servers.application, "JS": servers.join}[call.operation.server]


def _euis(device: Json) -> tuple[str | None, str | None]:
    return device["ids"].get("join_eui"), device["ids"].get("dev_eui")


def _identifiers(call: Call, sent: Json) -> Json:
    application_id, device_id = call.device
    ids = {name: sent["ids"][name] for name in _EUIS if name in sent.get("ids", {})}
    return {"device_id": device_id, "application_ids": {"application_id": application_id}, **ids}


def _euis_taken(namespace: str, euis: tuple[str | None, str | None], application_id: str, device_id: str) -> ApiError:
    return ApiError(ALREADY_EXISTS, f"{namespace}:end_device_euis_taken",
                    "an end device with JoinEUI `{join_eui}` and DevEUI `{dev_eui}` is already registered as "
                    "`{device_id}` in application `{application_id}`",
                    {"join_eui": euis[0], "dev_eui": euis[1], "device_id": device_id,
                     "application_id": application_id})  # fmt: skip


def _stamped(device: Json) -> Json:
    now = rfc3339(time.time_ns())
    device.setdefault("created_at", now)
    device["updated_at"] = now
    return device


# Identity Server -----------------------------------------------------------------------------------------------------
def _registered(call: Call) -> Json:
    application_id, device_id = call.device
    device = call.cluster.servers.identity.devices.get(call.device)
    if device is None:
        raise ApiError(NOT_FOUND, "pkg/identityserver/store:end_device_not_found",
                       "end device with id `{device_id}` not found in application with id `{application_id}`",
                       {"device_id": device_id, "application_id": application_id})  # fmt: skip
    return device


def create(call: Call) -> Json:
    sent = call.body.get("end_device", {})
    if "device_id" not in sent.get("ids", {}):
        raise errors.validation("end_device.ids.device_id", "value length must be at least 1")
    call.path["device_id"] = sent["ids"]["device_id"]
    _check_addresses(call, sent)
    registered = call.cluster.servers.identity.devices
    if call.device in registered:
        exists = ApiError(ALREADY_EXISTS, "pkg/util/store:already_exists", "already exists")
        raise ApiError(ALREADY_EXISTS, "pkg/util/store:id_taken", "this ID is taken: choose another one", cause=exists)
    device = {**sent, "ids": _identifiers(call, sent)}
    for (application_id, device_id), other in registered.items():
        if None not in _euis(device) and _euis(other) == _euis(device):
            raise _euis_taken("pkg/identityserver", _euis(device), application_id, device_id)
    registered[call.device] = _stamped({name: value for name, value in device.items() if name not in _STAMPS})
    return {"version_ids": {}, "lora_alliance_profile_ids": {}} | registered[call.device]


def _check_addresses(call: Call, sent: Json) -> None:
    """An application that is bound to servers has no devices on others."""
    bound = call.cluster.servers.identity.applications.get(call.application_id, {})
    for server in ("network", "application", "join"):
        address, expected = sent.get(f"{server}_server_address"), bound.get(f"{server}_server_address")
        if address and expected and address.split(":")[0] != expected.split(":")[0]:
            raise ApiError(INVALID_ARGUMENT, f"pkg/identityserver:{server}_server_address_mismatch",
                           f"the {server} server is at `{{expected}}`, not at `{{address}}`",
                           {"address": address, "expected": expected})  # fmt: skip


def update(call: Call) -> Json:
    device = _registered(call)
    paths = records.writable(call.mask)
    field_masks.copy_paths(device, call.body.get("end_device", {}), paths)
    if not device.get("attributes"):  # an empty map is the same as none
        device.pop("attributes", None)
    return field_masks.select(_stamped(device), paths)


def get_registered(call: Call) -> Json:
    return field_masks.select(_registered(call), call.mask)


def delete_registered(call: Call) -> Json:
    _registered(call)
    del call.cluster.servers.identity.devices[call.device]
    return {}


def _matches(device: Json, query: Json) -> bool:
    values = {**device["ids"], "id": device["ids"]["device_id"], "name": device.get("name", ""),
              "description": device.get("description", "")}  # fmt: skip
    wanted = {name.removesuffix("_contains"): text for name, text in query.items() if name.endswith("_contains")}
    return all(str(text).lower() in str(values.get(name, "")).lower() for name, text in wanted.items())


def list_devices(call: Call) -> Json:
    """List and search: pages from 1 (0 means 1), as long as the deployment allows. X-Total-Count counts all."""
    found = [device for (application_id, _), device in call.cluster.servers.identity.devices.items()
             if application_id == call.application_id and _matches(device, call.query)]  # fmt: skip
    order = call.query.get("order", "device_id")
    field = order.lstrip("-")
    found.sort(key=lambda device: str(device["ids"].get(field, device.get(field, ""))), reverse=order.startswith("-"))
    call.headers["X-Total-Count"] = str(len(found))
    limit = min(call.query.get("limit", 0) or len(found), call.cluster.profile.longest_page)
    start = (max(call.query.get("page", 1), 1) - 1) * limit
    page = found[start : start + limit]
    return {"end_devices": [field_masks.select(device, call.mask) for device in page]} if page else {}


# Join, Network and Application Server --------------------------------------------------------------------------------
def _device(call: Call) -> Json:
    device = _server(call).devices.get(call.device)
    if device is None:
        reads = call.operation.method == "GET"
        if reads and call.operation.server in ("NS", "AS"):
            raise errors.not_found()
        if call.operation.server == "AS":
            raise errors.application_server_device_not_found(call.device)
        raise ApiError(NOT_FOUND, f"{_NAMESPACE[call.operation.server]}:device_not_found", "device not found")
    return device


def set_device(call: Call) -> Json:
    sent, kind = call.body.get("end_device", {}), call.operation.server
    registered = _server(call).devices
    known = registered.get(call.device)
    if kind == "NS":
        _check_network_server(call, sent, known)
    elif kind == "JS":
        _check_join_server(call, sent)
    ids = _identifiers(call, sent)
    if known is not None:
        for name in _EUIS:
            if name in ids and ids[name] != known["ids"].get(name):
                raise ApiError(INVALID_ARGUMENT, f"{_NAMESPACE[kind]}/redis:read_only_field",
                               "read-only field `{field}`", {"field": f"ids.{name}"})  # fmt: skip
    else:
        for (application_id, device_id), other in registered.items():
            if None not in (euis := (ids.get("join_eui"), ids.get("dev_eui"))) and _euis(other) == euis:
                raise _euis_taken("pkg/internal/registry", euis, application_id, device_id)
    device = known if known is not None else {"ids": ids}
    paths = records.writable(call.mask)
    field_masks.copy_paths(device, sent, paths)
    registered[call.device] = _stamped(device)
    return field_masks.select(device, paths)


def _check_network_server(call: Call, sent: Json, known: Json | None) -> None:
    """A new device needs its versions and a known plan; `supports_join` can't be changed later."""
    namespace = _NAMESPACE["NS"]
    for path in ("frequency_plan_id", "lorawan_phy_version", "lorawan_version"):
        if (known is None or path in call.mask) and (path not in call.mask or not sent.get(path)):
            raise errors.field_value(namespace, path)
    plan = sent.get("frequency_plan_id")
    if "frequency_plan_id" in call.mask and plan not in FREQUENCY_PLANS:
        raise ApiError(NOT_FOUND, "pkg/frequencyplans:not_found", "frequency plan `{id}` not found", {"id": plan})
    _check_band({**(known or {}), **{path: sent.get(path) for path in _BAND if path in call.mask}})
    if known is None:
        joins = "supports_join" in call.mask and bool(sent.get("supports_join"))
        if not joins and not (sent.get("multicast") or field_masks.value_at(sent, "session.dev_addr")):
            raise errors.field_value(namespace, "session.dev_addr")
        for name in _EUIS:
            if joins and name not in sent.get("ids", {}):
                raise errors.field_value(namespace, f"ids.{name}")
    elif "supports_join" in call.mask and bool(sent.get("supports_join")) != bool(known.get("supports_join")):
        raise errors.field_value(namespace, "supports_join")


def _check_band(device: Json) -> None:
    phy_version, plan = (device[path] for path in _BAND)
    if not has_band(phy_version, plan):
        raise ApiError(INVALID_ARGUMENT, "pkg/networkserver/internal:no_band_version",
                       "the band `{id}` is not in version `{ver}`",
                       {"id": FREQUENCY_PLANS[plan][0], "ver": phy_version})  # fmt: skip


def _check_join_server(call: Call, sent: Json) -> None:
    for name, text in (("join_eui", "no JoinEUI specified"), ("dev_eui", "no DevEUI specified")):
        if name not in sent.get("ids", {}) or (name == "dev_eui" and not int(sent["ids"][name], 16)):
            raise ApiError(INVALID_ARGUMENT, f"pkg/joinserver:no_{name}", text)
    path = "root_keys.app_key.key"
    masked = any(path == mask or path.startswith(f"{mask}.") for mask in call.mask)
    if masked and not int(field_masks.value_at(sent, path) or "0", 16):
        raise errors.field_value(_NAMESPACE["JS"], path)


def get_device(call: Call) -> Json:
    return field_masks.select(_device(call), call.mask)


def delete_device(call: Call) -> Json:
    _device(call)
    del _server(call).devices[call.device]
    if call.operation.server in ("NS", "AS"):
        call.cluster.network.forget(*call.device)
    return {}


HANDLERS: dict[str, Handler] = {
    "EndDeviceRegistry_Create": create,
    "EndDeviceRegistry_Get": get_registered,
    "EndDeviceRegistry_Update": update,
    "EndDeviceRegistry_Delete": delete_registered,
    "EndDeviceRegistry_List": list_devices,
    "EndDeviceRegistrySearch_SearchEndDevices": list_devices,
    **{f"{server}EndDeviceRegistry_Set": set_device for server in ("Js", "Ns", "As")},
    **{f"{server}EndDeviceRegistry_Get": get_device for server in ("Js", "Ns", "As")},
    **{f"{server}EndDeviceRegistry_Delete": delete_device for server in ("Js", "Ns", "As")},
}
