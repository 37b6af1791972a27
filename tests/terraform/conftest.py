"""Terraform as these tests run it: on a copy of the module, so that nothing is left in the repository.

Where `terraform init` finds the AWS provider, and which AWS a plan runs against that needs one, is decided in
tests/conftest.py.
"""

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tftest

from local.terraform import TERRAFORM, tool
from tests.sizes import size
from tests.terraform import documentation

REPOSITORY = Path(__file__).resolve().parents[2]
# No dot folders: neither a developer's own .terraform nor a cache belongs in a copy.
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.tfstate*")
_LONGEST_STACK_NAME = "a" + 52 * "b"
# Variables of the examples that have no default.
_GIVEN = {
    "TF_VAR_application_api_key": "NNSXS.KEY.SECRET",
    "TF_VAR_greenhouse_api_key": "NNSXS.KEY.SECRET",
    "TF_VAR_vineyard_api_key_secret_arn": "arn:aws:secretsmanager:eu-west-1:000000000000:secret:vineyard-key-AbCdEf",
}

Run = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLES = ("complete", "minimal")

MOCKED = "tests/terraform"
"""The folder of the *.tftest.hcl files, in the repository and in copies of it."""


LEFT_TO_SOAK = size(("devices.tftest.hcl", "names.tftest.hcl", "root.tftest.hcl", "telemetry.tftest.hcl"), ())
"""Files that `make test` leaves out: it plans the root module in the examples, and applies a stack with devices."""


@dataclass(frozen=True)
class MockedRun:
    """The outcome of one `run` of a *.tftest.hcl file: Terraform's status, and what it says."""

    status: str
    messages: str


@pytest.fixture(scope="session", autouse=True)
def plans_give_way(gives_way: None) -> None:
    """To the tests that work on applied stacks."""


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that Terraform reads."""
    copy = tmp_path_factory.mktemp("module")
    for file in REPOSITORY.glob("*.tf"):
        shutil.copy(file, copy)
    for folder in ("examples", "lambda_src", "modules", "tests/terraform"):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=_LEFT_OUT)
    return copy


@pytest.fixture(scope="session")
def terraform(terraform_environment: dict[str, str]) -> Run:
    """Run one command in a folder, without an AWS account; a failure fails the test with Terraform's output."""

    def run(
        folder: Path, *arguments: str, check: bool = True, environment: Mapping[str, str] = terraform_environment
    ) -> subprocess.CompletedProcess[str]:
        command = [tool(environment).command, f"-chdir={folder}", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}", pytrace=False)
        return done

    return run


@contextmanager
def running_provider(initialized: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start the AWS provider of a folder once; yields the variable by which Terraform uses it instead of its own.

    For mocked runs alone, which only read its schemas: with an account, each run must configure a provider of its own.
    (HashiCorp, "Debugging Providers".) Alone, it would write tens of thousands of lines of what it is asked.
    """
    silent = {
        f"TF_LOG_{part}": "OFF"
        for part in ("PROVIDER", "SDK", "SDK_FRAMEWORK", "SDK_HELPER_SCHEMA", "SDK_MUX", "SDK_PROTO")
    }
    (binary,) = (initialized / ".terraform" / "providers").glob("*/hashicorp/aws/*/*/terraform-provider-aws*")
    with subprocess.Popen(
        [binary, "-debug"], env={**environment, **silent}, stdout=subprocess.PIPE, text=True
    ) as provider:
        assert provider.stdout
        try:
            found = filter(None, (re.search(r"(TF_REATTACH_PROVIDERS)='(.*)'", line) for line in provider.stdout))
            name, value = next(found).groups()
            yield {name: value.replace(TERRAFORM.registry, tool(environment).registry)}
        finally:
            provider.terminate()


@pytest.fixture(scope="session")
def mocked_runs(tree: Path, terraform: Run, terraform_environment: dict[str, str]) -> dict[tuple[str, str], MockedRun]:
    """File and name -> outcome of every `run`, those of the documentation included.

    One process runs them all, and one provider serves them, because starting either takes longer than most runs.
    """
    documentation.write(tree, tree / MOCKED)
    for file in LEFT_TO_SOAK:
        (tree / MOCKED / file).unlink()
    terraform(tree, "init", "-no-color", f"-test-directory={MOCKED}")
    with running_provider(tree, terraform_environment) as reattached:
        command = ["test", "-json", f"-test-directory={MOCKED}"]
        done = terraform(tree, *command, check=False, environment={**terraform_environment, **reattached})
    statuses: dict[tuple[str, str], str] = {}
    messages: dict[tuple[str, str], list[str]] = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        place = (event.get("@testfile", ""), event.get("@testrun", ""))
        match event:
            case {"type": "test_run", "test_run": {"progress": "complete", "status": status}}:
                statuses[place] = status
            case {"type": "diagnostic", "diagnostic": {"severity": "error", **diagnostic}}:
                where = (diagnostic.get("range") or {}).get("filename", "")
                messages.setdefault(place, []).append(f"{where}: {diagnostic['summary']}: {diagnostic['detail']}")
    # What names no run makes all of them fail, before any is complete.
    if not statuses:
        pytest.fail(f"terraform test failed:\n{done.stdout}{done.stderr}", pytrace=False)
    return {place: MockedRun(status, "\n".join(messages.get(place, ()))) for place, status in statuses.items()}


@pytest.fixture(scope="session")
def plan(tree: Path, request: pytest.FixtureRequest) -> Callable[[str], tftest.TerraformPlanOutput]:
    """The plan of a first apply of `minimal`, `complete` or both `examples`, or `longest` (the longest stack name).

    Each folder is planned once, and the examples in one: a plan takes longer than all checks of it.
    """

    @functools.cache
    def made(folder: Path) -> tftest.TerraformPlanOutput:
        account = request.getfixturevalue("aws_endpoint").environment
        test = tftest.TerraformTest(str(folder), env={**account, **_GIVEN}, binary=tool(account).command)
        test.setup(cleanup_on_exit=False)
        return test.plan(output=True)

    @functools.cache
    def examples() -> tftest.TerraformPlanOutput:
        return made(_examples(tree))

    def get(name: str) -> tftest.TerraformPlanOutput:
        if name == "longest":
            return made(_longest(tree))
        return examples() if name == "examples" else _part(examples(), name)

    return functools.cache(get)


def _examples(tree: Path) -> Path:
    """A folder that calls each example as a module, and has its outputs as `<example>_<output>`."""
    folder = tree / "together"
    folder.mkdir()
    blocks = []
    for name in EXAMPLES:
        blocks.append(f'module "{name}" {{\n  source = "../examples/{name}"\n')
        blocks += [f"  {each} = var.{each}\n" for each in _labels(tree / "examples" / name, "variable")]
        blocks.append("}\n")
        for each in _labels(tree / "examples" / name, "output"):
            blocks.append(f'output "{name}_{each}" {{\n  value = module.{name}.{each}\n}}\n')
        blocks.append((tree / "examples" / name / "variables.tf").read_text())
    (folder / "main.tf").write_text("".join(blocks))
    return folder


def _labels(folder: Path, block: str) -> list[str]:
    return re.findall(rf'^{block} "(\w+)"', (folder / f"{block}s.tf").read_text(), re.MULTILINE)


def _part(planned: tftest.TerraformPlanOutput, name: str) -> tftest.TerraformPlanOutput:
    """The part of a plan that is about one module, as the plan of that module alone."""
    prefix = f"module.{name}."

    def module_of(values: Mapping[str, Any]) -> Any:
        (module,) = [each for each in values["root_module"]["child_modules"] if f"{each['address']}." == prefix]
        return module

    outputs = {
        each.removeprefix(f"{name}_"): output
        for each, output in planned["planned_values"]["outputs"].items()
        if each.startswith(f"{name}_")
    }
    raw = {
        "planned_values": {"outputs": outputs, "root_module": module_of(planned["planned_values"])},
        "prior_state": {"values": {"root_module": module_of(planned["prior_state"]["values"])}},
        "resource_changes": [each for each in planned["resource_changes"] if each["address"].startswith(prefix)],
    }
    # What an address is written in is JSON, and nothing else begins like it.
    return tftest.TerraformPlanOutput(json.loads(json.dumps(raw).replace(f'"address": "{prefix}', '"address": "')))


def _longest(tree: Path) -> Path:
    folder = tree / "longest"
    folder.mkdir()
    (folder / "main.tf").write_text(
        "\n".join(
            f"""module "{mode}" {{
              source              = "../"
              stack_name          = "{_LONGEST_STACK_NAME}"
              cluster_address     = "eu1.cloud.thethings.network"
              application_id      = "farm-app"
              application_api_key = "NNSXS.KEY.SECRET"
              ingest              = {{ mode = "{mode}", pubsub = {{ has_aws_iot_provider = true }} }}
              {choice}
            }}"""
            for mode, choice in (
                ("pubsub", "end_to_end_encryption = true\nobservability = { silence_minutes = 60 }"),
                ("webhook", "shadow = { min_interval_seconds = 900, delta_f_port = 223 }"),
                (
                    "mqtt",
                    f"""devices = {{
                      types        = {{ {64 * "t"} = {{}} }}
                      locations    = ["{64 * "l"}"]
                      telemetry    = {{}}
                      end_old_certificates = {{}}
                      provisioning = {{ just_in_time = {{ line = {{ type = "{64 * "t"}" }} }} }}
                    }}
                    observability = {{}}""",
                ),
            )
        )
    )
    return folder


def descend(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All resources of a module in the JSON of a plan or a state, and of the modules within it."""
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from descend(child)


@pytest.fixture(scope="session")
def resources() -> Callable[[tftest.TerraformPlanOutput], dict[str, dict[str, Any]]]:
    """Address -> resource (`type`, `values`) of everything that a plan creates."""

    def get(planned: tftest.TerraformPlanOutput) -> dict[str, dict[str, Any]]:
        return {
            resource["address"]: resource
            for resource in descend(planned["planned_values"]["root_module"])
            if resource["mode"] == "managed"
        }

    return get


@pytest.fixture(scope="session")
def policy_documents() -> Callable[[tftest.TerraformPlanOutput], dict[str, list[dict[str, Any]]]]:
    """Address -> statements of every policy document of the modules; what is only known after the apply is None."""

    def get(planned: tftest.TerraformPlanOutput) -> dict[str, list[dict[str, Any]]]:
        documents = {
            resource["address"]: resource["values"].get("statement") or []
            for resource in descend(planned["prior_state"]["values"]["root_module"])
            if resource["type"] == "aws_iam_policy_document"
        }
        for change in planned["resource_changes"]:
            if change["type"] == "aws_iam_policy_document":
                # None where a document only merges others.
                documents[change["address"]] = change["change"]["after"].get("statement") or []
        return {address: statements for address, statements in documents.items() if address.startswith("module.")}

    return get
