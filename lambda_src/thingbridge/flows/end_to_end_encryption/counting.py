"""Where the counting of downlinks begins in a session whose last counter the table of sessions does not know.

The counters are issued by `aws.sessions`; this happens once for a session and a table, before the first downlink.
"""

from typing import Final

from thingbridge.encryption import sessions
from thingbridge.encryption.sessions import SessionSeen, Skipped
from thingbridge.flows import end_devices
from thingbridge.registry import marks
from thingbridge.registry.attributes import DeviceReference
from thingbridge.registry.provisioning import Server
from thingbridge.things_stack.client import ThingsStack

_PATHS: Final = (
    "lorawan_version",
    "session.keys.session_key_id",
    "session.last_n_f_cnt_down",
    # No counters of it: the Network Server refuses to be asked for them, and has used none before the first uplink.
    "pending_session.keys.session_key_id",
)


def first_counter(
    things_stack: ThingsStack, device: DeviceReference, seen: SessionSeen, table_created_at: float
) -> int:
    """The first counter to issue in a session, above all that The Things Stack or a table before this one has used.

    Costs one read of the Network Server. If the session is older than the table (created at this time, in seconds since
    1970), one read and one write of the Identity Server more.
    """
    device_id, registry = device.device_id, things_stack.end_devices
    found = registry.get(Server.NETWORK, device_id, _PATHS)
    if found is None and not device.named and (known := end_devices.resolve(things_stack, device)):
        device_id = known.device_id
        found = registry.get(Server.NETWORK, device_id, _PATHS)
    first = sessions.first_f_cnt_down(seen, found or {})
    if sessions.is_known_since_its_join(seen.session, table_created_at):
        return first
    return _skip(things_stack, device_id, seen, first)


def _skip(things_stack: ThingsStack, device_id: str, seen: SessionSeen, first: int) -> int:
    """The first counter that was not issued in a table before, which is kept before any is issued in this one."""
    on_identity_server = things_stack.end_devices.get(Server.IDENTITY, device_id, ("attributes",)) or {}
    attributes = dict(on_identity_server.get("attributes") or {})
    skipped = sessions.skipped(seen.session, first, Skipped.read(attributes))
    kept = attributes | skipped.attributes()
    # A mark needs its place as well.
    if len({*kept, marks.ATTRIBUTE}) <= marks.ATTRIBUTES_PER_DEVICE:
        things_stack.end_devices.set_attributes(device_id, kept)
    return skipped.until
