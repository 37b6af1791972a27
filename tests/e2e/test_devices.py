"""Devices with certificates of their own, on the stack `orchard`: MQTT over mutual TLS, IoT policies enforced.

A refusal always presents a certificate: the local AWS lets a client without one do everything.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from cli.app import app
from local.mqtt import MqttError
from local.stack import Stack
from tests.e2e.conftest import INITIAL_SHADOW, Bridge
from tests.e2e.polling import eventually

Run = Callable[..., Result]
Credentials = dict[str, Any]

_serial = itertools.count(1)


@pytest.fixture
def run(orchard: Bridge, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `thingbridge devices …` for the stack, as in a shell that is configured for this AWS."""
    for name, value in orchard.aws.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("THINGBRIDGE_STACK", orchard.name)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["devices", *map(str, arguments)], catch_exceptions=False)

    return run


@pytest.fixture
def register(run: Run) -> Callable[[], Credentials]:
    """Register a new device."""

    def register() -> Credentials:
        name = f"probe-{next(_serial)}"
        done = run("create", name, "--type", "temperature", "--attribute", "location=hall-3", "--json")
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    return register


def is_refused(orchard: Bridge, device: Credentials, client_id: str | None = None) -> bool:
    try:
        with orchard.aws.mqtt_of_device(device, client_id):
            return False
    except MqttError:
        return True


def certificates(run: Run, name: str) -> list[str]:
    """The ids of the certificates that a device has, oldest first."""
    return [each["certificateId"] for each in json.loads(run("show", name, "--json").stdout)["certificates"]]


def test_a_fresh_device_gets_its_delta_reports_and_sends(
    orchard: Bridge, run: Run, register: Callable[[], Credentials]
) -> None:
    device = register()
    name = device["thingName"]
    shadow = f"$aws/things/{name}/shadow"
    with orchard.aws.mqtt("readings") as readings, orchard.aws.mqtt_of_device(device) as connection:
        readings.subscribe(f"orchard/sensor/+/{name}")
        for topic in (f"{shadow}/get/accepted", f"{shadow}/update/+", f"orchard/device/config/{name}"):
            connection.subscribe(topic)
        connection.publish(f"{shadow}/get", b"")
        document = connection.wait_for(f"{shadow}/get/accepted").json()
        assert document["state"]["delta"] == INITIAL_SHADOW["desired"]
        assert run("state", "set", name, '{"reporting_interval": 30}').exit_code == 0
        delta = connection.wait_for(f"{shadow}/update/delta").json()
        assert delta["state"] == {"reporting_interval": 30}
        connection.publish(f"{shadow}/update", {"state": {"reported": {"reporting_interval": 30}}})
        connection.wait_for(f"{shadow}/update/accepted", lambda each: "reported" in each.json()["state"])
        connection.publish(f"orchard/sensor/temperature/{name}", {"temperature": 21.5})
        connection.publish(f"orchard/device/status/{name}", {"battery_level": 95})
        assert readings.wait_for(f"orchard/sensor/temperature/{name}").json() == {"temperature": 21.5}
    state = json.loads(run("state", "get", name, "--json").stdout)
    assert (state["desired"], state["delta"]) == ({"reporting_interval": 30}, {})
    assert state["reported"] == {"reporting_interval": 30, "firmware_version": "1.0.0"}


def test_a_device_is_verified_from_its_thing_to_the_log_of_its_reading(
    run: Run, register: Callable[[], Credentials]
) -> None:
    name = register()["thingName"]
    verified = run("verify", name, "--message", '{"temperature": 21.5}', "--json")
    steps = {each["step"]: each for each in json.loads(verified.stdout)}
    assert {step: each["passed"] for step, each in steps.items()} == dict.fromkeys(
        ("thing", "certificate", "policy", "rule", "message", "function", "shadow"), True
    )
    assert steps["rule"]["finding"] == "orchard_sensor"
    assert steps["function"]["finding"] == "orchard-telemetry logged"


def test_a_named_shadow_and_a_job_reach_their_device(orchard: Bridge, register: Callable[[], Credentials]) -> None:
    device = register()
    name = device["thingName"]
    iot = orchard.aws.client("iot")
    named, jobs = f"$aws/things/{name}/shadow/name/display", f"$aws/things/{name}/jobs"
    with orchard.aws.mqtt_of_device(device) as connection:
        for topic in (f"{named}/update/+", f"{jobs}/notify-next", f"{jobs}/+/update/accepted"):
            connection.subscribe(topic)
        connection.publish(f"{named}/update", {"state": {"desired": {"on": True}}})
        assert connection.wait_for(f"{named}/update/delta").json()["state"] == {"on": True}
        iot.create_job(
            jobId=f"job-{name}",
            targets=[iot.describe_thing(thingName=name)["thingArn"]],
            document='{"operation": "restart"}',
        )
        execution = connection.wait_for(f"{jobs}/notify-next").json()["execution"]
        assert execution["jobDocument"] == {"operation": "restart"}
        connection.publish(f"{jobs}/job-{name}/update", {"status": "SUCCEEDED"})
        connection.wait_for(f"{jobs}/job-{name}/update/accepted")


def test_a_device_is_refused_what_belongs_to_others(orchard: Bridge, register: Callable[[], Credentials]) -> None:
    device, other = register(), register()["thingName"]
    name = device["thingName"]
    assert is_refused(orchard, device, other)
    assert is_refused(orchard, device, f"{name}-2")
    own = f"$aws/things/{name}/shadow"
    for topic in (
        f"orchard/sensor/temperature/{other}",
        f"orchard/device/status/{other}",
        f"$aws/things/{other}/shadow/update",
        f"$aws/things/{other}/jobs/get",
        f"$aws/things/{other}/shadow/name/display/get",
        f"Farm/sensor/temperature/{name}",
        "lorawan/downlink",
        "thethings/lorawan/orchard/uplink",
        # What only AWS and the stack send to it.
        f"{own}/update/accepted",
        f"{own}/update/delta",
        f"orchard/device/config/{name}",
        f"orchard/device/rejected/{name}",
    ):
        with orchard.aws.mqtt_of_device(device) as connection, pytest.raises(MqttError):
            connection.publish(topic, {})
    for topic in (f"$aws/things/{other}/shadow/#", "orchard/#", f"orchard/sensor/+/{other}", f"lorawan/{other}/uplink"):
        with orchard.aws.mqtt_of_device(device) as connection, pytest.raises(MqttError):
            connection.subscribe(topic)


def test_a_disabled_device_is_refused_its_next_connection_until_it_is_enabled(
    orchard: Bridge, run: Run, register: Callable[[], Credentials]
) -> None:
    device = register()
    assert run("disable", device["thingName"]).exit_code == 0
    assert is_refused(orchard, device)
    assert run("enable", device["thingName"]).exit_code == 0
    assert not is_refused(orchard, device)


def test_a_rotated_device_keeps_its_old_certificate_until_it_has_used_the_new_one(
    orchard: Bridge, run: Run, register: Callable[[], Credentials]
) -> None:
    device, other = register(), register()
    name = device["thingName"]
    renewed = json.loads(run("rotate", name, "--json").stdout)
    unused = json.loads(run("rotate", other["thingName"], "--json").stdout)
    # The function learns of each connection. Only the last one is a use of a new certificate.
    assert not is_refused(orchard, device)
    assert not is_refused(orchard, other)
    assert not is_refused(orchard, renewed)
    eventually("the end of the old certificate", lambda: certificates(run, name) == [renewed["certificateId"]])
    assert is_refused(orchard, device)
    assert not is_refused(orchard, renewed)
    (ended,) = [each for each in orchard.log(name) if each["event"] == "old_certificates_ended"]
    assert ended["ended"] == [device["certificateId"]]
    assert certificates(run, other["thingName"]) == [other["certificateId"], unused["certificateId"]]
    assert run("rotate", other["thingName"], "--end-old").exit_code == 0
    assert is_refused(orchard, other)
    assert not is_refused(orchard, unused)


def test_an_old_certificate_ends_on_its_date_and_not_before(
    orchard: Bridge, run: Run, register: Callable[[], Credentials]
) -> None:
    function = orchard.outputs["function_names"]["rotations"]
    devices = [register(), register()]
    names = [each["thingName"] for each in devices]
    renewed = [json.loads(run("rotate", name, "--json", "--end-old-after", "1h").stdout) for name in names]
    # The first one's date has passed: a person can't give such a one.
    row = {"TableName": "orchard-rotations", "Key": {"thing": {"S": names[0]}}}
    orchard.aws.client("dynamodb").update_item(
        **row, UpdateExpression="SET end_at = :at", ExpressionAttributeValues={":at": {"N": "1000"}}
    )
    answer = orchard.aws.client("lambda").invoke(FunctionName=function, Payload='{"tick": "by hand"}')
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert certificates(run, names[0]) == [renewed[0]["certificateId"]]
    assert is_refused(orchard, devices[0])
    assert certificates(run, names[1]) == [devices[1]["certificateId"], renewed[1]["certificateId"]]
    assert not is_refused(orchard, devices[1])


def test_a_deleted_device_is_refused_and_leaves_nothing(
    orchard: Bridge, run: Run, register: Callable[[], Credentials]
) -> None:
    device = register()
    name, shadows = device["thingName"], orchard.aws.client("iot-data")
    shadows.update_thing_shadow(thingName=name, shadowName="display", payload='{"state": {"reported": {"on": true}}}')
    level = {"TableName": "orchard-telemetry-states", "Key": {"thing": {"S": name}}}
    orchard.aws.client("dynamodb").update_item(
        **level, UpdateExpression="SET revision = :one", ExpressionAttributeValues={":one": {"N": "1"}}
    )
    run("rotate", name, "--json")
    done = run("delete", name, "--yes")
    assert done.exit_code == 0, done.output
    assert is_refused(orchard, device)
    assert "Item" not in orchard.aws.client("dynamodb").get_item(**level)
    iot = orchard.aws.client("iot")
    left = iot.list_targets_for_policy(policyName=orchard.outputs["devices"]["policy_name"])["targets"]
    assert device["certificateArn"] not in left
    certificates = {each["certificateId"] for each in iot.list_certificates(pageSize=250)["certificates"]}
    assert device["certificateId"] not in certificates
    groups = orchard.outputs["devices"]["groups"]
    for group in (groups["by_type"]["temperature"], groups["by_location"]["hall-3"]):
        assert name not in iot.list_things_in_thing_group(thingGroupName=group)["things"]
    for named in ({}, {"shadowName": "display"}):
        with pytest.raises(shadows.exceptions.ResourceNotFoundException):
            shadows.get_thing_shadow(thingName=name, **named)
    assert iot.describe_thing_type(thingTypeName="orchard:temperature")


def signing_request(common_name: str) -> str:
    """A certificate signing request (PEM) of a new key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_a_backend_registers_a_device_by_invoking_the_function_and_no_key_is_kept(
    orchard: Bridge, orchard_stack: Stack
) -> None:
    name = f"probe-{next(_serial)}"

    def invoke(request: dict[str, Any]) -> dict[str, Any]:
        answer = orchard.aws.client("lambda").invoke(
            FunctionName=orchard.outputs["function_names"]["devices"], Payload=json.dumps(request)
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        return dict(json.loads(answer["Payload"].read()))

    request = {"name": name, "type": "temperature", "attributes": {"location": "hall-3"}}
    with orchard.aws.mqtt("everything") as everything:
        for topic in ("#", "$aws/events/#", f"$aws/things/{name}/#"):
            everything.subscribe(topic)
        device = invoke(request)
        with orchard.aws.mqtt_of_device(device) as connection:
            connection.publish(f"orchard/sensor/temperature/{name}", {"temperature": 20})
        everything.wait_for(f"orchard/sensor/temperature/{name}")
        published = [each.payload.decode(errors="replace") for each in everything.messages()]
    with_own_key = invoke({**request, "name": f"{name}-csr", "csr": signing_request(f"{name}-csr")})
    assert "BEGIN CERTIFICATE" in with_own_key["certificatePem"]
    assert with_own_key.get("privateKey") is None
    assert invoke(request)["error"]["field"] == "name"
    assert invoke({**request, "name": f"{name}-2", "type": "wind"})["error"]["field"] == "type"
    secret = device["privateKey"].splitlines()[1]
    assert not [each for each in published if "PRIVATE" in each or secret in each]
    group = f"/aws/lambda/{orchard.outputs['function_names']['devices']}"
    logs = orchard.aws.client("logs")
    entries = eventually(
        "the log of the registration",
        lambda: [
            each["message"] for each in logs.filter_log_events(logGroupName=group)["events"] if name in each["message"]
        ],
    )
    assert not [each for each in entries if "PRIVATE" in each or secret in each]
    state = (orchard_stack.directory / "terraform.tfstate").read_text()
    assert "PRIVATE KEY" not in state
    assert secret not in state


def test_devices_and_things_of_the_things_stack_do_not_see_each_other(
    orchard: Bridge, run: Run, register: Callable[[], Credentials], tmp_path: Path
) -> None:
    device = register()["thingName"]
    lorawan = f"barn-{next(_serial)}"
    orchard.create_thing(lorawan, devEUI="A81758FFFE0DEF01")
    listed = {each["thingName"] for each in json.loads(run("list", "--json").stdout)}
    assert device in listed
    assert lorawan not in listed
    things = CliRunner().invoke(app, ["things", "list", "--json"], catch_exceptions=False)
    assert device not in {each["thingName"] for each in json.loads(things.stdout)}
    refused = run("delete", lorawan, "--yes")
    assert refused.exit_code == 1
    assert "is not a device of the stack orchard" in refused.output
    taken = run("create", lorawan, "--type", "temperature", "--directory", tmp_path / "barn")
    assert taken.exit_code == 1
    assert not (tmp_path / "barn" / "private.key").exists()
    assert orchard.thing(lorawan)


@pytest.fixture
def claim(orchard: Bridge) -> Iterator[Credentials]:
    """A claim certificate, as a person makes it for a series of devices."""
    iot = orchard.aws.client("iot")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName="orchard-claim", target=made["certificateArn"])
    yield {
        "clientId": "orchard.claim.1",
        "certificatePem": made["certificatePem"],
        "privateKey": made["keyPair"]["PrivateKey"],
        "caCertificate": orchard.aws.mqtt_authority(),
    }
    iot.update_certificate(certificateId=made["certificateId"], newStatus="INACTIVE")
    iot.delete_certificate(certificateId=made["certificateId"], forceDelete=True)


def provision(orchard: Bridge, claim: Credentials, name: str, **parameters: str) -> tuple[Credentials, dict[str, Any]]:
    """What a device does with a claim: the certificate that it gets, and the answer to its request."""
    template = orchard.outputs["devices"]["provisioning"]["template_name"]
    create, request = "$aws/certificates/create/json", f"$aws/provisioning-templates/{template}/provision/json"
    with orchard.aws.mqtt_of_device(claim) as connection:
        for topic in (create, request):
            for outcome in ("accepted", "rejected"):
                connection.subscribe(f"{topic}/{outcome}")
        connection.publish(create, {})
        made = connection.wait_for(f"{create}/accepted").json()
        token = made["certificateOwnershipToken"]
        connection.publish(request, {"certificateOwnershipToken": token, "parameters": {"Name": name, **parameters}})
        answer = connection.wait_for(f"{request}/+").json()
    return {**made, "clientId": name, "caCertificate": claim["caCertificate"]}, answer


def test_an_allowed_device_provisions_itself_once_and_gets_its_own_rights_alone(
    orchard: Bridge, run: Run, claim: Credentials, tmp_path: Path
) -> None:
    name, file = f"claimed-{next(_serial)}", tmp_path / "allowed.csv"
    file.write_text(f"name,type,location\n{name},temperature,hall-3\n")
    assert run("allow", file).exit_code == 0
    device, answer = provision(orchard, claim, name, ThingType="orchard:pressure")
    assert answer.get("thingName") == name, answer
    shown = json.loads(run("show", name, "--json").stdout)
    assert shown["type"] == "temperature"
    assert shown["attributes"] == {"deviceType": "temperature", "location": "hall-3"}
    assert [(each["status"], each["registered"]) for each in shown["certificates"]] == [("ACTIVE", True)]
    groups = orchard.aws.client("iot").list_thing_groups_for_thing(thingName=name)["thingGroups"]
    assert {each["groupName"] for each in groups} == {"orchard:type:temperature", "orchard:location:hall-3"}
    shadow = f"$aws/things/{name}/shadow"
    with orchard.aws.mqtt_of_device(device) as connection:
        connection.subscribe(f"{shadow}/get/accepted")
        connection.publish(f"{shadow}/get", b"")
        state = connection.wait_for(f"{shadow}/get/accepted").json()["state"]
        assert state["desired"] == INITIAL_SHADOW["desired"]
        connection.publish(f"orchard/sensor/temperature/{name}", {"temperature": 21.5})
    for topic in (f"orchard/sensor/temperature/{name}-2", "$aws/certificates/create/json"):
        with orchard.aws.mqtt_of_device(device) as connection, pytest.raises(MqttError):
            connection.publish(topic, {})
    assert is_refused(orchard, device, f"{name}-2")
    other, again = provision(orchard, claim, name)
    assert again["errorCode"] == "AccessDenied"
    assert is_refused(orchard, other)
    assert json.loads(run("allow", file, "--json").stdout)["usedNames"] == [name]


def test_a_device_that_was_taken_off_the_list_gets_nothing(
    orchard: Bridge, run: Run, claim: Credentials, tmp_path: Path
) -> None:
    name, file = f"claimed-{next(_serial)}", tmp_path / "allowed.csv"
    file.write_text(f"name,type,location\n{name},temperature,hall-3\n")
    assert run("allow", file).exit_code == 0
    assert json.loads(run("disallow", name, "--json").stdout)["removed"] == [name]
    device, answer = provision(orchard, claim, name)
    assert answer["errorCode"] == "AccessDenied"
    assert is_refused(orchard, device)


def test_a_device_outside_the_list_gets_nothing_and_is_recorded(orchard: Bridge, claim: Credentials) -> None:
    name = f"claimed-{next(_serial)}"
    device, answer = provision(orchard, claim, name)
    assert answer["errorCode"] == "AccessDenied"
    assert is_refused(orchard, device)
    iot = orchard.aws.client("iot")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=name)
    held = iot.describe_certificate(certificateId=device["certificateId"])["certificateDescription"]
    assert held["status"] == "PENDING_ACTIVATION"
    assert not iot.list_attached_policies(target=held["certificateArn"])["policies"]
    group, logs = "/thethings/lorawan/orchard/things", orchard.aws.client("logs")
    eventually(
        "the refusal in the log of things",
        lambda: [
            each
            for each in logs.get_log_events(logGroupName=group, logStreamName="unidentified")["events"]
            if f"the device {name} is not on the list of allowed devices" in each["message"]
        ],
    )


def test_a_claim_serves_for_provisioning_alone(
    orchard: Bridge, claim: Credentials, register: Callable[[], Credentials]
) -> None:
    name = register()["thingName"]
    assert is_refused(orchard, claim, name)
    for topic in (f"orchard/sensor/temperature/{name}", "$aws/provisioning-templates/other/provision/json"):
        with orchard.aws.mqtt_of_device(claim) as connection, pytest.raises(MqttError):
            connection.publish(topic, {})
    with orchard.aws.mqtt_of_device(claim) as connection, pytest.raises(MqttError):
        connection.subscribe("orchard/#")
