"""Options that several commands have, each written once."""

from typing import Annotated

import typer

StackName = Annotated[
    str,
    typer.Option("--stack", envvar="THINGBRIDGE_STACK", help="Name of the stack (stack_name).", show_default=False),
]
Profile = Annotated[str | None, typer.Option("--profile", help="Profile of your AWS configuration.")]
Region = Annotated[str | None, typer.Option("--region", help="AWS region of the stack.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ShowKeys = Annotated[bool, typer.Option("--show-keys", help="Show root keys and claim codes.")]
ThingType = Annotated[
    str,
    typer.Option("--thing-type", envvar="THINGBRIDGE_THING_TYPE", help="Thing type of the stack (thing_type_name)."),
]
ThingNames = Annotated[list[str], typer.Argument(metavar="THING...", help="Names of things.", show_default=False)]
THING_TYPE = "lorawan"
