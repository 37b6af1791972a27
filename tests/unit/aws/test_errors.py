"""Errors of AWS in terms of this product's error tree: every code that an operation can answer with, on purpose.

The codes come from the service descriptions that botocore ships, so a code that AWS adds to an operation fails here
until somebody has decided what it means.
"""

import ast
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from tests.documents import ROOT
from tests.unit.conftest import Response, arrange_answer
from tests.unit.lent_clients import LentClients
from thingbridge.aws.account import Account
from thingbridge.aws.authorizers import Authorizers
from thingbridge.aws.broker import Broker
from thingbridge.aws.certificates import ClientCertificates
from thingbridge.aws.clients import Clients
from thingbridge.aws.device_certificates import DeviceCertificates
from thingbridge.aws.device_shadows import DeviceShadows
from thingbridge.aws.directory_table import DirectoryTable
from thingbridge.aws.errors import REFUSALS, NotPermitted, translate_errors
from thingbridge.aws.failure_queues import FailureQueue, Held
from thingbridge.aws.jobs import Execution, Jobs
from thingbridge.aws.logs import Logs
from thingbridge.aws.parameters import Parameters
from thingbridge.aws.queues import Queue, Redelivery, queue_url
from thingbridge.aws.quotas import Metric, Quotas
from thingbridge.aws.rotations import Rotations
from thingbridge.aws.secrets import Secrets
from thingbridge.aws.sessions import SessionTable
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.aws.shadows import ShadowFull, Shadows
from thingbridge.aws.stacks import Stacks
from thingbridge.aws.thing_groups import ThingGroups
from thingbridge.aws.things import Things, VersionConflict
from thingbridge.aws.things_log import ThingsLog
from thingbridge.aws.topic_rules import TopicRules
from thingbridge.aws.waiting_downlinks import WaitingDownlinks
from thingbridge.errors import Busy, Misconfigured, Refused, ThingbridgeError, Throttled
from thingbridge.registry.directory import Fact


def refused(status: int, code: str, operation: str = "DescribeThing") -> ClientError:
    answer = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (refused(400, "InvalidRequestException"), Refused),
        (refused(413, "413", "Publish"), Refused),
        (ParamValidationError(report="thingName is too short"), Refused),
        (refused(429, "ThrottlingException"), Throttled),
        (refused(400, "ThrottlingException"), Throttled),
        (refused(429, "AnythingElse"), Throttled),
        (refused(500, "AnythingElse"), Busy),
        (refused(403, "AccessDeniedException"), NotPermitted),
        (refused(403, "ForbiddenException"), NotPermitted),
        (refused(400, "ExpiredTokenException"), Misconfigured),
        (refused(403, "InvalidSignatureException"), Misconfigured),
        (EndpointConnectionError(endpoint_url="https://iot.example.com"), Busy),
    ],
)
def test_errors_are_translated_and_name_the_operation(raised: Exception, error: type[Exception]) -> None:
    with pytest.raises(error, match="describe the thing barn: ") as caught, translate_errors("describe the thing barn"):
        raise raised
    assert type(caught.value) is error
    assert caught.value.__cause__ is raised


def test_a_table_with_other_keys_is_the_fault_of_nobody_who_sends(clients: Clients) -> None:
    clients("dynamodb").create_table(
        TableName="farm-shadows",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "something", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "something", "AttributeType": "S"}],
    )
    with pytest.raises(Misconfigured, match="has other keys"):
        ShadowStates(clients, "farm-shadows").read("barn")


@pytest.mark.parametrize("code", ["AnythingElse", "ResourceNotFoundException", "ValidationException", "404"])
def test_an_answer_that_is_not_listed_is_never_a_refusal(code: str) -> None:
    with pytest.raises(Busy), translate_errors("describe the thing barn"):
        raise refused(400, code)


# Every code of every operation that is called -----------------------------------------------------------------------

HELD = Held("1", "{}", 0.0, None, "receipt")
ADDRESS = "https://sqs.eu-west-1.amazonaws.com/123456789012/farm-registry"
CERTIFICATE = f"arn:aws:iot:eu-west-1:123456789012:cert/{64 * '0'}"

JOB_TARGET = "arn:aws:iot:eu-west-1:123456789012:thing/barn"
EXECUTION = Execution("job-1", "barn", 1, "SUCCEEDED", None)

CALLS: dict[tuple[str, str], Callable[[Clients], Any]] = {
    ("iot", "DescribeThing"): lambda clients: Things(clients).describe("barn"),
    ("iot", "ListThings"): lambda clients: Things(clients).page("farm"),
    ("iot", "CreateThing"): lambda clients: Things(clients).create("barn", {"stackName": "farm"}, "lorawan"),
    ("iot", "UpdateThing"): lambda clients: Things(clients).update("barn", {"deviceID": "tank-7"}),
    ("iot", "ListTopicRules"): lambda clients: Stacks(clients).exists("farm"),
    ("iot", "DeleteThing"): lambda clients: Things(clients).delete("barn"),
    ("iot", "DescribeThingType"): lambda clients: Account(clients).ensure_thing_type("lorawan", "", ["devEUI"]),
    ("iot", "CreateThingType"): lambda clients: Account(clients).ensure_thing_type("missing", "", ["devEUI"]),
    ("iot", "DescribeEventConfigurations"): lambda clients: Account(clients).enable_thing_events(),
    ("iot", "UpdateEventConfigurations"): lambda clients: enable_events_that_are_off(clients),
    ("iot", "CreateAuthorizer"): lambda clients: create_an_authorizer(clients),
    ("iot", "DeleteAuthorizer"): lambda clients: delete_an_authorizer(clients),
    ("iot", "DescribeAuthorizer"): lambda clients: Authorizers(clients).keys("farm"),
    ("iot", "TestInvokeAuthorizer"): lambda clients: Authorizers(clients).check("farm", "token", "signature"),
    ("iot", "UpdateAuthorizer"): lambda clients: Authorizers(clients).delete("farm"),
    ("iot", "ListTargetsForPolicy"): lambda clients: ClientCertificates(clients).attached("policy"),
    ("iot", "CreateKeysAndCertificate"): lambda clients: ClientCertificates(clients).create("policy"),
    ("iot", "AttachPolicy"): lambda clients: ClientCertificates(clients).create("policy"),
    ("iot", "UpdateCertificate"): lambda clients: ClientCertificates(clients).delete("0" * 64, "policy"),
    ("iot", "DetachPolicy"): lambda clients: delete_a_certificate_that_keeps_its_policy(clients),
    ("iot", "DeleteCertificate"): lambda clients: delete_a_certificate(clients),
    ("iot", "DescribeCertificate"): lambda clients: describe_a_certificate(clients),
    ("iot", "ListThingPrincipals"): lambda clients: DeviceCertificates(clients).principals("barn"),
    ("iot", "ListAttachedPolicies"): lambda clients: hold_a_certificate(clients),
    ("iot", "CreateCertificateFromCsr"): lambda clients: DeviceCertificates(clients).issue("a signing request"),
    ("iot", "AttachThingPrincipal"): lambda clients: DeviceCertificates(clients).attach_to_thing(CERTIFICATE, "barn"),
    ("iot", "DetachThingPrincipal"): lambda clients: DeviceCertificates(clients).delete(CERTIFICATE, "barn"),
    ("iot", "AddThingToThingGroup"): lambda clients: ThingGroups(clients).add("barn", "farm:devices"),
    ("iot", "DescribeThingGroup"): lambda clients: ThingGroups(clients).arn("farm:devices"),
    ("iot", "CreateJob"): lambda clients: Jobs(clients).create("job-1", [JOB_TARGET], {"document": "{}"}),
    ("iot", "DescribeJob"): lambda clients: Jobs(clients).describe("job-1"),
    ("iot", "ListJobExecutionsForJob"): lambda clients: list(Jobs(clients).executions("job-1")),
    ("iot", "DescribeJobExecution"): lambda clients: Jobs(clients).details(EXECUTION),
    ("iot", "CancelJob"): lambda clients: Jobs(clients).cancel("job-1", force=False),
    ("iot", "DescribeJobTemplate"): lambda clients: Jobs(clients).template_arn("update"),
    ("iot", "GetTopicRule"): lambda clients: find_a_rule(clients),
    ("iot-data", "ListNamedShadowsForThing"): lambda clients: DeviceShadows(clients).names("barn"),
    ("iot-data", "DeleteThingShadow"): lambda clients: DeviceShadows(clients).delete("barn"),
    ("iot-data", "Publish"): lambda clients: Broker(clients).publish("lorawan/barn/uplink", b"{}"),
    ("iot-data", "UpdateThingShadow"): lambda clients: Shadows(clients, "lorawan").report("barn", {"rssi": -71}),
    ("iot-data", "GetThingShadow"): lambda clients: Shadows(clients, "lorawan").document("barn"),
    ("logs", "DescribeLogGroups"): lambda clients: Logs(clients).groups("/thethings"),
    ("logs", "DescribeLogStreams"): lambda clients: Logs(clients).last_entry("/thethings"),
    ("logs", "FilterLogEvents"): lambda clients: Logs(clients).entries("/thethings", 0),
    ("logs", "GetLogEvents"): lambda clients: ThingsLog(clients, "/thethings").entries("barn"),
    ("logs", "PutLogEvents"): lambda clients: ThingsLog(clients, "/thethings").record("barn", "INFO", "event"),
    ("logs", "CreateLogStream"): lambda clients: ThingsLog(clients, "/thethings").record("barn", "INFO", "event"),
    ("service-quotas", "GetServiceQuota"): lambda clients: Quotas(clients).granted("iotcore", "L-57AAC135"),
    ("cloudwatch", "GetMetricData"): lambda clients: Quotas(clients).peaks([Metric("AWS/IoT", "Any", "Sum")], 60),
    ("secretsmanager", "GetSecretValue"): lambda clients: Secrets(clients).read("arn:aws:secretsmanager:::secret:key"),
    ("sqs", "GetQueueAttributes"): lambda clients: Queue(clients, ADDRESS).waiting(),
    ("sqs", "SendMessage"): lambda clients: Queue(clients, ADDRESS).send_delayed("{}", 1),
    ("sqs", "GetQueueUrl"): lambda clients: queue_url(clients, "farm-registry"),
    ("sqs", "ReceiveMessage"): lambda clients: list(FailureQueue(clients, ADDRESS).messages()),
    ("sqs", "DeleteMessage"): lambda clients: FailureQueue(clients, ADDRESS).delete(HELD),
    ("sqs", "ChangeMessageVisibilityBatch"): lambda clients: FailureQueue(clients, ADDRESS).release([HELD]),
    ("ssm", "GetParameter"): lambda clients: Parameters(clients).read("/farm/record"),
    ("ssm", "PutParameter"): lambda clients: Parameters(clients).write("/farm/record", "{}"),
    ("sqs", "ChangeMessageVisibility"): lambda clients: delay_a_message(clients),
    ("dynamodb", "DescribeTable"): lambda clients: SessionTable(clients, "farm").created_at(),
    ("dynamodb", "DeleteItem"): lambda clients: ShadowStates(clients, "farm-shadows").delete("barn"),
    ("dynamodb", "GetItem"): lambda clients: ShadowStates(clients, "farm-shadows").read("barn"),
    ("dynamodb", "Query"): lambda clients: WaitingDownlinks(clients, "farm-downlinks").of("barn"),
    ("dynamodb", "Scan"): lambda clients: list(Rotations(clients, "farm-rotations").all()),
    ("dynamodb", "TransactWriteItems"): lambda clients: DirectoryTable(clients, "farm").insert({"A": Fact("barn", 1)}),
    ("dynamodb", "UpdateItem"): lambda clients: SessionTable(clients, "farm").mark_queued_again("tank-7", "AYxy", [1]),
}
"""Operation → an adapter's call of it."""

HANDLED = None
"""The adapter returns: what was asked for is absent, or as it should be."""

BUSY_EVERYWHERE = (
    *("InternalFailureException", "InternalServerError", "InternalServiceError", "ServiceUnavailableException"),
)
THROTTLED_EVERYWHERE = (
    *("ThrottlingException", "RequestThrottled", "RequestLimitExceeded", "ProvisionedThroughputExceededException"),
)

MEANING: dict[str, dict[str, type[Exception] | None]] = {
    "DescribeThing": {"InvalidRequestException": Refused, "ResourceNotFoundException": HANDLED},
    "ListThings": {"InvalidRequestException": Busy},
    "CreateThing": {
        "InvalidRequestException": Misconfigured,  # well-formed: the type is deprecated
        "ResourceNotFoundException": Misconfigured,
        "ResourceAlreadyExistsException": HANDLED,
    },
    "UpdateThing": {
        "InvalidRequestException": Refused,
        "ResourceNotFoundException": Refused,
        "VersionConflictException": VersionConflict,
    },
    "DeleteThing": {
        "InvalidRequestException": Refused,
        "ResourceNotFoundException": HANDLED,
        "VersionConflictException": VersionConflict,
    },
    "CreateAuthorizer": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
        "ResourceAlreadyExistsException": Busy,
    },
    "DeleteAuthorizer": {
        "DeleteConflictException": Busy,
        "InvalidRequestException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "DescribeAuthorizer": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "TestInvokeAuthorizer": {
        "InvalidRequestException": Misconfigured,
        "InvalidResponseException": Misconfigured,
        "ResourceNotFoundException": Busy,
    },
    "UpdateAuthorizer": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "DescribeThingType": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "CreateThingType": {"InvalidRequestException": Busy, "ResourceAlreadyExistsException": Busy},
    "DescribeEventConfigurations": {},
    "UpdateEventConfigurations": {"InvalidRequestException": Busy},
    "ListTargetsForPolicy": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "CreateKeysAndCertificate": {"InvalidRequestException": Busy},
    "AttachPolicy": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
        "ResourceNotFoundException": Busy,
    },
    "UpdateCertificate": {
        "CertificateStateException": Busy,
        "InvalidRequestException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "DeleteCertificate": {
        "CertificateStateException": Busy,
        "DeleteConflictException": HANDLED,
        "InvalidRequestException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "DescribeCertificate": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "DetachPolicy": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
    },
    "ListThingPrincipals": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "ListAttachedPolicies": {
        "InvalidRequestException": Busy,
        "LimitExceededException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "CreateCertificateFromCsr": {"InvalidRequestException": Refused},
    "AttachThingPrincipal": {"InvalidRequestException": Busy, "ResourceNotFoundException": Busy},
    "DetachThingPrincipal": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "AddThingToThingGroup": {"InvalidRequestException": Busy, "ResourceNotFoundException": Busy},
    "DescribeThingGroup": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "CreateJob": {
        "InvalidRequestException": Refused,
        "LimitExceededException": Refused,
        "ResourceAlreadyExistsException": HANDLED,
        "ResourceNotFoundException": Refused,
    },
    "DescribeJob": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "ListJobExecutionsForJob": {"InvalidRequestException": Busy, "ResourceNotFoundException": Busy},
    "DescribeJobExecution": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "CancelJob": {
        "InvalidRequestException": Refused,
        "LimitExceededException": Busy,
        "ResourceNotFoundException": Refused,
    },
    "DescribeJobTemplate": {"InvalidRequestException": Busy, "ResourceNotFoundException": HANDLED},
    "GetTopicRule": {"InternalException": Busy, "InvalidRequestException": Busy},
    "ListNamedShadowsForThing": {
        "InvalidRequestException": Busy,
        "MethodNotAllowedException": Busy,
        "ResourceNotFoundException": HANDLED,
    },
    "DeleteThingShadow": {
        "InvalidRequestException": Refused,
        "MethodNotAllowedException": Busy,
        "ResourceNotFoundException": HANDLED,
        "UnsupportedDocumentEncodingException": Busy,
    },
    "Publish": {"InvalidRequestException": Refused, "MethodNotAllowedException": Busy},
    "UpdateThingShadow": {
        "ConflictException": Busy,
        "InvalidRequestException": Refused,
        "MethodNotAllowedException": Busy,
        "RequestEntityTooLargeException": ShadowFull,
        "UnsupportedDocumentEncodingException": Refused,
    },
    "GetThingShadow": {
        "InvalidRequestException": Refused,
        "MethodNotAllowedException": Busy,
        "ResourceNotFoundException": HANDLED,
        "UnsupportedDocumentEncodingException": Busy,
    },
    "DescribeLogGroups": {"InvalidParameterException": Refused},
    "DescribeLogStreams": {"InvalidParameterException": Busy, "ResourceNotFoundException": HANDLED},
    "FilterLogEvents": {"InvalidParameterException": Refused, "ResourceNotFoundException": HANDLED},
    "GetLogEvents": {"InvalidParameterException": Refused, "ResourceNotFoundException": HANDLED},
    # Writing the log of things never raises.
    "PutLogEvents": {
        "DataAlreadyAcceptedException": HANDLED,
        "InvalidParameterException": HANDLED,
        "InvalidSequenceTokenException": HANDLED,
        "ResourceNotFoundException": HANDLED,
        "ServiceUnavailableException": HANDLED,
        "UnrecognizedClientException": HANDLED,
    },
    "CreateLogStream": {
        "InvalidParameterException": HANDLED,
        "ResourceAlreadyExistsException": HANDLED,
        "ResourceNotFoundException": HANDLED,
        "ServiceUnavailableException": HANDLED,
    },
    "GetServiceQuota": {
        "AccessDeniedException": NotPermitted,
        "IllegalArgumentException": Busy,
        "NoSuchResourceException": HANDLED,
        "ServiceException": Busy,
        "TooManyRequestsException": Throttled,
    },
    "GetMetricData": {"InvalidNextToken": Busy},
    "GetSecretValue": {
        "DecryptionFailure": Misconfigured,
        "InvalidParameterException": Misconfigured,
        "InvalidRequestException": Misconfigured,
        "ResourceNotFoundException": Misconfigured,
    },
    "GetQueueAttributes": {
        "InvalidAddress": Busy,
        "InvalidAttributeName": Busy,
        "InvalidSecurity": Busy,
        "QueueDoesNotExist": Misconfigured,
        "UnsupportedOperation": Busy,
    },
    "SendMessage": {
        "InvalidAddress": Busy,
        "InvalidMessageContents": Refused,
        "InvalidSecurity": Busy,
        "KmsAccessDenied": NotPermitted,
        "KmsDisabled": Misconfigured,
        "KmsInvalidKeyUsage": Misconfigured,
        "KmsInvalidState": Misconfigured,
        "KmsNotFound": Misconfigured,
        "KmsOptInRequired": Misconfigured,
        "KmsThrottled": Busy,
        "QueueDoesNotExist": Misconfigured,
        "UnsupportedOperation": Busy,
    },
    "ReceiveMessage": {
        "InvalidAddress": Busy,
        "InvalidSecurity": Busy,
        "KmsAccessDenied": NotPermitted,
        "KmsDisabled": Misconfigured,
        "KmsInvalidKeyUsage": Misconfigured,
        "KmsInvalidState": Misconfigured,
        "KmsNotFound": Misconfigured,
        "KmsOptInRequired": Misconfigured,
        "KmsThrottled": Busy,
        "OverLimit": Busy,
        "QueueDoesNotExist": Misconfigured,
        "UnsupportedOperation": Busy,
    },
    "DeleteMessage": {
        "InvalidAddress": Busy,
        "InvalidIdFormat": Busy,
        "InvalidSecurity": Busy,
        "QueueDoesNotExist": Misconfigured,
        "ReceiptHandleIsInvalid": Busy,
        "UnsupportedOperation": Busy,
    },
    "ChangeMessageVisibilityBatch": {
        "BatchEntryIdsNotDistinct": Busy,
        "EmptyBatchRequest": Busy,
        "InvalidAddress": Busy,
        "InvalidBatchEntryId": Busy,
        "InvalidSecurity": Busy,
        "QueueDoesNotExist": Misconfigured,
        "TooManyEntriesInBatchRequest": Busy,
        "UnsupportedOperation": Busy,
    },
    "GetQueueUrl": {
        "InvalidAddress": Busy,
        "InvalidSecurity": Busy,
        "QueueDoesNotExist": HANDLED,
        "UnsupportedOperation": Busy,
    },
    # What an apply writes and reads: whatever goes wrong fails the apply, with AWS's words.
    "GetParameter": {
        "InternalServerError": Busy,
        "InvalidKeyId": Busy,
        "ParameterNotFound": HANDLED,
        "ParameterVersionNotFound": Busy,
    },
    "PutParameter": dict.fromkeys(
        (
            *("HierarchyLevelLimitExceededException", "HierarchyTypeMismatchException", "IncompatiblePolicyException"),
            *("InternalServerError", "InvalidAllowedPatternException", "InvalidKeyId", "TooManyUpdates"),
            *("InvalidPolicyAttributeException", "InvalidPolicyTypeException", "ParameterAlreadyExists"),
            *("ParameterLimitExceeded", "ParameterMaxVersionLimitExceeded", "ParameterPatternMismatchException"),
            *("PoliciesLimitExceededException", "UnsupportedParameterType"),
        ),
        Busy,
    ),
    "ChangeMessageVisibility": {
        "InvalidAddress": Busy,
        "InvalidSecurity": Busy,
        "MessageNotInflight": Refused,
        "QueueDoesNotExist": Misconfigured,
        "ReceiptHandleIsInvalid": Refused,
        "UnsupportedOperation": Busy,
    },
    "ListTopicRules": {"InvalidRequestException": Busy, "InternalException": Busy},
    "DescribeTable": {"ResourceNotFoundException": Misconfigured},
    "DeleteItem": {
        "ConditionalCheckFailedException": Busy,  # where there is no condition
        "ItemCollectionSizeLimitExceededException": Busy,
        "ReplicatedWriteConflictException": Busy,
        "ResourceNotFoundException": Misconfigured,
        "TransactionConflictException": Busy,
    },
    "GetItem": {"ResourceNotFoundException": Misconfigured},
    "Query": {"ResourceNotFoundException": Misconfigured},
    "Scan": {"ResourceNotFoundException": Misconfigured},
    "TransactWriteItems": {
        "IdempotentParameterMismatchException": Busy,
        "ResourceNotFoundException": Misconfigured,
        "TransactionCanceledException": Busy,  # without a reason
        "TransactionInProgressException": Busy,
    },
    "UpdateItem": {
        "ConditionalCheckFailedException": Busy,  # where there is no condition
        "ItemCollectionSizeLimitExceededException": Refused,
        "ReplicatedWriteConflictException": Busy,
        "ResourceNotFoundException": Misconfigured,
        "TransactionConflictException": Busy,
    },
}
"""Operation → code → what the adapter raises."""


def delete_a_certificate(clients: Clients) -> None:
    created = clients("iot").create_keys_and_certificate(setAsActive=False)
    ClientCertificates(clients).delete(created["certificateId"], "policy")


def delete_a_certificate_that_keeps_its_policy(clients: Clients) -> None:
    arrange_answer(clients, "iot", "DeleteCertificate", 409, "DeleteConflictException")
    created = clients("iot").create_keys_and_certificate(setAsActive=False)
    ClientCertificates(clients).delete(created["certificateId"], "policy")


def delay_a_message(clients: Clients) -> None:
    clients("sqs").create_queue(QueueName="work")
    Redelivery(clients).delay("arn:aws:sqs:eu-west-1:123456789012:work", "receipt", 5)


def enable_events_that_are_off(clients: Clients) -> None:
    off = (Response(200), {"eventConfigurations": {}})  # moto does not have the operation
    clients("iot").meta.events.register("before-call.iot.DescribeEventConfigurations", lambda **_: off)
    Account(clients).enable_thing_events()


def describe_a_certificate(clients: Clients) -> None:
    iot = clients("iot")
    with suppress(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_policy(policyName="policy", policyDocument="{}")
    created = iot.create_keys_and_certificate(setAsActive=False)
    iot.attach_policy(policyName="policy", target=created["certificateArn"])
    ClientCertificates(clients).attached("policy")


def hold_a_certificate(clients: Clients) -> None:
    created = clients("iot").create_keys_and_certificate(setAsActive=False)
    DeviceCertificates(clients).held(created["certificateArn"])


def create_an_authorizer(clients: Clients) -> None:
    arrange_answer(clients, "iot", "UpdateAuthorizer", 404, "ResourceNotFoundException")
    Authorizers(clients).put("farm", "arn:f", "token", {"key": "PEM"})


def delete_an_authorizer(clients: Clients) -> None:
    arrange_answer(clients, "iot", "UpdateAuthorizer", 200, "")
    Authorizers(clients).delete("farm")


def find_a_rule(clients: Clients) -> None:
    iot = clients("iot")
    with suppress(iot.exceptions.ResourceAlreadyExistsException):
        payload = {"sql": "SELECT * FROM 'farm/sensor/+/+'", "actions": []}
        iot.create_topic_rule(ruleName="farm_sensor", topicRulePayload=payload)
    TopicRules(clients).for_topic("farm/sensor/temperature/barn")


def answers(session: LentClients, service: str, operation: str) -> dict[str, int]:
    """The codes that a service describes for an operation, with their HTTP status."""
    shapes = session.client(service).meta.service_model.operation_model(operation).error_shapes
    return {
        shape.name: shape.metadata.get("error", {}).get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
        for shape in shapes
    }


def expected(operation: str, code: str) -> type[Exception] | None:
    listed = MEANING[operation]
    if code in listed:
        return listed[code]
    if code in BUSY_EVERYWHERE:
        return Busy
    if code in THROTTLED_EVERYWHERE:
        return Throttled
    if code == "UnauthorizedException":
        return NotPermitted
    pytest.fail(f"{operation} can answer with {code}: decide what it means")


@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_every_code_of_an_operation_means_what_was_decided(
    service: str, operation: str, session: LentClients, iot: Any
) -> None:
    codes = answers(session, service, operation)
    assert set(MEANING[operation]) <= {*codes}
    for code, status in codes.items():
        fresh = Clients(session)
        if operation == "CreateLogStream":
            arrange_answer(fresh, service, "PutLogEvents", 400, "ResourceNotFoundException")
        arrange_answer(fresh, service, operation, status, code)
        raised = None
        try:
            CALLS[service, operation](fresh)
        except ThingbridgeError as error:
            raised = error
        assert type(raised) is (expected(operation, code) or type(None)), f"{operation}, {code}: {raised!r}"
        if type(raised) is Misconfigured:
            assert str(raised).count(": ") >= 3, f"the fix is missing: {raised}"


def test_every_operation_that_an_adapter_calls_is_in_the_table(clients: Clients) -> None:
    methods = {
        method: operation
        for service in {service for service, _ in CALLS}
        for method, operation in clients(service).meta.method_to_api_mapping.items()
    }
    called = set()
    for file in (ROOT / "lambda_src/thingbridge/aws").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(value=str(name))]):
                    called.add(name)
                case ast.Call(func=ast.Attribute(attr=name)):
                    called.add(name)
    assert {methods[name] for name in called if name in methods} == {operation for _, operation in CALLS}


def test_the_refusals_are_those_of_operations_that_are_called() -> None:
    assert {*REFUSALS} <= {operation for _, operation in CALLS}
