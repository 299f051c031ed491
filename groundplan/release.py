"""The release pin, `workloads/<name>/release.<environment>.toml`: what serves, who approved it, and its digests.

Written by `groundplan promote` and `groundplan rollback`, read where the serving stack is synthesised. A pin that was
edited by hand to what contradicts itself or its environment is refused here; one that contradicts the registry is
refused by `contradictions` in `groundplan.model_package`, when it is deployed.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from groundplan.environment import Environment
from groundplan.names import Names
from groundplan.refusal import BadInput, Disallowed, Finding, Refused, bad
from groundplan.text import matching
from groundplan.toml_file import Values, read_toml

FORMAT = "groundplan.release/1"


def _time(value: str) -> str:
    try:
        if datetime.fromisoformat(value).utcoffset():  # of a time without a zone it is None, of UTC it is zero
            raise ValueError
    except ValueError:
        raise ValueError("allowed: a time in UTC such as 2026-11-21T09:00:00Z") from None
    return value


Version = Annotated[
    str,
    matching(
        r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})", "allowed: a version such as 1.4.0 (semver)"
    ),
]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "allowed: a sha256 as 64 lower-case hex digits")]
ImageDigest = Annotated[str, matching(r"sha256:[0-9a-f]{64}", "allowed: sha256: and 64 lower-case hex digits")]
S3Object = Annotated[
    str,
    matching(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9!_.*'()/=-]{1,900}", "allowed: s3://bucket/key"),
]
PackageArn = Annotated[
    str,
    matching(
        r"arn:aws:sagemaker:[a-z0-9-]+:[0-9]{12}:model-package/[A-Za-z0-9-]{1,63}/[1-9][0-9]{0,8}",
        "allowed: the ARN of a model package, with its group and version",
    ),
]
Person = Annotated[str, matching(r"[\x21-\x7e][\x20-\x7e]{0,255}", "allowed: who, in 1 to 256 ASCII characters")]
Time = Annotated[
    str,
    matching(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z",
        "allowed: a time in UTC such as 2026-11-21T09:00:00Z",
    ),
    AfterValidator(_time),
]
Why = Annotated[str, matching(r"[\x20-\x7e]{10,300}", "allowed: why, in 10 to 300 ASCII characters on one line")]


class Candidate(Values):
    """A model version that is asked what everybody asks and answers nobody: a shadow beside the one that serves."""

    version: Version
    model_package_arn: PackageArn
    model_data_url: S3Object
    model_data_sha256: Sha256
    image_digest: ImageDigest | None = None


class Release(Values):
    """One pin. `image_digest` is absent where no image ran; `simulated` says that nobody approved it in earnest.

    `previous` is the version that served before, to which `rollback` goes; `reason` is why this one was rolled back
    to or released again; `withdrawn` are versions that were rolled back, with the reason, so that none of them is
    released again by accident. `candidate` is a version in the shadow of this one. `serial` counts the releases: a
    model that comes back gets names of its own, as those that it had are kept for what still runs under them.
    """

    format: Literal["groundplan.release/1"]
    version: Version
    model_package_arn: PackageArn
    model_data_url: S3Object
    model_data_sha256: Sha256
    image_digest: ImageDigest | None = None
    environment_digest: Sha256
    code_digest: Sha256
    fingerprint: Sha256
    record_url: S3Object
    record_sha256: Sha256
    approved_by: Person
    approved_at: Time
    simulated: bool
    previous: Version | None = None
    reason: Why | None = None
    serial: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    candidate: Candidate | None = None
    withdrawn: Annotated[dict[Version, Why], Field(max_length=200)] = Field(default={})

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> "Release":
        if self.previous == self.version:
            raise Disallowed(self.previous, "allowed: another version than the one that is pinned", field="previous")
        if self.version in self.withdrawn:
            allowed = "it is below [withdrawn]: promote another, or this one with --again --reason"
            raise Disallowed(self.version, allowed, field="version")
        if self.previous in self.withdrawn:
            allowed = "it is below [withdrawn]; remove previous, or name one that was not rolled back"
            raise Disallowed(self.previous, allowed, field="previous")
        if self.candidate and self.candidate.version in (self.version, *self.withdrawn):
            allowed = "allowed: a version that neither serves nor was rolled back; remove [candidate]"
            raise Disallowed(self.candidate.version, allowed, field="candidate.version")
        return self

    @property
    def package_version(self) -> int:
        """The registry's own number of the package in its group."""
        return int(self.model_package_arn.rpartition("/")[2])


def checked_why(text: str, field: str) -> str:
    """A reason that the pin can hold; raises BadInput."""
    try:
        return TypeAdapter[str](Why).validate_python(text)
    except ValidationError:
        raise bad("", field, text, "allowed: why, in 10 to 300 ASCII characters on one line") from None


def checked_version(text: str, field: str) -> str:
    """A version as pins have it; raises BadInput."""
    try:
        return TypeAdapter[str](Version).validate_python(text)
    except ValidationError:
        raise bad("", field, text, "allowed: a version such as 1.4.0 (semver)") from None


def release_file(workload: str, environment: str) -> Path:
    """Where the pin of a workload lies, below the repository."""
    return Path("workloads") / workload / f"release.{environment}.toml"


def is_release_file(name: str) -> bool:
    """Whether a file of a workload's folder is a pin: it says what was made, and is no part of what makes it."""
    return re.fullmatch(r"release\.[a-z][a-z0-9]{0,9}\.toml", name) is not None


def read_release(root: Path, workload: str, environment: Environment) -> Release | None:
    """The pin of a workload in an environment; None where nothing is released. Raises BadInput."""
    relative = release_file(workload, environment.name)
    if not (root / relative).exists():
        return None
    release = read_toml(root, relative, Release)
    if wrong := misplaced(release, workload, environment, str(relative)):
        raise BadInput(wrong)
    return release


def misplaced(release: Release, workload: str, environment: Environment, source: str) -> list[Finding]:
    """What in a pin is of another environment or workload than the one whose pin it is."""
    names = Names(environment)
    group = names.model_package_group(workload)
    package = f"arn:aws:sagemaker:{environment.region}:{environment.accounts.ai}:model-package/{group}/"
    folder = f"s3://{names.artefacts_bucket()}/workloads/{workload}/"
    findings = [
        Finding(source, field, value, f"allowed in {environment.name}: what begins with {start}")
        for field, value, start in (
            ("model_package_arn", release.model_package_arn, package),
            ("model_data_url", release.model_data_url, folder),
            ("record_url", release.record_url, folder),
            *(
                (
                    ("candidate.model_package_arn", release.candidate.model_package_arn, package),
                    ("candidate.model_data_url", release.candidate.model_data_url, folder),
                )
                if release.candidate
                else ()
            ),
        )
        if not value.startswith(start)
    ]
    urls = (release.model_data_url, release.record_url, release.candidate.model_data_url if release.candidate else "")
    if any(".." in url.split("/") for url in urls):
        findings.append(Finding(source, "model_data_url", release.model_data_url, "allowed: a key without '..'"))
    if release.simulated and not environment.embedded_aws:
        findings.append(Finding(source, "simulated", True, "allowed in AWS: false; a person approves there"))
    if not release.simulated and environment.embedded_aws:
        findings.append(Finding(source, "simulated", False, "allowed here: true; on this machine nobody approves"))
    if release.image_digest is None and not environment.embedded_aws:
        findings.append(Finding(source, "image_digest", "nothing", "a value is required in AWS, where an image runs"))
    return findings


def write_release(root: Path, workload: str, environment: Environment, release: Release, was: Release | None) -> Path:
    """Replace the pin `was`, as it was read before, by `release`; of two that do so at once one is refused.

    The file is replaced as a whole: whoever reads it meanwhile finds the one or the other. Raises Refused when the
    pin is no longer `was`, BadInput when `release` is not of this workload and environment.
    """
    relative = release_file(workload, environment.name)
    if wrong := misplaced(release, workload, environment, str(relative)):
        raise BadInput(wrong)
    path = root / relative
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # held until the folder is closed, also by a process that dies
        if read_release(root, workload, environment) != was:
            raise Refused(f"{relative}: another release was made meanwhile; look at it, then decide again")
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".release.", delete=False) as draft:
            draft.write(to_toml(release))
            draft.flush()
            os.fsync(draft.fileno())
        Path(draft.name).chmod(0o644)
        Path(draft.name).replace(path)
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def to_toml(release: Release) -> str:
    """The pin as a file; `read_release` reads it back."""
    values: Mapping[str, object] = release.model_dump(exclude_none=True, exclude={"candidate", "withdrawn"})
    lines = [
        "# What serves here, as groundplan promote and rollback wrote it. A deployment asks the registry again.",
        *_fields(values),
    ]
    if release.candidate:
        fields = release.candidate.model_dump(exclude_none=True)
        lines += ["", "[candidate] # asked what everybody asks; answers nobody", *_fields(fields)]
    if release.withdrawn:
        lines += ["", "[withdrawn] # rolled back, and why", *_withdrawn(release.withdrawn)]
    return "\n".join(lines) + "\n"


def _fields(values: Mapping[str, object]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _withdrawn(versions: Mapping[str, str]) -> list[str]:
    return [f"{_toml(version)} = {_toml(why)}" for version, why in sorted(versions.items(), key=_order)]


def _order(one: tuple[str, str]) -> tuple[int, ...]:
    return version_order(one[0])


def version_order(version: str) -> tuple[int, ...]:
    """By which versions are sorted: 1.10.0 comes after 1.9.0."""
    return tuple(int(part) for part in version.split("."))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')  # printable ASCII, by the model
    return f'"{text}"'
