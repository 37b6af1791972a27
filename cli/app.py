"""The `thingbridge` command, put together: its groups of commands, and how errors end it.

Exit codes: 0 done · 1 refused or failed, with one sentence that says why · 2 wrong usage · 3 the outcome is not known
in time · 130 Ctrl-C.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from cli import cost, sync, things, transfer
from cli.aws import ERRORS, sentence
from cli.devices import commands as devices
from cli.doctor.command import doctor
from cli.errors import Failed, Interrupted
from cli.failures import commands as failures
from cli.output import err, plain


class _SentencesForErrors(TyperGroup):
    """Ends a command that failed for a reason that a person can fix with that sentence, without a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for each in args:
            # Python passes a byte that is not UTF-8 on as half a surrogate pair, which no API of AWS takes.
            if any("\ud800" <= character <= "\udfff" for character in each):
                ctx.fail(f"arguments must be text in UTF-8; got {each!a}")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Failed as error:
            text, exit_code = str(error), error.exit_code
        except ERRORS as error:
            text, exit_code = sentence(error), 1
        except KeyboardInterrupt:
            text, exit_code = "interrupted", Interrupted.exit_code
        err().print(Text.assemble(("✗", "bold red"), f" {plain(text)}"), soft_wrap=True)
        raise typer.Exit(exit_code)


app = typer.Typer(
    cls=_SentencesForErrors,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"thingbridge {version('thingbridge')}")
        raise typer.Exit


@app.callback()
def _thingbridge(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Things of a Thingbridge stack: list, create and claim them, import and export whole fleets."""


app.add_typer(things.app, name="things")
app.add_typer(devices.app, name="devices")
app.add_typer(failures.app, name="failures")
app.command(name="import")(transfer.import_)
# Where `import` has its file, a person gives one to `export` as well, which names the option.
app.command(context_settings={"allow_extra_args": True})(transfer.export)
app.command()(sync.sync)
app.command()(doctor)
app.command()(cost.cost)
