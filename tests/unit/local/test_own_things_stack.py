"""A The Things Stack of one's own: the variables that name it, the check before a start, and its environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from werkzeug.wrappers import Response

from local import cli, inspection
from local.aws import LocalAws
from local.environment import DESCRIPTION, Environment, OtherThingsStack, clear
from local.own_things_stack import OwnThingsStack, Unusable, runs_here
from local.processes import Running, answers, free_port
from local.things_stack import ThingsStack as Simulation
from tests.private_authority import Authority, serving
from tests.unit.conftest import APPLICATION

KEY = "NNSXS.A.B"
HERE = {"TTS_URL": "http://127.0.0.1:1885", "TTS_APPLICATION": APPLICATION, "TTS_API_KEY": KEY}
ELSEWHERE = {**HERE, "TTS_URL": "eu1.cloud.thethings.network", "TTS_REACHES": "https://farm.example.com"}

Describe = Callable[..., Path]


def own(simulation: Simulation, **fields: str) -> OwnThingsStack:
    named = OwnThingsStack.named({**HERE, "TTS_URL": simulation.url})
    assert named
    return replace(named, **{"api_key": simulation.create_api_key(APPLICATION), **fields})


def test_without_variables_there_is_none() -> None:
    assert OwnThingsStack.named({"PATH": "/bin", "TTS_URL": ""}) is None


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (HERE | {"TTS_API_KEY": " "}, "TTS_URL, TTS_APPLICATION, TTS_API_KEY must be set together.*API_KEY is not$"),
        ({"TTS_URL": HERE["TTS_URL"]}, "TTS_APPLICATION and TTS_API_KEY are not"),
        ({**HERE, "TTS_URL": "http://tts.example.com"}, "TTS_URL must use https unless it is localhost"),
        ({**HERE, "TTS_URL": "https://tts.example.com/api"}, "TTS_URL must be a host, host:port or URL without a path"),
        ({**ELSEWHERE, "TTS_REACHES": "mqtts://farm"}, "TTS_REACHES must be a host, host:port or URL"),
        ({**ELSEWHERE, "TTS_REACHES": ""}, "TTS_REACHES must be an https address that leads to port 8484 of this"),
        ({**ELSEWHERE, "TTS_REACHES_PORT": "0"}, "TTS_REACHES_PORT must be a port, 1 to 65535; got '0'"),
    ],
)  # fmt: skip
def test_a_variable_that_is_missing_or_wrong_is_named(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Unusable, match=sentence):
        OwnThingsStack.named(environment)


def test_an_address_of_this_machine_is_recognized_and_another_is_not() -> None:
    assert runs_here("localhost")
    assert not runs_here("192.0.2.1")
    assert not runs_here("no-such-host.invalid")


def test_the_key_and_the_application_are_checked_with_one_call(simulation: Simulation) -> None:
    before = len(simulation.requests)
    own(simulation).check()
    assert [each.path for each in list(simulation.requests)[before:]] == [f"/api/v3/applications/{APPLICATION}/rights"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"api_key": KEY}, "refuses TTS_API_KEY"),
        ({"application": "other-app"}, "TTS_API_KEY has no rights on the application other-app: check TTS_APPLICATION"),
        ({"url": "http://127.0.0.1:9"}, r"no answer from 127\.0\.0\.1:9 \(can't connect\): check TTS_URL"),
    ],
)
def test_what_the_check_finds_is_one_sentence(simulation: Simulation, fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(Unusable, match=sentence):
        own(simulation, **fields).check()


def test_missing_rights_are_named_as_the_console_names_them(simulation: Simulation) -> None:
    key = simulation.create_api_key(APPLICATION, ["RIGHT_APPLICATION_DEVICES_READ"])
    with pytest.raises(Unusable, match="lacks rights on .*: add Create devices in application, .*basic application"):
        own(simulation, api_key=key).check()


def test_a_wrong_variable_ends_up_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTS_URL", "http://127.0.0.1:9")
    with pytest.raises(SystemExit, match="1"):
        cli.main(["up"], cli.Directories(tmp_path))
    assert capsys.readouterr().err.startswith("✗ TTS_URL, TTS_APPLICATION, TTS_API_KEY must be set together")
    assert list(tmp_path.iterdir()) == []


def test_messages_come_by_mqtt_from_this_machine_and_by_webhook_from_elsewhere(
    simulation: Simulation, tmp_path: Path
) -> None:
    class Aws(LocalAws):
        def mqtt_authority(self) -> str:
            return "PEM"

    aws = Aws(tmp_path)
    aws.mqtt_port = 8883
    here = own(simulation).inputs(aws)
    assert here["ingest"] == {"mode": "mqtt", "mqtt": {"server_url": "mqtts://127.0.0.1:8883", "ca_certificate": "PEM"}}
    elsewhere = own(simulation, reaches="https://farm.example.com").inputs(aws)
    assert elsewhere["ingest"] == {"mode": "webhook", "webhook": {"url": "https://farm.example.com"}}
    # A new environment has no thing yet: devices marked by an earlier one must not be deleted.
    assert here["on_thing_deleted"] == elsewhere["on_thing_deleted"] == "retain"


@pytest.fixture
def up(simulation: Simulation, tmp_path: Path) -> Environment:
    """An environment with a The Things Stack of one's own; its AWS has ended, as after a crash."""
    directory = tmp_path / "up"
    directory.mkdir()
    aws = LocalAws.attach("http://127.0.0.1:9", directory, process=Running("AWS", 999_999_999, "never", ""))
    environment = Environment(directory, aws, own=own(simulation, reaches=ELSEWHERE["TTS_REACHES"]))
    environment._describe()
    return Environment.load(directory)


def test_an_environment_is_found_again_with_its_the_things_stack(up: Environment, simulation: Simulation) -> None:
    assert up.own == own(simulation, api_key=up.api_key, reaches=ELSEWHERE["TTS_REACHES"])
    assert up.application == APPLICATION
    assert "api_key" not in (up.directory / DESCRIPTION).read_text().partition('"own"')[2].partition("}")[0]


def test_devices_join_and_send_only_in_the_simulation(up: Environment) -> None:
    with pytest.raises(OtherThingsStack, match=f"your own, {up.things_stack_url}: only devices of the simulation join"):
        _ = up.things_stack


def test_the_status_shows_no_simulation(up: Environment) -> None:
    _, shown = inspection.status(up)["processes"]
    assert shown["name"] == "The Things Stack (your own)"
    assert shown["running"]
    assert shown["pid"] is None


def test_another_key_of_the_same_application_is_used_and_another_application_is_not(
    up: Environment, simulation: Simulation
) -> None:
    assert up.own
    renewed = replace(up.own, api_key="NNSXS.NEW")
    up._renew(renewed)
    assert Environment.load(up.directory).api_key == "NNSXS.NEW"
    with pytest.raises(OtherThingsStack, match="uses another The Things Stack, farm-app at .*`make down` ends it"):
        up._renew(own(simulation, application="other-app"))


def test_after_a_crash_down_removes_the_integration_from_the_things_stack(
    up: Environment, simulation: Simulation
) -> None:
    assert up.own
    name = up.own.integration_id("farm", "eu-west-1")
    webhook = {"format": "json", "base_url": "https://farm.example.com"}
    up.own._client(5).webhooks.set(name, webhook, tuple(webhook))
    assert up.own.integration("farm", "eu-west-1") == {name: {"state": "configured", "reason": ""}}
    (up.directory / "stack").mkdir()
    said: list[str] = []
    assert clear(up.directory, said.append)
    assert said == []
    assert not simulation.servers.application.webhooks
    assert not up.directory.exists()


def test_down_names_what_it_could_not_remove(up: Environment) -> None:
    assert up.own
    up._renew(replace(up.own, api_key=KEY))
    (up.directory / "stack").mkdir()
    said: list[str] = []
    assert clear(up.directory, said.append)
    assert len(said) == 1
    assert said[0].endswith(
        f": delete the integration {up.own.integration_id('farm', 'eu-west-1')} of farm-app in the Console"
    )


def test_the_way_in_takes_posts_alone_and_answers_while_nothing_is_applied(tmp_path: Path) -> None:
    from local.things_stack.api.listener import Listener
    from local.webhook_gate import Gate

    port = free_port()
    gate = Listener(port, Gate(LocalAws.attach("http://127.0.0.1:9", tmp_path), "farm-webhook"))
    gate.start()
    try:
        assert answers(port)
        assert requests.get(f"http://127.0.0.1:{port}/uplink", timeout=5).status_code == 405
        assert requests.post(f"http://127.0.0.1:{port}/uplink", data=b"{}", timeout=60).status_code == 503
    finally:
        gate.stop()


def test_a_private_authority_is_read_from_its_file_and_named_when_it_is_missing(tmp_path: Path) -> None:
    authority = Authority.create("Farm Authority")
    file = tmp_path / "authority.pem"
    file.write_text(authority.pem)
    rights = Response('{"rights": ["RIGHT_APPLICATION_ALL"]}', content_type="application/json")
    with serving(authority.context(tmp_path), rights) as url:
        without = OwnThingsStack.named({**HERE, "TTS_URL": url})
        assert without
        with pytest.raises(Unusable, match="^unknown authority: .* set TTS_CA_CERTIFICATE to the file"):
            without.check()
        trusting = OwnThingsStack.named({**HERE, "TTS_URL": url, "TTS_CA_CERTIFICATE": str(file)})
        assert trusting
        trusting.check()
    assert trusting.ca_certificate == authority.pem
    with pytest.raises(Unusable, match="TTS_CA_CERTIFICATE must be a file with a certificate in PEM; got '/no'"):
        OwnThingsStack.named({**HERE, "TTS_CA_CERTIFICATE": "/no"})
