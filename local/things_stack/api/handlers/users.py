"""What a user does with an API key of their own: applications, API keys of applications, and gateways.

A user of the simulation owns every application, and is no administrator. Sources: the Stack's application_registry,
application_access and gateway_registry (IS).
"""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import field_masks
from local.things_stack.description.errors import (
    ALREADY_EXISTS,
    FAILED_PRECONDITION,
    NOT_FOUND,
    PERMISSION_DENIED,
    ApiError,
)
from local.things_stack.description.proto3_json import Json
from local.things_stack.servers import IdentityServer


def create_application(call: Call) -> Json:
    identity, sent = _of_the_user(call), call.body.get("application", {})
    application_id = sent.get("ids", {}).get("application_id", "")
    if application_id in identity.applications:
        raise _taken()
    identity.create_application(application_id)
    identity.applications[application_id] = {name: value for name, value in sent.items() if name != "ids"}
    return dict(sent)


def update_application(call: Call) -> Json:
    application = call.cluster.servers.identity.applications[call.application_id]
    paths = records.writable(call.mask)
    field_masks.copy_paths(application, call.body.get("application", {}), paths)
    ids = {"ids": {"application_id": call.application_id}}
    return ids | {name: value for name, value in application.items() if name in paths}


def delete_application(call: Call) -> Json:
    identity = call.cluster.servers.identity
    if count := sum(device[0] == call.application_id for device in identity.devices):
        raise ApiError(FAILED_PRECONDITION, "pkg/identityserver:application_has_devices",
                       "application still has `{count}` devices", {"count": count})  # fmt: skip
    del identity.applications[call.application_id]
    return {}


def create_api_key(call: Call) -> Json:
    key = call.cluster.servers.identity.create_api_key(call.application_id, tuple(call.body.get("rights", [])))
    return {"id": key.id, "key": key.token, "name": call.body.get("name", ""), "rights": list(key.rights)}


def delete_api_key(call: Call) -> Json:
    keys, id_ = call.cluster.servers.identity.api_keys, call.path["key_id"]
    if id_ not in keys or keys[id_].application_id != call.application_id:
        raise ApiError(NOT_FOUND, "pkg/identityserver/store:api_key_not_found", "no API key `{api_key_id}`",
                       {"api_key_id": id_})  # fmt: skip
    del keys[id_]
    return {}


def create_gateway(call: Call) -> Json:
    gateways, sent = _of_the_user(call).gateways, call.body.get("gateway", {})
    gateway_id = sent.get("ids", {}).get("gateway_id", "")
    if gateway_id in gateways:
        raise _taken()
    gateways[gateway_id] = dict(sent)
    return dict(sent)


def delete_gateway(call: Call) -> Json:
    gateways, gateway_id = _of_the_user(call).gateways, call.path["gateway_id"]
    if gateway_id not in gateways:
        raise ApiError(NOT_FOUND, "pkg/identityserver/store:gateway_not_found", "no gateway `{gateway_id}`",
                       {"gateway_id": gateway_id})  # fmt: skip
    del gateways[gateway_id]
    return {}


def purge(call: Call) -> Json:
    """Only administrators free an id for good."""
    kind = "gateways" if "gateway_id" in call.path else "applications"
    raise ApiError(PERMISSION_DENIED, f"pkg/identityserver:admins_purge_{kind}", "only an administrator may do this")


def _of_the_user(call: Call) -> IdentityServer:
    """The Identity Server. ApiError: the key is not one of a user, or one of another user."""
    user_id = call.key.user_id if call.key else ""
    if not user_id or call.path.get("user_id", user_id) != user_id:
        raise ApiError(PERMISSION_DENIED, "pkg/auth/rights:no_user_rights", "no rights for user `{uid}`",
                       {"uid": call.path.get("user_id", "")})  # fmt: skip
    return call.cluster.servers.identity


def _taken() -> ApiError:
    exists = ApiError(ALREADY_EXISTS, "pkg/util/store:already_exists", "already exists")
    return ApiError(ALREADY_EXISTS, "pkg/util/store:id_taken", "this ID is taken: choose another one", cause=exists)


HANDLERS: dict[str, Handler] = {
    "ApplicationRegistry_Create": create_application,
    "ApplicationRegistry_Update": update_application,
    "ApplicationRegistry_Delete": delete_application,
    "ApplicationRegistry_Purge": purge,
    "ApplicationAccess_CreateAPIKey": create_api_key,
    "ApplicationAccess_DeleteAPIKey": delete_api_key,
    "GatewayRegistry_Create": create_gateway,
    "GatewayRegistry_Delete": delete_gateway,
    "GatewayRegistry_Purge": purge,
}
