"""Errors of AWS in terms of this product's error tree: the few that mean "no" are listed, all others are kept.

A refusal is recorded and dropped with its message, so an answer counts as one only if the request itself is wrong: what
a sender gave can't be published, stored or found, however often it is tried. Everything else may be fixed by time or by
an operator, and is raised: a missing thing type, table or secret, expired credentials, a code that AWS adds tomorrow.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from thingbridge.errors import Busy, Misconfigured, Refused, ThingbridgeError

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

_CREDENTIALS: Final = "renew the credentials that this call was made with"

_NO_QUEUE: Final = "the queue does not exist: create it again with `terraform apply`"

_NO_TABLE: Final = "the table does not exist: create it again with `terraform apply`"

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


def code(error: ClientError) -> str:
    """The error's code, such as `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def text(operation: str, error: ClientError) -> str:
    """The operation, and what AWS answered."""
    return f"{operation}: {code(error)}: {error.response.get('Error', {}).get('Message', '')}"


@contextmanager
def translate_errors(operation: str) -> Iterator[None]:
    """Raise this product's errors instead of what boto3 raises inside; the text begins with `operation`.

    Refused: what `REFUSALS` lists, and what boto3 does not even send. NotPermitted: a missing permission.
    Misconfigured, with the fix: where an operator has to act. Busy: everything else.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(operation, error) from error
    except ParamValidationError as error:
        raise Refused(f"{operation}: {error}") from error
    except BotoCoreError as error:
        raise Busy(f"{operation}: {error}") from error


def _translated(operation: str, error: ClientError) -> ThingbridgeError:
    name, message = code(error), text(operation, error)
    too_large = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if too_large or name in REFUSALS.get(error.operation_name, ()):
        return Refused(message)
    if name in _PERMISSION_CODES:
        return NotPermitted(message)
    fix = _FIXES.get((error.operation_name, name)) or _FIXES_OF_ANY_OPERATION.get(name)
    return Misconfigured(f"{message}: {fix}") if fix else Busy(message)
