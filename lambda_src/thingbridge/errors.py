"""The ways in which work can fail, and what each means for the retry.

Lambda and SQS know only two outcomes: returning is success, raising means "retry". A flow records `BadInput` and
`Refused` where their sender looks, and returns, since a retry can't help. It raises `Busy` and `Misconfigured` to the
service that invoked the function, which retries, and then keeps the event in a dead-letter queue until an operator
replays it. Whatever a flow raises is retried: also the `BadInput` of a message that only this product sends, such as a
scheduled write of a shadow, for which the dead-letter queue is the only place to record it.

Any other exception is a fault of this product: `Unexpected` describes it, and it is raised and retried like `Busy`.
"""


class ThingbridgeError(Exception):
    """Base of the tree. The text is one sentence for the person who reads the log.

    `step` is the server of The Things Stack where a sequence of steps stopped, None outside of a sequence.
    """

    step: str | None = None


class BadInput(ThingbridgeError):
    """A mistake of the sender: a flow records it and does not raise it.

    `field` names the wrong input as the sender knows it (a JSON field, a thing attribute), `reason` says what is wrong.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Refused(ThingbridgeError):
    """The other side understood the request and refused it: a flow records it and does not raise it."""


class Misconfigured(ThingbridgeError):
    """A key, permission or resource is missing: raised, so that the event is kept until the operator fixes it."""


class Busy(ThingbridgeError):
    """The other side is overloaded, down or unreachable, or its answer is not a known refusal: raised and retried."""


class Throttled(Busy):
    """The other side refuses calls above a rate. It says nothing about the request, and time alone removes it."""


class Deferred(Busy):
    """There is no time left to begin: raised, so that the message is delivered again at once."""


class Unexpected(ThingbridgeError):
    """An exception that is none of these: raised, so that the event is kept until the fault is fixed."""

    @classmethod
    def describe(cls, error: Exception) -> ThingbridgeError:
        """The error itself if it is of this tree; otherwise its type, and where it was raised.

        Its own text is left out, because it may quote what was read: a key, a claim code or a payload.
        """
        if isinstance(error, ThingbridgeError):
            return error
        import traceback
        from pathlib import PurePath

        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return cls(f"unexpected {type(error).__name__}{place}")
