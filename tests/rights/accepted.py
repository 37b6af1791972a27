"""What is granted and not used, with the reason: rights that only `make soak` uses, and what the local AWS can't show.

An entry that no finding needs is stale, and fails as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

Right = tuple[str, str, str]
"""Role, statement, and action or resource ("service:name", the stack as <stack>); each may hold *."""


class Found(Enum):
    """In which runs of the whole suite a finding is there."""

    ALWAYS = "in each"
    WITHOUT_SOAK = "in make test; make soak uses the right"
    SOMETIMES = "in some: a fault, or what is first, decides whether the right is used"


@dataclass(frozen=True)
class Accepted:
    """Why a finding is no fault."""

    found: Found
    reason: str


_ENTRIES: tuple[tuple[Found, str, str | tuple[str, ...], dict[str, tuple[str, ...]]], ...] = (
    # What the local AWS does not check, or checks otherwise than AWS.
    (
        Found.ALWAYS,
        "AWS checks it as a part of the operation that is given the role, the local AWS does not",
        "applier",
        {"Roles": ("iam:PassRole",)},
    ),
    (
        Found.ALWAYS,
        "AWS checks it for tags that are given at creation, the local AWS does not; no test changes tags",
        "applier",
        {
            "*": ("*:TagResource", "*:UntagResource"),
            "Parameters": ("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"),
            "Queues": ("sqs:TagQueue", "sqs:UntagQueue"),
            "Roles": ("iam:TagRole", "iam:UntagRole"),
        },
    ),
    (
        Found.ALWAYS,
        "AWS writes the ARN of a log group with :* for most operations, the local AWS without it for all",
        "applier",
        {"Logs": ("logs:log-group:/thethings/lorawan/<stack>/things:*",)},
    ),
    (
        Found.ALWAYS,
        "has no resource level in AWS; the local AWS checks it on the thing",
        "*",
        {
            "DetachOldCertificates": ("iot:DetachThingPrincipal",),
            "IssueCertificates": ("iot:AttachThingPrincipal",),
            "RegisterCertificates": ("iot:AttachThingPrincipal",),
        },
    ),
    (
        Found.ALWAYS,
        "AWS documents both the thing and the thing with its shadow as the resource; the local AWS uses the first",
        "function downlink",
        {"ElectAnsweringStack": ("iot:thing/thingbridge-stacks/downlink-rejections",)},
    ),
    (
        Found.ALWAYS,
        "is one of those that AWS's managed policy AWSIoTThingsRegistration has; the local AWS checks fewer",
        "provisioning",
        {
            "ActivateCertificates": ("iot:DescribeCertificate",),
            "ProvisionIntoGroups": ("iot:DescribeThingGroup", "iot:thing/*"),
            "ProvisionThings": (
                "iot:DescribeThing",
                "iot:ListThingGroupsForThing",
                "iot:ListThingPrincipals",
                "iot:UpdateThing",
            ),
            "ReadTypesAndPolicies": ("iot:DescribeThingType", "iot:GetPolicy"),
            "RegisterCertificates": (
                "iot:AttachPrincipalPolicy",
                "iot:ListAttachedPolicies",
                "iot:ListPrincipalPolicies",
                "iot:ListPrincipalThings",
                "iot:RegisterCertificate",
                "iot:RegisterThing",
            ),
        },
    ),
    (
        Found.ALWAYS,
        "the local AWS has no such action of a topic rule, so no stack of the tests has one",
        "no role",
        {"DeliverSelectedMessages": ("-",), "StreamSelectedMessages": ("-",)},
    ),
    (
        Found.ALWAYS,
        "the local AWS does not substitute the topic of a republished message, so no stack has uplink_mode rules",
        "no role",
        {"RepublishSelectedMessages": ("-",)},
    ),
    (
        Found.ALWAYS,
        "a service of AWS does it in the name of the role; the local AWS encrypts nothing and sends no trace",
        "*",
        {
            "ReadOwnEnvironment": ("kms:Decrypt",),
            "SendTraces": ("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
            "UseKey*": ("kms:Decrypt", "kms:GenerateDataKey"),
        },
    ),
    (
        Found.ALWAYS,
        "the local AWS has no VPC, so no stack of the tests is in one",
        "no role",
        {"JoinNetwork": ("-",), "KeepCodeFromNetwork": ("-",)},
    ),
    (
        Found.ALWAYS,
        "no stack of the tests has devices and a key of its own",
        "no role",
        {"UseKeyToNotifyAlerts": ("-",)},
    ),
    (
        Found.ALWAYS,
        "for a certificate that AWS refuses to delete while a policy is attached; the local AWS deletes it",
        "*",
        {
            "EndOldCertificates": ("iot:AttachPolicy", "iot:DetachPolicy"),
            "KeepCertificates": ("iot:DetachPolicy",),
            "KeepDeviceCertificates": ("iot:DetachPolicy",),
        },
    ),
    # What tests cause on purpose.
    (
        Found.ALWAYS,
        "a test tries with this role what it must not do",
        "The Things Stack",
        {
            "-": (
                "iot:ListThings on *",
                "iot:Publish on iot:topic/$aws/things/x/shadow/update",
                "iot:Publish on iot:topic/lorawan/downlink",
                "iot:Publish on iot:topic/thethings/lorawan/orchard/uplink",
            )
        },
    ),
    (
        Found.ALWAYS,
        "a test points the rule at a queue that does not exist, for its error action",
        "rule registry",
        {"-": ("sqs:SendMessage on sqs:<stack>-gone",)},
    ),
    # What no stack of the tests has, or what none of them does.
    (
        Found.ALWAYS,
        "The Things Stack subscribes to both topics of requests; the tests send theirs on the other one",
        "The Things Stack",
        {"ReceiveDownlinkRequests": ("iot:topic/thethings/lorawan/<stack>/downlink/replace",)},
    ),
    (
        Found.ALWAYS,
        "no stack of the tests reserves concurrency, indexes its fleet or has subscribers of its topic",
        "applier",
        {
            "FleetIndex": ("iot:GetIndexingConfiguration", "iot:UpdateIndexingConfiguration"),
            "Functions": ("lambda:DeleteFunctionConcurrency", "lambda:PutFunctionConcurrency"),
            "Topics": (
                "sns:<stack>-alarms:*",
                "sns:GetSubscriptionAttributes",
                "sns:SetSubscriptionAttributes",
                "sns:Subscribe",
                "sns:Unsubscribe",
            ),
        },
    ),
    (
        Found.ALWAYS,
        "the schedule counts hours; the test invokes the function instead, and the other schedule runs",
        "schedule rotations",
        {"EndWhatIsDue": ("lambda:InvokeFunction",)},
    ),
    (
        Found.ALWAYS,
        "each rule has it by the module topic_rule; the error action is tried with one of them",
        "rule *",
        {"KeepFailedMessages": ("sqs:SendMessage",)},
    ),
    (
        Found.ALWAYS,
        "no test has a certificate that can't be deleted, which is attached again",
        "function rotations",
        {"DetachOldCertificates": ("iot:AttachThingPrincipal",)},
    ),
    # What `make soak` does.
    (
        Found.WITHOUT_SOAK,
        "make test ends its AWS instead of destroying its stacks, but for one",
        "applier",
        {
            "Alarms": ("cloudwatch:DeleteAlarms",),
            "Dashboard": ("cloudwatch:DeleteDashboards",),
            "DevicesOfTheirOwn": ("iot:DeleteThingGroup", "iot:DeleteThingType", "iot:DeprecateThingType"),
            "Functions": (
                "lambda:DeleteFunctionEventInvokeConfig",
                "lambda:DeleteFunctionUrlConfig",
            ),
            "Keys": ("kms:DeleteAlias", "kms:ScheduleKeyDeletion"),
            "PermissionOfTheUrl": ("cloudformation:DeleteStack",),
            "Policies": ("iot:DeletePolicy", "iot:ListPolicyVersions"),
            "ProvisioningTemplates": ("iot:DeleteProvisioningTemplate",),
            "Queues": ("sqs:DeleteQueue",),
            "QueuesOfFunctions": ("lambda:DeleteEventSourceMapping",),
            "Rules": ("iot:DeleteTopicRule",),
            "Schedules": ("scheduler:DeleteSchedule",),
            "Tables": ("dynamodb:DeleteTable",),
            "Topics": ("sns:DeleteTopic",),
        },
    ),
    (
        Found.WITHOUT_SOAK,
        "is read by a second plan or apply, of which make test has none of a whole stack",
        "applier",
        {"Functions": ("lambda:GetFunctionRecursionConfig",)},
    ),
    (
        Found.WITHOUT_SOAK,
        "make test destroys no stack of the mode mqtt",
        "function configure",
        {"KeepCertificates": ("iot:DeleteCertificate", "iot:DescribeCertificate")},
    ),
    (
        Found.WITHOUT_SOAK,
        "lets messages in while The Things Stack changes over to Basic Ingest, which the stack of make test has",
        "function webhook",
        {"PublishForTheRule": ("iot:topic/thethings/lorawan/<stack>/*",)},
    ),
    # What depends on the run.
    (
        Found.SOMETIMES,
        "is needed by another version of the module, or when its inputs change: no test goes through all of them",
        "applier",
        {
            "DevicesOfTheirOwn": ("iot:UpdateThingGroup", "iot:UpdateThingType"),
            "Functions": (
                "lambda:GetFunctionConfiguration",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ),
            "Keys": ("kms:DisableKeyRotation", "kms:PutKeyPolicy", "kms:UpdateAlias", "kms:UpdateKeyDescription"),
            "Logs": ("logs:DeleteRetentionPolicy",),
            "PermissionOfTheUrl": ("cloudformation:DescribeStackEvents", "cloudformation:UpdateStack"),
            "Policies": ("iot:CreatePolicyVersion", "iot:DeletePolicyVersion"),
            "ProvisioningTemplates": (
                "iot:CreateProvisioningTemplateVersion",
                "iot:DeleteProvisioningTemplateVersion",
                "iot:ListProvisioningTemplateVersions",
                "iot:UpdateProvisioningTemplate",
            ),
            "Queues": ("sqs:SetQueueAttributes",),
            "QueuesOfFunctions": ("lambda:UpdateEventSourceMapping",),
            "Roles": ("iam:UpdateAssumeRolePolicy", "iam:UpdateRoleDescription"),
            "Rules": ("iot:ReplaceTopicRule",),
            "Schedules": ("scheduler:UpdateSchedule",),
            "Secrets": ("secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage"),
            "Tables": ("dynamodb:UpdateTable",),
        },
    ),
    (
        Found.SOMETIMES,
        "a message is delivered again after a pause when it failed: functions of the same kind do so in each run",
        ("function directory", "function downlink", "function requeue", "function shadow", "function waiting"),
        {
            "SetWhenGroupsComeAgain": ("sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"),
            "SetWhenMessagesComeAgain": ("sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"),
        },
    ),
    (
        Found.SOMETIMES,
        "keeps an event on which all attempts failed: functions of the same kind do so in each run",
        ("function rotations", "function telemetry", "function upstream"),
        {"KeepFailedEvents": ("sqs:SendMessage",)},
    ),
    (
        Found.SOMETIMES,
        "a registration that failed is undone",
        "function devices",
        {
            "IssueCertificates": ("iot:DetachThingPrincipal",),
            "KeepDeviceCertificates": ("iot:DeleteCertificate",),
        },
    ),
    (
        Found.SOMETIMES,
        "says in the log of things what AWS or The Things Stack refused",
        ("function requeue", "function shadow", "function sync", "function waiting"),
        {"WriteThingsLog": ("logs:CreateLogStream", "logs:PutLogEvents")},
    ),
    (
        Found.SOMETIMES,
        "looks for the thing of a returned downlink whose session does not name it",
        "function requeue",
        {"FindThings": ("iot:ListThings",), "ReadThings": ("iot:DescribeThing",)},
    ),
    (
        Found.SOMETIMES,
        "is scheduled for later when two invocations write one shadow",
        "function shadow",
        {"ScheduleWrites": ("sqs:SendMessage",)},
    ),
    (
        Found.SOMETIMES,
        "undoes a thing that a message made while the event of a person's thing was handled",
        ("function upstream", "function waiting"),
        {"HaveThingsLookedAt": ("sqs:SendMessage",)},
    ),
    (
        Found.SOMETIMES,
        "does with messages that waited what the function upstream does with all: here few wait, in two stacks",
        "function waiting",
        {
            "AddIdentifiers": ("iot:UpdateThing",),
            "CreateThings": ("iot:DescribeThing",),
            "FindThings": ("iot:ListThings",),
            "GiveUpMessages": ("sqs:SendMessage",),
            "KeepShadows": ("iot:GetThingShadow",),
            "KeepSessions": ("dynamodb:GetItem", "dynamodb:UpdateItem"),
            "KeepStates": ("dynamodb:GetItem", "dynamodb:UpdateItem"),
            "ReadKeyEncryptionKey": ("secretsmanager:GetSecretValue",),
            "ScheduleWrites": ("sqs:SendMessage",),
        },
    ),
)
"""When it is found, why it stays, one role or several, and the rights by statement."""


def _accepted() -> Iterator[tuple[Right, Accepted]]:
    for found, reason, roles, statements in _ENTRIES:
        for role in (roles,) if isinstance(roles, str) else roles:
            for statement, rights in statements.items():
                yield from (((role, statement, right), Accepted(found, reason)) for right in rights)


ACCEPTED: Mapping[Right, Accepted] = dict(_accepted())
