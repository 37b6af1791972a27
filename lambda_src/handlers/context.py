"""Lambda's context object, as far as the functions use it."""

from typing import Protocol


class LambdaContext(Protocol):
    """What the functions read of an invocation."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, which names its region and account."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
