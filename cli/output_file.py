"""Files that the commands write: complete or not at all, and never a file that others may read with keys in it.

Which existing file may be replaced is decided by the command.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from cli.errors import Failed

_PRIVATE: Final = 0o600
_USUAL: Final = 0o666
"""Permissions of a new file, from which the umask is subtracted."""

_OTHERS: Final = 0o077


@contextmanager
def written(path: Path, *, private: bool) -> Iterator[TextIO]:
    """A text file that replaces `path` when the block ends without an error. `private`: nobody else may read it.

    It is created beside `path` with its final permissions, so no one can open it before they are set. A private file
    is on the disk when this returns: its keys may exist nowhere else. Raises Failed when it can't be written. What is
    not a regular file, such as a pipe, is written directly.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE if private else _USUAL)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                yield file
                if private:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(target)
            if private:
                _synchronize(target.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failed(f"{path} can't be written: {error.strerror or error}") from error


def _synchronize(directory: Path) -> None:
    """Have the names of a directory's files on the disk as well."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def standard_output(*, private: bool) -> TextIO:
    """Standard output. Raises Failed when it must be `private` and is a file that others may read."""
    if private and _is_readable_by_others(sys.stdout):
        raise Failed("standard output is a file that others may read: write keys with --output FILE")
    return sys.stdout


def _is_readable_by_others(stream: TextIO) -> bool:
    """Whether what is written to a stream ends in a file that others may read (`command > file`)."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # a stream of this process only
        return False
    return stat.S_ISREG(mode) and bool(mode & _OTHERS)
