"""The messages that an Application Server publishes (`ApplicationUp`), with every field of the published API, as data.

Unlike `messages`, which describes what the simulation reads, this is for those who test what they read themselves.
Source: the Stack's messages.proto and metadata.proto.
"""

from __future__ import annotations

from typing import Final

from local.things_stack.description.messages import (
    BOOL,
    BYTES,
    COUNT,
    DEVICE_IDS,
    DOWNLINK,
    DURATION,
    EUI,
    F_PORT,
    IDENTIFIER,
    INT32,
    INT64,
    KEY_ENVELOPE,
    LOCATION,
    NET_ID,
    NUMBER,
    STRUCT,
    TEXT,
    TIME,
    VERSION_IDS,
)
from local.things_stack.description.schema import Many, Message, Scalar, Table

_UINT64: Final = INT64
_GATEWAY_IDS: Message = {"gateway_id": IDENTIFIER, "eui": EUI}
_HOP: Message = {
    "received_at": TIME, "sender_name": TEXT, "sender_address": TEXT, "receiver_name": TEXT, "receiver_agent": TEXT,
}  # fmt: skip
_PACKET_BROKER: Message = {
    "message_id": TEXT, "forwarder_net_id": NET_ID, "forwarder_tenant_id": TEXT, "forwarder_cluster_id": TEXT,
    "forwarder_gateway_eui": EUI, "forwarder_gateway_id": TEXT, "home_network_net_id": NET_ID,
    "home_network_tenant_id": TEXT, "home_network_cluster_id": TEXT, "hops": Many(_HOP),
}  # fmt: skip
_WOR_CHANNEL: Final = Scalar("enum", one_of=("RELAY_WOR_CHANNEL_DEFAULT", "RELAY_WOR_CHANNEL_SECONDARY"))
_PATH_CONSTRAINT: Final = Scalar(
    "enum",
    one_of=(
        "DOWNLINK_PATH_CONSTRAINT_NONE",
        "DOWNLINK_PATH_CONSTRAINT_PREFER_OTHER",
        "DOWNLINK_PATH_CONSTRAINT_NEVER",
    ),
)
RX_METADATA: Message = {
    "gateway_ids": _GATEWAY_IDS, "packet_broker": _PACKET_BROKER,
    "relay": {"device_id": IDENTIFIER, "wor_channel": _WOR_CHANNEL},
    "antenna_index": COUNT, "time": TIME, "timestamp": COUNT, "fine_timestamp": _UINT64,
    "encrypted_fine_timestamp": BYTES, "encrypted_fine_timestamp_key_id": TEXT, "rssi": NUMBER, "signal_rssi": NUMBER,
    "channel_rssi": NUMBER, "rssi_standard_deviation": NUMBER, "snr": NUMBER, "frequency_offset": INT64,
    "location": LOCATION, "downlink_path_constraint": _PATH_CONSTRAINT, "uplink_token": BYTES, "channel_index": COUNT,
    "hopping_width": COUNT, "frequency_drift": INT32, "gps_time": TIME, "received_at": TIME, "advanced": STRUCT,
}  # fmt: skip
TX_SETTINGS: Message = {
    "data_rate": {
        "lora": {"bandwidth": COUNT, "spreading_factor": COUNT, "coding_rate": TEXT},
        "fsk": {"bit_rate": COUNT},
        "lrfhss": {"modulation_type": COUNT, "operating_channel_width": COUNT, "coding_rate": TEXT},
    },
    "frequency": _UINT64, "enable_crc": BOOL, "timestamp": COUNT, "time": TIME,
    "downlink": {"antenna_index": COUNT, "tx_power": NUMBER, "invert_polarization": BOOL},
    "concentrator_timestamp": INT64,
}  # fmt: skip
NETWORK_IDS: Message = {
    "net_id": NET_ID, "ns_id": EUI, "tenant_id": TEXT, "cluster_id": TEXT, "cluster_address": TEXT,
    "tenant_address": TEXT,
}  # fmt: skip
_METADATA: Message = {
    "locations": Table(LOCATION), "version_ids": VERSION_IDS, "network_ids": NETWORK_IDS, "attributes": Table(TEXT),
}  # fmt: skip
"""Of the device; in messages other than uplinks since 3.34.0."""
_DOWNLINK: Message = {**DOWNLINK, **_METADATA}
UPLINK: Message = {
    "session_key_id": BYTES, "f_port": F_PORT, "f_cnt": COUNT, "frm_payload": BYTES, "decoded_payload": STRUCT,
    "decoded_payload_warnings": Many(TEXT), "normalized_payload": Many(STRUCT),
    "normalized_payload_warnings": Many(TEXT), "rx_metadata": Many(RX_METADATA), "settings": TX_SETTINGS,
    "received_at": TIME, "app_s_key": KEY_ENVELOPE, "last_a_f_cnt_down": COUNT, "confirmed": BOOL,
    "consumed_airtime": DURATION, "packet_error_rate": NUMBER, **_METADATA,
    "last_battery_percentage": {"f_cnt": COUNT, "value": NUMBER, "received_at": TIME},
}  # fmt: skip
_ERROR: Message = {
    "namespace": TEXT, "name": TEXT, "message_format": TEXT, "attributes": STRUCT, "correlation_id": TEXT,
    "code": COUNT, "details": Many(STRUCT),
}  # fmt: skip
APPLICATION_UP: Message = {
    "end_device_ids": DEVICE_IDS,
    "correlation_ids": Many(TEXT),
    "received_at": TIME,
    "uplink_message": UPLINK,
    "uplink_normalized": {
        **{name: UPLINK[name] for name in (
            "session_key_id", "f_port", "f_cnt", "frm_payload", "normalized_payload_warnings", "rx_metadata",
            "settings", "received_at", "confirmed", "consumed_airtime", "locations", "version_ids", "network_ids",
        )},
        "normalized_payload": STRUCT,
    },
    "join_accept": {
        "session_key_id": BYTES, "app_s_key": KEY_ENVELOPE, "invalidated_downlinks": Many(DOWNLINK),
        "pending_session": BOOL, "received_at": TIME, **_METADATA,
    },
    **dict.fromkeys(("downlink_ack", "downlink_nack", "downlink_sent", "downlink_queued"), _DOWNLINK),
    "downlink_failed": {"downlink": DOWNLINK, "error": {**_ERROR, "cause": _ERROR}, **_METADATA},
    "downlink_queue_invalidated": {
        "downlinks": Many(DOWNLINK), "last_f_cnt_down": COUNT, "session_key_id": BYTES, **_METADATA,
    },
    "location_solved": {"service": TEXT, "location": LOCATION, "attributes": Table(TEXT)},
    "service_data": {"service": TEXT, "data": STRUCT, **_METADATA},
    "simulated": BOOL,
}  # fmt: skip
"""Exactly one of the kinds (`UP_KINDS` in `messages`) is in a message."""
