"""What is encrypted, with which key, in which roles and networks functions run: read from the plans of the examples.

One of their stacks sets every variable of docs/security.md, the others none. What the local AWS does not check (the
key of a queue, a VPC, the signature of code) is proven by the plan alone.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tftest

# One worker, with those of the other files: the plans take longer than all tests of them.
pytestmark = pytest.mark.xdist_group("plans")

Plan = Callable[[str], tftest.TerraformPlanOutput]
Documents = Callable[[tftest.TerraformPlanOutput], dict[str, list[dict[str, Any]]]]

OWN_KEY, WITHOUT = "module.vineyard.", "module.greenhouse."
# The attribute that names the key. None of these resources is encrypted with a key of the user by anything else.
ENCRYPTED = {
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_dynamodb_table": "server_side_encryption",
    "aws_lambda_function": "kms_key_arn",
    "aws_secretsmanager_secret": "kms_key_id",
    "aws_sns_topic": "kms_master_key_id",
    "aws_sqs_queue": "kms_master_key_id",
}


@pytest.fixture(scope="module")
def changes(plan: Plan) -> list[dict[str, Any]]:
    """What the plan of `complete` creates: `after`, and which of it is known only then (`after_unknown`)."""
    return [each for each in plan("complete")["resource_changes"] if each["change"]["actions"] == ["create"]]


def of_stack(
    changes: list[dict[str, Any]], stack: str, type_: str
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for each in changes:
        if each["type"] == type_ and each["address"].startswith(stack):
            yield each["address"], each["change"]["after"], each["change"]["after_unknown"]


@pytest.mark.parametrize(("type_", "attribute"), ENCRYPTED.items())
def test_everything_that_keeps_data_is_encrypted_with_the_key_of_the_user(
    type_: str, attribute: str, changes: list[dict[str, Any]]
) -> None:
    found = list(of_stack(changes, OWN_KEY, type_))
    # The key is created by the same apply, so its ARN is not known.
    for address, _, unknown in found:
        key = unknown.get(attribute)
        assert key is True or (isinstance(key, list) and key[0]["kms_key_arn"] is True), address
    assert found or type_ == "aws_secretsmanager_secret"  # that of its API key exists already


def test_without_a_key_everything_is_encrypted_with_keys_of_aws(changes: list[dict[str, Any]]) -> None:
    queues = list(of_stack(changes, WITHOUT, "aws_sqs_queue"))
    assert queues
    assert all(after["sqs_managed_sse_enabled"] for _, after, _ in queues)
    # A topic has no encryption of its own, unlike a log group, a table and a secret.
    topics = [after for each in changes if each["type"] == "aws_sns_topic" for after in [each["change"]["after"]]]
    assert topics


def test_every_log_is_kept_for_a_time(changes: list[dict[str, Any]]) -> None:
    groups = {
        after["name"]: after["retention_in_days"] for _, after, _ in of_stack(changes, "", "aws_cloudwatch_log_group")
    }
    functions = [after for _, after, _ in of_stack(changes, "", "aws_lambda_function")]
    assert {f"/aws/lambda/{each['function_name']}" for each in functions} < set(groups)
    assert {days for name, days in groups.items() if "vineyard" in name} == {90, 365}
    assert {days for name, days in groups.items() if "greenhouse" in name} == {30, 731}


def test_functions_run_in_the_vpc_are_traced_and_run_signed_code(changes: list[dict[str, Any]]) -> None:
    functions = list(of_stack(changes, OWN_KEY, "aws_lambda_function"))
    assert functions
    for address, after, _ in functions:
        assert after["vpc_config"][0]["security_group_ids"] == ["sg-0f1e2d3c4b5a69788"], address
        assert len(after["vpc_config"][0]["subnet_ids"]) == 2, address
        assert after["tracing_config"] == [{"mode": "Active"}], address
        assert after["code_signing_config_arn"].endswith(":csc-0f1e2d3c4b5a69788"), address
    for address, after, _ in of_stack(changes, WITHOUT, "aws_lambda_function"):
        assert after["vpc_config"] == [], address
        assert after["tracing_config"] == [{"mode": "PassThrough"}], address


def test_the_level_that_lambda_filters_by_hides_no_error_and_shows_no_secret(changes: list[dict[str, Any]]) -> None:
    # One stack has log_level "DEBUG", with which boto3 would log what it sends and receives.
    for address, after, _ in of_stack(changes, "", "aws_lambda_function"):
        assert after["logging_config"][0]["application_log_level"] == "INFO", address


def test_every_role_has_the_path_and_the_boundary_that_are_given(changes: list[dict[str, Any]]) -> None:
    roles = list(of_stack(changes, OWN_KEY, "aws_iam_role"))
    assert len(roles) > 10
    for address, after, _ in roles:
        assert after["permissions_boundary"] == "arn:aws:iam::123456789012:policy/workloads", address
        # The Things Stack takes no path in the ARN of the role that it assumes.
        assert after["path"] == ("/" if "ingest" in address else "/thingbridge/"), address
        # Another path creates the role of a function before it deletes the former one.
        if after["description"].startswith("Role of the function"):
            assert re.search(r"-[0-9a-f]{8}-eu-west-1$", after["name"]), address


def test_who_uses_what_is_encrypted_may_use_the_key_for_it(plan: Plan, policy_documents: Documents) -> None:
    """Each statement that reads or sends is followed by the right to use the key, through the service alone."""
    services = {"sqs:SendMessage": "sqs", "sqs:ReceiveMessage": "sqs", "sns:Publish": "sns"} | {
        f"dynamodb:{call}": "dynamodb"
        for call in ("DeleteItem", "GetItem", "GetRecords", "PutItem", "Query", "Scan", "UpdateItem")
    }
    seen = set()
    for address, statements in policy_documents(plan("complete")).items():
        if not address.startswith(OWN_KEY) or "observability" in address or not statements:
            continue
        needed = {services[action] for each in statements for action in each["actions"] if action in services}
        if "CompareDirectory" in [each["sid"] for each in statements]:
            continue  # merged with the grant of the table
        may = {
            condition["values"][0].partition(".")[0]
            for each in statements
            if "kms:Decrypt" in each["actions"]
            for condition in each["condition"]
            if condition["variable"] == "kms:ViaService"
        }
        assert needed <= may, address
        seen |= needed
    assert seen == {"dynamodb", "sns", "sqs"}


def test_an_own_secret_is_decrypted_with_any_key_and_nothing_else_is(plan: Plan, policy_documents: Documents) -> None:
    statements = policy_documents(plan("complete"))["module.vineyard.module.api_key.data.aws_iam_policy_document.use"]
    (key,) = [each for each in statements if each["sid"] == "UseKeyToReadApiKey"]
    assert key["resources"] == ["arn:aws:kms:eu-west-1:000000000000:key/*"]
    assert {each["variable"]: each["values"] for each in key["condition"]} == {
        "kms:EncryptionContext:SecretARN": ["arn:aws:secretsmanager:eu-west-1:000000000000:secret:vineyard-key-AbCdEf"],
        "kms:ViaService": ["secretsmanager.eu-west-1.amazonaws.com*"],
    }


def test_the_code_of_a_function_in_a_vpc_has_no_rights_on_the_network(plan: Plan, policy_documents: Documents) -> None:
    documents = policy_documents(plan("complete"))
    (address,) = [
        each
        for each in documents
        if each.startswith("module.vineyard.module.upstream.module.function.") and each.endswith(".this")
    ]
    statements = {each["sid"]: each for each in documents[address]}
    assert statements["JoinNetwork"]["actions"] == statements["KeepCodeFromNetwork"]["actions"]
    assert statements["KeepCodeFromNetwork"]["effect"] == "Deny"
    (condition,) = statements["KeepCodeFromNetwork"]["condition"]
    assert condition["variable"] == "lambda:SourceFunctionArn"
    assert condition["values"][0].endswith(":function:vineyard-upstream")


def test_only_the_comparison_may_start_itself_without_an_end(changes: list[dict[str, Any]]) -> None:
    allowed = [address for address, _, _ in of_stack(changes, "", "aws_lambda_function_recursion_config")]
    assert allowed
    assert all(".module.registry.module.sync[0]." in address for address in allowed)
