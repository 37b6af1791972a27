"""Settings: one dataclass per function, read from an environment; the error for a bad one names the variable."""

from typing import Any

import pytest

from handlers.settings import DownlinkSettings, RegistrySettings, ShadowWriterSettings, UpstreamSettings
from thingbridge.flows.downlink_order import DownlinkPolicy
from thingbridge.registry.identity import StackOfThings, ThingNameScheme
from thingbridge.registry.reconcile import OnThingDeleted
from thingbridge.shadow.state import ShadowSettings

COMMON = {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things"}
THINGS_STACK = {
    "CLUSTER_ADDRESS": "https://tts.example.com",
    "IDENTITY_SERVER_ADDRESS": "https://tts.example.com",
    "APPLICATION_ID": "farm-app",
    "API_KEY_SECRET_ARN": "arn:key",
}
UPSTREAM = {
    **COMMON,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DeviceID",
    "DIRECTORY_TABLE": "d",
    "SHADOW": '{"delta_f_port": 20}',
}
DOWNLINK = {
    **COMMON,
    **THINGS_STACK,
    "DOWNLINKS_TABLE": "farm-downlinks",
    "SENDING_QUEUE_URL": "https://sqs/farm-sending.fifo",
    "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": null}',
}
REGISTRY = {
    **COMMON,
    **THINGS_STACK,
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "farm-directory",
    "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
    "ON_THING_DELETED": "retain",
    "SCRUB_KEYS": "false",
    "LOOK_UPS_RATE": "1",
}


def test_the_variables_are_read_with_their_types() -> None:
    upstream = UpstreamSettings.read(UPSTREAM)
    assert upstream.stack == StackOfThings("farm", "lorawan", ThingNameScheme.DEVICE_ID)
    assert upstream.shadow == ShadowSettings(delta_f_port=20)
    registry = RegistrySettings.read(REGISTRY)
    assert (registry.on_thing_deleted, registry.scrub_keys) == (OnThingDeleted.RETAIN, False)
    downlink = DownlinkSettings.read({**DOWNLINK, "DELTA_F_PORT": "20"})
    assert (downlink.delta_f_port, downlink.downlink) == (20, DownlinkPolicy(0.5, 3600, 2, None))


def test_an_optional_variable_may_be_missing() -> None:
    upstream = UpstreamSettings.read(UPSTREAM)
    assert (upstream.shadow_queue_url, upstream.sessions_table) == (None, None)
    assert DownlinkSettings.read(DOWNLINK).delta_f_port is None


@pytest.mark.parametrize("variable", REGISTRY)
def test_the_error_for_a_missing_variable_names_it(variable: str) -> None:
    environment = {name: value for name, value in REGISTRY.items() if name != variable}
    with pytest.raises(ValueError, match=f"the environment variable {variable} is missing"):
        RegistrySettings.read(environment)


@pytest.mark.parametrize(
    ("settings", "environment", "variable"),
    [
        (RegistrySettings, {**REGISTRY, "SCRUB_KEYS": "yes"}, "SCRUB_KEYS"),
        (RegistrySettings, {**REGISTRY, "ON_THING_DELETED": "keep"}, "ON_THING_DELETED"),
        (RegistrySettings, {**REGISTRY, "THING_NAME_SCHEME": "EUI"}, "THING_NAME_SCHEME"),
        (DownlinkSettings, {**DOWNLINK, "DELTA_F_PORT": "any"}, "DELTA_F_PORT"),
        (DownlinkSettings, {**DOWNLINK, "DOWNLINK": '{"hold_seconds": 0.5}'}, "DOWNLINK"),
        (UpstreamSettings, {**UPSTREAM, "SHADOW": "metrics"}, "SHADOW"),
        (UpstreamSettings, {**UPSTREAM, "SHADOW": '{"unknown": 1}'}, "SHADOW"),
        (ShadowWriterSettings, {**COMMON, "SHADOW": "[]"}, "SHADOW"),
    ],
)
def test_the_error_for_an_unusable_value_names_the_variable(
    settings: Any, environment: dict[str, str], variable: str
) -> None:
    with pytest.raises(ValueError, match=f"the environment variable {variable} can't be used"):
        settings.read(environment)
