"""The settings that Terraform gives each function, typed: one class per function, read from its environment.

The environment variable of a field is its name in capitals. A missing or impossible value is a deployment fault, so it
raises when the function starts and names the variable.

What only one function reads is imported by its parser. No class here is a dataclass: each would take a noticeable part
of a cold start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, dataclass_transform

from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.shadow.state import ShadowSettings

if TYPE_CHECKING:
    from thingbridge.flows.downlink_order import DownlinkPolicy
    from thingbridge.registry.reconcile import OnThingDeleted
    from thingbridge.registry.sync import SyncMode
    from thingbridge.telemetry.schema import ReadingType


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from error


def _shadow(text: str) -> ShadowSettings:
    return ShadowSettings(**json.loads(text))


def _downlink(text: str) -> DownlinkPolicy:
    from thingbridge.flows.downlink_order import DownlinkPolicy

    return DownlinkPolicy(**json.loads(text))


def _on_thing_deleted(text: str) -> OnThingDeleted:
    from thingbridge.registry.reconcile import OnThingDeleted

    return OnThingDeleted(text)


def _sync_mode(text: str) -> SyncMode:
    from thingbridge.registry.sync import SyncMode

    return SyncMode(text)


def _reading_types(text: str) -> Mapping[str, ReadingType]:
    from thingbridge.telemetry import schema

    return schema.read(text)


class Field(NamedTuple):
    """A field of settings: how the text of its variable is read, and its value if there is no such variable."""

    name: str
    parse: Callable[[str], object]
    default: object


REQUIRED: Final = object()
"""The default of a field whose variable must exist."""


def field(*, parse: Callable[[str], object] = str, default: object = REQUIRED) -> Any:
    """A field that is more than a text, as it is written in a class of settings."""
    return Field("", parse, default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class _Environment:
    """Settings whose annotations are their fields, like those of a dataclass."""

    def __init__(self, **values: object) -> None:
        vars(self).update(values)

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """The fields, those of the classes above it included."""
        found: dict[str, Field] = {}
        for each in reversed(cls.__mro__):
            for name in each.__annotations__ if issubclass(each, _Environment) else ():
                value = vars(each).get(name, REQUIRED)
                found[name] = value._replace(name=name) if isinstance(value, Field) else Field(name, str, value)
        return tuple(found.values())

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Build the settings from the environment. Raises ValueError naming the variable at fault."""
        values: dict[str, object] = {}
        for setting in cls.fields():
            variable = setting.name.upper()
            try:
                text = environment[variable]
            except KeyError:
                if setting.default is REQUIRED:
                    raise ValueError(f"the environment variable {variable} is missing") from None
                values[setting.name] = setting.default
                continue
            try:
                values[setting.name] = setting.parse(text)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"the environment variable {variable} can't be used: {error}") from error
        return cls(**values)


class Settings(_Environment):
    """The settings of every function of a stack."""

    stack_name: str


class WorkQueueSettings(Settings):
    """What every function that works on a queue reads, in addition to its own settings."""

    maximum_receive_count: int = field(parse=int)


class ThingSettings(Settings):
    """The settings of a function that creates or finds things, and writes to their log."""

    things_log_group: str
    thing_type_name: str
    thing_name_scheme: ThingNameScheme = field(parse=ThingNameScheme)

    @property
    def stack(self) -> StackOfThings:
        """The stack as its things know it."""
        return StackOfThings(self.stack_name, self.thing_type_name, self.thing_name_scheme)


class ThingsStackSettings(Settings):
    """The settings of a function that calls The Things Stack. Addresses are URLs without a path; `ca_certificate` (PEM)
    is that of a private authority."""

    cluster_address: str
    identity_server_address: str
    application_id: str
    api_key_secret_arn: str
    ca_certificate: str | None = None


class UpstreamSettings(ThingSettings):
    """Environment of `upstream`.

    Without the queues of the directory, no device counts as new. The table and queue of shadows are set for paced
    shadows, the table of sessions and the secret with end-to-end encryption. Without the table and
    queue of waiting messages, none waits.
    """

    shadow: ShadowSettings = field(parse=_shadow)
    directory_table: str
    directory_queue_url: str | None = None
    directory_dead_letters_url: str | None = None
    shadow_states_table: str | None = None
    shadow_queue_url: str | None = None
    sessions_table: str | None = None
    key_encryption_key_secret_arn: str | None = None
    waiting_table: str | None = None
    waiting_queue_url: str | None = None


class WaitingSettings(UpstreamSettings):
    """Environment of `waiting`, which handles the messages that waited: that of `upstream`, and its own.

    The rates are calls per second of one execution environment.
    """

    waiting_table: str
    waiting_dead_letters_url: str
    create_thing_rate: float = field(parse=float)
    list_things_rate: float = field(parse=float)


class ShadowWriterSettings(Settings):
    """Environment of `shadow`, which writes paced shadows.

    `shadow_writes_rate`: writes per second of one execution environment.
    """

    things_log_group: str
    shadow: ShadowSettings = field(parse=_shadow)
    shadow_states_table: str
    shadow_queue_url: str
    shadow_writes_rate: float = field(parse=float)


class WebhookSettings(Settings):
    """Environment of `webhook`, the receiver of what The Things Stack posts."""

    webhook_secret_arn: str
    basic_ingest_rule: str | None = None


class AuthorizerSettings(Settings):
    """Environment of `authorizer`: the policy, in JSON, that whoever shows a token acts under."""

    authorizer_policy: str


class DownlinkSettings(ThingsStackSettings):
    """Environment of `downlink`, which handles requests, and shadow deltas when `delta_f_port` is set.

    `sending_queue_url`: where it sends tickets to.
    """

    things_log_group: str
    downlinks_table: str
    sending_queue_url: str
    downlink: DownlinkPolicy = field(parse=_downlink)
    delta_f_port: int | None = field(parse=int, default=None)
    sessions_table: str | None = None
    key_encryption_key_secret_arn: str | None = None


class RequeueSettings(ThingsStackSettings, ThingSettings):
    """Environment of `requeue`, which encrypts and queues returned downlinks again."""

    sessions_table: str
    key_encryption_key_secret_arn: str


class DirectorySettings(ThingSettings):
    """Environment of `directory`, which learns from registry events."""

    directory_table: str


class RegistrySettings(ThingsStackSettings, ThingSettings):
    """Environment of `registry`, which keeps end devices in step with things.

    `look_ups_rate`: look-ups of things per second of one execution environment. `registry_queue_url`: where it sends
    work items to; only with `scrub_keys`.
    """

    directory_table: str
    default_frequency_plan_id: str
    on_thing_deleted: OnThingDeleted = field(parse=_on_thing_deleted)
    scrub_keys: bool = field(parse=_flag)
    look_ups_rate: float = field(parse=float)
    registry_queue_url: str = ""


class SyncSettings(ThingsStackSettings, ThingSettings):
    """Environment of `sync`, which compares both registries.

    `list_things_rate`: calls per second of all of the stack. `silent_after_seconds`: without an uplink for so long, a
    device is silent; None: devices are not asked. `releases_url`: where a new version is looked for; None: nowhere.
    """

    directory_table: str
    registry_queue_url: str
    sync_queue_url: str
    on_thing_deleted: OnThingDeleted = field(parse=_on_thing_deleted)
    sync_mode: SyncMode = field(parse=_sync_mode)
    list_things_rate: float = field(parse=float)
    silent_after_seconds: float | None = field(default=None, parse=float)
    releases_url: str | None = None


class DevicesSettings(Settings):
    """Environment of `devices`, which registers devices. `devices`: JSON, read by `thingbridge.devices.fleet`.

    Without telemetry, there is no table of states. The table of rotations is for the command line, which reads these
    settings: the function rotates nothing.
    """

    devices: str
    telemetry_states_table: str | None = None
    rotations_table: str | None = None


class ProvisionSettings(Settings):
    """Environment of `provision`, which admits devices. `devices`: as that of `devices`, without the authority."""

    devices: str
    things_log_group: str
    allowed_devices_table: str
    name_pattern: re.Pattern[str] = field(parse=_pattern)


class RotationsSettings(Settings):
    """Environment of `rotations`, which ends old certificates. `devices`: as that of `provision`."""

    devices: str
    things_log_group: str
    rotations_table: str
    end_after_hours: float = field(parse=float)


class TelemetrySettings(Settings):
    """Environment of `telemetry`, which evaluates the readings of devices. Without a topic, nobody is notified."""

    things_log_group: str
    telemetry_states_table: str
    telemetry_types: Mapping[str, ReadingType] = field(parse=_reading_types)
    settings_seconds: float = field(parse=float)
    alert_topic_arn: str | None = None


class ConfigureSettings(Settings):
    """Environment of `configure`; what is wanted is in parameters below `parameter_path`.

    `ca_certificate` (PEM) is trusted wherever The Things Stack is, or was.
    """

    parameter_path: str
    ca_certificate: str | None = None
