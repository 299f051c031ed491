"""What the organisation's policies refuse, and that they let the platform work, as the proofs' evaluator judges it.

They only ever refuse: here every call is allowed by its own policies, so it passes unless a statement refuses it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from groundplan.catalogue import Catalogue
from groundplan.environment import Environment, read_environment
from groundplan.evaluation import Made, Question, evaluation_request
from groundplan.governance import OrganizationPolicy, policies
from groundplan.names import Names
from groundplan.training_request import Inputs, LaunchDefaults, build_request
from groundplan.workload import read_workload
from proofs.evaluator import Policies, Policy, Request, allows, applies

ROOT = Path(__file__).parents[3]
AI, DATA, STRANGER, PARTNER = "666677778888", "999900001111", "575757575757", "343434343434"
APPLICATION = "555566667777"
OWN = "o-exampleorg1"
ENGINEER = "Engineer"
TRAINING = "groundplan-prod-digit-reader-training"
DEPLOYMENT = f"cdk-gpprod-cfn-exec-role-{AI}-us-east-1"
JOB: dict[str, Any] = {
    "sagemaker:InstanceTypes": ["ml.m5.large"],
    "sagemaker:VpcSubnets": ["subnet-1"],
    "sagemaker:VpcSecurityGroupIds": ["sg-1"],
    "sagemaker:VolumeKmsKey": "key",
    "sagemaker:OutputKmsKey": "key",
    "sagemaker:MaxRuntimeInSeconds": "3600",
    "sagemaker:DirectInternetAccess": "Disabled",
    "sagemaker:RootAccess": "Disabled",
    "sagemaker:AppNetworkAccessType": "VpcOnly",
}
ON_NVME = {"sagemaker:InstanceTypes": ["ml.g5.xlarge"], "sagemaker:VolumeKmsKey": None}
BUCKET, OBJECT = f"arn:aws:s3:::groundplan-prod-curated-{DATA}-us-east-1", "arn:aws:s3:::somebucket/some/key"
KEY = f"arn:aws:kms:us-east-1:{DATA}:key/1234"
CATALOGUE = Catalogue.read(ROOT / "catalogue.toml")
MODEL = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0"
OTHER_MODEL = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
INSIDE = {"aws:ResourceOrgID": OWN, "aws:PrincipalOrgID": OWN, "aws:PrincipalIsAWSService": "false"}
OFFICE = "203.0.113.7"


@dataclass(frozen=True)
class Call:
    """One call to AWS: who asks for what, and what AWS knows about it (None: the key is absent)."""

    action: str
    role: str = ENGINEER
    resource: str = "*"
    keys: dict[str, Any] = field(default_factory=dict)
    region: str = "us-east-1"
    account: str = AI
    address: str = OFFICE
    tls: bool = True

    def by(self, role: str) -> "Call":
        """The same call by another role."""
        return replace(self, role=role)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """`prod` with an organisation around it."""
    root = tmp_path_factory.mktemp("governed")
    (root / "environments").mkdir()
    text = (ROOT / "environments/prod.toml").read_text() + (ROOT / "tests/unit/organization.toml").read_text()
    (root / "environments/prod.toml").write_text(text)
    return read_environment(root, "prod")


@pytest.fixture(scope="module")
def made(environment: Environment) -> tuple[OrganizationPolicy, ...]:
    assert environment.organization
    return policies(Names(environment), environment.organization, CATALOGUE)


EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
GRANTED = Policy.read("granted", {"Statement": EVERYTHING})
GRANTED_TO_ALL = Policy.read("granted to all", {"Statement": EVERYTHING | {"Principal": "*"}})


def refusal(made: tuple[OrganizationPolicy, ...], call: Call) -> str | None:
    """The statement that refuses a call; None when every one lets it through.

    Service control policies bind the organisation's own principals, resource control policies whoever asks.
    """
    keys = {key: value for key, value in {**INSIDE, **call.keys}.items() if value is not None}
    service = keys["aws:PrincipalIsAWSService"] == "true"
    caller = f"arn:aws:iam::{call.account}:role/{call.role}"
    context = {
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": str(call.tls).lower(),
        "aws:SourceIp": call.address,
        **({} if service else {"aws:PrincipalArn": caller, "aws:PrincipalAccount": call.account}),
        **keys,
    }
    owner = call.resource.split(":")[4] if call.resource.count(":") > 4 else ""
    if owner:
        context["aws:ResourceAccount"] = owner
    request = Request(
        "sagemaker.amazonaws.com" if service else caller,
        "service" if service else "role",
        call.account,
        call.action,
        call.resource,
        owner or call.account,
        context,
    )
    ours = call.account in (AI, APPLICATION, DATA)
    bound = [policy for policy in made if policy.type == "RESOURCE_CONTROL_POLICY" or ours]
    read = {policy.name: Policy.read(policy.name, policy.document) for policy in bound}
    passes = allows(
        request,
        Policies(
            identity=[GRANTED],
            resource=GRANTED_TO_ALL,
            control=[[GRANTED, *(read[p.name] for p in bound if p.type == "SERVICE_CONTROL_POLICY")]],
            resource_control=[[GRANTED, *(read[p.name] for p in bound if p.type == "RESOURCE_CONTROL_POLICY")]],
        ),
    )
    if passes:
        return None
    sids = [
        str(statement.document["Sid"])
        for policy in read.values()
        for statement in policy.statements
        if applies(statement, request)
    ]
    return sids[0]


STRANGERS = {"aws:PrincipalOrgID": None}
ELSEWHERE = {"aws:ResourceOrgID": "o-someoneelse"}
SERVICE = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalOrgID": None, "aws:SourceAccount": STRANGER}
INFERENCE = {"bedrock:InferenceProfileArn": f"arn:aws:bedrock:us-east-1:{AI}:inference-profile/us.some.model"}
SAGEMAKER = "sagemaker:Create"

ACROSS: list[tuple[str, Call]] = [
    ("OwnResourcesOnly", Call("s3:PutObject", resource=OBJECT, keys=ELSEWHERE)),
    ("OwnResourcesOnly", Call("s3:PutObject", role=TRAINING, resource=OBJECT, keys={"aws:ResourceOrgID": None})),
    ("OwnResourcesOnly", Call("sts:AssumeRole", resource=f"arn:aws:iam::{STRANGER}:role/x", keys=ELSEWHERE)),
    ("RegionsOnly", Call("s3:CreateBucket", region="ap-south-1")),
    ("RegionsOnly", Call("sagemaker:CreateTrainingJob", region="us-west-2", keys=JOB)),
    ("InferenceRegionsOnly", Call("bedrock:InvokeModel", resource=MODEL, region="ap-south-1", keys=INFERENCE)),
    ("InferenceElsewhereByProfileOnly", Call("bedrock:InvokeModel", resource=MODEL, region="us-west-2")),
    ("ApprovedModelsOnly", Call("bedrock:InvokeModel", resource=OTHER_MODEL)),
    ("ApprovedModelsOnly", Call("bedrock:InvokeModelWithResponseStream", resource=OTHER_MODEL)),
    (
        "ApprovedModelsOnly",
        Call(
            "bedrock:InvokeModel",
            resource=f"arn:aws:bedrock:us-east-1:{AI}:inference-profile/us.amazon.nova-lite-v1:0",
        ),
    ),
    ("ApprovedModelsOnly", Call("bedrock:InvokeModel", resource=f"arn:aws:bedrock:us-east-1:{AI}:custom-model/x")),
    (
        "NoModelsOfTheApplication",
        Call("bedrock:InvokeModel", resource=MODEL, account=APPLICATION),
    ),
    (
        "NoModelsOfTheApplication",
        Call(
            "bedrock:InvokeModelWithResponseStream",
            role="groundplan-prod-gateway",
            resource=MODEL,
            account=APPLICATION,
        ),
    ),
    ("StayInTheOrganisation", Call("organizations:LeaveOrganization").by("BreakGlass")),
    ("NothingSharedWithTheWorld", Call("s3:PutAccountPublicAccessBlock")),
    ("NothingSharedWithTheWorld", Call("ec2:ModifyImageAttribute")),
    ("NothingSharedWithTheWorld", Call("ec2:ModifySnapshotAttribute").by(DEPLOYMENT)),
    ("NothingSharedWithTheWorld", Call("ecr-public:CreateRepository")),
    ("BucketsStayBlocked", Call("s3:PutBucketPublicAccessBlock", resource=BUCKET)),
    ("NoPublicAcls", Call("s3:PutObjectAcl", resource=BUCKET, keys={"s3:x-amz-acl": "public-read"})),
    ("NoOpenFunctionUrls", Call("lambda:CreateFunctionUrlConfig", keys={"lambda:FunctionUrlAuthType": "NONE"})),
    ("NoOpenFunctionUrls", Call("lambda:AddPermission", keys={"lambda:FunctionUrlAuthType": "NONE"})),
    ("NoFunctionsForEveryone", Call("lambda:AddPermission", keys={"lambda:Principal": "*"})),
    (
        "NoStudiosMovedToTheInternet",
        Call("sagemaker:UpdateDomain", keys={"sagemaker:AppNetworkAccessType": "PublicInternetOnly"}),
    ),
    ("TrailsStayOn", Call("cloudtrail:StopLogging")),
    ("TrailsStayOn", Call("config:StopConfigurationRecorder").by(DEPLOYMENT)),
    ("TrailsStayOn", Call("guardduty:DeleteDetector")),
    ("TrailsStayOn", Call("bedrock:DeleteModelInvocationLoggingConfiguration")),
    ("LogsStay", Call("ec2:DeleteFlowLogs")),
    ("InvocationsStayLogged", Call("bedrock:PutModelInvocationLoggingConfiguration")),
    ("InvocationsStayLogged", Call("bedrock:PutModelInvocationLoggingConfiguration").by(DEPLOYMENT)),
    ("LogsStay", Call("logs:DeleteLogGroup")),
    ("LogsStay", Call("logs:PutRetentionPolicy")),
    ("LogsStay", Call("s3:PutBucketLogging", resource=BUCKET)),
    ("KeysStay", Call("kms:ScheduleKeyDeletion", resource=KEY)),
    ("KeysStay", Call("kms:ScheduleKeyDeletion", resource=KEY).by(DEPLOYMENT)),
    ("KeysStay", Call("kms:DisableKey", resource=KEY).by("PretendBreakGlass")),
    ("BreakGlassStaysAsItIs", Call("iam:UpdateAssumeRolePolicy", resource=f"arn:aws:iam::{AI}:role/BreakGlass")),
    ("BreakGlassStaysAsItIs", Call("iam:CreateRole", resource=f"arn:aws:iam::{AI}:role/BreakGlass")),
    ("OwnIdentitiesOnly", Call("s3:GetObject", resource=BUCKET, account=STRANGER, keys=STRANGERS)),
    ("OwnIdentitiesOnly", Call("kms:Decrypt", account=STRANGER, keys={"aws:PrincipalOrgID": "o-someoneelse"})),
    ("OwnIdentitiesOnly", Call("sts:AssumeRole", account=STRANGER, keys=STRANGERS)),
    ("ServicesForOwnAccountsOnly", Call("s3:PutObject", resource=BUCKET, account=STRANGER, keys=SERVICE)),
    (
        "ServicesForOwnAccountsOnly",
        Call("sqs:SendMessage", account=STRANGER, keys={**SERVICE, "aws:SourceOrgID": "o-someoneelse"}),
    ),
    ("EncryptedInTransit", Call("s3:GetObject", resource=BUCKET, tls=False)),
    ("EncryptedInTransit", Call("sqs:SendMessage", tls=False)),
    ("RecentTls", Call("s3:GetObject", resource=BUCKET, keys={"s3:TlsVersion": "1.1"})),
    ("ExpectedNetworksOnly", Call("s3:GetObject", resource=BUCKET, address="198.51.100.7")),
    ("ExpectedNetworksOnly", Call("kms:Decrypt", address="198.51.100.7", keys={"aws:VpceOrgID": "o-someoneelse"})),
]

# What a person without the exception may not do either: one call each, without condition keys.
BY_NOBODY = {
    "NothingSharedWithTheWorld": """
        ec2:DisableImageBlockPublicAccess ec2:DisableSnapshotBlockPublicAccess rds:ModifyDBClusterSnapshotAttribute
        rds:ModifyDBSnapshotAttribute ssm:ModifyDocumentPermission
    """,
    "TrailsStayOn": """
        cloudtrail:DeleteEventDataStore cloudtrail:DeleteTrail cloudtrail:PutEventSelectors
        cloudtrail:StopEventDataStoreIngestion cloudtrail:UpdateTrail config:DeleteConfigurationRecorder
        config:DeleteDeliveryChannel config:DeleteRetentionConfiguration guardduty:DeleteMembers
        guardduty:DisassociateFromAdministratorAccount guardduty:DisassociateMembers guardduty:StopMonitoringMembers
        guardduty:UpdateDetector
    """,
    "LogsStay": """
        logs:DeleteLogStream logs:DeleteRetentionPolicy
        logs:DisassociateKmsKey
    """,
    "KeysStay": "kms:DeleteImportedKeyMaterial kms:DisableKeyRotation",
    "BreakGlassStaysAsItIs": """
        iam:AttachRolePolicy iam:DeleteRole iam:DeleteRolePermissionsBoundary iam:DeleteRolePolicy
        iam:DetachRolePolicy iam:PutRolePermissionsBoundary iam:PutRolePolicy iam:UpdateRole
    """,
}
# Jobs and notebooks: all as it should be, but for what the keys say.
JOBS = "TrainingJob HyperParameterTuningJob ProcessingJob"
LARGE, ROOT_ACCESS = {"sagemaker:InstanceTypes": ["ml.m5.large", "ml.p5.48xlarge"]}, "sagemaker:RootAccess"
UNUSUAL_JOBS: list[tuple[str, str, dict[str, Any]]] = [
    ("OutsideTheNetwork", f"{JOBS} AutoMLJob AutoMLJobV2 Model NotebookInstance", {"sagemaker:VpcSubnets": None}),
    (
        "WithoutSecurityGroup",
        f"{JOBS} AutoMLJob AutoMLJobV2 Model NotebookInstance",
        {"sagemaker:VpcSecurityGroupIds": None},
    ),
    ("WithoutOutputKey", f"{JOBS} AutoMLJob AutoMLJobV2 TransformJob", {"sagemaker:OutputKmsKey": None}),
    ("WithoutVolumeKey", "AutoMLJob AutoMLJobV2 NotebookInstance", {"sagemaker:VolumeKmsKey": None}),
    ("JobsWithoutVolumeKey", f"{JOBS} TransformJob", {"sagemaker:VolumeKmsKey": None}),
    ("OtherInstances", f"{JOBS} TransformJob NotebookInstance", LARGE),
    ("WithoutEnd", JOBS, {"sagemaker:MaxRuntimeInSeconds": None}),
    ("TooLong", JOBS, {"sagemaker:MaxRuntimeInSeconds": "86401"}),
    ("OnTheInternet", "NotebookInstance", {"sagemaker:DirectInternetAccess": "Enabled"}),
    ("OnTheInternet", "NotebookInstance", {"sagemaker:DirectInternetAccess": None}),
    ("StudioOnTheInternet", "Domain", {"sagemaker:AppNetworkAccessType": None}),
    ("StudioOnTheInternet", "Domain", {"sagemaker:AppNetworkAccessType": "PublicInternetOnly"}),
    ("WithRoot", "NotebookInstance", {ROOT_ACCESS: "Enabled"}),
    ("WithRoot", "NotebookInstance", {ROOT_ACCESS: None}),
]
GUARDED = {
    "kms:Decrypt": KEY,
    "s3:GetObject": BUCKET,
    "sqs:SendMessage": f"arn:aws:sqs:us-east-1:{AI}:queue",
    "ecr:BatchGetImage": f"arn:aws:ecr:us-east-1:{AI}:repository/x",
    "secretsmanager:GetSecretValue": f"arn:aws:secretsmanager:us-east-1:{AI}:secret:x",
    "sts:AssumeRole": f"arn:aws:iam::{AI}:role/x",
}
OUTSIDE = """
    dynamodb:PutItem ecr:PutImage kms:Encrypt lambda:InvokeFunction s3:PutObject secretsmanager:PutSecretValue
    sns:Publish sqs:SendMessage sts:AssumeRole
"""
REFUSED = [
    *ACROSS,
    *(
        (sid, Call(action, resource=f"arn:aws:iam::{AI}:role/BreakGlass"))
        for sid, actions in BY_NOBODY.items()
        for action in actions.split()
    ),
    *(
        (sid, Call(SAGEMAKER + kind, keys={**JOB, **keys}))
        for sid, kinds, keys in UNUSUAL_JOBS
        for kind in kinds.split()
    ),
    ("OtherInstances", Call("sagemaker:UpdateNotebookInstance", keys=LARGE)),
    ("RegainRoot", Call("sagemaker:UpdateNotebookInstance", keys={ROOT_ACCESS: "Enabled"})),
    *(("OwnResourcesOnly", Call(action, keys=ELSEWHERE)) for action in OUTSIDE.split()),
    *(
        ("OwnIdentitiesOnly", Call(action, resource=resource, account=STRANGER, keys=STRANGERS))
        for action, resource in GUARDED.items()
    ),
    *(
        ("ServicesForOwnAccountsOnly", Call(action, resource=resource, account=STRANGER, keys=SERVICE))
        for action, resource in GUARDED.items()
    ),
    *(("EncryptedInTransit", Call(action, resource=resource, tls=False)) for action, resource in GUARDED.items()),
    *(
        ("NoPublicAcls", Call(action, resource=BUCKET, keys={"s3:x-amz-acl": acl}))
        for action in ("s3:CreateBucket", "s3:PutBucketAcl", "s3:PutObject")
        for acl in ("authenticated-read", "public-read-write")
    ),
    ("NoOpenFunctionUrls", Call("lambda:UpdateFunctionUrlConfig", keys={"lambda:FunctionUrlAuthType": "NONE"})),
    (
        "InferenceRegionsOnly",
        Call("bedrock:InvokeModelWithResponseStream", resource=MODEL, region="ap-south-1", keys=INFERENCE),
    ),
    (
        "InferenceElsewhereByProfileOnly",
        Call("bedrock:InvokeModelWithResponseStream", resource=MODEL, region="us-west-2"),
    ),
    ("InferenceElsewhereByProfileOnly", Call("bedrock:InvokeModel", resource=MODEL, region="unspecified")),
]

PASSED = {
    "an approved profile": Call(
        "bedrock:InvokeModel",
        resource=f"arn:aws:bedrock:us-east-1:{AI}:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
    ),
    "an application's profile": Call(
        "bedrock:InvokeModel", resource=f"arn:aws:bedrock:us-east-1:{AI}:application-inference-profile/abc"
    ),
    "training on a type whose disks hardware encrypts": Call(SAGEMAKER + "TrainingJob", keys={**JOB, **ON_NVME}),
    "a model in the VPC": Call(SAGEMAKER + "Model", keys=JOB),
    "a notebook in the VPC": Call(SAGEMAKER + "NotebookInstance", keys=JOB),
    "a notebook's settings": Call("sagemaker:UpdateNotebookInstance", keys={"sagemaker:RootAccess": "Disabled"}),
    "a studio in the VPC": Call(SAGEMAKER + "Domain", keys=JOB),
    "a studio's settings": Call("sagemaker:UpdateDomain"),
    "training reads the lake": Call("s3:GetObject", role=TRAINING, resource=f"{BUCKET}/x", address="54.1.2.3"),
    "training decrypts the lake": Call("kms:Decrypt", role=TRAINING, resource=KEY, address="54.1.2.3"),
    "a person reads from the office": Call("s3:GetObject", resource=BUCKET),
    "a person reads through an endpoint": Call(
        "s3:GetObject", resource=BUCKET, address="10.0.0.7", keys={"aws:VpceOrgID": OWN}
    ),
    "a service reads on a person's behalf": Call(
        "kms:Decrypt", resource=KEY, address="54.1.2.3", keys={"aws:ViaAWSService": "true"}
    ),
    "a service delivers for this organisation": Call(
        "s3:PutObject",
        resource=BUCKET,
        account=STRANGER,
        address="54.1.2.3",
        keys={**SERVICE, "aws:SourceAccount": AI, "aws:SourceOrgID": OWN},
    ),
    "a service that does not say for whom": Call(
        "sts:AssumeRole", account=STRANGER, keys={**SERVICE, "aws:SourceAccount": None}
    ),
    "a trusted account reads an object": Call(
        "s3:GetObject", resource=BUCKET, account=PARTNER, keys=STRANGERS, address="198.51.100.7"
    ),
    "an image of a trusted account": Call(
        "ecr:BatchGetImage", resource=f"arn:aws:ecr:us-east-1:{PARTNER}:repository/x", keys=ELSEWHERE
    ),
    "CloudFormation blocks public access": Call("s3:PutBucketPublicAccessBlock", resource=BUCKET).by(DEPLOYMENT),
    "CloudFormation logs access": Call("s3:PutBucketLogging", resource=BUCKET).by(DEPLOYMENT),
    "CloudFormation sets retention": Call("logs:PutRetentionPolicy").by(DEPLOYMENT),
    "a function writes its log": Call("logs:PutLogEvents", role="groundplan-prod-Lineage-RecordRole"),
    "the other region": Call("s3:CreateBucket", region="eu-central-1"),
    "IAM, which stands in us-east-1": Call("iam:GetRole"),
    "support, whatever the region": Call("support:CreateCase", region="us-west-2"),
    "a model here": Call("bedrock:InvokeModel", resource=MODEL),
    "a model elsewhere through a profile": Call(
        "bedrock:InvokeModel", resource=MODEL, region="us-west-2", keys=INFERENCE
    ),
    "a model through a global profile": Call(
        "bedrock:InvokeModel", resource=MODEL.replace("us-west-2", ""), region="unspecified", keys=INFERENCE
    ),
    "a function URL that asks who is there": Call(
        "lambda:CreateFunctionUrlConfig", keys={"lambda:FunctionUrlAuthType": "AWS_IAM"}
    ),
    "a function for one service": Call("lambda:AddPermission", keys={"lambda:Principal": "events.amazonaws.com"}),
    "a private object": Call("s3:PutObject", resource=BUCKET, keys={"s3:x-amz-acl": "private"}),
    "today's TLS": Call("s3:GetObject", resource=BUCKET, keys={"s3:TlsVersion": "1.3"}),
    "the broken glass deletes a key": Call("kms:ScheduleKeyDeletion", resource=KEY).by("BreakGlass"),
    "the broken glass shares an image": Call("ec2:ModifyImageAttribute").by("BreakGlass"),
    "the broken glass lifts a block": Call("s3:PutBucketPublicAccessBlock", resource=BUCKET).by("BreakGlass"),
    "the broken glass deletes a log": Call("logs:DeleteLogGroup").by("BreakGlass"),
    "the broken glass changes itself": Call("iam:UpdateRole", resource=f"arn:aws:iam::{AI}:role/BreakGlass").by(
        "BreakGlass"
    ),
    "the organisation changes the broken glass": Call(
        "iam:UpdateRole", resource=f"arn:aws:iam::{AI}:role/BreakGlass"
    ).by("OrganizationAccountAccessRole"),
    "the function that turns the log of invocations on": Call(
        "bedrock:PutModelInvocationLoggingConfiguration", role="groundplan-prod-invocation-logging"
    ),
    "a deployment from anywhere": Call("s3:PutObject", resource=BUCKET, address="54.1.2.3").by(
        f"cdk-gpprod-file-publishing-role-{AI}-us-east-1"
    ),
    "a service-linked role": Call("s3:GetObject", resource=BUCKET, address="54.1.2.3").by("aws-service-role/x"),
    "a person reads from the office, by IPv6": Call("s3:GetObject", resource=BUCKET, address="2001:db8::7"),
    "a model in the other region": Call("bedrock:InvokeModel", resource=MODEL, region="eu-central-1"),
    "a model elsewhere, streaming": Call(
        "bedrock:InvokeModelWithResponseStream", resource=MODEL, region="us-west-2", keys=INFERENCE
    ),
    "a person with a key for whom no account speaks": Call("kms:Decrypt", keys={"aws:SourceAccount": AI}),
    "the broken glass stops a trail": Call("cloudtrail:StopLogging").by("BreakGlass"),
    "an ordinary role is made": Call("iam:CreateRole", resource=f"arn:aws:iam::{AI}:role/groundplan-prod-x"),
    "the organisation makes the broken glass": Call(
        "iam:CreateRole", resource=f"arn:aws:iam::{AI}:role/BreakGlass"
    ).by("stacksets-exec-1234"),
}


@pytest.mark.parametrize(("sid", "call"), REFUSED, ids=[f"{sid}-{call.action}" for sid, call in REFUSED])
def test_a_call_across_the_line_is_refused(made: tuple[OrganizationPolicy, ...], sid: str, call: Call) -> None:
    assert refusal(made, call) == sid


@pytest.mark.parametrize("call", PASSED.values(), ids=PASSED)
def test_an_ordinary_call_of_the_platform_is_let_through(made: tuple[OrganizationPolicy, ...], call: Call) -> None:
    assert refusal(made, call) is None


def test_trainings_and_evaluations_are_asked_for_as_the_policies_want_it(
    made: tuple[OrganizationPolicy, ...],
) -> None:
    workload = read_workload(ROOT, "digit-reader")
    defaults = LaunchDefaults("role", "image", "s3://bucket", "key", ["subnet-1"], ["sg-1"], {})
    inputs = Inputs("code", "digest", "commit", "data", "manifest", "root", "environment", "kit")
    model = Made("run", workload.name, "s3://bucket/model", "0" * 64, "s3://bucket/code", "", None, "", None, {})
    question = Question("s3://lake/requests.jsonl", "", 1, "s3://bucket/answer.py")
    for request in (
        build_request(workload, "prod", defaults, inputs, job_suffix="1"),
        evaluation_request(workload, "prod", defaults, model, question, job_suffix="1", max_runtime_seconds=3600),
    ):
        keys = {
            "sagemaker:InstanceTypes": [request["ResourceConfig"]["InstanceType"]],
            "sagemaker:VolumeKmsKey": request["ResourceConfig"].get("VolumeKmsKeyId"),
            "sagemaker:OutputKmsKey": request["OutputDataConfig"].get("KmsKeyId"),
            "sagemaker:MaxRuntimeInSeconds": str(request["StoppingCondition"]["MaxRuntimeInSeconds"]),
            "sagemaker:VpcSubnets": request["VpcConfig"]["Subnets"],
            "sagemaker:VpcSecurityGroupIds": request["VpcConfig"]["SecurityGroupIds"],
        }
        assert refusal(made, Call(SAGEMAKER + "TrainingJob", keys=keys)) is None


def test_services_with_one_endpoint_for_the_world_are_reached_from_any_region(
    made: tuple[OrganizationPolicy, ...],
) -> None:
    worldwide = """
        account aws-portal bcm-data-exports billing billingconductor budgets ce cloudfront consolidatedbilling
        cost-optimization-hub cur ecr-public freetier globalaccelerator health iam invoicing networkmanager
        organizations payments pricing route53 route53domains shield sts support sustainability tax trustedadvisor
        waf wafv2
    """
    calls = [f"{service}:Something" for service in worldwide.split()]
    for action in (*calls, "ec2:DescribeRegions", "s3:ListAllMyBuckets", "s3:GetAccountPublicAccessBlock"):
        assert refusal(made, Call(action, region="ap-south-1")) is None, action
    block = Call("s3:PutAccountPublicAccessBlock", region="ap-south-1").by("BreakGlass")
    assert refusal(made, block) is None


def test_every_statement_has_a_call_that_it_alone_refuses(made: tuple[OrganizationPolicy, ...]) -> None:
    statements = {statement["Sid"] for policy in made for statement in policy.statements}
    assert statements == {sid for sid, _ in REFUSED}
    for policy in made:
        for statement in policy.statements:
            rest = [s for s in policy.statements if s is not statement]
            others = [p for p in made if p is not policy]
            without = (*others, OrganizationPolicy(policy.name, policy.type, policy.description, tuple(rest)))
            calls = [call for sid, call in REFUSED if sid == statement["Sid"]]
            assert any(refusal(without, call) is None for call in calls), statement["Sid"]


def test_without_networks_every_one_is_expected(environment: Environment) -> None:
    organization = environment.organization
    assert organization
    made = policies(Names(environment), organization.model_copy(update={"networks": ()}))
    assert refusal(made, Call("s3:GetObject", resource=BUCKET, address="198.51.100.7")) is None
