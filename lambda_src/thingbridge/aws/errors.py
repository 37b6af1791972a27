"""Errors of AWS in terms of this product's error tree: which are retried, and which are final."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from thingbridge.errors import Busy, Misconfigured, Refused

_BUSY_CODES: Final = frozenset(
    {
        "ConflictException",
        "InternalFailure",
        "InternalFailureException",
        "InternalServerError",
        "InternalServiceError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)

_PERMISSION_CODES: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException"}
)


class NotPermitted(Misconfigured):
    """AWS refused the call because a permission is missing."""


def code(error: ClientError) -> str:
    """The error's code, such as `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translate_errors(operation: str) -> Iterator[None]:
    """Raise Busy, NotPermitted or Refused instead of what boto3 raises inside; the text begins with `operation`."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        message = f"{operation}: {code(error)}: {error.response.get('Error', {}).get('Message', '')}"
        if code(error) in _BUSY_CODES or status == 429 or status >= 500:
            raise Busy(message) from error
        if code(error) in _PERMISSION_CODES:
            raise NotPermitted(message) from error
        raise Refused(message) from error
    except BotoCoreError as error:
        raise Busy(f"{operation}: {error}") from error
