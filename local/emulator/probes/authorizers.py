"""Custom authorizers of AWS IoT: what publishes over HTTPS they admit."""

from __future__ import annotations

import base64
import json
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.emulator.probes.account import Account, Function, allow, policy
from local.emulator.probes.probe import Probe, expect, refused

DECIDES = """
    import json, os, boto3

    def handler(event, context):
        reported = event["token"] if event["signatureVerified"] else "not verified"
        boto3.client("sqs").send_message(QueueUrl=os.environ["ASKED"], MessageBody=reported)
        return json.loads(os.environ["DECISION"])
"""


class Authorizer:
    """An authorizer whose function admits publishing below one topic; `signature` fits `token`."""

    def __init__(self, account: Account, topic: str, *, permitted: bool = True, **decision: Any) -> None:
        self.account, self.topic, self.token, self.name = account, topic, account.name("token"), account.name()
        key = rsa.generate_private_key(65537, 2048)
        signature = key.sign(self.token.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.signature = base64.b64encode(signature).decode()
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.asked = account.queue()
        allowed = policy(allow("iot:Publish", account.arn("iot", f"topic/{topic}/*")))
        answer = {
            "isAuthenticated": True,
            "principalId": "probe",
            "disconnectAfterInSeconds": 86400,
            "refreshAfterInSeconds": 300,
            "policyDocuments": [allowed],
            **decision,
        }
        variables = {"DECISION": json.dumps(answer), "ASKED": self.asked.url}
        self.function = account.function(DECIDES, allow("sqs:SendMessage", self.asked.arn), variables=variables)
        if permitted:
            permit(account, self.function, self.name)
        self.settings = {
            "authorizerName": self.name,
            "authorizerFunctionArn": self.function.arn,
            "tokenKeyName": "X-Probe-Token",
            "tokenSigningPublicKeys": {"first": pem.decode()},
            "status": "ACTIVE",
            "enableCachingForHttp": True,
        }
        account.client("iot").create_authorizer(**self.settings)

    def publish(self, topic: str, session: requests.Session | None = None, **headers: str) -> int:
        """The status of the answer to a publish over HTTPS that shows the token."""
        given = {
            "X-Amz-Customauthorizer-Name": self.name,
            "X-Probe-Token": self.token,
            "X-Amz-Customauthorizer-Signature": self.signature,
            **headers,
        }
        url = f"{self.account.aws.endpoint_url}/topics/{topic}?qos=1"
        return (session or requests).post(url, data=b'{"n": 1}', headers=given, timeout=20).status_code


def permit(account: Account, function: Function, authorizer: str) -> None:
    """Let AWS IoT invoke a function for an authorizer."""
    account.client("lambda").add_permission(
        FunctionName=function.name,
        StatementId=authorizer,
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=account.arn("iot", f"authorizer/{authorizer}"),
    )


def publish_with_a_token(account: Account) -> None:
    topic, queue = account.name(), account.queue()
    account.rule(f"SELECT n, topic() AS topic FROM '{topic}/#'", account.to_queue(queue))
    authorizer = Authorizer(account, topic)
    expect(authorizer.publish(f"{topic}/a/b") == 200, "a valid token was refused")
    (body,) = account.received(queue)
    expect(json.loads(body) == {"n": 1, "topic": f"{topic}/a/b"}, body)
    expect(authorizer.publish("elsewhere/a") == 403, "the policy was not asked")


def signature_first(account: Account) -> None:
    authorizer = Authorizer(account, topic := account.name())
    forged = base64.b64encode(bytes(256)).decode()
    statuses = [
        authorizer.publish(f"{topic}/a", **{"X-Amz-Customauthorizer-Signature": forged}),
        authorizer.publish(f"{topic}/a", **{"X-Amz-Customauthorizer-Signature": ""}),
        authorizer.publish(f"{topic}/a", **{"X-Probe-Token": "another"}),
        authorizer.publish(f"{topic}/a", **{"X-Amz-Customauthorizer-Name": "nobody"}),
    ]
    expect(statuses == [403] * 4, statuses)
    expect(account.received(authorizer.asked, wait=1) == [], "the function was invoked for a wrong signature")


def decision_of_a_connection(account: Account) -> None:
    authorizer = Authorizer(account, topic := account.name())
    with requests.Session() as session:
        statuses = [authorizer.publish(f"{topic}/a", session) for _ in range(3)]
    expect(statuses == [200] * 3, statuses)
    expect(len(account.received(authorizer.asked)) == 1, "asked more than once on one connection")
    authorizer.publish(f"{topic}/a")
    expect(len(account.received(authorizer.asked)) == 1, "not asked on another connection")


def decision_that_denies(account: Account) -> None:
    for wrong in (
        {"isAuthenticated": False},
        {"refreshAfterInSeconds": 60},
        {"principalId": "not-alphanumeric"},
        {"policyDocuments": []},
    ):
        authorizer = Authorizer(account, topic := account.name(), **wrong)
        expect(authorizer.publish(f"{topic}/a") == 403, wrong)
    authorizer = Authorizer(account, topic, permitted=False)
    expect(authorizer.publish(f"{topic}/a") == 403, "AWS IoT needs the permission to invoke")


def life_of_an_authorizer(account: Account) -> None:
    iot, authorizer = account.client("iot"), Authorizer(account, topic := account.name())
    name = authorizer.name
    tested = iot.test_invoke_authorizer(
        authorizerName=name, token=authorizer.token, tokenSignature=authorizer.signature
    )
    expect(tested["isAuthenticated"] is True, tested)
    described = iot.describe_authorizer(authorizerName=name)["authorizerDescription"]
    expect({each: described[each] for each in authorizer.settings} == authorizer.settings, described)
    refused(lambda: iot.create_authorizer(**authorizer.settings), "ResourceAlreadyExistsException")
    expect(name in [each["authorizerName"] for each in iot.list_authorizers()["authorizers"]], "not listed")
    refused(lambda: iot.delete_authorizer(authorizerName=name), "DeleteConflictException")
    iot.update_authorizer(authorizerName=name, status="INACTIVE")
    expect(authorizer.publish(f"{topic}/a") == 403, "an inactive authorizer admits")
    iot.delete_authorizer(authorizerName=name)
    refused(lambda: iot.describe_authorizer(authorizerName=name), "ResourceNotFoundException")


def rights_on_an_authorizer(account: Account) -> None:
    mine = Authorizer(account, account.name())
    user = account.user(allow("iot:DescribeAuthorizer", account.arn("iot", f"authorizer/{mine.name}")))
    iot = account.client("iot", **user)
    iot.describe_authorizer(authorizerName=mine.name)
    refused(lambda: iot.describe_authorizer(authorizerName="other"), "AccessDeniedException")


PROBES = (
    Probe("A signed token and an authorizer's policy admit a publish over HTTPS", publish_with_a_token),
    Probe("The signature is checked before the function of an authorizer is invoked", signature_first),
    Probe("The decision of an authorizer is kept for a connection", decision_of_a_connection),
    Probe("What an authorizer does not decide as documented is not admitted", decision_that_denies),
    Probe("An authorizer is tested, listed, deactivated and deleted", life_of_an_authorizer),
    Probe("Rights on an authorizer name it", rights_on_an_authorizer),
)
