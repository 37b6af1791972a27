"""The local AWS: how it is found, and that it answers as an account with IAM and MQTT does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import mqtt
from local.aws import OWN_ENDPOINT, LocalAws
from local.bootstrap import ROOT, Environment
from local.emulator.probes import Account
from local.inspection import eventually
from local.mqtt import Credentials, MqttError
from local.processes import StartFailed, answers, group_runs, start_stamp


def test_an_emulator_that_the_user_names_is_used_and_never_stopped(tmp_path: Path) -> None:
    chosen = {"AWS_ENDPOINT_URL": "http://localhost:4566/", "AWS_REGION": "us-east-1"}
    named = LocalAws.from_environment(tmp_path, chosen)
    assert (named.endpoint_url, named.region, named.process) == ("http://localhost:4566", "us-east-1", None)
    named.stop()
    host = LocalAws.from_environment(tmp_path, {"LOCALSTACK_HOST": "here", "AWS_ACCESS_KEY_ID": "mine"})
    assert (host.endpoint_url, host.access_key) == ("http://here:4566", "mine")


class Started(LocalAws):
    """Starts without a process."""

    def start(self) -> LocalAws:
        return self


def test_a_shell_that_followed_the_hint_of_env_starts_an_aws_of_its_own(tmp_path: Path) -> None:
    """`eval "$(thingbridge-local env)"` names the AWS of an environment that may have ended since."""
    ended = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", OWN_ENDPOINT: "http://127.0.0.1:1"}
    assert Started.from_environment(tmp_path, ended).endpoint_url == ""
    another = ended | {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    assert Started.from_environment(tmp_path, another).endpoint_url == "http://127.0.0.1:2"


def test_no_aws_setting_of_the_user_reaches_a_child_process(tmp_path: Path) -> None:
    aws = LocalAws.attach("http://127.0.0.1:4566", tmp_path)
    theirs = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "t", "HOME": "/h", "NO_PROXY": "x"}
    environment = aws.environment(theirs)
    assert {name for name in environment if name.startswith("AWS_")} == set(aws.settings())
    assert environment["HOME"] == "/h"
    assert environment["NO_PROXY"] == "x,127.0.0.1,localhost"
    assert environment["AWS_CONFIG_FILE"] == os.devnull


@pytest.fixture(scope="module")
def account(aws: LocalAws) -> LocalAws:
    """The run's AWS, with a user who may publish on one topic."""
    iam = aws.client("iam")
    iam.create_user(UserName="sensor")
    iam.put_user_policy(
        UserName="sensor",
        PolicyName="p",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect","iot:Publish"],'
        '"Resource":["arn:aws:iot:*:*:client/*","arn:aws:iot:*:*:topic/allowed"]}]}',
    )
    return aws


def sensor(account: LocalAws) -> Credentials:
    key = account.client("iam").create_access_key(UserName="sensor")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_clients_are_made_once_and_connect_to_it(account: LocalAws) -> None:
    assert account.client("iot") is account.client("iot")
    assert account.client("sts").get_caller_identity()["Arn"].endswith(":root")
    assert account.client("sts").meta.endpoint_url == account.endpoint_url


def test_iam_is_enforced(account: LocalAws) -> None:
    key = sensor(account)
    iot = account.client("iot", aws_access_key_id=key.access_key, aws_secret_access_key=key.secret_key)
    with pytest.raises(ClientError, match="AccessDenied"):
        iot.list_things()


def test_many_things_are_created_with_one_request(account: LocalAws) -> None:
    account.create_things({f"crowd-{number}": {"devEUI": f"{number:016X}"} for number in range(50)})
    described = account.client("iot").describe_thing(thingName="crowd-49")
    assert (described["attributes"], described["version"]) == ({"devEUI": f"{49:016X}"}, 1)


def test_a_message_goes_from_one_client_to_another(account: LocalAws) -> None:
    with account.mqtt("one") as one, account.mqtt("two") as two:
        two.subscribe("plain/+")
        one.publish("plain/a", {"n": 1})
        assert two.wait_for("plain/#").json() == {"n": 1}
        seen = len(two.messages())
        one.publish("plain/b", b"\xff", qos=0)
        assert two.wait_for("plain/+", after=seen).payload == b"\xff"
        with pytest.raises(MqttError, match=r"no such message on plain/c within 0\.1 s; got: plain/a, plain/b"):
            two.wait_for("plain/c", timeout=0.1)


def test_a_topic_that_the_policy_does_not_allow_ends_the_connection(account: LocalAws) -> None:
    with account.mqtt("sensor", sensor(account)) as connection:
        connection.publish("allowed", b"x")
        with pytest.raises(MqttError, match="closed by the broker"):
            connection.publish("forbidden", b"x")
        assert not connection.connected


def test_a_wrong_secret_is_refused(account: LocalAws) -> None:
    wrong = Credentials(sensor(account).access_key, "wrong")
    with pytest.raises(MqttError, match="could not connect"):
        account.mqtt("thief", wrong)


def test_an_unreachable_broker_is_named() -> None:
    with pytest.raises(MqttError, match=r"could not connect to 127\.0\.0\.1:1"):
        mqtt.connect("http://127.0.0.1:1", "host", "eu-west-1", Credentials("a", "b"), "c")


def test_stopping_is_quick_and_ends_functions_too(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as own, own.mqtt("open") as connection:
        process, port = own.process, int(own.endpoint_url.rpartition(":")[2])
        assert process
        assert own.answers
        assert own.mqtt_port
        assert answers(own.mqtt_port)
        account = Account(own)
        pid = account.invoke(account.function("import os\ndef handler(event, context): return os.getpid()"))
        assert start_stamp(pid)
        assert connection.connected
        started = time.monotonic()
        own.stop()
        # It does not wait for open connections, which ministack would do for 3 s.
        assert time.monotonic() - started < 3
    assert not process.alive
    assert not start_stamp(pid)
    # Its last threads may end a moment after the process.
    for each in (port, own.mqtt_port):
        eventually(f"port {each} closed", lambda each=each: not answers(each), timeout=20)


@pytest.mark.parametrize("part", ["emulator", "runtime"])
def test_an_environment_that_is_not_set_up_is_reported_with_how_to_set_it_up(tmp_path: Path, part: str) -> None:
    missing = {part: Environment(tmp_path / "missing", tmp_path / "requirements.txt")}
    with pytest.raises(StartFailed, match=r"missing.* run `make setup`"):
        LocalAws(tmp_path, **missing).start()


STARTS_ONE = """
import sys, time
from pathlib import Path
from local.aws import LocalAws
print(LocalAws(Path(sys.argv[1])).start().process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_ONE, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout
        pid = int(caller.stdout.readline())
        assert start_stamp(pid)
        caller.kill()
    eventually("its end", lambda: not group_runs(pid))


def test_clients_use_this_aws_whatever_a_shell_says_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for url in ("http://127.0.0.1:4577", "https://localhost.localstack.cloud:4566"):
        aws = LocalAws.attach(url, tmp_path)
        assert {each.meta.endpoint_url for each in (aws.client("sqs"), aws.clients("iot"))} == {url}
