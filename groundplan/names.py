"""Names that one account uses to reach what another made. They are a contract: everything here is deterministic."""

from dataclasses import dataclass
from typing import Literal

from groundplan.environment import AccountName, Environment

Zone = Literal["raw", "curated", "features", "quarantine", "evaluation"]
INTAKE_ZONES: tuple[Zone, ...] = ("raw", "curated", "features", "quarantine")
ZONES: tuple[Zone, ...] = (*INTAKE_ZONES, "evaluation")
TRAFFIC, TRAFFIC_DAYS = "traffic", 30  # prefix in the artefacts bucket, and how long what lies below it is kept
APPROVER_TAG = "model-approver"  # of the roles of people who approve; its value is the platform's stem
WORKLOAD_TAG = "workload"  # the tag of a role by which policies know whose data it may see


@dataclass(frozen=True)
class Names:
    """Every physical name of one environment.

    S3 bucket names are unique in the world and at most 63 characters long, so they end in account and region:
    with the longest prefix, environment and region the longest bucket name here has 59 characters.
    """

    environment: Environment

    @property
    def stem(self) -> str:
        """`<prefix>-<environment>`: how every name begins, also those that CloudFormation makes up.

        CloudFormation shortens a stack's name in the names it makes up; 21 characters survive that.
        """
        return f"{self.environment.prefix}-{self.environment.name}"

    def stack(self, stack: str) -> str:
        """CloudFormation's name of a stack, for example `groundplan-dev-Lineage`."""
        return f"{self.stem}-{stack}"

    def toolkit_stack(self) -> str:
        """CloudFormation's name of the CDK bootstrap stack; the qualifier keeps it apart from other CDK users."""
        return f"CDKToolkit-{self.environment.qualifier}"

    def execution_policy(self) -> str:
        """The policy under which CloudFormation deploys; not below `<stem>-`, so that it cannot rewrite itself."""
        return f"execution-{self.stem}"

    def boundary(self) -> str:
        """The permissions boundary of every role that CloudFormation makes; out of its own reach likewise.

        The company's own, with its path, where the environment names one.
        """
        return self.environment.conventions.permissions_boundary or f"boundary-{self.stem}"

    def roles(self, account: str, pattern: str) -> str:
        """ARN of the platform's roles in an account (12 digits), for example of `pattern` `<stem>-*`."""
        return f"arn:aws:iam::{account}:role{self.environment.conventions.iam_path}{pattern}"

    def job_guard(self) -> str:
        """The policy that holds people's and pipelines' roles to jobs inside the network."""
        return f"{self.stem}-job-guard"

    def release_guard(self) -> str:
        """The policy that leaves the approval of models to the approver's role, for everybody else's roles."""
        return f"{self.stem}-release-guard"

    def profile(self, account: AccountName) -> str:
        """The AWS profile that the commands use for an account when there is one of this name."""
        return f"{self.stem}-{account}"

    def lake_bucket(self, zone: Zone) -> str:
        """Bucket of a zone of the lake, in the data account."""
        return self._bucket(zone, self.environment.accounts.data)

    def catalogue_database(self, zone: Zone) -> str:
        """Glue database of a zone; Glue and Athena take lower-case letters, digits and underscores."""
        return f"{self.stem}_{zone}".replace("-", "_")

    def costs_bucket(self) -> str:
        """Bucket of bills and cost reports, in the data account."""
        return self._bucket("costs", self.environment.accounts.data)

    def costs_database(self) -> str:
        """Glue database of the bills."""
        return f"{self.stem}_costs".replace("-", "_")

    def costs_workgroup(self) -> str:
        """Athena workgroup in which bills are asked, with a limit on what a query reads."""
        return f"{self.stem}-costs"

    def meter_bucket(self) -> str:
        """Bucket of what the gateway meters, in the data account."""
        return self._bucket("meter", self.environment.accounts.data)

    def meter_database(self) -> str:
        """Glue database of what the gateway meters."""
        return f"{self.stem}_meter".replace("-", "_")

    def lake_logs_bucket(self) -> str:
        """Where the access logs of the data account's buckets go."""
        return self.environment.existing.data_log_bucket or self._bucket("lake-logs", self.environment.accounts.data)

    def artefacts_bucket(self) -> str:
        """Bucket of code, models and checkpoints, in the ai account."""
        return self._bucket("artefacts", self.environment.accounts.ai)

    def artefacts_logs_bucket(self) -> str:
        """Where the access logs of the ai account's buckets go."""
        return self.environment.existing.ai_log_bucket or self._bucket("ai-logs", self.environment.accounts.ai)

    def events_bucket(self) -> str:
        """Bucket of the lineage events, in the ai account."""
        return self._bucket("events", self.environment.accounts.ai)

    def mlflow_server(self) -> str:
        """MLflow tracking server, in the ai account."""
        return f"{self.stem}-mlflow"

    def mlflow_arn(self) -> str:
        """ARN of the tracking server; the environment may have none."""
        region, account = self.environment.region, self.environment.accounts.ai
        return f"arn:aws:sagemaker:{region}:{account}:mlflow-tracking-server/{self.mlflow_server()}"

    def lineage_table(self) -> str:
        """DynamoDB table of the lineage, in the ai account."""
        return f"{self.stem}-lineage"

    def budget(self, kind: str, name: str) -> str:
        """AWS budget of an account, a workload or a tenant; `groundplan.spend.notice` reads whose it is."""
        return f"{self.stem}-{kind}-{name}"

    def observer_role(self) -> str:
        """The role of the ai account that writes beside the bills what the platform saw."""
        return f"{self.stem}-observer"

    def deny_spending(self) -> str:
        """The policy that AWS Budgets attaches to roles when the ai account is over its ceiling."""
        return f"{self.stem}-deny-spending"

    def training_machine(self) -> str:
        """State machine that trains any workload of the environment."""
        return f"{self.stem}-training"

    def training_role(self, workload: str) -> str:
        """Execution role of a workload's training jobs; at most 54 of the 64 characters that IAM allows."""
        return f"{self.stem}-{workload}-training"

    def evaluation_role(self, workload: str) -> str:
        """Execution role of the jobs that answer a workload's held-out set; at most 56 of the 64 characters."""
        return f"{self.stem}-{workload}-evaluation"

    def endpoint(self, workload: str) -> str:
        """Endpoint of a workload, and the beginning of the names of its models: at most 46 of 63 characters.

        It stays from release to release; callers know it.
        """
        return f"{self.stem}-{workload}"

    def serving_role(self, workload: str, model: str) -> str:
        """Role of one model of a workload, of which `model` is the hash (8 digits); at most 63 of 64 characters."""
        return f"{self.stem}-{workload}-serving-{model}"

    def traffic(self, workload: str, what: Literal["capture", "requests", "answers", "failures"]) -> str:
        """Prefix in the artefacts bucket of what a workload was asked and answered; kept for TRAFFIC_DAYS."""
        return f"{TRAFFIC}/{workload}/{what}/"

    def approver_role(self) -> str:
        """The role of the people who approve models, in the ai account."""
        return f"{self.stem}-approver"

    def gateway_role(self) -> str:
        """The gateway's role, in the application account: the one that may become `models_role`."""
        return f"{self.stem}-gateway"

    def gateway(self) -> str:
        """The gateway's API, table, firewall and callers, in the application account."""
        return f"{self.stem}-gateway"

    def meter(self) -> str:
        """The stream that carries the meter from the application account, its role, and its subscription."""
        return f"{self.stem}-meter"

    def models_role(self) -> str:
        """The role of the ai account that invokes foundation models, for the gateway alone."""
        return f"{self.stem}-gateway-models"

    def models_parameter(self) -> str:
        """SSM parameter of the ai account that tells the gateway its guardrail and inference profiles, as JSON."""
        return f"/{self.environment.prefix}/{self.environment.name}/models"

    def logging_role(self) -> str:
        """The role of the function that turns the log of model invocations on."""
        return f"{self.stem}-invocation-logging"

    def invocations_bucket(self) -> str:
        """Bucket of what models were asked and answered, in the ai account; kept for a few days."""
        return self._bucket("invocations", self.environment.accounts.ai)

    def model_package_group(self, workload: str) -> str:
        """Model package group of a workload."""
        return f"{self.stem}-{workload}"

    def repository(self, workload: str) -> str:
        """ECR repository of a workload's image."""
        return f"{self.stem}/{workload}"

    def image_build(self, workload: str) -> str:
        """CodeBuild project that builds a workload's image."""
        return f"{self.stem}-{workload}-image"

    def image_context(self, workload: str) -> str:
        """Key in the artefacts bucket of what a workload's image is built from; each build names a version of it."""
        return f"workloads/{workload}/image/context.zip"

    def design(self, workload: str) -> str:
        """Key in the artefacts bucket of a deployed workload's plan and estimate, as JSON."""
        return f"workloads/{workload}/design.json"

    def launch_parameter(self, workload: str) -> str:
        """SSM parameter that holds the launch defaults of a workload, as JSON."""
        return f"/{self.environment.prefix}/{self.environment.name}/workloads/{workload}/launch"

    def _bucket(self, purpose: str, account: str) -> str:
        return f"{self.stem}-{purpose}-{account}-{self.environment.region}"


def catalogue_table(workload: str, table: str) -> str:
    """Name of a workload's table in the catalogue; workloads and tables have no two underscores in a row."""
    return f"{workload.replace('-', '_')}__{table}"
