"""End-to-end encryption in an account in process: its table, its secret, its keys."""

from dataclasses import dataclass

import pytest

from thingbridge.aws.clients import Clients
from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import SessionTable
from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys

KEK = "000102030405060708090A0B0C0D0E0F"
SESSIONS = "farm-sessions"


@dataclass(frozen=True)
class Encryption:
    """A stack's end-to-end encryption. `label` is the ARN of the secret."""

    label: str
    kek: bytes
    keys: SessionKeys

    @property
    def environment(self) -> dict[str, str]:
        return {"SESSIONS_TABLE": SESSIONS, "KEY_ENCRYPTION_KEY_SECRET_ARN": self.label}


@pytest.fixture
def encryption(clients: Clients) -> Encryption:
    clients("dynamodb").create_table(
        TableName=SESSIONS,
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
    label = clients("secretsmanager").create_secret(Name="farm/AppSKeyKEK", SecretString=KEK)["ARN"]
    keys = SessionKeys(SessionTable(clients, SESSIONS), Secrets(clients), label)
    return Encryption(label, bytes.fromhex(KEK), keys)
