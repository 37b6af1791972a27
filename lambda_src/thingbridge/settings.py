"""What Terraform tells each function, typed: one dataclass per function, read once from its environment.

The variable of a field is its name in capitals. A missing or impossible value is a deployment fault, so it
raises when the function starts and names the variable.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Self


class ThingNameScheme(StrEnum):
    """How things are named that the stack makes by itself."""

    DEV_EUI = "DevEUI"
    DEVICE_ID = "DeviceID"


class OnThingDeleted(StrEnum):
    """What happens to the end device when its thing is deleted."""

    DELETE = "delete"
    RETAIN = "retain"


class SyncMode(StrEnum):
    """Whether the synchronisation of the registries mends what it finds, or reports it only."""

    APPLY = "apply"
    REPORT = "report"


@dataclass(frozen=True)
class ShadowSettings:
    """The `shadow` object of the root module.

    `metrics`: write the radio and session metrics; `decoded_payload`: the decoder's output. `min_interval_seconds`: the
    least time between two writes to one shadow, 0 for none. `delta_f_port`: where a changed desired state is sent.
    """

    metrics: bool = True
    min_interval_seconds: int = 0
    decoded_payload: bool = False
    delta_f_port: int | None = None


@dataclass(frozen=True)
class EncryptionSettings:
    """Where end-to-end encryption keeps what it needs: the table of sessions, the secret of the key encryption key.

    The secret's ARN is the key's label too, by which The Things Stack names it.
    """

    sessions_table: str
    key_encryption_key_secret_arn: str


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _shadow(text: str) -> ShadowSettings:
    return ShadowSettings(**json.loads(text))


def _encryption_needed(text: str) -> EncryptionSettings:
    return EncryptionSettings(**json.loads(text))


def _encryption(text: str) -> EncryptionSettings | None:
    return None if json.loads(text) is None else _encryption_needed(text)


@dataclass(frozen=True)
class Settings:
    """What every function of a stack knows."""

    stack_name: str
    things_log_group: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Build the settings from the environment. Raises ValueError naming the variable at fault."""
        values: dict[str, object] = {}
        for setting in fields(cls):
            variable = setting.name.upper()
            try:
                text = environment[variable]
            except KeyError:
                if setting.default is not MISSING:
                    continue
                raise ValueError(f"the environment variable {variable} is missing") from None
            try:
                values[setting.name] = setting.metadata.get("parse", str)(text)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"the environment variable {variable} can't be used: {error}") from error
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class UpstreamSettings(Settings):
    """Environment of the function that takes what The Things Stack publishes."""

    thing_type_name: str
    thing_name_scheme: ThingNameScheme = field(metadata={"parse": ThingNameScheme})
    shadow: ShadowSettings = field(metadata={"parse": _shadow})
    end_to_end_encryption: EncryptionSettings | None = field(metadata={"parse": _encryption})
    shadow_states_table: str | None = None
    shadow_queue_url: str | None = None


@dataclass(frozen=True)
class ShadowPacingSettings(Settings):
    """Environment of the function that writes what waits for a shadow's next turn."""

    shadow: ShadowSettings = field(metadata={"parse": _shadow})
    shadow_states_table: str
    shadow_queue_url: str


@dataclass(frozen=True)
class WebhookSettings(Settings):
    """Environment of the function that The Things Stack posts its messages to."""

    application_id: str
    webhook_secret_arn: str


@dataclass(frozen=True)
class ThingsStackSettings(Settings):
    """Environment of a function that calls The Things Stack. Addresses are URLs without a path."""

    cluster_address: str
    identity_server_address: str
    application_id: str
    api_key_secret_arn: str


@dataclass(frozen=True)
class DownlinkSettings(ThingsStackSettings):
    """Environment of the function that takes downlink requests, and shadow deltas when `delta_f_port` is set."""

    end_to_end_encryption: EncryptionSettings | None = field(metadata={"parse": _encryption})
    delta_f_port: int | None = field(default=None, metadata={"parse": int})


@dataclass(frozen=True)
class RequeueSettings(ThingsStackSettings):
    """Environment of the function that encrypts and queues again what The Things Stack gave back."""

    thing_type_name: str
    thing_name_scheme: ThingNameScheme = field(metadata={"parse": ThingNameScheme})
    end_to_end_encryption: EncryptionSettings = field(metadata={"parse": _encryption_needed})


@dataclass(frozen=True)
class RegistrySettings(ThingsStackSettings):
    """Environment of the function that keeps end devices in step with things."""

    thing_type_name: str
    thing_name_scheme: ThingNameScheme = field(metadata={"parse": ThingNameScheme})
    default_frequency_plan_id: str
    on_thing_deleted: OnThingDeleted = field(metadata={"parse": OnThingDeleted})
    scrub_keys: bool = field(metadata={"parse": _flag})


@dataclass(frozen=True)
class SyncSettings(ThingsStackSettings):
    """Environment of the function that compares both registries."""

    registry_queue_url: str
    sync_queue_url: str
    on_thing_deleted: OnThingDeleted = field(metadata={"parse": OnThingDeleted})
    sync_mode: SyncMode = field(metadata={"parse": SyncMode})
