"""The proxy: which hop a request is, and answers as the servers give them."""

from typing import Any

import pytest

from tests.faults.deployment import Deployment
from tests.faults.proxy import AWS, THINGS_STACK, Fault, Striking


@pytest.mark.parametrize(
    ("method", "path", "hop"),
    [
        ("POST", "/api/v3/applications/farm-app/devices", "IS POST /applications/…/devices"),
        ("PUT", "/api/v3/ns/applications/farm-app/devices/tank-7", "NS PUT /applications/…/devices/…"),
        ("POST", "/api/v3/as/applications/a/devices/b/down/push", "AS POST /applications/…/devices/…/down/push"),
        ("POST", "/api/v3/edcs/claim", "DCS POST /claim"),
    ],
)
def test_a_hop_of_the_things_stack_names_its_server_and_operation(method: str, path: str, hop: str) -> None:
    assert THINGS_STACK.hop(method, path, {}) == hop


def test_an_operation_of_aws_is_known_by_its_target_or_its_path() -> None:
    def signed(service: str) -> dict[str, str]:
        return {"authorization": f"AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/{service}/aws4_request"}

    assert AWS.hop("POST", "/", signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.GetItem"}) == (
        "dynamodb GetItem"
    )
    assert AWS.hop("POST", "/topics/a%2Fb?qos=1", signed("iotdata")) == "iot-data Publish"
    assert AWS.hop("GET", "/things?attributeName=devEUI", signed("iot")) == "iot ListThings"


@pytest.mark.parametrize("service", ["iot", "dynamodb"])
def test_boto3_understands_an_error_as_one_of_aws(deployed: Deployment, service: str) -> None:
    client: Any = deployed.session.made.client(service, endpoint_url=deployed.aws_proxy.url)
    hop, call = {
        "iot": ("iot DescribeThing", lambda: client.describe_thing(thingName="tank")),
        "dynamodb": ("dynamodb GetItem", lambda: client.get_item(TableName="t", Key={"k": {"S": "v"}})),
    }[service]
    deployed.faults.set = Striking(hop, Fault.DENIED)
    with pytest.raises(client.exceptions.ClientError) as raised:
        call()
    deployed.faults.set = None
    assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
