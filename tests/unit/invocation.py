"""Lambda's context object, as far as the functions use it."""


class Invocation:
    """An invocation that has these seconds left, one after the other with each call; the last value stays."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds) or [900.0]

    def get_remaining_time_in_millis(self) -> int:
        seconds = self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]
        return int(1000 * seconds)
