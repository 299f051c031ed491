"""A model version in SageMaker's registry: how it is registered, read back, and held against its pin. Pure.

A versioned package has no name of its own in SageMaker, so the name, `<workload>-<version>`, stands in its
description, with a digest of its properties: descriptions are written once, properties could be rewritten.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateModelPackage.html
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ValidationError

from groundplan.canonical import digest
from groundplan.gate.figures import Share
from groundplan.gate.verdict import Verdict
from groundplan.json_value import Json, mapping, sequence
from groundplan.names import Names
from groundplan.refusal import BadInput, Finding, Refused, bad
from groundplan.release import (
    FORMAT,
    Candidate,
    ImageDigest,
    PackageArn,
    Person,
    Release,
    S3Object,
    Sha256,
    Time,
    Version,
    version_order,
)
from groundplan.text import matching
from groundplan.toml_file import Values
from groundplan.workload import Workload

SCHEMA = "groundplan.model/1"
_DESCRIPTION = re.compile(r"(?P<name>[a-z0-9-]+-[0-9.]+) properties sha256 (?P<seal>[0-9a-f]{64})")
JobName = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", "allowed: the name of a training job")]
Approval = Literal["Approved", "PendingManualApproval", "Rejected"]


class Properties(Values):
    """What a package says of itself, as CustomerMetadataProperties: where it came from, digest by digest.

    `judged_against` is the model version that served when the gate compared; None where nothing served. `copied_from`
    is the package of another environment, where the model was trained. `card_url` is the model card as an object;
    versions that were registered before cards were kept have none.

    One environment serves for training and for inference: `environment_digest` is of both, and an image, where one
    runs, too.
    """

    format: Literal["groundplan.model/1"]
    version: Version
    workload: str
    training_job_name: JobName
    fingerprint: Sha256
    code_digest: Sha256
    environment_digest: Sha256
    image_digest: ImageDigest | None = None
    data_manifest_root: Sha256
    model_data_sha256: Sha256
    record_url: S3Object
    record_sha256: Sha256
    verdict_url: S3Object
    verdict_sha256: Sha256
    held_out_sha256: Sha256
    card_url: S3Object | None = None
    card_sha256: Sha256 | None = None
    judged_against: str | None = None
    copied_from: PackageArn | None = None

    def texts(self) -> dict[str, str]:
        """As SageMaker takes them: texts of at most 256 characters."""
        return dict(self.model_dump(exclude_none=True))


class Package(Values):
    """A registered model version, read back and found whole."""

    arn: str
    status: str
    approval: Approval
    approval_description: str
    model_data_url: str
    image_digest: str | None
    properties: Properties

    @property
    def name(self) -> str:
        """`<workload>-<version>`."""
        return model_name(self.properties.workload, self.properties.version)


def model_name(workload: str, version: str) -> str:
    """`<module>-<purpose>-<version>`: workloads are named for their module and purpose."""
    return f"{workload}-{version}"


def next_version(versions: Sequence[str]) -> str:
    """The next minor version; 1.0.0 is the first."""
    if not versions:
        return "1.0.0"
    major, minor, _ = max(map(version_order, versions))
    return f"{major}.{minor + 1}.0"


def register_request(
    workload: Workload, names: Names, properties: Properties, *, image: str, model_data_url: str, verdict: Verdict
) -> dict[str, Any]:
    """The request of CreateModelPackage; it then waits for a person. Raises Refused for what was stopped."""
    if not verdict.passed:
        raise Refused(f"{verdict.candidate} was stopped at the gate: {verdict.failures[0]}")
    texts = properties.texts()
    name = model_name(workload.name, properties.version)
    container: dict[str, Any] = {"Image": image, "ModelDataUrl": model_data_url}
    if properties.image_digest:
        container["ImageDigest"] = properties.image_digest
    return {
        "ModelPackageGroupName": names.model_package_group(workload.name),
        "ModelPackageDescription": f"{name} properties sha256 {digest(texts)}",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [container],
            "SupportedContentTypes": [workload.gate.content_type],
            "SupportedResponseMIMETypes": [workload.gate.content_type],
        },
        "CustomerMetadataProperties": texts,
        "ModelCard": {
            "ModelCardContent": card_content(workload, properties, verdict),
            "ModelCardStatus": "PendingReview",
        },
    }


def card_content(workload: Workload, properties: Properties, verdict: Verdict) -> str:
    """The card as the registry and the bucket have it, byte for byte."""
    return json.dumps(model_card(workload, properties, verdict), sort_keys=True)


def model_card(workload: Workload, properties: Properties, verdict: Verdict) -> dict[str, Any]:
    """Use, data, metrics by slice, limits and owner, in SageMaker's schema for cards of packages.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema
    """
    data = [
        {
            "name": f"{row.name}.{verdict.key_metric}",
            "type": "number",
            "value": row.candidate.value,
            "notes": f"{_counted(row.candidate)}; 95 % between {row.candidate.low:.4f} and "
            f"{row.candidate.high:.4f}; {row.judgement}",
        }
        for row in verdict.rows
    ]
    unjudged = [row.name for row in verdict.rows if row.judgement == "not judged"]
    limits = [f"Not judged, for want of samples: {', '.join(unjudged)}."] if unjudged else []
    return {
        "model_overview": {"model_creator": workload.owner, "model_artifact": [properties.record_url]},
        "intended_uses": {
            "purpose_of_model": workload.use_case,
            "intended_uses": workload.use_case,
            "factors_affecting_model_efficiency": " ".join(
                [f"Data no older than {workload.data.freshness_hours} hours, from {workload.data.source}.", *limits]
            ),
        },
        "training_details": {
            "training_observations": f"Run {properties.training_job_name}, fingerprint {properties.fingerprint}.",
        },
        "evaluation_details": [
            {
                "name": f"Held-out set of {verdict.samples} samples",
                "evaluation_observation": f"sha256 {verdict.held_out_sha256}; {properties.verdict_url}",
                "metric_groups": [{"name": verdict.key_metric, "metric_data": data}],
            }
        ],
        "additional_information": {
            "caveats_and_recommendations": " ".join(
                [f"Its floor is {workload.drivers.quality.floor} of {workload.key_metric}.", *limits]
            ),
            "custom_details": {
                "owner": workload.owner,
                "cost centre": workload.cost_centre,
                "data classification": workload.data.classification,
            },
        },
    }


def read_package(described: Json) -> Package:
    """From DescribeModelPackage; raises BadInput for a package that was not registered here, or was altered since."""
    arn = str(described.get("ModelPackageArn") or "model package")
    texts = mapping(described.get("CustomerMetadataProperties"))
    sealed = _DESCRIPTION.fullmatch(str(described.get("ModelPackageDescription") or ""))
    again = "it was not registered by groundplan verify, which is the way into the registry"
    if sealed is None:
        raise bad(arn, "description", described.get("ModelPackageDescription") or "nothing", again)
    if texts.get("format") != SCHEMA:
        raise bad(arn, "format", texts.get("format") or "nothing", f'allowed: "{SCHEMA}"; verify it again')
    if digest(dict(texts)) != sealed["seal"]:
        raise bad(
            arn, "properties", digest(dict(texts)), f"they were altered: registered with sha256 {sealed['seal']}"
        )
    try:
        properties = Properties.model_validate(dict(texts))
    except ValidationError as error:
        entries = error.errors(include_url=False)
        raise BadInput(
            [Finding(arn, ".".join(map(str, one["loc"])), one["input"], str(one["msg"])) for one in entries]
        ) from None
    if sealed["name"] != model_name(properties.workload, properties.version):
        raise bad(arn, "description", sealed["name"], f"allowed: {properties.workload}-{properties.version}")
    containers = sequence(mapping(described.get("InferenceSpecification")).get("Containers"))
    if len(containers) != 1:
        raise bad(arn, "containers", len(containers), "allowed: exactly one")
    container = mapping(containers[0])
    image = container.get("ImageDigest")
    if image != properties.image_digest:
        raise bad(arn, "ImageDigest", image, f"it was altered: registered with {properties.image_digest}")
    return Package(
        arn=arn,
        status=str(described.get("ModelPackageStatus") or "unknown"),
        approval=described.get("ModelApprovalStatus") or "PendingManualApproval",  # pyright: ignore[reportArgumentType]
        approval_description=str(described.get("ApprovalDescription") or ""),
        model_data_url=str(container.get("ModelDataUrl") or ""),
        image_digest=image,
        properties=properties,
    )


def unfit(package: Package) -> str:
    """Why a package may not be released, in one line; nothing where it may."""
    if package.status != "Completed":
        return f"{package.name}: its package is {package.status}; allowed: Completed"
    if package.approval != "Approved":
        return f"{package.name}: it is {package.approval}; a person approves it: groundplan approve {package.name}"
    return ""


def _counted(figure: Share) -> str:
    return f"{figure.samples} samples" if figure.right is None else f"{figure.right} of {figure.samples}"


class Decision(Values):
    """A person's word, as the registry keeps it with the status: who, when, and whether in earnest."""

    by: Person
    at: Time
    simulated: bool
    reason: str | None = None

    def text(self) -> str:
        """As ApprovalDescription, which has at most 1,024 characters."""
        return json.dumps(self.model_dump(exclude_none=True), sort_keys=True)

    def as_json(self) -> dict[str, Any]:
        """Keys of `groundplan approve --json`."""
        return {"decided_by": self.by, "decided_at": self.at, "simulated": self.simulated, "reason": self.reason}


def decision_of(package: Package) -> Decision:
    """Who decided; raises BadInput for a status that was set past `groundplan approve`."""
    try:
        return Decision.model_validate_json(package.approval_description)
    except ValidationError:
        allowed = "it was not decided with groundplan approve, and nobody knows by whom; verify another version"
        raise bad(package.arn, "ApprovalDescription", package.approval_description or "nothing", allowed) from None


def pin(
    package: Package,
    *,
    approved_by: str,
    approved_at: str,
    simulated: bool,
    previous: str | None = None,
    withdrawn: Mapping[str, str] | None = None,
    reason: str | None = None,
    serial: int = 1,
) -> Release:
    """The release of a package."""
    of = package.properties
    return Release(
        format=FORMAT,
        version=of.version,
        model_package_arn=package.arn,
        model_data_url=package.model_data_url,
        model_data_sha256=of.model_data_sha256,
        image_digest=of.image_digest,
        environment_digest=of.environment_digest,
        code_digest=of.code_digest,
        fingerprint=of.fingerprint,
        record_url=of.record_url,
        record_sha256=of.record_sha256,
        approved_by=approved_by,
        approved_at=approved_at,
        simulated=simulated,
        previous=previous,
        reason=reason,
        serial=serial,
        withdrawn=dict(withdrawn or {}),
    )


def candidate_contradictions(candidate: Candidate, package: Package, source: str) -> list[Finding]:
    """The same of a version in the shadow of the one that serves; it, too, runs on what callers send."""
    pairs = (
        ("version", candidate.version, package.properties.version),
        ("model_data_url", candidate.model_data_url, package.model_data_url),
        ("model_data_sha256", candidate.model_data_sha256, package.properties.model_data_sha256),
        ("image_digest", candidate.image_digest, package.properties.image_digest),
    )
    why = unfit(package)
    return [
        Finding(source, f"candidate.{field}", pinned or "nothing", f"the registry has {registered or 'nothing'}")
        for field, pinned, registered in pairs
        if pinned != registered
    ] + ([Finding(source, "candidate.version", candidate.version, why)] if why else [])


def contradictions(release: Release, package: Package, source: str) -> list[Finding]:
    """What a pin says otherwise than the registry: each digest, the place, and whether it may be released at all."""
    of = package.properties
    pairs = (
        ("version", release.version, of.version),
        ("model_package_arn", release.model_package_arn, package.arn),
        ("model_data_url", release.model_data_url, package.model_data_url),
        ("model_data_sha256", release.model_data_sha256, of.model_data_sha256),
        ("image_digest", release.image_digest, of.image_digest),
        ("environment_digest", release.environment_digest, of.environment_digest),
        ("code_digest", release.code_digest, of.code_digest),
        ("fingerprint", release.fingerprint, of.fingerprint),
        ("record_url", release.record_url, of.record_url),
        ("record_sha256", release.record_sha256, of.record_sha256),
    )
    findings = [
        Finding(source, field, pinned or "nothing", f"the registry has {registered or 'nothing'}")
        for field, pinned, registered in pairs
        if pinned != registered
    ]
    if why := unfit(package):
        return [*findings, Finding(source, "version", release.version, why)]
    decided = decision_of(package)
    said = (("approved_by", release.approved_by, decided.by), ("approved_at", release.approved_at, decided.at))
    return findings + [
        Finding(source, field, pinned, f"the registry has {known}")
        for field, pinned, known in said
        if pinned != known
    ]
