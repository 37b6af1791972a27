"""The four ways in which work can fail, and what each means for the retry.

Lambda and SQS know only two outcomes: returning is success, raising means "again". So every error here says
on which side it falls: `BadInput` and `Refused` are recorded where their sender looks and then done with;
`Busy` and `Misconfigured` are raised to the service that invoked the function, which tries again and then keeps
the event as a dead letter until somebody replays it.
"""


class ThingbridgeError(Exception):
    """Base of the tree. Its text is one sentence, written for the person who reads the log.

    `step` is the server of The Things Stack where a sequence stopped, None outside of one.
    """

    step: str | None = None


class BadInput(ThingbridgeError):
    """The sender's mistake: recorded, never retried.

    `field` names what is wrong in the sender's own words (a JSON field, a thing attribute), `reason` says why.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Refused(ThingbridgeError):
    """The other side understood and said no: recorded, never retried."""


class Misconfigured(ThingbridgeError):
    """A key, right or permission is missing: the operator's to mend, and no reason to lose the event."""


class Busy(ThingbridgeError):
    """The other side is overloaded, down or out of reach: raised, so that the event comes again."""
