"""The link of an application on the Application Server: default payload formatters, and skipped payload crypto."""

from __future__ import annotations

from local.things_stack.api import records
from local.things_stack.api.call import Call, Handler
from local.things_stack.description import field_masks
from local.things_stack.description.proto3_json import Json


def get_link(call: Call) -> Json:
    link = records.find(call.cluster.servers.application.links, call.application_id)
    return records.without_times(field_masks.select(link, call.mask))


def set_link(call: Call) -> Json:
    links = call.cluster.servers.application.links
    records.write(links, call.application_id, call.body.get("link", {}), call.mask, {})
    return get_link(call)


def delete_link(call: Call) -> Json:
    """Deletes the application's package associations too, as the Stack does."""
    application = call.cluster.servers.application
    records.find(application.links, call.application_id)
    del application.links[call.application_id]
    for at in [at for at in application.associations if at[0] == call.application_id]:
        call.cluster.integrations.stop("package", *at)
        del application.associations[at]
    return {}


HANDLERS: dict[str, Handler] = {
    "As_GetLink": get_link,
    "As_SetLink": set_link,
    "As_DeleteLink": delete_link,
}
