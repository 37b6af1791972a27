"""What the command tells a person instead of a traceback: one sentence that names the mend. AWS's own are in aws.py."""


class Failed(Exception):
    """What was asked for can't be done, or went wrong. The text is one sentence; `exit_code` is the command's."""

    exit_code = 1


class NotKnownInTime(Failed):
    """The outcome that was waited for did not show; it may still come."""

    exit_code = 3


class Interrupted(Failed):
    """Ctrl-C; the text says how to go on."""

    exit_code = 130
