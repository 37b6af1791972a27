"""Lambda's context object, as far as the functions use it."""

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:farm"


class Invocation:
    """An invocation that has these seconds left, one after the other with each call; the last value stays.

    `arn`: of the function, which names its region and account.
    """

    def __init__(self, *seconds: float, arn: str = ARN) -> None:
        self._seconds = list(seconds) or [900.0]
        self.invoked_function_arn = arn

    def get_remaining_time_in_millis(self) -> int:
        seconds = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        return int(1000 * seconds)
