"""The pub/sub integrations of an application. Setting one (re)starts its provider, deleting it stops the provider."""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import errors, field_masks
from local.things_stack.description.errors import NOT_FOUND, ApiError
from local.things_stack.description.messages import ONEOFS
from local.things_stack.description.proto3_json import Json

_PROVIDERS = ONEOFS["provider"]


def set_pubsub(call: Call) -> Json:
    at = call.application_id, call.path["pub_sub_id"]
    sent, pubsubs = call.body.get("pubsub", {}), call.cluster.servers.application.pubsubs
    chooses = any(path.split(".")[0] in _PROVIDERS for path in call.mask)
    if (chooses or at not in pubsubs) and sum(provider in sent for provider in _PROVIDERS) != 1:
        raise errors.validation("pubsub.provider", "value is required")
    if at not in pubsubs and sent.get("format") != "json":
        raise ApiError(NOT_FOUND, "pkg/applicationserver/io/pubsub:format_not_found", "format `{format}` not found",
                       {"format": sent.get("format", "")})  # fmt: skip
    for provider in _PROVIDERS:  # alternatives of one field: the one sent replaces the others
        if chooses and at in pubsubs and provider not in sent:
            pubsubs[at].pop(provider, None)
    ids = {"application_ids": {"application_id": at[0]}, "pub_sub_id": at[1]}
    records.write(pubsubs, at, sent, call.mask, ids)
    call.cluster.integrations.start("pubsub", *at, pubsubs[at])
    return _answer(call, pubsubs[at])


def get_pubsub(call: Call) -> Json:
    at = call.application_id, call.path["pub_sub_id"]
    return _answer(call, records.find(call.cluster.servers.application.pubsubs, at))


def list_pubsubs(call: Call) -> Json:
    pubsubs = call.cluster.servers.application.pubsubs
    own = [record for at, record in pubsubs.items() if at[0] == call.application_id]
    return {"pubsubs": [_answer(call, record) for record in own]}


def list_formats(call: Call) -> Json:  # noqa: ARG001
    return {"formats": {"json": "JSON"}}


def _answer(call: Call, record: Json) -> Json:
    """The paths of the field mask, and the format, which is answered without being asked for."""
    return field_masks.select(record, ["format", *records.writable(call.mask)])


def delete_pubsub(call: Call) -> Json:
    """Idempotent, as in the Stack: what does not exist is deleted."""
    at = call.application_id, call.path["pub_sub_id"]
    call.cluster.integrations.stop("pubsub", *at)
    call.cluster.servers.application.pubsubs.pop(at, None)
    return {}


HANDLERS: dict[str, Handler] = {
    "ApplicationPubSubRegistry_GetFormats": list_formats,
    "ApplicationPubSubRegistry_Set": set_pubsub,
    "ApplicationPubSubRegistry_Get": get_pubsub,
    "ApplicationPubSubRegistry_List": list_pubsubs,
    "ApplicationPubSubRegistry_Delete": delete_pubsub,
}
