"""When a direct client tries a call again: as boto3 does in its mode "standard" (botocore, `retries/standard.py`)."""

import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

from thingbridge.aws.errors import AwsError, Unreachable, status

ATTEMPTS: Final = 5
"""How often a request is sent at most; boto3's clients get the same (`clients`)."""

LONGEST_PAUSE: Final = 20.0
FIRST_PAUSE: Final = 0.05
FIRST_PAUSE_IF_THROTTLED: Final = 1.0
"""Seconds: the longest random pause before a request is sent again, and what the pauses double from."""

QUOTA: Final = 500
COST: Final = 14
COST_IF_THROTTLED: Final = 5
"""Retries that are saved up: while a service is down, this many in a row and then none until a request succeeds."""

_BUSY: Final = frozenset({500, 502, 503, 504})
_BUSY_CODES: Final = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
_THROTTLED_CODES: Final = frozenset(
    {
        *("BandwidthLimitExceeded", "LimitExceededException", "ProvisionedThroughputExceededException"),
        *("RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown", "ThrottledException"),
        *("Throttling", "ThrottlingException", "TooManyRequestsException", "TransactionInProgressException"),
    }
)
"""Statuses and codes that boto3's mode "standard" retries (botocore, `retries/standard.py`)."""

Result = TypeVar("Result")


class Retries:
    """The retries of one client, which sends each request at most `attempts` times."""

    def __init__(self, pause: Callable[[float], None], attempts: int = ATTEMPTS) -> None:
        self._pause, self._attempts = pause, attempts
        self._quota = QUOTA

    def carry_out(self, call: Callable[[], Result]) -> Result:
        """The result of a call, made again while AWS is busy or unreachable. Raises AwsError or Unreachable."""
        spent = 0
        for attempt in range(self._attempts - 1):
            try:
                return self._succeeded(call(), spent)
            except Unreachable:
                throttled = False
                if not self._spend(COST):
                    raise
            except AwsError as error:
                throttled = _is_throttled(error)
                if not (throttled or _is_busy(error)) or not self._spend(COST_IF_THROTTLED if throttled else COST):
                    raise
            spent = COST_IF_THROTTLED if throttled else COST
            first = FIRST_PAUSE_IF_THROTTLED if throttled else FIRST_PAUSE
            self._pause(random.random() * min(LONGEST_PAUSE, first * 2**attempt))
        return self._succeeded(call(), spent)

    def _succeeded(self, result: Result, spent: int) -> Result:
        """Give back what the last retry has cost, or a little for a call that needed none."""
        self._quota = min(QUOTA, self._quota + (spent or 1))
        return result

    def _spend(self, cost: int) -> bool:
        if cost > self._quota:
            return False
        self._quota -= cost
        return True


def _is_throttled(error: AwsError) -> bool:
    return status(error) == HTTPStatus.TOO_MANY_REQUESTS or error.code in _THROTTLED_CODES


def _is_busy(error: AwsError) -> bool:
    return status(error) in _BUSY or error.code in _BUSY_CODES
