"""An environment as policies see it: its roles, resources and policies, read off synthesised templates.

References become ARNs by a table, deterministically: what CloudFormation would make up is called `<stack>-<id>` here.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from groundplan.execution_policy import boundary_policy, execution_policy
from groundplan.names import Names
from proofs.evaluator import Kind, Policies, Policy, Request, Value, allows

Template = Mapping[str, Any]
STRANGER = "000000000042"
ORGANISATION, OTHER_ORGANISATION = "o-groundplan0", "o-elsewhere00"
BOUNDARY = "boundary"  # one text in every account
ADMINISTRATOR = Policy.read("administrator", {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
# CloudFormation type: the property that names it, what `Ref` gives, and its ARN after region and account.
KINDS: dict[str, tuple[str, str, str]] = {
    "AWS::ApiGateway::Stage": ("StageName", "name", "apigateway:{r}:{a}:stage/{n}"),
    "AWS::Bedrock::ApplicationInferenceProfile": (
        "InferenceProfileName",
        "name",
        "bedrock:{r}:{a}:application-inference-profile/{n}",
    ),
    "AWS::Bedrock::Guardrail": ("Name", "name", "bedrock:{r}:{a}:guardrail/{n}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "name", "cloudwatch:{r}:{a}:alarm:{n}"),
    "AWS::CodeBuild::Project": ("Name", "name", "codebuild:{r}:{a}:project/{n}"),
    "AWS::DynamoDB::Table": ("TableName", "name", "dynamodb:{r}:{a}:table/{n}"),
    "AWS::EC2::SecurityGroup": ("GroupName", "name", "ec2:{r}:{a}:security-group/{n}"),
    "AWS::ECR::Repository": ("RepositoryName", "name", "ecr:{r}:{a}:repository/{n}"),
    "AWS::Events::EventBus": ("Name", "name", "events:{r}:{a}:event-bus/{n}"),
    "AWS::Events::Rule": ("Name", "name", "events:{r}:{a}:rule/{n}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "arn", "iam::{a}:policy/{n}"),
    "AWS::IAM::Role": ("RoleName", "name", "iam::{a}:role{p}{n}"),
    "AWS::KMS::Key": ("", "name", "kms:{r}:{a}:key/{n}"),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryStreamName", "name", "firehose:{r}:{a}:deliverystream/{n}"),
    "AWS::Lambda::Function": ("FunctionName", "name", "lambda:{r}:{a}:function:{n}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "name", "logs:{r}:{a}:log-group:{n}:*"),
    "AWS::S3::Bucket": ("BucketName", "name", "s3:::{n}"),
    "AWS::SNS::Topic": ("TopicName", "arn", "sns:{r}:{a}:{n}"),
    "AWS::SQS::Queue": ("QueueName", "name", "sqs:{r}:{a}:{n}"),
    "AWS::SSM::Parameter": ("Name", "name", "ssm:{r}:{a}:parameter{n}"),
    "AWS::SageMaker::ModelPackageGroup": (
        "ModelPackageGroupName",
        "arn",
        "sagemaker:{r}:{a}:model-package-group/{n}",
    ),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "arn", "states:{r}:{a}:stateMachine:{n}"),
}


@cache
def _consent(principal: str) -> Policy:
    """An owner who lets an account, or `*`, do everything."""
    everything = {"Effect": "Allow", "Action": "*", "Principal": {"AWS": principal}}
    return Policy.read("consent", {"Statement": everything})


@dataclass(frozen=True)
class Resource:
    """A resource of a template, with its properties resolved."""

    stack: str
    logical_id: str
    type: str
    account: str
    name: str
    arn: str
    properties: Mapping[str, Any]

    @property
    def where(self) -> str:
        """Stack and logical id."""
        return f"{self.stack}/{self.logical_id}"


@dataclass(frozen=True)
class Caller:
    """Who may ask. `policies` and `boundary` are ids; `administrator` has every permission its account can give."""

    name: str
    arn: str
    account: str
    kind: Kind = "role"
    organisation: str = ORGANISATION
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    policies: tuple[str, ...] = ()
    boundary: str | None = None
    administrator: bool = False


@dataclass(frozen=True)
class World:
    """All that policies of one environment know.

    `attached` is ARN to policy, `endpoints` an endpoint's service to policy; `control` and `resource_control` are ids
    of the organisation's policies.
    """

    names: Names
    resources: Mapping[str, Resource]
    policies: Mapping[str, Policy]
    callers: Mapping[str, Caller]
    attached: Mapping[str, str] = field(default_factory=dict[str, str])
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    control: Sequence[str] = ()
    resource_control: Sequence[str] = ()

    def of_type(self, kind: str) -> Iterator[Resource]:
        """Every resource of a CloudFormation type, in order."""
        return (resource for resource in self.resources.values() if resource.type == kind)

    @cached_property
    def _bucket_owners(self) -> Mapping[str, str]:
        return {bucket.name: bucket.account for bucket in self.of_type("AWS::S3::Bucket")}

    def owner(self, arn: str) -> str:
        """The account that a resource belongs to."""
        account = arn.split(":")[4]
        if account:
            return account
        if arn.startswith("arn:aws:s3:::"):
            bucket = arn.removeprefix("arn:aws:s3:::").split("/")[0]
            if owner := self._bucket_owners.get(bucket):
                return owner
            if named := re.search(r"[0-9]{12}", bucket):
                return named[0]
        return self.names.environment.accounts.ai

    def request(self, caller: Caller, action: str, resource: str, context: Mapping[str, Value]) -> Request:
        """What AWS would see: `context` on top of the keys that every request has."""
        owner = caller.account if resource == "*" else self.owner(resource)
        keys: dict[str, Value] = {"aws:SecureTransport": "true", "aws:ResourceAccount": owner}
        keys["aws:RequestedRegion"] = self.names.environment.region
        keys["aws:ResourceOrgID"] = ORGANISATION if owner in self.accounts else OTHER_ORGANISATION
        if action.startswith("s3:"):
            keys["s3:TlsVersion"] = "1.3"
        if caller.kind == "service":
            keys["aws:PrincipalIsAWSService"] = "true"
            keys["aws:PrincipalServiceName"] = caller.arn
            if source := context.get("aws:SourceAccount"):
                keys["aws:SourceOrgID"] = ORGANISATION if source in self.accounts else OTHER_ORGANISATION
        elif caller.kind != "anonymous":
            keys |= {"aws:PrincipalArn": caller.arn, "aws:PrincipalAccount": caller.account}
            keys |= {"aws:PrincipalOrgID": caller.organisation, "aws:PrincipalIsAWSService": "false"}
            keys |= {f"aws:PrincipalTag/{key}": value for key, value in caller.tags.items()}
        given = {key: value for key, value in (keys | dict(context)).items() if value != ""}
        return Request(caller.arn, caller.kind, caller.account, action, resource, owner, given)

    @property
    def accounts(self) -> frozenset[str]:
        """The environment's accounts: all in one organisation."""
        return frozenset(self.names.environment.account_ids().values())

    def touched(self, caller: Caller, resource: str) -> set[str]:
        """Ids of the policies that take part when the caller asks for the resource."""
        found = {*caller.policies, *([caller.boundary] if caller.boundary else [])}
        if policy := self._resource_policy(resource):
            found.add(policy)
        if caller.account in self.accounts and caller.kind == "role":
            found |= set(self.control)
        if resource != "*" and self.owner(resource) in self.accounts:
            found |= set(self.resource_control)
        return found

    def identity_allows(self, caller: Caller, request: Request) -> bool:
        """The decision if nothing but the caller's own policies counted: no boundary, and every owner consents."""
        own = [self.policies[name] for name in caller.policies]
        return allows(request, Policies(identity=own, resource=_consent(caller.account)))

    def endpoint_allows(self, service: str, request: Request) -> bool:
        """Whether an endpoint lets the request through, if nothing else stood against it."""
        through = Policies(
            identity=[ADMINISTRATOR], resource=_consent("*"), endpoint=self.policies[self.endpoints[service]]
        )
        return allows(request, through)

    def allows(self, caller: Caller, request: Request) -> bool:
        """The decision, by every policy that takes part."""
        attached = self._resource_policy(request.resource)
        inside = caller.account in self.accounts
        own = [ADMINISTRATOR] if caller.administrator else []
        own += [self.policies[name] for name in caller.policies]
        return allows(
            request,
            Policies(
                identity=own,
                boundary=self.policies[caller.boundary] if caller.boundary else None,
                resource=self.policies[attached] if attached else None,
                control=[[ADMINISTRATOR, *(self.policies[name] for name in self.control)]] if inside else [],
                resource_control=[[ADMINISTRATOR, *(self.policies[name] for name in self.resource_control)]]
                if request.owner in self.accounts
                else [],
            ),
        )

    def _resource_policy(self, arn: str) -> str | None:
        whole = arn.split("/")[0] if arn.startswith("arn:aws:s3:::") else arn
        return self.attached.get(whole) or self.attached.get(whole.split("/index/")[0])

    def with_policy(self, policy: Policy) -> "World":
        """The same with another text in the policy of this name."""
        return replace(self, policies={**self.policies, policy.name: policy})

    def with_caller(self, caller: Caller) -> "World":
        """The same with another caller of this name."""
        return replace(self, callers={**self.callers, caller.name: caller})


def read_world(names: Names, templates: Mapping[str, Template], accounts: Mapping[str, str]) -> World:
    """The world of an environment, from its templates and the account of each, by stack id."""
    return _Reader(names, templates, accounts).world()


def accounts_of(folder: Path) -> dict[str, str]:
    """Stack id to account, from an assembly's manifest."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    return {
        stack: artifact["environment"].split("/")[2]
        for stack, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def _default_key_policy(account: str) -> dict[str, Any]:
    """As KMS gives it to a key for which none is written."""
    everything = {"Action": "kms:*", "Resource": "*", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    return {"Statement": [{"Effect": "Allow"} | everything]}


class _Reader:
    def __init__(self, names: Names, templates: Mapping[str, Template], accounts: Mapping[str, str]) -> None:
        self.names, self.templates, self.accounts = names, templates, accounts
        self.resources: dict[str, Resource] = {}
        self.policies: dict[str, Policy] = {}
        self.attached: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}

    def world(self) -> World:
        for stack, template in self.templates.items():
            for logical_id, entry in template["Resources"].items():
                properties = self._resolve(stack, entry.get("Properties", {}))
                name, arn = self._identity(stack, logical_id)
                resource = Resource(stack, logical_id, entry["Type"], self.accounts[stack], name, arn, properties)
                self.resources[resource.where] = resource
        self._policy(BOUNDARY, boundary_policy(self.names.environment))
        for account in ("ai", "data"):
            number = self.names.environment.account_ids()[account]
            self._policy(f"execution:{account}", execution_policy(self.names, number))
        for policy in self._of("AWS::IAM::ManagedPolicy"):
            if not policy.properties.get("Roles"):  # for people's roles, which are not the platform's
                self._policy(f"identity:{policy.where}", policy.properties["PolicyDocument"])
        for resource in self.resources.values():
            self._resource_policies(resource)
        for account in ("ai", "data"):
            number = self.names.environment.account_ids()[account]
            arn = f"arn:aws:kms:{self.names.environment.region}:{number}:key/company"
            self.attached[arn] = self._policy(f"bystander:{account}", _default_key_policy(number))
        callers = {caller.name: caller for caller in map(self._role, self._of("AWS::IAM::Role"))}
        for account in ("ai", "data"):
            callers[f"CloudFormation in {account}"] = self._deployer(account)
        return World(self.names, self.resources, self.policies, callers, self.attached, self.endpoints)

    def _of(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources.values() if resource.type == kind]

    def _policy(self, name: str, document: Mapping[str, Any]) -> str:
        self.policies[name] = Policy.read(name, document)
        return name

    def _role(self, role: Resource) -> Caller:
        number, properties = role.account, role.properties
        found: list[str] = []
        for policy in (*self._of("AWS::IAM::ManagedPolicy"), *self._of("AWS::IAM::Policy")):
            if policy.account == number and role.name in policy.properties.get("Roles", ()):
                found.append(self._policy(f"identity:{policy.where}", policy.properties["PolicyDocument"]))
        for inline in properties.get("Policies", ()):
            name = f"identity:{role.where}/{inline['PolicyName']}"
            found.append(self._policy(name, inline["PolicyDocument"]))
        return Caller(
            name=role.where,
            arn=role.arn,
            account=number,
            tags={tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())},
            policies=tuple(found),
            boundary=BOUNDARY if "PermissionsBoundary" in properties else None,
        )

    def _deployer(self, account: str) -> Caller:
        number, region = self.names.environment.account_ids()[account], self.names.environment.region
        role = f"cdk-{self.names.environment.qualifier}-cfn-exec-role-{number}-{region}"
        return Caller(
            f"CloudFormation in {account}",
            f"arn:aws:iam::{number}:role/{role}",
            number,
            policies=(f"execution:{account}",),
        )

    def _resource_policies(self, resource: Resource) -> None:
        properties, kind = resource.properties, resource.type
        if kind == "AWS::IAM::Role":
            self._attach(resource.arn, f"trust:{resource.where}", properties["AssumeRolePolicyDocument"])
        elif kind == "AWS::KMS::Key":
            self._attach(resource.arn, f"resource:{resource.where}", properties["KeyPolicy"])
        elif kind == "AWS::ECR::Repository" and "RepositoryPolicyText" in properties:
            self._attach(resource.arn, f"resource:{resource.where}", properties["RepositoryPolicyText"])
        elif kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
            named = properties.get("Queues") or properties.get("Topics") or [properties["Bucket"]]
            for name in named:
                self._attach(self._by_reference(name).arn, f"resource:{resource.where}", properties["PolicyDocument"])
        elif kind == "AWS::Lambda::Permission":
            self._permission(resource)
        elif kind == "AWS::EC2::VPCEndpoint":
            service = properties["ServiceName"].removeprefix(f"com.amazonaws.{self.names.environment.region}.")
            self.endpoints[service] = self._policy(f"endpoint:{resource.where}", properties["PolicyDocument"])

    def _attach(self, arn: str, name: str, document: Mapping[str, Any]) -> None:
        assert arn not in self.attached, f"{name}: {arn} has {self.attached[arn]} already"
        self.attached[arn] = self._policy(name, document)

    def _permission(self, permission: Resource) -> None:
        """As Lambda writes it into the function's policy."""
        properties = permission.properties
        function = properties["FunctionName"]
        principal = properties["Principal"]
        condition: dict[str, Any] = {}
        if "SourceArn" in properties:
            condition["ArnLike"] = {"AWS:SourceArn": properties["SourceArn"]}
        if "SourceAccount" in properties:
            condition["StringEquals"] = {"AWS:SourceAccount": properties["SourceAccount"]}
        statement = {
            "Sid": permission.logical_id,
            "Effect": "Allow",
            "Principal": {"Service" if "." in principal else "AWS": principal},
            "Action": properties["Action"],
            "Resource": function,
            "Condition": condition,
        }
        name = f"resource:{function.split(':')[-1]}"
        present = [dict(entry.document) for entry in self.policies[name].statements] if name in self.policies else []
        self.attached[function] = self._policy(name, {"Statement": [*present, statement]})

    def _by_reference(self, value: str) -> Resource:
        [found] = [
            resource
            for resource in self.resources.values()
            if resource.type in ("AWS::S3::Bucket", "AWS::SNS::Topic", "AWS::SQS::Queue")
            and value in (resource.name, resource.arn)
        ]
        return found

    def _identity(self, stack: str, logical_id: str) -> tuple[str, str]:
        """Name and ARN of a resource."""
        entry = self.templates[stack]["Resources"][logical_id]
        kind, properties = entry["Type"], entry.get("Properties", {})
        service, noun = kind.split("::")[-2:]
        named, _, shape = KINDS.get(kind, ("", "name", f"{service.lower()}:{{r}}:{{a}}:{noun.lower()}/{{n}}"))
        name = self._resolve(stack, properties[named]) if named in properties else f"{stack}-{logical_id}"
        if named not in properties and kind not in ("AWS::KMS::Key", "AWS::S3::Bucket"):
            name = f"{self.names.stem}-{name}"
        path = properties.get("Path", "/")
        region, account = self.names.environment.region, self.accounts[stack]
        return name, "arn:aws:" + shape.format(r=region, a=account, n=name, p=path)

    def _reference(self, stack: str, logical_id: str) -> str:
        if logical_id.startswith("AWS::"):
            pseudo = {
                "AWS::Partition": "aws",
                "AWS::Region": self.names.environment.region,
                "AWS::AccountId": self.accounts[stack],
                "AWS::URLSuffix": "amazonaws.com",
                "AWS::StackName": self.names.stack(stack),
                "AWS::NoValue": "",
            }
            return pseudo[logical_id]
        if logical_id not in self.templates[stack]["Resources"]:
            return str(self.templates[stack]["Parameters"][logical_id].get("Default", logical_id))
        name, arn = self._identity(stack, logical_id)
        kind = self.templates[stack]["Resources"][logical_id]["Type"]
        return arn if KINDS.get(kind, ("", "name", ""))[1] == "arn" else name

    def _attribute(self, stack: str, logical_id: str, attribute: str) -> str:
        name, arn = self._identity(stack, logical_id)
        if attribute in ("Arn", "TopicArn", "GroupArn", "GuardrailArn", "InferenceProfileArn"):
            return arn
        return (
            name if attribute in ("QueueName", "TopicName", "KeyId", "Name", "GuardrailId") else f"{name}.{attribute}"
        )

    def _resolve(self, stack: str, node: Any) -> Any:
        if isinstance(node, list):
            return [self._resolve(stack, entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1 or not (key := next(iter(node))).startswith(("Fn::", "Ref")) or key == "RefreshRate":
            return {key: self._resolve(stack, value) for key, value in node.items()}
        value = node[key]
        if key == "Ref":
            return self._reference(stack, value)
        if key == "Fn::GetAtt":
            logical_id, attribute = value.split(".", 1) if isinstance(value, str) else value
            return self._attribute(stack, logical_id, attribute)
        if key == "Fn::GetStackOutput":
            [other] = [name for name in self.templates if self.names.stack(name) == value["StackName"]]
            return self._resolve(other, self.templates[other]["Outputs"][value["OutputName"]]["Value"])
        value = self._resolve(stack, value)
        if key == "Fn::Join":
            return value[0].join(map(str, value[1]))
        if key == "Fn::Sub" and isinstance(value, str):
            return self._substitute(stack, value)
        if key == "Fn::Select":
            return value[1][int(value[0])]
        if key == "Fn::Split":
            return str(value[1]).split(value[0])
        if key == "Fn::GetAZs":
            return [f"{self.names.environment.region}{letter}" for letter in "abc"]
        raise AssertionError(f"{stack}: this reference is not known here: {json.dumps(node)[:200]}")

    def _substitute(self, stack: str, text: str) -> str:
        head, *parts = text.split("${")
        for part in parts:
            name, _, rest = part.partition("}")
            is_attribute = "." in name and not name.startswith("AWS::")
            value = self._attribute(stack, *name.split(".", 1)) if is_attribute else self._reference(stack, name)
            head += value + rest
        return head
