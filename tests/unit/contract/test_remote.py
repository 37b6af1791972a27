"""`make contract` removes what it made, whatever happens, and says in a sentence what it can't use.

The Things Stack is here the simulation, seen only over its API. The contract itself is in tests/contract.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.things_stack import ThingsStack
from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.exchanges import recorded
from tests.contract.remote import Remote, Settings, Unusable
from tests.contract.subject import Application
from tests.contract.whole import Way, unreachable
from tests.sizes import size

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def simulation() -> Iterator[ThingsStack]:
    with ThingsStack(profile="open-source") as running:
        yield running


@pytest.fixture
def settings(simulation: ThingsStack) -> Settings:
    return Settings.of({
        "TTS_URL": simulation.url, "TTS_API_KEY": simulation.create_user_api_key("owner"),
        "TTS_GATEWAY_ADDRESS": simulation.gateway_server.address,
    })  # fmt: skip


def everything(simulation: ThingsStack) -> list[object]:
    """What the contract could leave on the servers, by kind."""
    servers = simulation.servers
    held = servers.application
    registries = (servers.identity, servers.network, servers.application, servers.join)
    keys = [key for key in servers.identity.api_keys.values() if not key.user_id]
    return [
        servers.identity.applications, servers.identity.gateways, keys, *(server.devices for server in registries),
        held.links, held.webhooks, held.pubsubs, held.associations, servers.join.settings,
    ]  # fmt: skip


def make_everything(remote: Remote) -> None:
    """An application with a device that joined, and with each setting that the contract makes."""
    id_ = remote.create_application()
    application = Application(remote, id_, remote.key(id_, DOCUMENTED_RIGHTS))
    messages = remote.messages(id_)
    device = application.register(f"device-{secrets.token_hex(3)}")
    device.request_again()
    messages.take(device.id, "join_accept")
    path, ids = f"/applications/{id_}", {"application_ids": {"application_id": id_}}
    link = {"link": {"skip_payload_crypto": True}, "field_mask": {"paths": ["skip_payload_crypto"]}}
    application.json("PUT", f"/as{path}/link", link)
    kek = {"settings": {"kek_label": "x", "kek": {"key": "0F" * 16}}, "field_mask": {"paths": ["kek_label", "kek"]}}
    application.json("POST", f"/js{path}/settings", kek)
    pubsub = {"pubsub": {"ids": ids | {"pub_sub_id": "one"}, "format": "json", "nats": {"server_url": "nats://x"}},
              "field_mask": {"paths": ["format", "provider.nats"]}}  # fmt: skip
    application.json("PUT", f"/as/pubsub/{id_}/one", pubsub)
    association = {"ids": ids | {"f_port": 198}, "package_name": "aws-iot", "data": {"a": "b"}}
    application.json("PUT", f"/as{path}/packages/associations/198",
                     {"default": association, "field_mask": {"paths": ["package_name", "data"]}})  # fmt: skip
    remote.bind(id_, {"network_server_address": remote.host})


def test_everything_that_was_made_is_removed_at_the_end(simulation: ThingsStack, settings: Settings) -> None:
    with Remote(settings) as remote:
        make_everything(remote)
        assert all(everything(simulation))
    assert not any(everything(simulation))
    assert remote.left == []


def test_it_is_removed_when_the_run_is_interrupted(simulation: ThingsStack, settings: Settings) -> None:
    def interrupted(remote: Remote) -> None:
        make_everything(remote)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Remote(settings) as remote:
        interrupted(remote)
    assert not any(everything(simulation))


def test_what_cannot_be_removed_is_named_and_keeps_nothing_else(simulation: ThingsStack, settings: Settings) -> None:
    with Remote(settings) as remote:
        first, second = remote.create_application(), remote.create_application()
        simulation.faults.add(method="DELETE", path=f"/api/v3/applications/{first}", status=500)
    assert [each.partition(":")[0] for each in remote.left] == [f"application {first}"]
    assert list(simulation.servers.identity.applications) == [first]
    assert second not in simulation.servers.identity.applications
    simulation.servers.identity.applications.clear()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "needs TTS_URL and TTS_API_KEY"),
        ({"TTS_URL": "https://tts.example.com"}, "needs TTS_URL and TTS_API_KEY"),
        ({"TTS_URL": "tts.example.com", "TTS_API_KEY": "x"}, 'must be a URL such as .*; got "tts.example.com"'),
        ({"TTS_URL": "https://a.example", "TTS_API_KEY": "x", "TTS_GATEWAY_ADDRESS": "b"}, 'host:port; got "b"'),
        ({"TTS_URL": "https://a.example", "TTS_API_KEY": "x", "LAYERS": "air"}, 'requests, radio, whole; got "air"'),
        ({"TTS_URL": "https://a.example", "TTS_API_KEY": "x", "TTS_REACHES": "http://b"}, "TTS_REACHES must use https"),
    ],
)
def test_an_environment_that_names_no_things_stack_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(Unusable, match=message):
        Settings.of(environment)


def test_addresses_follow_the_url_unless_they_are_given() -> None:
    over_tls = Settings.of({"TTS_URL": "https://tts.example.com/console", "TTS_API_KEY": "x"})
    assert (over_tls.url, over_tls.gateway, over_tls.mqtt) == (
        "https://tts.example.com", ("tts.example.com", 1700), ("tts.example.com", 8883)
    )  # fmt: skip
    plain = Settings.of({"TTS_URL": "http://10.0.0.1:1885", "TTS_API_KEY": "x", "TTS_MQTT_ADDRESS": "10.0.0.2:1884"})
    assert (plain.url, plain.gateway, plain.mqtt) == (
        "http://10.0.0.1:1885", ("10.0.0.1", 1700), ("10.0.0.2", 1884)
    )  # fmt: skip


def test_a_key_that_is_not_a_users_is_refused(simulation: ThingsStack, settings: Settings) -> None:
    simulation.create_application("owned")
    of_application = simulation.create_api_key("owned")
    with pytest.raises(Unusable, match="must be an API key of a user; got one of: application"):
        Remote(replace(settings, api_key=of_application)).__enter__()
    with pytest.raises(Unusable, match="refuses TTS_API_KEY"):
        Remote(replace(settings, api_key=of_application + "x")).__enter__()
    simulation.delete_api_key(of_application)
    simulation.servers.identity.applications.clear()


def test_an_address_without_a_gateway_server_is_named_and_the_gateway_removed(
    simulation: ThingsStack, settings: Settings
) -> None:
    with pytest.raises(Unusable, match=r"no Gateway Server answers at 127.0.0.1:9 .*TTS_GATEWAY_ADDRESS"):
        Remote(replace(settings, gateway=("127.0.0.1", 9))).__enter__()
    assert not any(everything(simulation))


def test_make_contract_plays_on_a_things_stack_and_reports_it(
    simulation: ThingsStack, settings: Settings, tmp_path: Path
) -> None:
    environment = {
        **os.environ, "TTS_URL": settings.url, "TTS_API_KEY": settings.api_key,
        "TTS_GATEWAY_ADDRESS": simulation.gateway_server.address, "REPORT": str(tmp_path / "report.json"),
        "LAYERS": "requests radio",
        "PYTEST_ADDOPTS": f"-k '{size('refused or shape', 'answers or refused or shape')}'",
    }  # fmt: skip
    run = subprocess.run([sys.executable, "-m", "tests.contract"], cwd=ROOT, env=environment, text=True,
                         capture_output=True, check=False)  # fmt: skip
    kept = size(1, 1 + len(recorded()))
    assert f"{kept} as in the contract, 0 differ as deployments may, 0 broken" in run.stdout
    assert len(json.loads((tmp_path / "report.json").read_text())) == kept
    assert run.returncode == 0
    assert not any(everything(simulation))


def test_what_a_things_stack_elsewhere_can_not_reach_is_not_played(settings: Settings) -> None:
    here, elsewhere = Remote(settings), Remote(replace(settings, url="https://tts.example.com"))
    forwarded = Remote(replace(settings, url="https://tts.example.com", reaches="https://farm.example.org"))
    reached = {remote: [way for way in Way if not unreachable(remote, way)] for remote in (here, elsewhere, forwarded)}
    assert list(reached.values()) == [[Way.WEBHOOK, Way.MQTT], [], [Way.WEBHOOK]]
    assert "TTS_REACHES is not set" in unreachable(elsewhere, Way.WEBHOOK)


def test_make_contract_without_a_things_stack_says_what_it_needs() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TTS_")}
    run = subprocess.run([sys.executable, "-m", "tests.contract"], cwd=ROOT, env=environment, text=True,
                         capture_output=True, check=False)  # fmt: skip
    assert run.stdout.startswith("make contract needs TTS_URL and TTS_API_KEY: ")
    assert len(run.stdout.splitlines()) == 1
    assert run.returncode == 2
