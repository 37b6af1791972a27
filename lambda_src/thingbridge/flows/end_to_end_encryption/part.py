"""End-to-end encryption as a part of an application's configuration (flows/convergence.py): one key for each stack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from thingbridge.flows.configuration import Settings
from thingbridge.flows.end_to_end_encryption import setup
from thingbridge.things_stack.client import ThingsStack


@dataclass(frozen=True)
class EncryptionPart:
    """The settings of the Join Server and the Application Server. `secret` returns a secret's text by its ARN.

    The label of the key encryption key is the ARN of its secret.
    """

    secret: Callable[[str], str]

    def rights(self, _settings: Settings) -> Mapping[str, str]:
        """The same for every application."""
        return setup.RIGHTS

    def location(self, _settings: Settings) -> tuple[object, ...]:
        """An application has one."""
        return ()

    def name(self, settings: Settings) -> str:
        """The key by its label."""
        return f"the key encryption key {_label(settings)}"

    def recorded(self, settings: Settings) -> Settings:
        """All of them."""
        return settings

    def configure(self, things_stack: ThingsStack, settings: Settings, before: Settings | None, moved: bool) -> None:
        """Set the key under its label, in place of the one that this stack set in this application before."""
        replaced = _label(before) if before and not moved else None
        setup.configure(things_stack, _label(settings), self.secret(_label(settings)), replaced)

    def remove(self, things_stack: ThingsStack, settings: Settings) -> None:
        """Remove the key, unless it is another owner's."""
        setup.remove(things_stack, _label(settings))

    def release(self, _settings: Settings) -> None:
        """Nothing to do: the secret is Terraform's."""


def _label(settings: Settings) -> str:
    return str(settings["key_encryption_key_secret_arn"])
