"""AWS's errors in this product's words: which mean "again", which mean "no"."""

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
    """AWS refused for want of a right."""


def code(error: ClientError) -> str:
    """The error's code, such as `ResourceNotFoundException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def told_apart(operation: str) -> Iterator[None]:
    """Turn what boto3 raises inside into Busy, NotPermitted or Refused, whose text begins with `operation`."""
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
