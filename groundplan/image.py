"""A workload's golden image: what it is built from, how it is named, and which findings of a scan refuse it."""

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from groundplan.canonical import digest
from groundplan.refusal import BadInput, Finding, Refused, bad
from groundplan.text import AccountId, matching
from groundplan.toml_file import Values

RECIPE = Path("images/training")  # the Dockerfile that all workloads share, and what it may see
LOCK = "requirements.lock"
LARGEST_LOCK_BYTES = 4 * 1024 * 1024
SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
# COMPLETE of basic scanning; ACTIVE of enhanced scanning, which goes on looking.
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html
FINISHED = ("COMPLETE", "ACTIVE")
PINNED = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[^\s;]+( ;((?! --).)*)?( --hash=sha256:[0-9a-f]{64})+"
)

Severity = Literal["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]


class Source(Values):
    """What images are built from: a base image and packages of the company's own, nothing of the internet."""

    base: Annotated[
        str,
        matching(
            r"(?=.{2,256}@)[a-z0-9]+([_-][a-z0-9]+)*(/[a-z0-9]+([_-][a-z0-9]+)*)*@sha256:[0-9a-f]{64}",
            "allowed: a repository of the ai account's registry, without its host, and a digest: "
            "python@sha256: and 64 hex digits",
        ),
    ]
    # https://docs.aws.amazon.com/codeartifact/latest/APIReference/API_CreateRepository.html
    package_domain: Annotated[
        str, matching(r"[a-z][a-z0-9-]{0,48}[a-z0-9]", "allowed: the name of a CodeArtifact domain")
    ]
    package_repository: Annotated[
        str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{1,99}", "allowed: the name of a CodeArtifact repository")
    ]
    package_account: AccountId | None = Field(
        default=None, description="who owns the domain; the ai account if unsaid"
    )

    def refuse_placeholder(self, source: str) -> None:
        """Raises BadInput while the base image is not chosen: a digest of nothing but zeros."""
        if self.base.endswith("0" * 64):
            raise bad(
                source, "images.source.base", self.base, "this is a placeholder; write your base image's digest"
            )


class Images(Values):
    """What an environment asks of its workloads' images."""

    severity_floor: Severity = Field(
        default="HIGH", description="a finding of this severity or worse refuses an image"
    )
    unrated_as: Severity = Field(default="CRITICAL", description="what a finding counts as that nobody has rated")
    source: Source | None = None


@dataclass(frozen=True)
class BuildContext:
    """All that an image is made from: files by name, and the base image."""

    files: Mapping[str, bytes]
    base: str

    @property
    def lock_digest(self) -> str:
        """sha256 of the lock, 64 hex digits."""
        return sha256(self.files[LOCK]).hexdigest()

    @property
    def tag(self) -> str:
        """The image's one tag, which says what it was made from: `lock-<sha256>-<16 digits for all the rest>`."""
        rest = {name: sha256(content).hexdigest() for name, content in self.files.items()} | {"base": self.base}
        return f"lock-{self.lock_digest}-{digest(rest)[:16]}"

    def archive(self) -> bytes:
        """A zip file of the files, the same bytes for the same files."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(self.files):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), self.files[name])
        return buffer.getvalue()


def read_context(root: Path, workload: str, source: Source) -> BuildContext:
    """The workload's lock and the Dockerfile that all share; raises BadInput when one is missing or cannot serve."""
    lock = Path("workloads") / workload / LOCK
    files = {name: _read(root, RECIPE / name) for name in ("Dockerfile", ".dockerignore")}
    files[LOCK] = _read(root, lock)
    _refuse_unpinned(str(lock), files[LOCK])
    return BuildContext(files, source.base)


def built_from(tags: Iterable[str], lock_digest: str) -> bool:
    """Whether the tags of an image say that it was built from this lock."""
    return any(tag.startswith(f"lock-{lock_digest}-") for tag in tags)


@dataclass(frozen=True)
class Scan:
    """What the registry found in an image: `status` in ECR's words, and how many findings of each severity."""

    status: str
    findings: Mapping[str, int]

    @property
    def finished(self) -> bool:
        """Whether all findings are there."""
        return self.status in FINISHED


@dataclass(frozen=True)
class Image:
    """An image as the registry holds it. `lock_digest` is the sha256 of the lock it was built from."""

    workload: str
    repository: str
    digest: str
    lock_digest: str
    scan: Scan

    @property
    def name(self) -> str:
        """`<repository>@<digest>`."""
        return f"{self.repository}@{self.digest}"

    def document(self) -> dict[str, Any]:
        """With the keys that the commands print as JSON."""
        return {
            "workload": self.workload,
            "repository": self.repository,
            "image_digest": self.digest,
            "lock_digest": self.lock_digest,
            "scan_status": self.scan.status,
            "findings": in_order(self.scan.findings),
        }


def refuse_image(image: Image, rules: Images) -> None:
    """Raises Refused, in a line, for an image whose scan is not finished or that has a finding at the floor or above.

    A severity that is not one of SEVERITIES (ECR's UNDEFINED, Inspector's UNTRIAGED) counts as `rules.unrated_as`.
    """
    if not image.scan.finished:
        allowed = "only an image that was scanned to the end may be used"
        raise Refused(f"{image.name}: its scan is {image.scan.status}; {allowed}")
    floor = SEVERITIES.index(rules.severity_floor)
    severe = {
        severity: count
        for severity, count in in_order(image.scan.findings).items()
        if count and SEVERITIES.index(severity if severity in SEVERITIES else rules.unrated_as) >= floor
    }
    if severe:
        counted = ", ".join(f"{count} {severity}" for severity, count in severe.items())
        raise Refused(
            f"{image.name}: {counted}; images.severity_floor {rules.severity_floor} refuses that: take a newer base "
            "image or newer packages, and build again"
        )


def in_order(findings: Mapping[str, int]) -> dict[str, int]:
    """Unrated findings first, then the worst."""
    rank = {severity: -position for position, severity in enumerate(SEVERITIES)}
    return dict(sorted(findings.items(), key=lambda item: (rank.get(item[0], -len(SEVERITIES)), item[0])))


def _read(root: Path, relative: Path) -> bytes:
    path = root / relative
    try:
        if path.is_file():
            if path.stat().st_size <= LARGEST_LOCK_BYTES:
                return path.read_bytes()
            raise bad(str(relative), "", f"a file of {path.stat().st_size} bytes", "at most 4 MiB are read")
    except OSError as error:
        raise bad(str(relative), "", error.strerror or "an unreadable file", "the file must be readable") from None
    how = "; write requirements.in beside it, and run make lock" if relative.name == LOCK else ""
    raise bad(str(relative), "", "no such file", f"an image is built from it{how}")


def _refuse_unpinned(source: str, lock: bytes) -> None:
    """What pip --require-hashes would refuse in the middle of a build, and what names a place to load from."""
    try:
        text = lock.decode("ascii").replace("\\\n", " ")
    except UnicodeDecodeError as error:
        raise bad(source, "", f"byte {error.start}", "the lock must be ASCII text, as make lock writes it") from None
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    allowed = "name==version and its --hash=sha256:…, as make lock writes it"
    findings = [
        Finding(source, "requirement", line, f"allowed: {allowed}") for line in wanted if not PINNED.fullmatch(line)
    ]
    if not wanted:
        findings = [Finding(source, "", "no requirement", f"allowed: {allowed}")]
    if findings:
        raise BadInput(findings)
