"""Errors of AWS in terms of this product's error tree: the few that mean "no" are listed, all others are kept.

A refusal is recorded and dropped with its message, so an answer counts as one only if the request itself is wrong: what
a sender gave can't be published, stored or found, however often it is tried. Everything else may be fixed by time or by
an operator, and is raised: a missing thing type, table or secret, expired credentials, a code that AWS adds tomorrow.

An error is raised by boto3 or by a direct client (`direct`). boto3 is not imported here: before something else imports
it, it can't have raised anything.
"""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final

from thingbridge.errors import Busy, Misconfigured, Refused, ThingbridgeError, Throttled

REFUSALS: Final[Mapping[str, frozenset[str]]] = {
    "CreateCertificateFromCsr": frozenset({"InvalidRequestException"}),
    "CreateThing": frozenset({"InvalidRequestException"}),
    "DeleteThing": frozenset({"InvalidRequestException"}),  # it still has certificates
    "DescribeThing": frozenset({"InvalidRequestException"}),
    "UpdateThing": frozenset({"InvalidRequestException", "ResourceNotFoundException"}),
    "DeleteThingShadow": frozenset({"InvalidRequestException"}),
    "Publish": frozenset({"InvalidRequestException", "RequestEntityTooLargeException"}),
    "GetThingShadow": frozenset({"InvalidRequestException"}),
    "UpdateThingShadow": frozenset(
        {"InvalidRequestException", "RequestEntityTooLargeException", "UnsupportedDocumentEncodingException"}
    ),
    # A key or item is too long: session key ids and states come with messages.
    "GetItem": frozenset({"ValidationException"}),
    "UpdateItem": frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"}),
    "SendMessage": frozenset({"InvalidMessageContents", "InvalidParameterValue"}),
    # The message is being handled by another invocation, or was deleted.
    "ChangeMessageVisibility": frozenset({"MessageNotInflight", "ReceiptHandleIsInvalid"}),
    "PutParameter": frozenset({"ValidationException"}),  # the text is too long
    # What a person gave to the command line.
    "CreateJob": frozenset({"InvalidRequestException", "ResourceNotFoundException"}),
    "CancelJob": frozenset({"InvalidRequestException", "ResourceNotFoundException"}),
    "DescribeLogGroups": frozenset({"InvalidParameterException"}),
    "FilterLogEvents": frozenset({"InvalidParameterException"}),
    "GetLogEvents": frozenset({"InvalidParameterException"}),
}
"""Operation → codes that mean no (AWS API references, "Errors" of each operation). An operation whose input is only
what this product checked or chose has none: ListThings, GetSecretValue, all that an apply calls."""

_PERMISSION_CODES: Final = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException"),
        *("AuthorizationError", "KmsAccessDenied", "KMSAccessDenied"),  # of Amazon SNS: the first and the last
    }
)

_ABOVE_A_RATE: Final = frozenset(
    {
        *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled"),
        *("RequestThrottledException", "ThrottledException", "Throttling", "ThrottlingException"),
        "TooManyRequestsException",
    }
)

_CREDENTIALS: Final = "renew the credentials that this call was made with"

_NO_QUEUE: Final = "the queue does not exist: create it again with `terraform apply`"

_NO_TABLE: Final = "the table does not exist: create it again with `terraform apply`"

_OTHER_KEYS: Final = "does not match the schema"
"""What DynamoDB says of a key where the table is at fault; the code is the one for a value that is too long."""

_KEY: Final = "enable the KMS key, and allow its use"

_FIXES_OF_ANY_OPERATION: Final[Mapping[str, str]] = {
    "ExpiredToken": _CREDENTIALS,
    "ExpiredTokenException": _CREDENTIALS,
    "IncompleteSignature": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "MissingAuthenticationToken": _CREDENTIALS,
    "RequestExpired": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "KmsDisabled": _KEY,
    "KmsInvalidKeyUsage": _KEY,
    "KmsInvalidState": _KEY,
    "KmsNotFound": _KEY,
    "KmsOptInRequired": _KEY,
}

_FIXES: Final[Mapping[tuple[str, str], str]] = {
    ("CreateThing", "ResourceNotFoundException"): (
        "the thing type does not exist: create it again with `terraform apply -replace` for the resource "
        "aws_lambda_invocation.thing_type[0] of the module integration"
    ),
    ("DeleteItem", "ResourceNotFoundException"): _NO_TABLE,
    ("GetItem", "ResourceNotFoundException"): _NO_TABLE,
    ("Query", "ResourceNotFoundException"): _NO_TABLE,
    ("Scan", "ResourceNotFoundException"): _NO_TABLE,
    ("TransactWriteItems", "ResourceNotFoundException"): _NO_TABLE,
    ("UpdateItem", "ResourceNotFoundException"): _NO_TABLE,
    ("DescribeTable", "ResourceNotFoundException"): _NO_TABLE,
    ("Publish", "NotFound"): "the topic of Amazon SNS does not exist: create it again with `terraform apply`",
    ("GetSecretValue", "ResourceNotFoundException"): "the secret or its value does not exist: run `terraform apply`",
    ("GetSecretValue", "InvalidRequestException"): (
        "if the secret is being deleted, restore it with `aws secretsmanager restore-secret`"
    ),
    ("GetSecretValue", "InvalidParameterException"): "check the ARN of the secret",
    ("GetSecretValue", "DecryptionFailure"): _KEY,
}


class NotPermitted(Misconfigured):
    """AWS refused the call because a permission is missing."""


class AwsError(Exception):
    """An error that AWS answered a direct client with; it has what boto3's ClientError has."""

    def __init__(self, operation: str, status: int, code: str, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation_name, self.code = operation, code
        error, metadata = {"Code": code, "Message": message}, {"HTTPStatusCode": status}
        self.response = {**body, "Error": error, "ResponseMetadata": metadata}


class Unreachable(Exception):
    """A direct client got no answer."""


def answered() -> tuple[type[Exception], ...]:
    """For `except`: what is raised for an error that AWS answered with. `code`, `status` and `text` read it."""
    return (AwsError, *_boto3_errors("ClientError"))


def failed() -> tuple[type[Exception], ...]:
    """For `except`: what is raised for a call that failed, answered or not."""
    return (AwsError, Unreachable, *_boto3_errors("ClientError", "BotoCoreError"))


def _boto3_errors(*names: str) -> tuple[type[Exception], ...]:
    exceptions = sys.modules.get("botocore.exceptions")
    return tuple(getattr(exceptions, name) for name in names) if exceptions else ()


def code(error: Exception) -> str:
    """The error's code, such as `ResourceNotFoundException`."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def message(error: Exception) -> str:
    """What AWS says about the error."""
    return str(_response(error).get("Error", {}).get("Message", ""))


def status(error: Exception) -> int:
    """The HTTP status of the answer, 0 if it is unknown."""
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def item_found(error: Exception) -> dict[str, Any] | None:
    """The item that does not meet the condition (DynamoDB, `ReturnValuesOnConditionCheckFailure`), None without one."""
    return _response(error).get("Item")


def reasons(error: Exception) -> list[str]:
    """Why a transaction was cancelled: the code of each of its writes, `None` where that was not the reason."""
    return [str(each.get("Code")) for each in _response(error).get("CancellationReasons", ())]


def text(operation: str, error: Exception) -> str:
    """The operation, and what AWS answered."""
    return f"{operation}: {code(error)}: {message(error)}"


def _response(error: Exception) -> Mapping[str, Any]:
    return dict(getattr(error, "response", {}))


class translate_errors:  # noqa: N801 - read as a function: `with translate_errors(…)`
    """Raise this product's errors instead of what a client raises inside; the text begins with `operation`.

        Refused: what `REFUSALS` lists, and what boto3 does not even send. NotPermitted: a missing permission.
    Misconfigured, with the fix: where an operator has to act. Throttled: a call above a rate. Busy: everything else.

    A class, because every call of a message passes it: a generator would take longer than what it does.
    """

    __slots__ = ("_operation",)

    def __init__(self, operation: str) -> None:
        self._operation = operation

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, answered()):
            raise _translated(self._operation, error) from error
        if isinstance(error, _boto3_errors("ParamValidationError")):
            raise Refused(f"{self._operation}: {error}") from error
        if isinstance(error, failed()):
            raise Busy(f"{self._operation}: {error}") from error


def _translated(operation: str, error: Exception) -> ThingbridgeError:
    name, called, answer = code(error), str(getattr(error, "operation_name", "")), text(operation, error)
    if name == "ValidationException" and _OTHER_KEYS in message(error):
        return Misconfigured(
            f"{answer}: the table has other keys: delete it, and create it again with `terraform apply`"
        )
    if status(error) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or name in REFUSALS.get(called, ()):
        return Refused(answer)
    if name in _PERMISSION_CODES:
        return NotPermitted(answer)
    fix = _FIXES.get((called, name)) or _FIXES_OF_ANY_OPERATION.get(name)
    if fix:
        return Misconfigured(f"{answer}: {fix}")
    above_a_rate = status(error) == HTTPStatus.TOO_MANY_REQUESTS or name in _ABOVE_A_RATE
    return Throttled(answer) if above_a_rate else Busy(answer)
