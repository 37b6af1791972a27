"""The configuration that is written for Terraform, and what is made of Terraform's answers. A fake terraform runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from local.stack import Difference, Stack, TerraformError, addresses, configuration, differences, first_errors, hcl
from local.terraform import ProviderSource

PROVIDER = ProviderSource("fake", {"TF_CLI_ARGS_init": "-x"})

BOX = """
╷
│ Warning: Something is deprecated
│
│ Never mind.
╵
╷
│ Error: invoking Lambda Function (farm-configure)
│
│   with module.integration.aws_lambda_invocation.this,
│   on main.tf line 1
│
│ the API key lacks rights
╵
╷
│ Error: Another one
╵
"""


class Fake:
    """A `terraform` that answers each command with what it was given, and writes down how it was called."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir(parents=True)
        self.answer("init")
        script = self.bin / "terraform"
        script.write_text(
            f'#!/bin/sh\ncd {directory}\necho "$@" >> calls\nenv > env.$1\n'
            "cat $1.out\ncat $1.err >&2\nexit $(cat $1.code)\n"
        )
        script.chmod(0o755)

    def answer(self, command: str, *events: dict[str, Any], code: int = 0, err: str = "", text: str = "") -> None:
        (self.directory / f"{command}.out").write_text(text + "".join(json.dumps(event) + "\n" for event in events))
        (self.directory / f"{command}.err").write_text(err)
        (self.directory / f"{command}.code").write_text(str(code))

    @property
    def calls(self) -> list[str]:
        return (self.directory / "calls").read_text().splitlines()

    def environment_of(self, command: str) -> str:
        return (self.directory / f"env.{command}").read_text()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path / "fake")
    # Where the driver looks `terraform` up.
    monkeypatch.setenv("PATH", f"{made.bin}{os.pathsep}{os.environ['PATH']}")
    return made


def stack(fake: Fake, **inputs: Any) -> Stack:
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "eu-west-1"}
    return Stack(fake.directory / "work", inputs, environment=environment, provider=PROVIDER)


def error(summary: str, detail: str = "", address: str | None = None) -> dict[str, Any]:
    diagnostic = {"severity": "error", "summary": summary, "detail": detail, "address": address}
    return {"type": "diagnostic", "diagnostic": diagnostic}


def test_opentofu_runs_where_the_environment_names_it(fake: Fake) -> None:
    (fake.bin / "terraform").rename(fake.bin / "tofu")
    fake.answer("apply")
    environment = {"PATH": os.environ["PATH"], "TERRAFORM": "tofu"}
    Stack(fake.directory / "work", {}, environment=environment, provider=PROVIDER).apply()
    assert [call.split()[0] for call in fake.calls] == ["init", "apply"]


def test_the_configuration_is_what_a_user_would_write() -> None:
    text = configuration("../..", {"stack_name": "farm", "shadow": {"metrics": False}, "tags": None})
    assert '  source = "../.."\n' in text
    assert '  stack_name = "farm"\n  shadow     = {"metrics": false}\n' in text
    assert "tags" not in text


def test_a_template_sequence_in_an_input_stays_text() -> None:
    assert hcl("${path.root} %{if}") == '"$${path.root} %%{if}"'


def test_the_api_key_is_on_no_disk_and_no_command_line(fake: Fake) -> None:
    fake.answer("apply")
    stack(fake, application_api_key="NNSXS.SECRET").apply()
    assert "TF_VAR_application_api_key=NNSXS.SECRET" in fake.environment_of("apply")
    written = [path for path in (fake.directory / "work").rglob("*") if path.is_file()]
    assert [path for path in [*written, fake.directory / "calls"] if "SECRET" in path.read_text()] == []


def test_terraform_runs_in_the_environment_that_was_given_and_nothing_else(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    fake.answer("apply")
    stack(fake).apply()
    assert "AWS_PROFILE" not in fake.environment_of("apply")
    assert "AWS_REGION=eu-west-1" in fake.environment_of("init")
    assert "TF_CLI_ARGS_init=-x" in fake.environment_of("init")
    assert "TF_CLI_ARGS_init" not in fake.environment_of("apply")


def test_a_stack_without_a_provider_finds_it_in_its_own_environment(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TF_CLI_ARGS_init": "-plugin-dir=/somewhere"}
    found = Stack(tmp_path, {}, environment=environment).provider
    named = "from the -plugin-dir in TF_CLI_ARGS_init (yours, or what `thingbridge-local env` set)"
    assert found.explanation == f"Terraform's AWS provider: {named}"


def test_init_runs_again_when_the_configuration_changes(fake: Fake) -> None:
    fake.answer("apply")
    for name in ("farm", "farm", "orchard"):
        (fake.directory / "work" / ".terraform" / "providers").mkdir(parents=True, exist_ok=True)
        stack(fake, stack_name=name).apply()
    assert [call.split()[0] for call in fake.calls] == ["init", "apply", "apply", "init", "apply"]


def test_init_runs_once_for_changing_inputs(fake: Fake) -> None:
    fake.answer("apply")
    (made := stack(fake, stack_name="farm")).apply()
    made.inputs = {"stack_name": "orchard"}
    made.apply()
    assert [call.split()[0] for call in fake.calls] == ["init", "apply", "apply"]


def test_what_an_apply_would_change_is_known_by_its_address(fake: Fake) -> None:
    def planned(address: str, action: str) -> dict[str, Any]:
        return {"type": "planned_change", "change": {"resource": {"addr": address}, "action": action}}

    fake.answer("plan", planned("module.a", "update"), planned("data.b", "read"))
    assert stack(fake).changed_by_an_apply() == ["module.a"]


def test_an_error_is_terraforms_own_first_sentence(fake: Fake) -> None:
    fake.answer("apply", error("Invalid value", "stack_name is\n  wrong.", "module.a"), error("Second"), code=1)
    with pytest.raises(TerraformError, match=r"^Invalid value: stack_name is wrong\. \(module\.a\)$") as raised:
        stack(fake).apply()
    assert raised.value.errors[1] == "Second"


def test_an_error_for_people_is_read_from_its_box(fake: Fake) -> None:
    fake.answer("destroy", code=1, err=BOX)
    with pytest.raises(TerraformError, match=r"^invoking Lambda Function \(farm-configure\): .* lacks rights$"):
        stack(fake).destroy()
    assert first_errors(BOX)[1] == "Another one"
    assert "│" not in "".join(first_errors(BOX))


def test_a_command_that_fails_in_silence_is_named(fake: Fake) -> None:
    fake.answer("apply", code=1)
    with pytest.raises(TerraformError, match="terraform apply failed without an error message"):
        stack(fake).apply()


def test_progress_counts_what_is_changed_and_not_what_is_read(fake: Fake) -> None:
    def event(kind: str, address: str, action: str) -> dict[str, Any]:
        key = "change" if kind == "planned_change" else "hook"
        return {"type": kind, key: {"resource": {"addr": address}, "action": action}}

    fake.answer(
        "apply",
        {"type": "version"},
        event("apply_start", "data.a", "read"),
        event("planned_change", "b", "create"),
        event("planned_change", "c", "create"),
        event("apply_complete", "b", "create"),
    )
    seen: list[tuple[int, int, str]] = []
    stack(fake).apply(lambda *step: seen.append(step))
    assert seen == [(0, 1, "b"), (0, 2, "c"), (1, 2, "b")]


def test_an_empty_plan_has_no_differences(fake: Fake) -> None:
    fake.answer("plan")
    assert stack(fake).plan_changes() == []


def test_the_changes_of_a_plan_are_listed_by_attribute(fake: Fake) -> None:
    changes = [
        {"address": "a", "change": {"actions": ["no-op"]}},
        {
            "address": "b",
            "change": {
                "actions": ["update"],
                "before": {"x": 1, "same": 2},
                "after": {"x": 3, "same": 2},
                "after_unknown": {"y": True},
            },
        },
        {"address": "c", "change": {"actions": ["delete", "create"]}},
    ]
    fake.answer("plan", code=2)
    fake.answer("show", {"resource_changes": changes, "output_changes": {"o": {"actions": ["update"]}}})
    assert stack(fake).plan_changes() == [
        Difference("b", "update", "x", 1, 3),
        Difference("b", "update", "y", None, "(known after apply)"),
        Difference("c", "delete/create"),
        Difference("output.o", "update"),
    ]
    assert str(next(differences({"resource_changes": changes}))) == "update b.x: 1 → 3"


def test_a_plan_that_fails_is_an_error(fake: Fake) -> None:
    fake.answer("plan", error("No"), code=1)
    with pytest.raises(TerraformError, match=r"^No$"):
        stack(fake).plan_changes()


def test_outputs_are_the_modules(fake: Fake) -> None:
    fake.answer("output", {"thingbridge": {"sensitive": True, "value": {"external_id": "x"}}})
    assert stack(fake).output() == {"external_id": "x"}
    fake.answer("output", {})
    assert stack(fake).output() == {}


def test_resources_of_all_modules_are_listed_without_data_sources() -> None:
    module = {
        "resources": [{"mode": "managed", "address": "a"}, {"mode": "data", "address": "data.b"}],
        "child_modules": [{"resources": [{"mode": "managed", "address": "module.c.d"}]}],
    }
    assert list(addresses(module)) == ["a", "module.c.d"]
