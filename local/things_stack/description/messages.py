"""The messages and enumerations of the API that the simulation serves, as data.

Only fields that the simulation stores or acts on are described; the operations are in `operations`. Grammars and
limits: the Stack's proto files (end_device, identifiers, messages, applicationserver_pubsub, applicationserver_web,
joinserver, deviceclaimingserver).
"""

from __future__ import annotations

from local.things_stack.description.schema import MASK, Many, Message, Scalar, Table

# Scalars -------------------------------------------------------------------------------------------------------------
ID_GRAMMAR = "[a-z0-9](?:[-]?[a-z0-9]){2,}"
HOST_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
HOST_GRAMMAR = rf"(?:{HOST_LABEL}\.)*{HOST_LABEL}"
IDENTIFIER = Scalar("string", ID_GRAMMAR, shortest=3, longest=36)
PACKAGE_NAME = Scalar("string", ID_GRAMMAR, longest=36)
TEXT = Scalar("string")
BOOL = Scalar("bool")
COUNT = Scalar("int", most=2**32 - 1)
INT32 = Scalar("int", least=-(2**31), most=2**31 - 1)
INT64 = Scalar("int64")
NUMBER = Scalar("number")
TIME = Scalar("time")
DURATION = Scalar("duration")
STRUCT = Scalar("struct")
FIELD_MASK = Scalar(MASK)
EUI = Scalar("hex", longest=8)
DEV_ADDR = Scalar("hex", longest=4)
NET_ID = Scalar("hex", longest=3)
KEY = Scalar("hex", longest=16)
BYTES = Scalar("bytes")
ADDRESS = Scalar("string", rf"(?:{HOST_GRAMMAR}(?::[0-9]{{1,5}})?)?", longest=128)
F_PORT = Scalar("int", most=255, none_of=(224,))

# Enumerations --------------------------------------------------------------------------------------------------------
MAC_VERSIONS = ("MAC_V1_0", "MAC_V1_0_1", "MAC_V1_0_2", "MAC_V1_0_3", "MAC_V1_0_4", "MAC_V1_1")
MAC_VERSION = Scalar("enum", one_of=MAC_VERSIONS, aliases={
    "1.0": "MAC_V1_0", "1.0.0": "MAC_V1_0", "1.0.1": "MAC_V1_0_1", "1.0.2": "MAC_V1_0_2", "1.0.3": "MAC_V1_0_3",
    "1.0.4": "MAC_V1_0_4", "1.1": "MAC_V1_1", "1.1.0": "MAC_V1_1",
})  # fmt: skip
PHY_VERSION = Scalar("enum", one_of=(
    "PHY_V1_0", "PHY_V1_0_1", "PHY_V1_0_2_REV_A", "PHY_V1_0_2_REV_B", "PHY_V1_0_3_REV_A", "PHY_V1_1_REV_A",
    "PHY_V1_1_REV_B", "RP002_V1_0_0", "RP002_V1_0_1", "RP002_V1_0_2", "RP002_V1_0_3",
    "RP002_V1_0_4",
), aliases={
    "1.0": "PHY_V1_0", "1.0.0": "PHY_V1_0", "1.0.1": "PHY_V1_0_1", "1.0.2": "PHY_V1_0_2_REV_A",
    "1.0.2-a": "PHY_V1_0_2_REV_A", "1.0.2-b": "PHY_V1_0_2_REV_B", "1.0.3-a": "PHY_V1_0_3_REV_A",
    "1.1-a": "PHY_V1_1_REV_A", "1.1.0-a": "PHY_V1_1_REV_A", "1.1-b": "PHY_V1_1_REV_B", "1.1.0-b": "PHY_V1_1_REV_B",
    "TS001_V1_0": "PHY_V1_0", "TS001_V1_0_1": "PHY_V1_0_1", "RP001_V1_0_2": "PHY_V1_0_2_REV_A",
    "RP001_V1_0_2_REV_B": "PHY_V1_0_2_REV_B", "RP001_V1_0_3_REV_A": "PHY_V1_0_3_REV_A",
    "RP001_V1_1_REV_A": "PHY_V1_1_REV_A", "RP001_V1_1_REV_B": "PHY_V1_1_REV_B",
})  # fmt: skip
PRIORITY = Scalar("enum", one_of=("LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH", "HIGHEST"))
FORMATTER = Scalar("enum", one_of=(
    "FORMATTER_NONE", "FORMATTER_REPOSITORY", "FORMATTER_GRPC_SERVICE", "FORMATTER_JAVASCRIPT", "FORMATTER_CAYENNELPP",
))  # fmt: skip
QOS = Scalar("enum", one_of=("AT_MOST_ONCE", "AT_LEAST_ONCE", "EXACTLY_ONCE"))
LOCATION_SOURCE = Scalar(
    "enum", one_of=("SOURCE_UNKNOWN", "SOURCE_GPS", "SOURCE_REGISTRY", "SOURCE_COMBINED_GEOLOCATION")
)
AWS_REGION = Scalar("string", one_of=(
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
    "ca-central-1", "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "me-south-1",
    "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
))  # fmt: skip

# Messages ------------------------------------------------------------------------------------------------------------
APPLICATION_IDS: Message = {"application_id": IDENTIFIER}
DEVICE_IDS: Message = {
    "device_id": IDENTIFIER, "application_ids": APPLICATION_IDS, "dev_eui": EUI, "join_eui": EUI, "dev_addr": DEV_ADDR,
}  # fmt: skip
VERSION_IDS: Message = {
    "brand_id": TEXT, "model_id": TEXT, "hardware_version": TEXT, "firmware_version": TEXT, "band_id": TEXT,
}  # fmt: skip
LOCATION: Message = {
    "latitude": NUMBER, "longitude": NUMBER, "altitude": INT32, "accuracy": INT32, "source": LOCATION_SOURCE,
}  # fmt: skip
KEY_ENVELOPE: Message = {
    "key": KEY,
    "kek_label": Scalar("string", longest=2048),
    "encrypted_key": Scalar("bytes", longest=1024),
}
ROOT_KEYS: Message = {"root_key_id": TEXT, "app_key": KEY_ENVELOPE, "nwk_key": KEY_ENVELOPE}
_SCRIPT = Scalar("string", longest=40960)
FORMATTERS: Message = {
    "up_formatter": FORMATTER, "up_formatter_parameter": _SCRIPT,
    "down_formatter": FORMATTER, "down_formatter_parameter": _SCRIPT,
}  # fmt: skip
APPLICATION: Message = {
    "ids": APPLICATION_IDS, "network_server_address": ADDRESS, "application_server_address": ADDRESS,
    "join_server_address": ADDRESS,
}  # fmt: skip
API_KEY: Message = {"name": Scalar("string", longest=50), "rights": Many(TEXT)}
GATEWAY: Message = {
    "ids": {"gateway_id": IDENTIFIER, "eui": EUI}, "frequency_plan_ids": Many(TEXT), "gateway_server_address": ADDRESS,
}  # fmt: skip
MAC_SETTINGS: Message = {
    "rx1_delay": {"value": Scalar("enum", one_of=tuple(f"RX_DELAY_{n}" for n in range(16)))},
    "supports_32_bit_f_cnt": {"value": BOOL}, "resets_f_cnt": {"value": BOOL}, "use_adr": {"value": BOOL},
    "class_b_timeout": DURATION, "class_c_timeout": DURATION, "status_time_periodicity": DURATION,
    "status_count_periodicity": COUNT, "factory_preset_frequencies": Many(INT64), "rx2_frequency": {"value": INT64},
}  # fmt: skip
AUTHENTICATION_CODE: Message = {"value": Scalar("string", "[A-Z0-9]{1,32}"), "valid_from": TIME, "valid_to": TIME}
SESSION: Message = {
    "dev_addr": DEV_ADDR, "keys": {"session_key_id": BYTES, "app_s_key": KEY_ENVELOPE}, "last_f_cnt_up": COUNT,
    "last_n_f_cnt_down": COUNT, "last_a_f_cnt_down": COUNT, "started_at": TIME,
}  # fmt: skip
# What a server may be asked for of a session (TTS, `ttnpb/field_mask_validation.go`): of one that has begun with a join
# and not been used, the Network Server has no counters.
_NS_KEYS: Message = {"dev_addr": DEV_ADDR, "keys": {"session_key_id": BYTES}}
_NS_SESSION: Message = {
    **_NS_KEYS, "last_f_cnt_up": COUNT, "last_n_f_cnt_down": COUNT, "last_conf_f_cnt_down": COUNT, "started_at": TIME,
}  # fmt: skip
_AS_SESSION: Message = {
    "dev_addr": DEV_ADDR, "keys": {"session_key_id": BYTES, "app_s_key": KEY_ENVELOPE}, "last_a_f_cnt_down": COUNT,
}  # fmt: skip

_STAMPS: Message = {"created_at": TIME, "updated_at": TIME}
IS_DEVICE: Message = {
    "ids": DEVICE_IDS, **_STAMPS, "name": Scalar("string", longest=50), "description": Scalar("string", longest=2000),
    "attributes": Table(Scalar("string", longest=200), key=ID_GRAMMAR, longest=10), "version_ids": VERSION_IDS,
    "network_server_address": ADDRESS, "application_server_address": ADDRESS, "join_server_address": ADDRESS,
    "locations": Table(LOCATION), "claim_authentication_code": AUTHENTICATION_CODE, "serial_number": TEXT,
    "activated_at": TIME, "last_seen_at": TIME,
}  # fmt: skip
JS_DEVICE: Message = {
    "ids": DEVICE_IDS, **_STAMPS, "network_server_address": ADDRESS, "network_server_kek_label": TEXT,
    "application_server_address": ADDRESS, "application_server_kek_label": TEXT, "application_server_id": TEXT,
    "root_keys": ROOT_KEYS, "net_id": NET_ID, "resets_join_nonces": BOOL, "last_dev_nonce": COUNT,
    "last_join_nonce": COUNT, "used_dev_nonces": Many(COUNT), "claim_authentication_code": AUTHENTICATION_CODE,
}  # fmt: skip
NS_DEVICE: Message = {
    "ids": DEVICE_IDS, **_STAMPS, "version_ids": VERSION_IDS, "lorawan_version": MAC_VERSION,
    "lorawan_phy_version": PHY_VERSION, "frequency_plan_id": TEXT, "supports_join": BOOL, "supports_class_b": BOOL,
    "supports_class_c": BOOL, "mac_settings": MAC_SETTINGS, "session": _NS_SESSION, "pending_session": _NS_KEYS,
    "mac_state": {}, "multicast": BOOL,
    "battery_percentage": NUMBER, "downlink_margin": INT32,
}  # fmt: skip
AS_DEVICE: Message = {
    "ids": DEVICE_IDS, **_STAMPS, "version_ids": VERSION_IDS, "formatters": FORMATTERS,
    "session": _AS_SESSION, "pending_session": _AS_SESSION,
    "skip_payload_crypto": BOOL, "skip_payload_crypto_override": BOOL,
}  # fmt: skip
DEVICE: Message = {
    **IS_DEVICE, **JS_DEVICE, **NS_DEVICE, **AS_DEVICE, "session": SESSION, "pending_session": SESSION,
}  # fmt: skip

DOWNLINK: Message = {
    "session_key_id": Scalar("bytes", longest=2048), "f_port": F_PORT, "f_cnt": COUNT,
    "frm_payload": Scalar("bytes", longest=255), "decoded_payload": STRUCT, "decoded_payload_warnings": Many(TEXT),
    "confirmed": BOOL, "priority": PRIORITY, "correlation_ids": Many(Scalar("string", longest=100)),
    "confirmed_retry": {"attempt": COUNT, "max_attempts": COUNT},
    "class_b_c": {
        "gateways": Many({
            "gateway_ids": {"gateway_id": IDENTIFIER, "eui": EUI}, "antenna_index": COUNT, "group_index": COUNT,
        }),
        "absolute_time": TIME,
    },
}  # fmt: skip
DOWNLINKS: Message = {"end_device_ids": DEVICE_IDS, "downlinks": Many(DOWNLINK, longest=100000)}
LINK: Message = {"default_formatters": FORMATTERS, "skip_payload_crypto": BOOL}
ACTIVATION_SETTINGS: Message = {
    "kek_label": Scalar("string", longest=2048), "kek": KEY_ENVELOPE, "home_net_id": NET_ID,
    "application_server_id": Scalar("string", longest=100),
}  # fmt: skip
ASSOCIATION: Message = {
    "ids": {"application_ids": APPLICATION_IDS, "f_port": Scalar("int", least=1, most=255)}, **_STAMPS,
    "package_name": PACKAGE_NAME, "data": STRUCT,
}  # fmt: skip

UP_KINDS = (
    "uplink_message", "uplink_normalized", "join_accept", "downlink_ack", "downlink_nack", "downlink_sent",
    "downlink_failed", "downlink_queued", "downlink_queue_invalidated", "location_solved", "service_data",
)  # fmt: skip
_TOPIC: Message = {"topic": Scalar("string", longest=100)}
_PATH: Message = {"path": Scalar("string", longest=64)}
_PEM = Scalar("bytes", longest=8192)
AWS_IOT: Message = {
    "region": AWS_REGION,
    "access_key": {
        "access_key_id": Scalar("string", r"\w*", shortest=16, longest=128),
        "secret_access_key": Scalar("string", longest=40), "session_token": Scalar("string", longest=256),
    },
    "assume_role": {
        "arn": Scalar("string", r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@-]+"),
        "external_id": Scalar("string", r"[\w+=,.@:/-]*", longest=1224), "session_duration": DURATION,
    },
    "endpoint_address": Scalar("string", f"(?:{HOST_GRAMMAR})?", longest=128),
    "default": {"stack_name": Scalar("string", "[A-Za-z][A-Za-z0-9-]*", shortest=1, longest=128)},
}  # fmt: skip
PUBSUB: Message = {
    "ids": {"application_ids": APPLICATION_IDS, "pub_sub_id": IDENTIFIER}, **_STAMPS,
    "format": Scalar("string", ID_GRAMMAR, longest=20), "base_topic": Scalar("string", longest=100),
    "nats": {"server_url": TEXT}, "aws_iot": AWS_IOT,
    "mqtt": {
        "server_url": TEXT, "client_id": Scalar("string", longest=23), "username": Scalar("string", longest=100),
        "password": Scalar("string", longest=100), "subscribe_qos": QOS, "publish_qos": QOS, "use_tls": BOOL,
        "tls_ca": _PEM, "tls_client_cert": _PEM, "tls_client_key": _PEM, "headers": Table(TEXT),
    },
    "downlink_push": _TOPIC, "downlink_replace": _TOPIC, **dict.fromkeys(UP_KINDS, _TOPIC),
}  # fmt: skip
ONEOFS = {"provider": ("nats", "mqtt", "aws_iot"), "deployment": ("default",)}
"""Oneof → its alternatives. A field mask names both (`provider.aws_iot.deployment.default`), JSON the alternative."""

WEBHOOK: Message = {
    "ids": {"application_ids": APPLICATION_IDS, "webhook_id": IDENTIFIER}, **_STAMPS,
    "base_url": Scalar("string", r"https?://[^\s]+"),
    "headers": Table(Scalar("string", longest=4096), key=".{1,64}", longest=50),
    "format": Scalar("string", ID_GRAMMAR, longest=20), "downlink_api_key": Scalar("string", longest=128),
    "template_fields": Table(TEXT), "field_mask": FIELD_MASK, "paused": BOOL,
    "health_status": {
        "healthy": {}, "unhealthy": {"failed_attempts": Scalar("int64"), "last_failed_attempt_at": Scalar("time")},
    },
    **dict.fromkeys(UP_KINDS, _PATH),
}  # fmt: skip
CLAIM: Message = {
    "authenticated_identifiers": {
        "join_eui": EUI, "dev_eui": EUI, "authentication_code": Scalar("string", "[A-Z0-9]{1,32}"),
    },
    "qr_code": Scalar("bytes", longest=1024), "target_application_ids": APPLICATION_IDS, "target_device_id": IDENTIFIER,
}  # fmt: skip
