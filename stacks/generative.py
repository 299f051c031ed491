"""The ai account's foundation models: guardrail, inference profiles, who may invoke them, and the log of it."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from groundplan.catalogue import Catalogue
from groundplan.catalogue.permissions import Place
from groundplan.guardrail import FILE as GUARDRAIL_FILE
from groundplan.guardrail import Guardrail as GuardrailPolicy
from groundplan.names import Names
from groundplan.refusal import bad
from groundplan.workload import Workload
from groundplan_constructs import (
    EncryptedBucketProps,
    EncryptionKey,
    FunctionPackage,
    Guardrail,
    GuardrailProps,
    InvocationLog,
    InvocationLogProps,
    ModelsRole,
    ModelsRoleProps,
    PythonFunctionProps,
)
from stacks.account_stack import AccountStack
from stacks.ai_platform import Platform

KEPT_DAYS = 7  # of what models were asked and answered


class Generative(AccountStack):
    """`uses` is workload to the ids of the models that its plan invokes: the chosen one, then its fallbacks.

    `endpoints` are the names of those that the gateway asks for predictions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        platform: Platform,
        package: FunctionPackage,
        catalogue: Catalogue,
        policy: GuardrailPolicy,
        uses: Sequence[tuple[Workload, Sequence[str]]],
        endpoints: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id, names=names, account="ai", description="Foundation models")
        environment = names.environment
        self._refuse_unguarded(policy, uses)
        key = EncryptionKey(
            self,
            "Key",
            alias=f"alias/{names.stem}-models",
            retain=environment.retain_data,
            existing_arn=environment.existing.ai_key_arn,
        )
        key.allow_service("Invocations", "bedrock.amazonaws.com")
        self.guardrail = Guardrail(
            self,
            "Guardrail",
            props=GuardrailProps(name=f"{names.stem}-guardrail", policy=policy, encryption_key=key.key),
        )
        profiles = self._profiles(catalogue, uses)
        role = ModelsRole(
            self,
            "GatewayModels",
            props=ModelsRoleProps(
                role_name=names.models_role(),
                trusted_account=environment.accounts.application,
                trusted_role=self._role_of_gateway(),
                catalogue=catalogue,
                region=environment.region,
                guardrail=self.guardrail,
                profiles=list(profiles.values()),
            ),
        )
        role.permissions.allow("GuardrailKey", ["kms:Decrypt"], [key.key.key_arn])
        ssm.CfnParameter(
            self,
            "Told",
            name=names.models_parameter(),
            type="String",
            description="What the gateway names when it invokes a model",
            value=self.to_json_string(
                {
                    "guardrail": {"identifier": self.guardrail.guardrail_id, "version": self.guardrail.version},
                    "profiles": profiles,
                }
            ),
        )
        role.permissions.allow(
            "ReadWhatIsTold",
            ["ssm:GetParameter"],
            [self.format_arn(service="ssm", resource="parameter", resource_name=names.models_parameter()[1:])],
        )
        if endpoints:
            role.permissions.allow(
                "Predict", ["sagemaker:InvokeEndpoint"], [self._endpoint(name) for name in endpoints]
            )
        InvocationLog(self, "InvocationLog", props=self._log(platform, package, key))

    def _refuse_unguarded(self, policy: GuardrailPolicy, uses: Sequence[tuple[Workload, Sequence[str]]]) -> None:
        for workload, _ in uses:
            data = workload.data.classification
            if not policy.covers(data):
                allowed = f"at least {data}: {workload.name} sends {data} data to a foundation model"
                raise bad(GUARDRAIL_FILE, "data_class", policy.data_class, allowed)

    def _profiles(self, catalogue: Catalogue, uses: Sequence[tuple[Workload, Sequence[str]]]) -> Mapping[str, str]:
        """`<workload>/<model's key>` to ARN: one profile a workload and model, by which its cost is known."""
        place = Place(partition=self.partition, region=self.region, account=self.account)
        found: dict[str, str] = {}
        for workload, targets in uses:
            scope = Construct(self, workload.name)
            tags = cdk.Tags.of(scope)
            for tag, value in (
                ("workload", workload.name),
                ("owner", workload.owner),
                ("cost-centre", workload.cost_centre),
            ):
                tags.add(tag, value, priority=200)
            for target in targets:
                known = catalogue.find(target)
                if known is None:
                    raise bad("catalogue.toml", "models", target, "an approved model: the plan names no other")
                profile = bedrock.CfnApplicationInferenceProfile(
                    scope,
                    known[0],
                    inference_profile_name=f"{self.names.stem}-{workload.name}-{known[0]}",
                    description=f"{target} for {workload.name}",
                    model_source=bedrock.CfnApplicationInferenceProfile.InferenceProfileModelSourceProperty(
                        copy_from=place.source(catalogue, target)
                    ),
                )
                found[f"{workload.name}/{known[0]}"] = profile.attr_inference_profile_arn
        return found

    def _endpoint(self, name: str) -> str:
        return self.format_arn(service="sagemaker", resource="endpoint", resource_name=name)

    def _role_of_gateway(self) -> str:
        names = self.names
        path = names.environment.conventions.iam_path
        return f"arn:{self.partition}:iam::{names.environment.accounts.application}:role{path}{names.gateway_role()}"

    def _log(self, platform: Platform, package: FunctionPackage, key: EncryptionKey) -> InvocationLogProps:
        names = self.names
        return InvocationLogProps(
            kept_days=KEPT_DAYS,
            bucket=EncryptedBucketProps(
                bucket_name=names.invocations_bucket(),
                encryption_key=key.key,
                access_logs_bucket=names.artefacts_logs_bucket(),
                retain=names.environment.retain_data,
            ),
            function=PythonFunctionProps(
                package=package,
                handler="groundplan_runtime.handlers.log_invocations.handler",
                description="Turns the log of model invocations on",
                encryption_key=platform.key,
                role_name=names.logging_role(),
                reserved_concurrency=1,
                log_retention_days=names.environment.log_retention_days,
            ),
        )
