"""The rights of the API key that a request is made with."""

from __future__ import annotations

from local.things_stack.api.call import Call, Handler
from local.things_stack.description.proto3_json import Json
from local.things_stack.description.rights import RIGHTS


def auth_info(call: Call) -> Json:
    if call.key is None:
        return {}
    key: Json = {"id": call.key.id, "rights": list(call.key.rights)}
    if call.key.expires_at:
        key["expires_at"] = call.key.expires_at
    if call.key.user_id:
        return {"api_key": {"api_key": key, "entity_ids": {"user_ids": {"user_id": call.key.user_id}}}}
    return {"api_key": {"api_key": key, "entity_ids": {"application_ids": {"application_id": call.key.application_id}}}}


def list_rights(call: Call) -> Json:
    """The rights of the key on the application; empty for an application that the key does not belong to."""
    if call.key and call.key.user_id:
        return {"rights": list(RIGHTS)}
    return {"rights": list(call.key.rights)} if call.key and call.key.application_id == call.application_id else {}


HANDLERS: dict[str, Handler] = {
    "EntityAccess_AuthInfo": auth_info,
    "ApplicationAccess_ListRights": list_rights,
}
