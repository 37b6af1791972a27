"""The authorizer of the receiver `iot_core`."""

import json
import re

import pytest

from thingbridge.flows.ingest.authorizer import Authorizer

POLICY = '{"Version":"2012-10-17","Statement":[]}'
AUTHORIZER = Authorizer(POLICY)


def test_whoever_shows_a_token_of_the_stack_acts_under_its_policy_for_an_hour() -> None:
    decision = AUTHORIZER.handle({"token": "t", "signatureVerified": True, "protocols": ["tls", "http"]})
    assert decision["isAuthenticated"] is True
    assert decision["policyDocuments"] == [POLICY]
    # The limits of AWS IoT.
    assert re.fullmatch("[a-zA-Z0-9]{1,128}", decision["principalId"])
    assert 300 <= decision["refreshAfterInSeconds"] == 3600 <= decision["disconnectAfterInSeconds"] <= 86400


@pytest.mark.parametrize("event", [{}, {"token": "t"}, {"signatureVerified": False}, {"signatureVerified": "true"}])
def test_nobody_is_admitted_without_a_signature_that_aws_iot_has_checked(
    event: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    decision = AUTHORIZER.handle(event)
    assert (decision["isAuthenticated"], decision["policyDocuments"]) == (False, [])
    assert json.loads(capsys.readouterr().out)["event"] == "token_rejected"
