"""The console script `thingbridge-local`. It imports nothing at first: outside a checkout nothing of what it needs is
there, and Ctrl-C ends it quietly from the beginning."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def main(checkout: Path = CHECKOUT) -> None:
    """Run the command of `sys.argv`; ends the process."""
    if not (checkout / "Makefile").exists():
        sys.stderr.write(
            "✗ thingbridge-local works in a checkout of Thingbridge alone, whose module it applies: run `make up` or "
            "`make demo` there. The command `thingbridge` works everywhere.\n"
        )
        sys.exit(1)
    try:
        from local import cli

        cli.main()
    except KeyboardInterrupt:
        sys.stderr.write("✗ interrupted: the same command does the rest\n")
        sys.exit(130)
