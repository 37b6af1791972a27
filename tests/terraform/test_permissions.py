"""Least privilege, as the plan shows it: a statement says what it is for, and reaches everything only with a reason."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import tftest

# One worker, with those of the other files: the plans take longer than all tests of them.
pytestmark = pytest.mark.xdist_group("plans")

Plan = Callable[[str], tftest.TerraformPlanOutput]
Documents = Callable[[tftest.TerraformPlanOutput], dict[str, list[dict[str, Any]]]]

# Statements whose resource is "*", and why no other is possible. Nothing else may have it.
EVERYTHING = {
    "AdministerKey": "in the policy of a key, * is the key itself",
    "EncryptNotifications": "in the policy of a key, * is the key itself",
    "FindEndpoint": "iot:DescribeEndpoint has no resource level in IAM",
    "KnowWhetherEventsAreSent": "iot:DescribeEventConfigurations has no resource level in IAM",
    "FindStacks": "iot:ListTopicRules has no resource level in IAM",
    "FindThings": "iot:ListThings has no resource level in IAM",
    "CreateCertificate": "iot:CreateKeysAndCertificate has no resource level in IAM",
    "IssueCertificates": "neither creating certificates nor attaching them to things has a resource level in IAM",
    "ReadAttachedPolicies": "iot:ListAttachedPolicies is checked on no resource that names the certificate",
    "RegisterCertificates": "neither attaching certificates to things nor registering them has a resource level in IAM",
    "DetachOldCertificates": "neither detaching certificates nor reading their policies has a resource that names them",
    "JoinNetwork": "network interfaces have no name that is known before",
    "KeepCodeFromNetwork": "denies what JoinNetwork permits",
    "SendTraces": "neither xray:PutTraceSegments nor xray:PutTelemetryRecords has a resource level in IAM",
    "SwitchOnRegistryEvents": "event configurations have no resource level in IAM",
}
# Resources that name a whole kind of thing, and why they can't name fewer.
WHOLE_KINDS = {
    "ActivateCertificates": "a certificate's ARN holds its fingerprint, which is not known before",
    "AddIdentifiers": "things are named by their users, freely",
    "CreateThings": "things are named by their users, freely",
    "EndOldCertificates": "a certificate's ARN holds its fingerprint, which is not known before",
    "FollowDeviceShadows": "things are named by their users, freely",
    "FollowDesiredStates": "things are named by their users, freely",
    "JoinGroups": "things are named by their users, freely",
    "KeepDeviceCertificates": "a certificate's ARN holds its fingerprint, which is not known before",
    "RegisterDevices": "things are named by their users, freely",
    "WriteInitialShadows": "things are named by their users, freely",
    "KeepCertificates": "a certificate's ARN holds its fingerprint, which is not known before",
    "KeepShadows": "things are named by their users, freely",
    "LookAtThings": "things are named by their users, freely",
    "LookForThings": "things are named by their users, freely",
    "ProvisionIntoGroups": "things are named by their users, freely",
    "ProvisionThings": "things are named by their users, freely",
    "ReadRotatedThings": "things are named by their users, freely",
    "ReadOutcomes": "things are named by their users, freely",
    "ReadThings": "things are named by their users, freely",
    "ReportOutcomes": "things are named by their users, freely",
    "UndoSecondThings": "things are named by their users, freely",
    "ChangeThings": "things are named by their users, freely",
    "Connect": "the client ids of The Things Stack are random",
    "UseKeyToReadApiKey": "nothing says which key encrypts an existing secret; a condition names the secret",
}
# With ingest.mode "mqtt" alone, and with the modes in which The Things Stack assumes a role.
MQTT = {"CreateCertificate", "KeepCertificates"}
ROLE = {"FindEndpoint"}
# With one of these modes, unless ingest.client_id_pattern is set.
ANY_CLIENT = {"Connect"}
# With functions.vpc and functions.tracing, and with application_api_key_secret_arn.
FUNCTIONS = {"JoinNetwork", "KeepCodeFromNetwork", "SendTraces"}
OWN_SECRET = {"UseKeyToReadApiKey"}
# With the variable devices, and its readings.
DEVICES = {
    "FollowDeviceShadows",
    "IssueCertificates",
    "JoinGroups",
    "KeepDeviceCertificates",
    "ReadAttachedPolicies",
    "RegisterDevices",
    "WriteInitialShadows",
}
# With devices.provisioning.
PROVISIONING = {
    "ActivateCertificates",
    "LookForThings",
    "ProvisionIntoGroups",
    "ProvisionThings",
    "RegisterCertificates",
}
# With devices.end_old_certificates.
ROTATIONS = {"DetachOldCertificates", "EndOldCertificates", "ReadRotatedThings"}
# With observability, in the policy of the key of its topic.
OBSERVABILITY = {"AdministerKey", "EncryptNotifications"}
# With shadow.delta_f_port.
DESIRED_STATES = {"FollowDesiredStates"}
CHOICES = (
    MQTT
    | ROLE
    | ANY_CLIENT
    | DEVICES
    | PROVISIONING
    | ROTATIONS
    | OBSERVABILITY
    | DESIRED_STATES
    | FUNCTIONS
    | OWN_SECRET
)
CHOSEN = {
    # Its observability uses a key of the example's own.
    "complete": ROLE | DEVICES | DESIRED_STATES | FUNCTIONS | OWN_SECRET,
    "longest": CHOICES - FUNCTIONS - OWN_SECRET,
    "minimal": set[str](),
}
STACKS = ["complete", pytest.param("longest", marks=pytest.mark.soak), "minimal"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_statement_says_what_it_is_for(stack: str, plan: Plan, policy_documents: Documents) -> None:
    for address, statements in policy_documents(plan(stack)).items():
        sids = [statement["sid"] for statement in statements]
        assert all(re.fullmatch(r"[A-Z][A-Za-z]+", sid or "") for sid in sids), address
        assert len(sids) == len(set(sids)), address


@pytest.mark.parametrize("stack", STACKS)
def test_no_action_holds_a_wildcard(stack: str, plan: Plan, policy_documents: Documents) -> None:
    for address, statements in policy_documents(plan(stack)).items():
        for statement in statements:
            assert not [action for action in statement["actions"] if "*" in action], address


@pytest.mark.parametrize("stack", STACKS)
def test_only_listed_statements_reach_everything(stack: str, plan: Plan, policy_documents: Documents) -> None:
    reaching = {
        statement["sid"]
        for statements in policy_documents(plan(stack)).values()
        for statement in statements
        if "*" in (statement.get("resources") or [])
    }
    assert reaching == set(EVERYTHING) - CHOICES | CHOSEN[stack] & set(EVERYTHING)


@pytest.mark.parametrize("stack", STACKS)
def test_a_resource_is_of_this_account_and_names_no_whole_kind(
    stack: str, plan: Plan, policy_documents: Documents
) -> None:
    whole = set()
    for address, statements in policy_documents(plan(stack)).items():
        for statement in statements:
            for resource in statement.get("resources") or []:
                if resource is None or resource == "*":
                    continue
                assert re.match(r"arn:aws:[a-z]+:[a-z0-9-]+:\d{12}:", resource), (address, statement["sid"])
                if re.fullmatch(r"[^/]+[:/]\*", resource.split(":", 5)[5]):
                    whole.add(statement["sid"])
    assert whole == set(WHOLE_KINDS) - CHOICES | CHOSEN[stack] & set(WHOLE_KINDS)


def test_services_act_for_one_account_and_one_rule(plan: Plan, policy_documents: Documents) -> None:
    trusts = {
        address: statement
        for address, statements in policy_documents(plan("minimal")).items()
        for statement in statements
        if any("iot.amazonaws.com" in principal["identifiers"] for principal in statement.get("principals") or [])
    }
    assert len(trusts) == 7
    for address, statement in trusts.items():
        conditions = {condition["variable"]: condition["values"] for condition in statement["condition"]}
        assert set(conditions) == {"aws:SourceAccount", "aws:SourceArn"}, address
        assert re.search(r":rule/farm_\w+$", conditions["aws:SourceArn"][0]), address


def test_the_things_stack_shows_the_external_id(plan: Plan, policy_documents: Documents) -> None:
    documents = policy_documents(plan("complete"))
    (trust,) = documents["module.vineyard.module.ingest.data.aws_iam_policy_document.trust[0]"]
    assert trust["principals"][0]["identifiers"] == ["arn:aws:iam::123456789012:root"]
    assert [(c["variable"], c["values"]) for c in trust["condition"]] == [("sts:ExternalId", ["vineyard-7f3a9c"])]


def test_the_scheduler_acts_for_one_account_and_one_group_of_schedules(plan: Plan, policy_documents: Documents) -> None:
    documents = policy_documents(plan("minimal"))
    addresses = [address for address in documents if ".module.sync_schedule[0]." in address and "trust" in address]
    (trust,) = documents[addresses[0]]
    assert trust["principals"][0]["identifiers"] == ["scheduler.amazonaws.com"]
    conditions = {condition["variable"]: condition["values"] for condition in trust["condition"]}
    assert set(conditions) == {"aws:SourceAccount", "aws:SourceArn"}
    # Never a schedule: EventBridge Scheduler shows the ARN of the group (user guide, "Confused deputy prevention").
    (source,) = conditions["aws:SourceArn"]
    assert re.fullmatch(r"arn:aws:scheduler:eu-west-1:\d{12}:schedule-group/default", source)
