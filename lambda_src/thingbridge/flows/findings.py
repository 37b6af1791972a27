"""What an examination finds: one thing that was looked at, and what to do about it."""

from dataclasses import dataclass
from typing import Final

CONFIGURE_AGAIN: Final = (
    "run `terraform apply -replace` for the resource aws_lambda_invocation.this of the module integration"
)
"""The fix for what was changed at The Things Stack behind Terraform's back."""


@dataclass(frozen=True)
class Finding:
    """`what` was looked at and `found`, one sentence each. `fix`: what to do; None when it is as it should be."""

    what: str
    found: str
    fix: str | None = None
