"""What end-to-end encryption needs in an account in process: the table of sessions, the key encryption key."""

import json
from dataclasses import dataclass

import boto3
import pytest

from handlers.session_keys import session_keys
from thingbridge.aws_iot import secrets
from thingbridge.settings import EncryptionSettings

KEK = "000102030405060708090A0B0C0D0E0F"


@dataclass(frozen=True)
class Encryption:
    """A stack's end-to-end encryption. `label` is the ARN of the secret."""

    label: str
    kek: bytes
    settings: EncryptionSettings

    @property
    def environment(self) -> str:
        return json.dumps({"sessions_table": self.settings.sessions_table, "key_encryption_key_secret_arn": self.label})


@pytest.fixture
def encryption(account: None) -> Encryption:
    boto3.client("dynamodb").create_table(
        TableName="farm-sessions",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "device", "KeyType": "HASH"},
            {"AttributeName": "session_key_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "device", "AttributeType": "S"},
            {"AttributeName": "session_key_id", "AttributeType": "S"},
        ],
    )
    label = boto3.client("secretsmanager").create_secret(Name="farm/AppSKeyKEK", SecretString=KEK)["ARN"]
    session_keys.cache_clear()
    secrets._cache.clear()
    return Encryption(label, bytes.fromhex(KEK), EncryptionSettings("farm-sessions", label))
