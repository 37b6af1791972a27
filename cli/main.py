"""The console script `thingbridge`. It imports nothing at first, so that Ctrl-C ends it quietly from the beginning."""

import sys


def main() -> None:
    """Run the command of `sys.argv`; ends the process."""
    try:
        from cli.app import app

        app(prog_name="thingbridge")
    except KeyboardInterrupt:
        sys.stderr.write("✗ interrupted\n")
        sys.exit(130)
