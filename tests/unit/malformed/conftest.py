"""An account that is as strict as AWS, with the stack `farm`: its tables, its secrets, and the thing `tank-7`."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.unit.flows.conftest import KEK, SESSIONS
from tests.unit.malformed.account import Account, descriptions
from thingbridge.aws.clients import Clients

LABEL: Final = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:farm/AppSKeyKEK-AbCdEf"
SHADOW_STATES: Final = "farm-shadow-states"
SECRET: Final = "secret"
PLAIN: Final = {
    "STACK_NAME": "farm",
    "THINGS_LOG_GROUP": "/thethings/lorawan/farm/things",
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "DIRECTORY_TABLE": "farm-directory",
    "SHADOW": '{"metrics": true, "decoded_payload": true}',
}
EVERYTHING: Final = {
    **PLAIN,
    "SHADOW": '{"metrics": true, "decoded_payload": true, "min_interval_seconds": 60, "delta_f_port": 5}',
    "SHADOW_STATES_TABLE": SHADOW_STATES,
    "SHADOW_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/farm-shadow",
    "SHADOW_WRITES_RATE": "1000",
    "SESSIONS_TABLE": SESSIONS,
    "KEY_ENCRYPTION_KEY_SECRET_ARN": LABEL,
}


@pytest.fixture(scope="session")
def shapes() -> Mapping[str, Any]:
    return descriptions()


@pytest.fixture
def account(clients: Clients, shapes: Mapping[str, Any]) -> Account:
    dynamodb = clients("dynamodb")
    for name, keys in ((SESSIONS, ("device", "session_key_id")), (SHADOW_STATES, ("thing",))):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": each, "KeyType": type_} for each, type_ in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in keys],
        )
    account = Account(clients, shapes, {LABEL: KEK, SECRET: SECRET})
    account.things["tank-7"] = {"devEUI": "A81758FFFE0312AB", "stackName": "farm", "deviceID": "tank-7"}
    return account
