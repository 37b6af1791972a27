"""The authorizer of the receiver `iot_core`: what whoever shows a token may do. AWS IoT has checked the signature.

It makes no call of AWS: a token that is signed with a key of this stack's authorizer is The Things Stack's, as there is
no other (`thingbridge.encryption.tokens`). AWS IoT keeps the answer for as long as the connection is kept, at most for
REFRESH_SECONDS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from thingbridge.diagnostics import emit

PRINCIPAL: Final = "TheThingsStack"
"""Letters and digits only, 1 to 128 (IoT developer guide, "Defining your Lambda function")."""

REFRESH_SECONDS: Final = 3600
"""300 to 86400: for so long a token that was rotated can still be used on a connection that was kept."""

DISCONNECT_SECONDS: Final = 86400
"""300 to 86400."""


@dataclass(frozen=True)
class Authorizer:
    """`policy`: the policy of AWS IoT in JSON, at most 2,048 characters, that a caller acts under."""

    policy: str

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Handle the event of an authorizer; returns its decision."""
        admitted = event.get("signatureVerified") is True
        if not admitted:
            emit("WARN", "token_rejected", reason="AWS IoT has not checked the signature: signing must be enabled")
        return {
            "isAuthenticated": admitted,
            "principalId": PRINCIPAL,
            "disconnectAfterInSeconds": DISCONNECT_SECONDS,
            "refreshAfterInSeconds": REFRESH_SECONDS,
            "policyDocuments": [self.policy] if admitted else [],
        }
