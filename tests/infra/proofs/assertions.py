"""Assertions over an environment's policies: who asks for what under which circumstances, and the answer.

Answers come from what is declared and from how the templates wire things together (a rule and its target, an alarm
and its topic), never from the statement that is judged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from proofs.declared import ASSUMED_BY, EXTERNAL_ID, GATEWAY, PEOPLE, Call, call, declared
from proofs.deployment import deployers, does, never
from proofs.evaluator import Request, Value
from proofs.jobs import job_requests, through_endpoints
from proofs.world import BOUNDARY as BOUNDARY_POLICY
from proofs.world import OTHER_ORGANISATION, STRANGER, Caller, World

Layer = Literal["all", "own", "others", "others without boundary", "endpoint"]
DOES = "each role does what its code does"
NOTHING_ELSE = "and nothing else"
NOT_ALONE = "its own policy does not allow it either, without boundary and with every owner's consent"
OWNERS = "nor does an owner in another account, if the role were given everything"
CIRCUMSTANCES = "not without the circumstances that are asked for"
TLS = "plain HTTP and old TLS are refused"
OUTSIDERS = "other accounts, strangers and everybody are refused"
SERVICES = "AWS's services do their work"
CONFUSED = "no service does it for another account's sake"
ASSUMED = "a role is assumed by whom it is for"
NOT_ASSUMED = "and by nobody else"
JOBS = "jobs and notebooks: inside the network, encrypted, on the instances and within the times allowed"
ENDPOINTS = "endpoints let through whose account and whose resources are the environment's"
DEPLOYS = "CloudFormation deploys what the stacks hold"
CONFINED = "and cannot leave the boundary, its names or its account"
ANSWERS = "evaluations alone write what the gate judges by, whatever another role was given"
BOUNDARY = "no role opens the lake, drops logs or deletes keys, whatever its policies say"

# What the boundary admits for what serves a release, of which prod has none: test_boundary.py judges these stacks.
SERVING_ALONE = {"states:StartExecution"}
SESSION = {"aws:RequestTag/tenant": "one", "aws:RequestTag/feature": "one"}  # what the gateway tags its sessions with
ACCOUNT = re.compile(r"\b[0-9]{12}\b")
# What nobody needs who only works: actions that open, delete or take over, by service.
OBJECT_ACTIONS = (
    "GetObject GetObjectVersion PutObject AbortMultipartUpload DeleteObject DeleteObjectVersion PutObjectAcl"
)
GRAVE = {
    "s3": """ListBucket PutBucketPolicy DeleteBucketPolicy PutBucketPublicAccessBlock PutBucketAcl PutBucketLogging
        PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration PutReplicationConfiguration
        DeleteBucket""",
    "kms": """Decrypt Encrypt GenerateDataKey CreateGrant PutKeyPolicy DisableKey DisableKeyRotation
        ScheduleKeyDeletion""",
    "dynamodb": "GetItem PutItem Query Scan DeleteItem DeleteTable PutResourcePolicy UpdateContinuousBackups",
    "sqs": "SendMessage ReceiveMessage PurgeQueue DeleteQueue SetQueueAttributes",
    "sns": "Publish Subscribe SetTopicAttributes DeleteTopic",
    "lambda": "InvokeFunction UpdateFunctionCode AddPermission DeleteFunction PutFunctionConcurrency",
    "logs": "PutLogEvents DeleteLogGroup DeleteLogStream DeleteRetentionPolicy PutRetentionPolicy DisassociateKmsKey",
    "ecr": "BatchGetImage PutImage BatchDeleteImage SetRepositoryPolicy DeleteRepository",
    "sagemaker": "CreateTrainingJob UpdateModelPackage DeleteModelPackageGroup CreateNotebookInstance",
    "codebuild": "StartBuild UpdateProject DeleteProject",
    "bedrock": """InvokeModel InvokeModelWithResponseStream ApplyGuardrail DeleteGuardrail UpdateGuardrail
        DeleteModelInvocationLoggingConfiguration""",
    "codeartifact": "PublishPackageVersion DeletePackageVersions PutDomainPermissionsPolicy",
    "firehose": "PutRecord PutRecordBatch UpdateDestination StopDeliveryStreamEncryption DeleteDeliveryStream",
    "glue": "GetTable UpdateTable DeleteTable GetTables PutResourcePolicy",
    "iam": """CreateRole PassRole AttachRolePolicy PutRolePolicy UpdateAssumeRolePolicy DeleteRolePermissionsBoundary
        CreatePolicyVersion""",
    "ec2": """CreateNetworkInterface RunInstances CreateInternetGateway AttachInternetGateway CreateNatGateway
        CreateRoute CreateVpcPeeringConnection ModifyVpcEndpoint DeleteFlowLogs AuthorizeSecurityGroupIngress""",
    "sts": "AssumeRole GetFederationToken",
    "ssm": "GetParameter PutParameter",
    "events": "PutRule DisableRule DeleteRule RemoveTargets",
    "cloudwatch": "PutMetricData DeleteAlarms DisableAlarmActions",
    "states": "StartExecution StopExecution UpdateStateMachine DeleteStateMachine",
    "budgets": "ModifyBudget DescribeBudgetAction ExecuteBudgetAction",
    "xray": "PutEncryptionConfig PutResourcePolicy DeleteSamplingRule",
}
TYPES = {
    "AWS::Bedrock::ApplicationInferenceProfile": "bedrock",
    "AWS::Bedrock::Guardrail": "bedrock",
    "AWS::CodeBuild::Project": "codebuild",
    "AWS::EC2::Subnet": "ec2",
    "AWS::EC2::VPC": "ec2",
    "AWS::KMS::Key": "kms",
    "AWS::DynamoDB::Table": "dynamodb",
    "AWS::SQS::Queue": "sqs",
    "AWS::SNS::Topic": "sns",
    "AWS::KinesisFirehose::DeliveryStream": "firehose",
    "AWS::Lambda::Function": "lambda",
    "AWS::Logs::LogGroup": "logs",
    "AWS::ECR::Repository": "ecr",
    "AWS::SageMaker::ModelPackageGroup": "sagemaker",
    "AWS::IAM::Role": "iam",
    "AWS::SSM::Parameter": "ssm",
    "AWS::Events::Rule": "events",
    "AWS::CloudWatch::Alarm": "cloudwatch",
    "AWS::StepFunctions::StateMachine": "states",
}
# What else the ai account may hold that is not the platform's.
BYSTANDERS = """
    kms:key/company dynamodb:table/company sqs:company sns:company lambda:function:company
    logs:log-group:/company:log-stream:one ecr:repository/company sagemaker:model-package-group/company
    iam:role/company events:rule/company ssm:parameter/company
    cloudwatch:alarm:company states:stateMachine:company glue:table/company/company
    bedrock:guardrail/company bedrock:inference-profile/us.amazon.nova-pro-v1:0
    bedrock:application-inference-profile/company bedrock:custom-model/company
    firehose:deliverystream/company
    codeartifact:repository/company/company codebuild:project/company ec2:subnet/company ec2:security-group/company
""".split()
FOREIGN_SERVICES = """
    apigateway bedrock cloudtrail cloudwatch codebuild delivery.logs ec2 events firehose glue lambda logging.s3 logs
    s3 sagemaker scheduler sns states vpc-flow-logs
""".split()


@dataclass(frozen=True, eq=False)
class Assertion:
    """One request and its answer. `of_world` marks a caller whose policies are the world's.

    `layer` is what is judged: all policies together, the caller's own alone, or the others alone, as if the caller
    had been given everything, within its boundary or without one.
    """

    kind: str
    caller: Caller
    request: Request
    allowed: bool
    of_world: bool
    layer: Layer
    through: str = ""

    @cached_property
    def id(self) -> str:
        """Says it in a line."""
        context = " ".join(f"{key}={value}" for key, value in sorted(self.request.context.items()))
        may = "may" if self.allowed else "may not"
        return f"{self.caller.name} {may} {self.request.action} on {self.request.resource} [{context}]"

    def holds(self, world: World) -> bool:
        """Whether the policies of the world answer as they should."""
        caller = world.callers[self.caller.name] if self.of_world else self.caller
        if self.layer == "endpoint":
            return world.endpoint_allows(self.through, self.request) is self.allowed
        if self.layer == "own":
            return world.identity_allows(caller, self.request) is self.allowed
        if self.layer != "all":
            boundary = caller.boundary if self.layer == "others" else None
            caller = replace(caller, administrator=True, boundary=boundary)
        return world.allows(caller, self.request) is self.allowed


def assertions(world: World) -> list[Assertion]:
    """All of them, each once."""
    made = _Assertions(world)
    parts = (
        made.roles(),
        made.transport(),
        made.answers(),
        made.boundary(),
        made.outsiders(),
        made.services(),
        made.trusts(),
        made.jobs(),
        made.endpoints(),
        made.deployment(),
    )
    found = {(assertion.id, assertion.layer, assertion.through): assertion for part in parts for assertion in part}
    return list(found.values())


class _Assertions:
    def __init__(self, world: World) -> None:
        self.world = world
        self.ai = world.names.environment.accounts.ai
        self.region = world.names.environment.region
        self.platform = [caller for name, caller in world.callers.items() if "/" in name]
        self.declared = {caller.name: declared(world, caller.name) for caller in self.platform}

    def roles(self) -> Iterator[Assertion]:
        """Every role, every call of every role and what else there is to call."""
        universe = list(self._universe())
        for caller in self.platform:
            own = self.declared[caller.name]
            for asked in own:
                yield self._asks(DOES, caller, asked, allowed=True)
                yield self._asks(DOES, caller, asked, allowed=True, layer="own")
                for lacking in _lacking(asked):
                    if not any(entry.covers(lacking) for entry in own):
                        yield self._asks(CIRCUMSTANCES, caller, lacking, allowed=False)
            for asked in (*universe, *(lacking for entry in own for lacking in _lacking(entry))):
                if not any(entry.covers(asked) for entry in own):
                    yield self._asks(NOTHING_ELSE, caller, asked, allowed=False)
                    yield self._asks(NOT_ALONE, caller, asked, allowed=False, layer="own")
                    if asked.resource != "*" and self.world.owner(asked.resource) != caller.account:
                        yield self._asks(OWNERS, caller, asked, allowed=False, layer="others without boundary")

    def transport(self) -> Iterator[Assertion]:
        """Whoever may do everything in the account cannot do it in the clear."""
        insecure = {"s3": ({"aws:SecureTransport": "false"}, {"s3:TlsVersion": "1.1"})}
        for caller in administrators(self.world):
            things = self._things()
            for asked in (
                *(call("s3:ListBucket", bucket) for bucket in things["s3"][:-1]),
                *(call("s3:GetObject", f"{bucket}/one") for bucket in things["s3"][:-1]),
                *(call("sqs:SendMessage", queue) for queue in things["sqs"][:-1]),
                *(call("sns:Publish", topic) for topic in things["sns"][:-1]),
            ):
                if self.world.owner(asked.resource) != caller.account:
                    continue
                yield self._asks(TLS, caller, asked, allowed=True)
                for context in insecure.get(asked.action.partition(":")[0], insecure["s3"][:1]):
                    yield self._asks(TLS, caller, _with(asked, context), allowed=False)

    def answers(self) -> Iterator[Assertion]:
        """Who may do everything else in the bucket does not write there."""
        folder = f"arn:aws:s3:::{self.world.names.artefacts_bucket()}/workloads/digit-reader"
        answers, model = (call("s3:PutObject", f"{folder}/{part}/one.jsonl") for part in ("answers", "output"))
        for caller in self.platform:
            if caller.account == self.ai and "/Evaluation" not in caller.name:
                yield self._asks(ANSWERS, caller, answers, allowed=False, layer="others without boundary")
        for caller in administrators(self.world):
            if caller.account == self.ai:
                yield self._asks(ANSWERS, caller, answers, allowed=False)
                yield self._asks(ANSWERS, caller, model, allowed=True)

    def boundary(self) -> Iterator[Assertion]:
        """A role that was given everything still cannot do what no role of the platform does."""
        needed = {entry.action for calls in self.declared.values() for entry in calls} | SERVING_ALONE
        for caller in self.platform:
            for asked in self._universe():
                if asked.action not in needed:
                    yield self._asks(BOUNDARY, caller, asked, allowed=False, layer="others")
            # Budgets attach the policy that denies spending, and no other.
            everything = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
            for action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
                asked = call(action, caller.arn, everything)
                yield self._asks(BOUNDARY, caller, asked, allowed=False, layer="others")

    def outsiders(self) -> Iterator[Assertion]:
        """Administrators of other accounts, in and out of the organisation, also under borrowed names and tags."""
        universe = [asked for asked in self._universe() if asked.resource != "*"]
        for caller in outsiders(self.world):
            for asked in universe:
                owner = self.world.owner(asked.resource)
                if owner != caller.account and owner in self.world.accounts:
                    yield self._asks(OUTSIDERS, caller, asked, allowed=False)

    def services(self) -> Iterator[Assertion]:
        """What the wiring needs of services, and the same from elsewhere, for elsewhere, or by another service."""
        work = list(self._wiring())
        for service, asked in work:
            caller = _service(service)
            yield self._asks(SERVICES, caller, asked, allowed=True)
            for foreign in (*_foreign(asked), *(_lacking(asked) if asked.action == "sns:Publish" else ())):
                yield self._asks(CONFUSED, caller, foreign, allowed=False)
            for other in FOREIGN_SERVICES:
                name = f"{other}.amazonaws.com"
                if not any((done, asked.action, asked.resource) == (name, e.action, e.resource) for done, e in work):
                    yield self._asks(CONFUSED, _service(name), asked, allowed=False)
            kind = asked.action.partition(":")[0]
            for action in self._grave(asked):
                grave = Call(action, asked.resource, asked.context)
                if not any(done == service and entry.covers(grave) for done, entry in work):
                    yield self._asks(CONFUSED, caller, grave, allowed=False)
            if kind in ("s3", "sqs", "sns"):
                yield self._asks(TLS, caller, _with(asked, {"aws:SecureTransport": "false"}), allowed=False)
        # An account's bills go to its own place alone.
        exports = list(self._exports())
        for service, asked in exports:
            for account in self.world.names.environment.exporters():
                other = call(
                    asked.action, asked.resource, {key: ACCOUNT.sub(account, value) for key, value in asked.context}
                )
                if (service, other) not in exports:
                    yield self._asks(CONFUSED, _service(service), other, allowed=False)
        # A rule works for its own targets alone.
        for rule in self.world.of_type("AWS::Events::Rule"):
            source = {"aws:SourceArn": rule.arn, "aws:SourceAccount": rule.account}
            for action, kind in (
                ("lambda:InvokeFunction", "AWS::Lambda::Function"),
                ("sqs:SendMessage", "AWS::SQS::Queue"),
            ):
                for resource in self.world.of_type(kind):
                    asked = call(action, resource.arn, source)
                    if ("events.amazonaws.com", asked) not in work:
                        yield self._asks(CONFUSED, _service("events.amazonaws.com"), asked, allowed=False)

    def trusts(self) -> Iterator[Assertion]:
        """Who becomes a role of the platform."""
        for role in self.platform:
            [(service, source)] = [entry for start, entry in ASSUMED_BY.items() if role.name.startswith(start)]
            if service == GATEWAY:
                yield from self._becomes_for(role)
                continue
            if service == PEOPLE:
                yield from self._becomes(role, source)
                continue
            here = f"{self.region}:{role.account}"
            arn = source.format(here=here, account=role.account, stem=self.world.names.stem)
            context = {"aws:SourceArn": arn, "aws:SourceAccount": role.account} if source else {}
            if source == EXTERNAL_ID:
                context = {"sts:ExternalId": role.account}
            asked = call("sts:AssumeRole", role.arn, context)
            yield self._asks(ASSUMED, _service(service), asked, allowed=True)
            if source:
                for foreign in (*_foreign(asked), *_lacking(asked)):
                    yield self._asks(NOT_ASSUMED, _service(service), foreign, allowed=False)
            for other in FOREIGN_SERVICES:
                if f"{other}.amazonaws.com" != service:
                    yield self._asks(NOT_ASSUMED, _service(f"{other}.amazonaws.com"), asked, allowed=False)
            for action in ("sts:TagSession", "sts:SetSourceIdentity"):
                yield self._asks(NOT_ASSUMED, _service(service), call(action, role.arn, context), allowed=False)
            for caller in (*outsiders(self.world), *administrators(self.world), *self.platform):
                yield self._asks(NOT_ASSUMED, caller, call("sts:AssumeRole", role.arn), allowed=False)

    def _becomes(self, role: Caller, tag: str) -> Iterator[Assertion]:
        """People of the account whose role carries the tag; and no one without it, or with another's."""
        stem, asked = self.world.names.stem, call("sts:AssumeRole", role.arn)
        everybody = (*outsiders(self.world), *administrators(self.world), *self.platform)
        for caller in everybody:
            yield self._asks(NOT_ASSUMED, caller, asked, allowed=False)
            if caller.account != role.account or caller in self.platform:
                yield self._asks(NOT_ASSUMED, _tagged(caller, tag, stem), asked, allowed=False)
        for caller in administrators(self.world):
            if caller.account == role.account:
                yield self._asks(NOT_ASSUMED, _tagged(caller, tag, "another-dev"), asked, allowed=False)
                yield self._asks(ASSUMED, _tagged(caller, tag, stem), asked, allowed=True)
                for action in ("sts:TagSession", "sts:SetSourceIdentity"):
                    yield self._asks(NOT_ASSUMED, _tagged(caller, tag, stem), call(action, role.arn), allowed=False)
        for service in FOREIGN_SERVICES:
            yield self._asks(NOT_ASSUMED, _service(f"{service}.amazonaws.com"), asked, allowed=False)

    def _becomes_for(self, role: Caller) -> Iterator[Assertion]:
        """The gateway's role, for a tenant and a feature; nobody else, and not for less."""
        names = self.world.names
        account = names.environment.accounts.application
        [itself] = [caller for caller in self.platform if caller.arn == names.roles(account, names.gateway_role())]
        others = [caller for caller in self.platform if caller is not itself]
        gateway = Caller("the gateway", itself.arn, account, administrator=True)
        like = replace(gateway, name="a role named like the gateway's", arn=gateway.arn + "x")
        stranger = replace(
            gateway, name="a stranger's gateway", arn=ACCOUNT.sub(STRANGER, gateway.arn), account=STRANGER
        )
        tags = {"aws:RequestTag/tenant": "retail", "aws:RequestTag/feature": "help-page"}
        told = {**tags, "aws:TagKeys": ["feature", "tenant"]}
        wrong: list[dict[str, Value]] = [
            {**told, "aws:TagKeys": ["feature", "tenant", "workload"]},
            {**told, "aws:RequestTag/tenant": ""},
            {**told, "aws:RequestTag/feature": ""},
            {},
        ]
        for action in ("sts:AssumeRole", "sts:TagSession"):

            def asks(kind: str, caller: Caller, context: Mapping[str, Value], *, allowed: bool) -> Assertion:
                request = self.world.request(caller, action, role.arn, context)  # noqa: B023 - used at once
                return Assertion(kind, caller, request, allowed, caller.name in self.world.callers, "all")

            for caller in (gateway, itself):
                yield asks(ASSUMED, caller, told, allowed=True)
                for context in wrong:
                    yield asks(NOT_ASSUMED, caller, context, allowed=False)
            for caller in (like, stranger, *outsiders(self.world), *administrators(self.world), *others):
                yield asks(NOT_ASSUMED, caller, told, allowed=False)
        named = self.world.request(gateway, "sts:SetSourceIdentity", role.arn, told)
        yield Assertion(NOT_ASSUMED, gateway, named, allowed=False, of_world=False, layer="all")
        for service in FOREIGN_SERVICES:
            asked = call("sts:AssumeRole", role.arn)
            yield self._asks(NOT_ASSUMED, _service(f"{service}.amazonaws.com"), asked, allowed=False)

    def jobs(self) -> Iterator[Assertion]:
        """Jobs under the guard and inside the boundary."""
        for entry in job_requests(self.world):
            request = self.world.request(entry.caller, entry.action, "*", entry.context)
            yield Assertion(JOBS, entry.caller, request, entry.allowed, of_world=False, layer="all")
        names = self.world.names
        inside = Caller(
            "administrator inside the boundary",
            f"arn:aws:iam::{self.ai}:role/engineer",
            self.ai,
            administrator=True,
            boundary=BOUNDARY_POLICY,
        )
        job_role = names.roles(self.ai, names.training_role("digit-reader"))
        for role, service, allowed in (
            (job_role, "sagemaker", True),
            (job_role, "lambda", False),
            (names.roles(self.ai, "company"), "sagemaker", False),
        ):
            passed = call("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})
            yield self._asks(JOBS, inside, passed, allowed=allowed)

    def endpoints(self) -> Iterator[Assertion]:
        """Each endpoint of the network by itself."""
        for service, caller, through, allowed in through_endpoints(self.world):
            request = self.world.request(caller, through.action, through.resource, through.keys)
            yield Assertion(ENDPOINTS, caller, request, allowed, of_world=False, layer="endpoint", through=service)

    def deployment(self) -> Iterator[Assertion]:
        """CloudFormation's role in each account."""
        for account, caller in deployers(self.world):
            for asked in does(self.world, account):
                yield self._asks(DEPLOYS, caller, asked, allowed=True)
            for asked in never(self.world, account):
                yield self._asks(CONFINED, caller, asked, allowed=False)

    def _universe(self) -> Iterator[Call]:
        """Every call that is declared of any role, on every resource of its kind; and the grave ones."""
        calls = {entry for calls in self.declared.values() for entry in calls}
        yield from sorted(calls, key=str)
        for entry in sorted(calls, key=str):
            for action in self._grave(entry):
                yield Call(action, entry.resource, entry.context)
        contexts: dict[str, set[tuple[tuple[str, str], ...]]] = {}
        for entry in calls:
            contexts.setdefault(entry.action, {()}).add(entry.context)
        for service, resources in self._things().items():
            actions = {entry.action for entry in calls if entry.action.startswith(f"{service}:")}
            actions |= {f"{service}:{name}" for name in GRAVE[service].split()}
            actions -= {entry.action for entry in calls if entry.resource == "*"}
            if service == "s3":
                actions -= {f"s3:{name}" for name in OBJECT_ACTIONS.split()}
            for action in sorted(actions):
                for resource in resources:
                    for context in sorted(contexts.get(action, {()})):
                        yield Call(action, resource, context)
        for role in self._things()["iam"]:
            for action in ("sts:AssumeRole", "sts:TagSession"):
                yield call(action, role, SESSION)
        for bucket in self._buckets():
            for name in self._keys():
                for action in OBJECT_ACTIONS.split():
                    yield Call(f"s3:{action}", f"{bucket}/{name}")
        yield call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Company"})
        yield call("ecr:GetAuthorizationToken")
        for entry in sorted(calls, key=str):
            if entry.action.startswith("sagemaker:"):
                yield Call(entry.action, entry.resource.replace(self.region, "eu-north-1"))

    def _grave(self, entry: Call) -> list[str]:
        """The grave actions of the call's service, on what it names."""
        service = entry.action.partition(":")[0]
        if "/index/" in entry.resource:
            return ["dynamodb:Scan"]  # an index is read by queries and scans alone
        found = OBJECT_ACTIONS if service == "s3" and "/" in entry.resource else GRAVE[service]
        return [f"{service}:{name}" for name in found.split()]

    def _things(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"s3": self._buckets()}
        for kind, service in TYPES.items():
            arns = [resource.arn for resource in self.world.of_type(kind)]
            found.setdefault(service, []).extend(re.sub(r":\*$", ":log-stream:one", arn) for arn in arns)
        # Of AWS, whatever the account: a model that is not approved, and an approved one elsewhere.
        for region, model in ((self.region, "amazon.nova-pro-v1:0"), ("eu-west-1", "amazon.nova-lite-v1:0")):
            found["bedrock"].append(f"arn:aws:bedrock:{region}::foundation-model/{model}")
        for entry in BYSTANDERS:
            service, _, name = entry.partition(":")
            region = "" if service == "iam" else self.region
            found.setdefault(service, []).append(f"arn:aws:{service}:{region}:{self.ai}:{name}")
        return found

    def _buckets(self) -> list[str]:
        return [resource.arn for resource in self.world.of_type("AWS::S3::Bucket")] + ["arn:aws:s3:::company-payroll"]

    def _keys(self) -> list[str]:
        declared = {
            entry.resource.removeprefix("arn:aws:s3:::").partition("/")[2]
            for calls in self.declared.values()
            for entry in calls
            if entry.action.startswith("s3:")
        }
        return [*sorted(declared - {""}), "elsewhere/one"]

    def _wiring(self) -> Iterator[tuple[str, Call]]:
        """Service and call: who calls whom, as rules, alarms, logs and buckets are wired."""
        world = self.world
        by_arn = {resource.arn: resource for resource in world.resources.values()}
        keys = {resource.arn for resource in world.of_type("AWS::KMS::Key")}

        def encrypted(service: str, arn: str, source: Mapping[str, str]) -> Iterator[tuple[str, Call]]:
            properties = by_arn[arn].properties
            key = properties.get("KmsMasterKeyId")
            for found in [entry for entry in keys if key and entry.endswith(str(key).split(":")[-1])]:
                for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                    yield service, call(action, found, source)

        for rule in world.of_type("AWS::Events::Rule"):
            source = {"aws:SourceArn": rule.arn, "aws:SourceAccount": rule.account}
            for target in rule.properties.get("Targets", ()):
                if ":lambda:" in target["Arn"]:
                    yield "events.amazonaws.com", call("lambda:InvokeFunction", target["Arn"], source)
                if queue := target.get("DeadLetterConfig", {}).get("Arn"):
                    yield "events.amazonaws.com", call("sqs:SendMessage", queue, source)
                    yield from encrypted("events.amazonaws.com", queue, source)
        for alarm in world.of_type("AWS::CloudWatch::Alarm"):
            source = {"aws:SourceArn": alarm.arn, "aws:SourceAccount": alarm.account}
            for topic in alarm.properties.get("AlarmActions", ()):
                yield "cloudwatch.amazonaws.com", call("sns:Publish", topic, source)
                yield from encrypted("cloudwatch.amazonaws.com", topic, source)
        for subscription in world.of_type("AWS::SNS::Subscription"):
            if subscription.properties["Protocol"] == "lambda":
                source = {"aws:SourceArn": subscription.properties["TopicArn"]}
                yield "sns.amazonaws.com", call("lambda:InvokeFunction", subscription.properties["Endpoint"], source)
        for budget in world.of_type("AWS::Budgets::Budget"):
            arn = f"arn:aws:budgets::{budget.account}:budget/{budget.properties['Budget']['BudgetName']}"
            source = {"aws:SourceArn": arn, "aws:SourceAccount": budget.account}
            for notified in budget.properties["NotificationsWithSubscribers"]:
                for reader in notified["Subscribers"]:
                    yield "budgets.amazonaws.com", call("sns:Publish", reader["Address"], source)
                    yield from encrypted("budgets.amazonaws.com", reader["Address"], source)
        for method in world.of_type("AWS::ApiGateway::Method"):
            api = f"arn:aws:execute-api:{self.region}:{method.account}:{method.properties['RestApiId']}"
            function = method.properties["Integration"]["Uri"].partition("/functions/")[2].rpartition("/")[0]
            source = {"aws:SourceArn": f"{api}/live/POST/v1/chat/completions"}
            yield "apigateway.amazonaws.com", call("lambda:InvokeFunction", function, source)
        yield from self._exports()
        for setting in world.of_type("Custom::InvocationLogging"):
            source = {"aws:SourceArn": f"arn:aws:bedrock:{self.region}:{self.ai}:x/y", "aws:SourceAccount": self.ai}
            where = f"arn:aws:s3:::{setting.properties['Bucket']}/invocations/AWSLogs/{self.ai}"
            written = f"{where}/BedrockModelInvocationLogs/{self.region}/one.json.gz"
            yield "bedrock.amazonaws.com", call("s3:PutObject", written, source)
            for resource in (one for one in world.of_type("AWS::KMS::Key") if one.stack == setting.stack):
                for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                    yield "bedrock.amazonaws.com", call(action, resource.arn, {"aws:SourceAccount": self.ai})
        for group in world.of_type("AWS::Logs::LogGroup"):
            if key := group.properties.get("KmsKeyId"):
                source = {"kms:EncryptionContext:aws:logs:arn": group.arn.removesuffix(":*")}
                for action in (
                    "Decrypt",
                    "DescribeKey",
                    "Encrypt",
                    "GenerateDataKey",
                    "ReEncryptFrom",
                    "ReEncryptTo",
                ):
                    yield f"logs.{self.region}.amazonaws.com", call(f"kms:{action}", key, source)
        for bucket in world.of_type("AWS::S3::Bucket"):
            if logging := bucket.properties.get("LoggingConfiguration"):
                source = {"aws:SourceArn": bucket.arn, "aws:SourceAccount": bucket.account}
                where = (
                    f"arn:aws:s3:::{logging['DestinationBucketName']}/{logging.get('LogFilePrefix', '')}2026-11-21"
                )
                yield "logging.s3.amazonaws.com", call("s3:PutObject", where, source)

    def _exports(self) -> Iterator[tuple[str, Call]]:
        """Bills of the accounts that export: https://docs.aws.amazon.com/cur/latest/userguide/dataexports-s3-bucket.html"""
        names = self.world.names
        bucket = f"arn:aws:s3:::{names.costs_bucket()}"
        [key] = [one.arn for one in self.world.of_type("AWS::KMS::Key") if one.stack == "DataLake"]
        for account in names.environment.exporters():
            for service, kind in (("bcm-data-exports", "bcm-data-exports"), ("billingreports", "cur")):
                arn = f"arn:aws:{kind}:us-east-1:{account}:{'definition' if kind == 'cur' else 'export'}/one"
                source = {"aws:SourceArn": arn, "aws:SourceAccount": account}
                principal = f"{service}.amazonaws.com"
                yield principal, call("s3:PutObject", f"{bucket}/exports/{account}/one.parquet", source)
                yield principal, call("s3:GetBucketPolicy", bucket, source)
                yield principal, call("kms:GenerateDataKey", key, source)

    def _asks(self, kind: str, caller: Caller, asked: Call, *, allowed: bool, layer: Layer = "all") -> Assertion:
        request = self.world.request(caller, asked.action, asked.resource, asked.keys)
        return Assertion(kind, caller, request, allowed, caller.name in self.world.callers, layer)


def outsiders(world: World) -> list[Caller]:
    """Who has every permission of an account of his own, or no account."""
    names, accounts = world.names, world.names.environment.accounts
    tags = {"workload": "digit-reader"}

    def administrator(name: str, account: str, role: str, **more: object) -> Caller:
        return Caller(name, f"arn:aws:iam::{account}:role/{role}", account, administrator=True, **more)  # type: ignore[arg-type]

    like = names.training_role("digit-reader")
    return [
        administrator("administrator of application", accounts.application, "admin"),
        administrator(
            "application's role with a training role's name and tag", accounts.application, like, tags=tags
        ),
        administrator("administrator of data", accounts.data, "admin"),
        administrator("data's role with a training role's name and tag", accounts.data, like, tags=tags),
        administrator("administrator of tooling", accounts.tooling, "admin"),
        administrator("administrator of ai", accounts.ai, "admin"),
        administrator("administrator of ai with a workload's tag", accounts.ai, "admin", tags=tags),
        administrator("untagged role of ai with a training role's name", accounts.ai, names.training_role("x")),
        administrator("stranger", STRANGER, "admin", organisation=OTHER_ORGANISATION),
        administrator(
            "stranger with a training role's name and tag", STRANGER, like, organisation=OTHER_ORGANISATION, tags=tags
        ),
        Caller("everybody", "", "", kind="anonymous", organisation=""),
    ]


def administrators(world: World) -> list[Caller]:
    """Who has every permission in the account itself: trusted with it, but not to become a role of the platform."""
    accounts = world.names.environment.account_ids()
    return [
        Caller(
            f"{name}'s own administrator",
            f"arn:aws:iam::{accounts[name]}:role/admin",
            accounts[name],
            administrator=True,
        )
        for name in ("ai", "application", "data")
    ]


def _tagged(caller: Caller, tag: str, value: str) -> Caller:
    return replace(caller, name=f"{caller.name}, tagged {tag}={value}", tags={tag: value})


def _service(name: str) -> Caller:
    return Caller(name, name, "", kind="service", organisation="")


def _with(asked: Call, context: Mapping[str, str]) -> Call:
    return call(asked.action, asked.resource, asked.keys | dict(context))


def _lacking(asked: Call) -> Iterator[Call]:
    """The call without each of its circumstances, and with another value in its place."""
    for key, value in asked.context:
        rest = {name: other for name, other in asked.keys.items() if name != key}
        yield call(asked.action, asked.resource, rest)
        if key.startswith("aws:RequestTag/"):
            continue  # which tenant it is, is the caller's to say
        other = ACCOUNT.sub(STRANGER, value) if ACCOUNT.search(value) else f"elsewhere-{value}"
        if value.startswith("arn:aws:s3:"):
            other = "arn:aws:s3:::elsewhere"
        yield call(asked.action, asked.resource, rest | {key: other})


def _foreign(asked: Call) -> Iterator[Call]:
    """The call for the sake of another account, and of nobody."""
    yield call(asked.action, asked.resource, {key: ACCOUNT.sub(STRANGER, value) for key, value in asked.context})
    yield call(asked.action, asked.resource)
