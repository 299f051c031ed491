"""What is meant: who calls what. Everything that is not declared here is refused, and the proofs say so call by call.

Written from what the code and the documentation of AWS's services do, not from the policies: a policy that says
something else is wrong. `tests/infra/proofs/test_declared.py` compares the functions' calls with their code.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from groundplan.job_limits import has_local_storage
from proofs.world import Resource, World


@dataclass(frozen=True)
class Call:
    """One API call on one concrete resource, or on everything below it where it ends in `/*`.

    `context` is what the request must bring along, by condition key; it may bring more.
    """

    action: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = ()

    @property
    def keys(self) -> dict[str, str]:
        """The context as a mapping."""
        return dict(self.context)

    def covers(self, other: "Call") -> bool:
        """Whether who declares this has declared the other."""
        below = self.resource.endswith("/*") and other.resource.startswith(self.resource[:-1])
        same = self.action == other.action and (below or self.resource == other.resource)
        return same and set(self.context) <= set(other.context)


def call(action: str, resource: str = "*", context: Mapping[str, str] | None = None) -> Call:
    """A call with a context."""
    return Call(action, resource, tuple(sorted((context or {}).items())))


def through_s3(world: World, bucket: str) -> dict[str, str]:
    """What S3 tells KMS of an object in a bucket with a bucket key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    region = world.names.environment.region
    return {
        "kms:ViaService": f"s3.{region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}",
    }


def key(world: World, stack: str) -> str:
    """ARN of the key of a stack."""
    [found] = [resource.arn for resource in world.of_type("AWS::KMS::Key") if resource.stack == stack]
    return found


def one(world: World, kind: str, stack: str, beginning: str = "") -> Resource:
    """The one resource of a type in a stack whose logical id begins so."""
    [found] = [
        entry for entry in world.of_type(kind) if entry.stack == stack and entry.logical_id.startswith(beginning)
    ]
    return found


def lineage_function(world: World, name: str) -> Iterator[Call]:
    """`Record` and `Sweep`: integrations/lineage_recorder.py describes, settles claims, writes events and rows.

    integrations/run_records.py reads what any workload's run left, and writes its record beside the model.
    """
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    stream = one(world, "AWS::Logs::LogGroup", "Lineage", name).arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    table = f"arn:aws:dynamodb:{here}:table/{names.lineage_table()}"
    for action in ("GetItem", "PutItem", "Query"):
        yield call(f"dynamodb:{action}", table)
    yield call("dynamodb:Query", f"{table}/index/reversed")
    yield call("dynamodb:UpdateItem", table, {"dynamodb:LeadingKeys": "claim/one"})
    yield call("s3:PutObject", f"arn:aws:s3:::{names.events_bucket()}/events/run/2026/one.json")
    runs = f"arn:aws:s3:::{names.artefacts_bucket()}"
    for workload in ("digit-reader", "other-reader"):
        for kept in ("checkpoints/run/record.json", "output/job/output/model.tar.gz"):
            yield call("s3:GetObject", f"{runs}/workloads/{workload}/{kept}")
        yield call("s3:PutObject", f"{runs}/workloads/{workload}/output/job/record.json")
        for folder in ("output/run", "checkpoints/run"):
            yield call("s3:ListBucket", runs, {"s3:prefix": f"workloads/{workload}/{folder}"})
    for action, resource in (
        ("DescribeTrainingJob", "training-job/any"),
        ("DescribeModelPackage", "model-package/any/1"),
        ("DescribeModelPackage", f"model-package/{names.model_package_group('digit-reader')}/1"),
        ("DescribeEndpoint", "endpoint/any"),
        ("DescribeEndpoint", f"endpoint/{names.endpoint('digit-reader')}"),
        ("DescribeEndpointConfig", "endpoint-config/any"),
        ("DescribeModel", "model/any"),
    ):
        yield call(f"sagemaker:{action}", f"arn:aws:sagemaker:{here}:{resource}")
    yield call("sqs:SendMessage", one(world, "AWS::SQS::Queue", "Lineage").arn)
    # Its environment, its table, its bucket, its queue: four services that use the key in its name.
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "Platform"))


def sweep(world: World) -> Iterator[Call]:
    """integrations/lineage_sweep.py also lists; integrations/checkpoint_watch.py tells how old checkpoints are."""
    yield from lineage_function(world, "Sweep")
    for listing in ("TrainingJobs", "ModelPackageGroups", "ModelPackages", "Endpoints"):
        yield call(f"sagemaker:List{listing}")
    yield call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Groundplan/Training"})


def launching(world: World) -> Iterator[Call]:
    """handlers/launch_run.py: stored defaults and code of every workload, claims, and what became of their jobs."""
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    stream = one(world, "AWS::Logs::LogGroup", "Training", "Launch").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "Platform"))
    table = f"arn:aws:dynamodb:{here}:table/{names.lineage_table()}"
    for action in ("GetItem", "UpdateItem"):
        yield call(f"dynamodb:{action}", table, {"dynamodb:LeadingKeys": "claim/one"})
    yield call("sagemaker:DescribeTrainingJob", f"arn:aws:sagemaker:{here}:training-job/any")
    for workload in ("digit-reader", "other-reader"):
        yield call("ssm:GetParameter", f"arn:aws:ssm:{here}:parameter{names.launch_parameter(workload)}")
        code = f"{names.artefacts_bucket()}/workloads/{workload}/code/one"
        yield call("s3:GetObject", f"arn:aws:s3:::{code}/workload.toml")
        yield call(
            "s3:PutObject", f"arn:aws:s3:::{names.artefacts_bucket()}/workloads/{workload}/evaluations/one.json"
        )
        for part in ("preparations", "quarantine"):
            known = f"workloads/{workload}/{part}/one.json"
            yield call("s3:ListBucket", f"arn:aws:s3:::{names.artefacts_bucket()}", {"s3:prefix": known})
            for action in ("GetObject", "PutObject"):
                yield call(f"s3:{action}", f"arn:aws:s3:::{names.artefacts_bucket()}/{known}")


def training_machine(world: World) -> Iterator[Call]:
    """constructs/groundplan_constructs/training_machine.py, and what Step Functions does by itself for `.sync`.

    https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html
    """
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    yield call("lambda:InvokeFunction", one(world, "AWS::Lambda::Function", "Training").arn)
    job = f"arn:aws:sagemaker:{here}:training-job/any"
    for action in ("AddTags", "DescribeTrainingJob", "StopTrainingJob"):
        yield call(f"sagemaker:{action}", job)
    # As groundplan.training_request builds it: inside the network, encrypted, on an admitted machine, with an end.
    in_order = {
        "VpcSubnets": next(world.of_type("AWS::EC2::Subnet")).name,
        "VpcSecurityGroupIds": next(
            group.name for group in world.of_type("AWS::EC2::SecurityGroup") if "Jobs" in group.logical_id
        ),
        "OutputKmsKey": key(world, "Platform"),
        "VolumeKmsKey": key(world, "Platform"),
        "InstanceTypes": "ml.m5.large",
        "MaxRuntimeInSeconds": "3600",
    }
    yield call("sagemaker:CreateTrainingJob", job, {f"sagemaker:{name}": value for name, value in in_order.items()})
    local = next(name for name in names.environment.limits.instance_types if has_local_storage(name))
    on_its_disk = {name: value for name, value in in_order.items() if name != "VolumeKmsKey"} | {
        "InstanceTypes": local
    }
    yield call("sagemaker:CreateTrainingJob", job, {f"sagemaker:{key}": value for key, value in on_its_disk.items()})
    for workload in ("digit-reader", "other-reader"):
        role = names.roles(names.environment.accounts.ai, names.training_role(workload))
        yield call("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"})
    rule = f"arn:aws:events:{here}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"
    for action in ("DescribeRule", "PutRule", "PutTargets"):
        yield call(f"events:{action}", rule)
    for action in """CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies GetLogDelivery
        ListLogDeliveries PutResourcePolicy UpdateLogDelivery""".split():
        yield call(f"logs:{action}")
    for action in ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments"):
        yield call(f"xray:{action}")


def validation(world: World) -> Iterator[Call]:
    """handlers/validate_raw.py: every workload's raw files, their declarations, and where the verdict goes."""
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.data}"
    stream = one(world, "AWS::Logs::LogGroup", "Intake").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    yield call("sqs:SendMessage", one(world, "AWS::SQS::Queue", "Intake").arn)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "DataLake"))
    raw = f"arn:aws:s3:::{names.lake_bucket('raw')}"
    for action in ("GetObject", "GetObjectVersion"):
        yield call(f"s3:{action}", f"{raw}/*")
    yield call("s3:ListBucket", raw)
    for zone in (names.lake_bucket("curated"), names.lake_bucket("quarantine")):
        yield call("s3:GetObject", f"arn:aws:s3:::{zone}/*")
        yield call("s3:ListBucket", f"arn:aws:s3:::{zone}")
    for zone in (names.lake_bucket("curated"), names.lake_bucket("features"), names.lake_bucket("quarantine")):
        for action in ("AbortMultipartUpload", "PutObject"):
            yield call(f"s3:{action}", f"arn:aws:s3:::{zone}/*")
    database = names.catalogue_database("curated")
    for resource in ("catalog", f"database/{database}", f"table/{database}/*"):
        yield call("glue:GetTable", f"arn:aws:glue:{here}:{resource}")
    yield call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Groundplan/Lake"})


def training(world: World, workload: str) -> Iterator[Call]:
    """What SageMaker does in the name of a job's role.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createtrainingjob-perms
    """
    names = world.names
    artefacts = names.artefacts_bucket()
    for lake in (names.lake_bucket("curated"), names.lake_bucket("features")):
        for action in ("GetObject", "GetObjectVersion"):
            yield call(f"s3:{action}", f"arn:aws:s3:::{lake}/{workload}/*")
        for prefix in ("digits/train", "digits/d1/requests.jsonl"):
            yield call("s3:ListBucket", f"arn:aws:s3:::{lake}", {"s3:prefix": f"{workload}/{prefix}"})
        yield call("kms:Decrypt", key(world, "DataLake"), through_s3(world, lake))
    own = f"arn:aws:s3:::{artefacts}/workloads/{workload}"
    for stored in ("train.py", "workload.toml"):
        yield call("s3:GetObject", f"{own}/code/one/{stored}")
    for part in ("output", "checkpoints", "prepared"):
        for action in ("GetObject", "PutObject", "AbortMultipartUpload"):
            yield call(f"s3:{action}", f"{own}/{part}/*")
    yield from _lists_its_own(world, workload)
    yield from _runs_jobs(world, workload)


def _lists_its_own(world: World, workload: str) -> Iterator[Call]:
    """What is its own workload's, also what it reads nothing of."""
    artefacts = f"arn:aws:s3:::{world.names.artefacts_bucket()}"
    for part in ("output/run", "checkpoints/run", "prepared/run", "preparations/one.json", "quarantine/one.json"):
        yield call("s3:ListBucket", artefacts, {"s3:prefix": f"workloads/{workload}/{part}"})


def _runs_jobs(world: World, workload: str) -> Iterator[Call]:
    """Whatever the job is: its key, image, log, metrics, disk and network."""
    region = world.names.environment.region
    names, here = world.names, f"{region}:{world.names.environment.accounts.ai}"
    for action in ("Decrypt", "GenerateDataKey"):
        # Through S3, whatever the object: S3 itself guards the objects.
        yield call(f"kms:{action}", key(world, "Platform"), {"kms:ViaService": f"s3.{region}.amazonaws.com"})
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield call(f"ecr:{action}", f"arn:aws:ecr:{here}:repository/{names.repository(workload)}")
    yield call("ecr:GetAuthorizationToken")
    group = f"arn:aws:logs:{here}:log-group:/aws/sagemaker/TrainingJobs"
    for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield call(f"logs:{action}", f"{group}:log-stream:one")
    yield call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"})
    yield call("kms:CreateGrant", key(world, "Platform"), {"kms:GrantIsForAWSResource": "true"})
    yield from _joins_network(world, f"arn:aws:ec2:{here}")


def evaluation(world: World, workload: str) -> Iterator[Call]:
    """The same of a job that answers a held-out set: its requests in, the model and its code in, its answers out."""
    names = world.names
    lake, artefacts = names.lake_bucket("evaluation"), names.artefacts_bucket()
    requests = f"{workload}/digits/d1/requests.jsonl"
    yield call("s3:GetObject", f"arn:aws:s3:::{lake}/{requests}")
    yield call("s3:ListBucket", f"arn:aws:s3:::{lake}", {"s3:prefix": requests})
    yield call("kms:Decrypt", key(world, "DataLake"), through_s3(world, lake))
    own = f"workloads/{workload}"
    for read in ("code/one/train.py", "code/one/workload.toml", "output/*"):
        yield call("s3:GetObject", f"arn:aws:s3:::{artefacts}/{own}/{read}")
    yield from _lists_its_own(world, workload)
    for action in ("AbortMultipartUpload", "PutObject"):
        yield call(f"s3:{action}", f"arn:aws:s3:::{artefacts}/{own}/answers/*")
    yield from _runs_jobs(world, workload)


def _joins_network(world: World, ec2: str) -> Iterator[Call]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html: SageMaker attaches the job to the subnets."""
    interface = f"{ec2}:network-interface/one"
    yield call("ec2:CreateNetworkInterface", interface)
    for group in world.of_type("AWS::EC2::SecurityGroup"):
        if "Jobs" in group.logical_id:
            yield call("ec2:CreateNetworkInterface", f"{ec2}:security-group/{group.name}")
    for subnet in world.of_type("AWS::EC2::Subnet"):
        yield call("ec2:CreateNetworkInterface", f"{ec2}:subnet/{subnet.name}")
        for action in (
            "CreateNetworkInterfacePermission",
            "DeleteNetworkInterface",
            "DeleteNetworkInterfacePermission",
        ):
            yield call(f"ec2:{action}", interface, {"ec2:Subnet": f"{ec2}:subnet/{subnet.name}"})
    for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield call(f"ec2:Describe{what}")


def image_build(world: World, workload: str) -> Iterator[Call]:
    """The steps of constructs/groundplan_constructs/image_build.py, in the name of the build's role.

    https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
    """
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    stack = f"Workload-{workload}"
    stream = one(world, "AWS::Logs::LogGroup", stack, "ImageBuild").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    bucket = f"arn:aws:s3:::{names.artefacts_bucket()}"
    for action in ("GetObject", "GetObjectVersion"):
        yield call(f"s3:{action}", f"{bucket}/{names.image_context(workload)}")
    for action in ("GetBucketAcl", "GetBucketLocation"):
        yield call(f"s3:{action}", bucket)
    yield call("kms:Decrypt", key(world, "Platform"), {"kms:ViaService": f"s3.{region}.amazonaws.com"})
    source = names.environment.images.source
    assert source, "prod builds images"
    base = source.base.partition("@")[0]
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        for repository in (base, names.repository(workload)):
            yield call(f"ecr:{action}", f"arn:aws:ecr:{here}:repository/{repository}")
    for action in ("CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"):
        yield call(f"ecr:{action}", f"arn:aws:ecr:{here}:repository/{names.repository(workload)}")
    yield call("ecr:GetAuthorizationToken")
    packages = f"arn:aws:codeartifact:{region}:{source.package_account or names.environment.accounts.ai}"
    domain, repository = source.package_domain, source.package_repository
    yield call("codeartifact:GetAuthorizationToken", f"{packages}:domain/{domain}")
    for action in ("GetRepositoryEndpoint", "ReadFromRepository"):
        yield call(f"codeartifact:{action}", f"{packages}:repository/{domain}/{repository}")
    yield call("sts:GetServiceBearerToken", "*", {"sts:AWSServiceName": "codeartifact.amazonaws.com"})


def flow_log(world: World) -> Iterator[Call]:
    """Into a group that is there: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html"""
    stream = one(world, "AWS::Logs::LogGroup", "Network").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        yield call(f"logs:{action}", stream)


def approver(world: World) -> Iterator[Call]:
    """People: operate/groundplan_operate/approve.py reads a package and decides."""
    here = f"{world.names.environment.region}:{world.names.environment.accounts.ai}"
    package = f"arn:aws:sagemaker:{here}:model-package/{world.names.model_package_group('digit-reader')}/1"
    yield call("sagemaker:DescribeModelPackage", package)
    for word in ("Approved", "Rejected"):
        yield call("sagemaker:UpdateModelPackage", package, {"sagemaker:ModelApprovalStatus": word})


def _of_a_function(world: World, stack: str, name: str, keys: str) -> Iterator[Call]:
    """Its log, its key and where it gives up."""
    stream = one(world, "AWS::Logs::LogGroup", stack, name).arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, keys))
    yield call("sqs:SendMessage", one(world, "AWS::SQS::Queue", stack).arn)


def _of_spending(world: World, stack: str, name: str) -> Iterator[Call]:
    """Both functions of a stack Spend tell people."""
    yield from _of_a_function(world, stack, name, "DataLake" if stack == "Spend-data" else stack)
    yield call("sns:Publish", one(world, "AWS::SNS::Topic", stack, "Alarms").arn)


def telling(world: World, stack: str) -> Iterator[Call]:
    """handlers/tell_spend.py: whose a budget is, and people."""
    yield from _of_spending(world, stack, "Tell")
    account = one(world, "AWS::SNS::Topic", stack, "Alarms").account
    budget = world.names.budget("workload", "digit-reader")
    yield call("budgets:ListTagsForResource", f"arn:aws:budgets::{account}:budget/{budget}")


def stopper(world: World) -> Iterator[Call]:
    """integrations/spend_stopper.py: in production jobs and notebooks, and no endpoint."""
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    yield from _of_spending(world, "Spend-ai", "Stop")
    for listing in ("Endpoints", "NotebookInstances", "TrainingJobs"):
        yield call(f"sagemaker:List{listing}")
    sagemaker = f"arn:aws:sagemaker:{here}"
    for kind in ("endpoint", "endpoint-config", "notebook-instance", "training-job"):
        for action in ("DescribeEndpoint", "DescribeEndpointConfig", "DescribeTrainingJob", "ListTags"):
            yield call(f"sagemaker:{action}", f"{sagemaker}:{kind}/any")
    yield call("sagemaker:DescribeEndpoint", f"{sagemaker}:endpoint/{names.endpoint('digit-reader')}")
    ours = {"aws:ResourceTag/environment": names.environment.name}
    yield call("sagemaker:StopTrainingJob", f"{sagemaker}:training-job/any", ours)
    for action in ("StartNotebookInstance", "StopNotebookInstance"):
        yield call(f"sagemaker:{action}", f"{sagemaker}:notebook-instance/any", ours)
    runs = f"arn:aws:s3:::{names.artefacts_bucket()}"
    for workload in ("digit-reader", "other-reader"):
        yield call("s3:ListBucket", runs, {"s3:prefix": f"workloads/{workload}/checkpoints/run"})
    table = f"arn:aws:dynamodb:{here}:table/{names.lineage_table()}"
    for action in ("Query", "UpdateItem"):
        yield call(f"dynamodb:{action}", table, {"dynamodb:LeadingKeys": f"stopped/{names.stem}"})
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "Platform"), {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"})


def observer(world: World) -> Iterator[Call]:
    """handlers/observe_platform.py: runs and claims, endpoints and their metrics; one object beside the bills."""
    names, region = world.names, world.names.environment.region
    here = f"{region}:{names.environment.accounts.ai}"
    yield from _of_a_function(world, "Spend-ai", "Observe", "Spend-ai")
    table = f"arn:aws:dynamodb:{here}:table/{names.lineage_table()}"
    yield call("dynamodb:Query", table, {"dynamodb:LeadingKeys": "workload/digit-reader"})
    yield call("dynamodb:GetItem", table, {"dynamodb:LeadingKeys": "claim/one"})
    for action in ("Decrypt", "DescribeKey"):
        yield call(f"kms:{action}", key(world, "Platform"), {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"})
    endpoint = f"arn:aws:sagemaker:{here}:endpoint"
    yield call("sagemaker:DescribeEndpoint", f"{endpoint}/{names.endpoint('digit-reader')}")
    yield call("sagemaker:DescribeEndpointConfig", f"{endpoint}-config/any")
    for action in ("GetMetricStatistics", "ListMetrics"):
        yield call(f"cloudwatch:{action}")
    costs = names.costs_bucket()
    yield call("s3:PutObject", f"arn:aws:s3:::{costs}/observed/platform.json")
    yield call("kms:GenerateDataKey", key(world, "DataLake"), through_s3(world, costs))


def denying(world: World) -> Iterator[Call]:
    """AWS Budgets, by this role: one policy, to and from the roles that begin jobs.

    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-action-role.html
    """
    account = world.names.environment.accounts.ai
    machine = one(world, "AWS::IAM::Role", "Training", "MachineRole").arn
    policy = f"arn:aws:iam::{account}:policy/{world.names.deny_spending()}"
    for action in ("AttachRolePolicy", "DetachRolePolicy"):
        yield call(f"iam:{action}", machine, {"iam:PolicyARN": policy})


def cost_report(world: World) -> Iterator[Call]:
    """handlers/cost_report.py: bills, what was designed and metered, the report, and what people were told."""
    yield from _of_a_function(world, "CostReport", "Report", "DataLake")
    costs = f"arn:aws:s3:::{world.names.costs_bucket()}"
    yield call("s3:GetObject", f"{costs}/exports/*")
    yield call("s3:ListBucket", costs, {"s3:prefix": "exports/one/data/"})
    yield call("s3:PutObject", f"{costs}/report/*")
    yield call("s3:GetObject", f"{costs}/designs/workloads.json")
    yield call("s3:GetObject", f"{costs}/observed/platform.json")
    yield call("s3:ListBucket", costs, {"s3:prefix": "told/2026-11/"})
    for action in ("GetObject", "PutObject"):
        yield call(f"s3:{action}", f"{costs}/told/*")
    meter = f"arn:aws:s3:::{world.names.meter_bucket()}"
    yield call("s3:GetObject", f"{meter}/requests/*")
    yield call("s3:ListBucket", meter, {"s3:prefix": "requests/"})
    yield call("sns:Publish", one(world, "AWS::SNS::Topic", "Spend-data", "Alarms").arn)
    yield call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Groundplan/Cost"})


def cost_widget(world: World) -> Iterator[Call]:
    """handlers/show_cost.py: the report as it was made last, and nothing else of a bill."""
    stream = one(world, "AWS::Logs::LogGroup", "CostReport", "Show").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "DataLake"))
    yield call("s3:GetObject", f"arn:aws:s3:::{world.names.costs_bucket()}/report/cost-widget.html")


def guardrail_of(world: World) -> str:
    """The guardrail's ARN and its version, as the templates make them."""
    version = one(world, "AWS::Bedrock::GuardrailVersion", "Generative").name
    return f"{one(world, 'AWS::Bedrock::Guardrail', 'Generative').arn}:{version}.Version"


def invoking(world: World) -> Iterator[Call]:
    """The gateway, as this role: each approved model and profile, streaming or not, under the guardrail's version.

    What is approved is read off the file here, not off the code that writes the policy.
    """
    here = f"{world.names.environment.region}:{world.names.environment.accounts.ai}"
    under = {"bedrock:GuardrailIdentifier": guardrail_of(world)}
    named = tomllib.loads((Path(__file__).parents[3] / "catalogue.toml").read_text())["models"]
    profiles = [profile.arn for profile in world.of_type("AWS::Bedrock::ApplicationInferenceProfile")]
    for action in ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"):
        for profile in profiles:
            yield call(action, profile, under)
        for model in named.values():
            if "regions" in model:
                yield call(action, f"arn:aws:bedrock:us-east-1::foundation-model/{model['model_id']}", under)
            for profile, regions in model.get("profiles", {}).items():
                yield call(action, f"arn:aws:bedrock:{here}:inference-profile/{profile}", under)
                for region in regions:
                    for through in (f"arn:aws:bedrock:{here}:inference-profile/{profile}", *profiles):
                        routed = {**under, "bedrock:InferenceProfileArn": through}
                        yield call(action, f"arn:aws:bedrock:{region}::foundation-model/{model['model_id']}", routed)
    yield call("bedrock:ApplyGuardrail", one(world, "AWS::Bedrock::Guardrail", "Generative").arn)
    yield call("kms:Decrypt", key(world, "Generative"))
    yield call("ssm:GetParameter", f"arn:aws:ssm:{here}:parameter{world.names.models_parameter()}")


def log_of_invocations(world: World) -> Iterator[Call]:
    """handlers/log_invocations.py: the one setting, and its own log."""
    stream = one(world, "AWS::Logs::LogGroup", "Generative").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "Platform"))
    yield call("bedrock:PutModelInvocationLoggingConfiguration")


def gateway(world: World) -> Iterator[Call]:
    """runtime/groundplan_gateway: clients.py becomes the models' role, table_ledger.py keeps the ledger.

    Transactions are asked for by what they put and update:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    names, region = world.names, world.names.environment.region
    stream = one(world, "AWS::Logs::LogGroup", "Gateway", "Answer").arn.removesuffix("*") + "log-stream:one"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield call(f"logs:{action}", stream)
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "Gateway"))
    table = f"arn:aws:dynamodb:{region}:{names.environment.accounts.application}:table/{names.gateway()}"
    for action in ("DeleteItem", "GetItem", "PutItem", "UpdateItem"):
        yield call(f"dynamodb:{action}", table)
    role = names.roles(names.environment.accounts.ai, names.models_role())
    for action in ("AssumeRole", "TagSession"):
        yield call(f"sts:{action}", role, {"aws:RequestTag/tenant": "one", "aws:RequestTag/feature": "one"})
    if names.environment.traces:  # span_export.py
        yield call("xray:PutTraceSegments")


def meter_writer(world: World) -> Iterator[Call]:
    """Firehose, below two prefixes of the meter's bucket.

    https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
    """
    bucket = world.names.meter_bucket()
    for action in ("AbortMultipartUpload", "GetObject", "PutObject"):
        for prefix in ("requests", "failed"):
            yield call(f"s3:{action}", f"arn:aws:s3:::{bucket}/{prefix}/*")
    for action in ("GetBucketLocation", "ListBucket", "ListBucketMultipartUploads"):
        yield call(f"s3:{action}", f"arn:aws:s3:::{bucket}")
    for action in ("Decrypt", "GenerateDataKey"):
        yield call(f"kms:{action}", key(world, "DataLake"), through_s3(world, bucket))
    errors = one(world, "AWS::Logs::LogGroup", "Gateway", "MeterDelivery").arn.removesuffix("*")
    yield call("logs:PutLogEvents", f"{errors}log-stream:one")


def meter_lines(world: World) -> Iterator[Call]:
    """CloudWatch Logs, into the one stream.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#FirehoseExample
    """
    stream = one(world, "AWS::KinesisFirehose::DeliveryStream", "Gateway").arn
    for action in ("PutRecord", "PutRecordBatch"):
        yield call(f"firehose:{action}", stream)


def api_logs(world: World) -> Iterator[Call]:
    """API Gateway, for all APIs of the application account.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    yield call("logs:DescribeLogGroups")
    for group in world.of_type("AWS::Logs::LogGroup"):
        if group.account == world.names.environment.accounts.application:
            for action in (
                "CreateLogGroup",
                "CreateLogStream",
                "DescribeLogStreams",
                "FilterLogEvents",
                "GetLogEvents",
                "PutLogEvents",
            ):
                yield call(f"logs:{action}", group.arn.removesuffix("*") + "log-stream:one")


# Role, by how its place in the templates begins, to its calls. A role that is missing here fails a test.
ROLES: dict[str, Callable[[World], Iterator[Call]]] = {
    "Lineage/RecordRole": lambda world: lineage_function(world, "Record"),
    "Lineage/SweepRole": sweep,
    "Intake/ValidateRole": validation,
    "Network/FlowLogRole": flow_log,
    "Training/LaunchRole": launching,
    "Training/MachineRole": training_machine,
    "Platform/Approver": approver,
    "Spend-ai/TellRole": lambda world: telling(world, "Spend-ai"),
    "Spend-application/TellRole": lambda world: telling(world, "Spend-application"),
    "Spend-data/TellRole": lambda world: telling(world, "Spend-data"),
    "Spend-ai/StopRole": stopper,
    "Spend-ai/ObserveRole": observer,
    "Spend-ai/DenyRole": denying,
    "CostReport/ReportRole": cost_report,
    "CostReport/ShowRole": cost_widget,
    "Generative/GatewayModels": invoking,
    "Gateway/AnswerServerRole": gateway,
    "Gateway/ApiLogsRole": api_logs,
    "Gateway/MeterDeliveryWriter": meter_writer,
    "Gateway/MeterLinesRole": meter_lines,
    "Generative/InvocationLogTurnOnRole": log_of_invocations,
    "Workload-digit-reader/ImageBuildRole": lambda world: image_build(world, "digit-reader"),
    "Workload-other-reader/ImageBuildRole": lambda world: image_build(world, "other-reader"),
    "Workload-digit-reader/Evaluation": lambda world: evaluation(world, "digit-reader"),
    "Workload-other-reader/Evaluation": lambda world: evaluation(world, "other-reader"),
    "Workload-digit-reader/Training": lambda world: training(world, "digit-reader"),
    "Workload-other-reader/Training": lambda world: training(world, "other-reader"),
}
BUILD = "arn:aws:codebuild:{here}:project/{stem}-"
# Who assumes a role: the service, and of which resources it then speaks; or people, and the tag of theirs.
PEOPLE, GATEWAY = "people", "gateway"
EXTERNAL_ID = "external id"  # a service that says so for whom it works: the account's number
ASSUMED_BY: dict[str, tuple[str, str]] = {
    "Platform/Approver": (PEOPLE, "model-approver"),
    "Spend-ai/TellRole": ("lambda.amazonaws.com", ""),
    "Spend-application/TellRole": ("lambda.amazonaws.com", ""),
    "Spend-data/TellRole": ("lambda.amazonaws.com", ""),
    "Spend-ai/StopRole": ("lambda.amazonaws.com", ""),
    "Spend-ai/ObserveRole": ("lambda.amazonaws.com", ""),
    "Spend-ai/DenyRole": ("budgets.amazonaws.com", "arn:aws:budgets::{account}:budget/one"),
    "CostReport/ReportRole": ("lambda.amazonaws.com", ""),
    "CostReport/ShowRole": ("lambda.amazonaws.com", ""),
    "Generative/GatewayModels": (GATEWAY, ""),
    "Gateway/AnswerServerRole": ("lambda.amazonaws.com", ""),
    "Gateway/ApiLogsRole": ("apigateway.amazonaws.com", ""),
    "Gateway/MeterDeliveryWriter": ("firehose.amazonaws.com", EXTERNAL_ID),
    "Gateway/MeterLinesRole": ("logs.amazonaws.com", "arn:aws:logs:{here}:log-group:one:*"),
    "Generative/InvocationLogTurnOnRole": ("lambda.amazonaws.com", ""),
    "Lineage/RecordRole": ("lambda.amazonaws.com", ""),
    "Lineage/SweepRole": ("lambda.amazonaws.com", ""),
    "Intake/ValidateRole": ("lambda.amazonaws.com", ""),
    "Training/LaunchRole": ("lambda.amazonaws.com", ""),
    "Training/MachineRole": ("states.amazonaws.com", "arn:aws:states:{here}:stateMachine:{stem}-training"),
    "Network/FlowLogRole": ("vpc-flow-logs.amazonaws.com", "arn:aws:ec2:{here}:vpc-flow-log/one"),
    "Workload-digit-reader/ImageBuildRole": ("codebuild.amazonaws.com", BUILD + "digit-reader-image"),
    "Workload-other-reader/ImageBuildRole": ("codebuild.amazonaws.com", BUILD + "other-reader-image"),
    "Workload-digit-reader/Evaluation": ("sagemaker.amazonaws.com", "arn:aws:sagemaker:{here}:training-job/one"),
    "Workload-other-reader/Evaluation": ("sagemaker.amazonaws.com", "arn:aws:sagemaker:{here}:training-job/one"),
    "Workload-digit-reader/Training": ("sagemaker.amazonaws.com", "arn:aws:sagemaker:{here}:training-job/one"),
    "Workload-other-reader/Training": ("sagemaker.amazonaws.com", "arn:aws:sagemaker:{here}:training-job/one"),
}


def declared(world: World, role: str) -> list[Call]:
    """The calls that are meant of a role; raises KeyError for one of which nothing is declared."""
    [found] = [calls for beginning, calls in ROLES.items() if role.startswith(beginning)] or [None]
    if found is None:
        raise KeyError(f"{role}: declare in tests/infra/proofs/declared.py what this role is for")
    return list(found(world))
