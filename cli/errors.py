"""How a command fails for a reason that a person can act on: one sentence, and an exit code. AWS's errors: aws.py."""


class Failed(Exception):
    """The command can't do what was requested. The text is one sentence; `exit_code` is the command's."""

    exit_code = 1


class WrongUsage(Failed):
    """An option has a value that no stack could take; nothing was called."""

    exit_code = 2


class NotKnownInTime(Failed):
    """The outcome that the command waited for is not known yet; it may still arrive."""

    exit_code = 3


class Interrupted(Failed):
    """Ctrl-C. The text says how to continue."""

    exit_code = 130
