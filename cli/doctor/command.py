"""The command `thingbridge doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Column, Table
from rich.text import Text

from cli.aws import AppliedStack
from cli.doctor import examination
from cli.options import AsJson, Profile, Region, StackName
from cli.output import err, out, plain, print_json
from thingbridge.flows.findings import Finding


def doctor(
    context: typer.Context,
    stack: StackName,
    profile: Profile = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Examine a stack, and name what is wrong with it and the fix. Changes nothing."""
    applied = AppliedStack.open(context, stack, profile, region)
    with err().status("examining"):
        findings = list(examination.examine(applied))
    if as_json:
        print_json([{**asdict(each), "ok": each.fix is None} for each in findings])
    else:
        _show(findings)
    examination.must_be_well(findings)


def _show(findings: list[Finding]) -> None:
    table = Table("", Column("what", overflow="fold"), Column("found", overflow="fold"), Column("fix", overflow="fold"))
    for each in findings:
        sign = Text("✗", "bold red") if each.fix else Text("✓", "green")
        table.add_row(sign, plain(each.what), plain(each.found), plain(each.fix or ""))
    out().print(table)
