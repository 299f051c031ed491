"""What the registry of an environment's ai account holds of a workload's images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from groundplan.canonical import file_digest
from groundplan.image import LOCK, Image, Scan, built_from, refuse_image
from groundplan.refusal import Refused, bad
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts

MISSING = "missing"  # no scan has begun; the other words are ECR's own


@dataclass(frozen=True)
class Registry:
    """The repository of one workload, as ECR describes it."""

    accounts: Accounts
    workload: Workload

    @property
    def repository(self) -> str:
        """The repository's name."""
        return self.accounts.names.repository(self.workload.name)

    @property
    def how(self) -> str:
        """How a workload comes by an image."""
        build = f"groundplan image build {self.workload.name} -e {self.accounts.environment.name}"
        return f"{build} makes one; write its digest as training.image_digest into its workload.toml, and deploy"

    def digest_of(self, tag: str) -> str | None:
        """`sha256:…` of the image with a tag, if there is one."""
        details = self._describe({"imageTag": tag})
        return str(details["imageDigest"]) if details else None

    def held(self, digest: str) -> Image:
        """The image; raises Refused unless it is held and built from the workload's lock as that is now."""
        name, lock = f"{self.repository}@{digest}", f"workloads/{self.workload.name}/{LOCK}"
        details = self._describe({"imageDigest": digest})
        if not details:
            raise Refused(f"{name}: the workload's repository holds no such image; {self.how}")
        path = self.accounts.root / lock
        if not path.is_file():
            raise bad(lock, "", "no such file", "it says what the image holds; make lock writes it")
        lock_digest = file_digest(path)
        if not built_from(details.get("imageTags", ()), lock_digest):
            raise Refused(f"{name}: it was not built from {lock} as that is now; {self.how}")
        return self.image(digest, lock_digest)

    def usable(self, digest: str) -> Image:
        """The image; raises Refused unless it is held, of the workload's lock, scanned, and below the floor."""
        found = self.held(digest)
        refuse_image(found, self.accounts.environment.images)
        return found

    def image(self, digest: str, lock_digest: str) -> Image:
        """An image that is held, with its scan as it stands."""
        return Image(self.workload.name, self.repository, digest, lock_digest, self._scan(digest))

    def _scan(self, digest: str) -> Scan:
        ecr = self.accounts.client("ecr", "ai")
        try:
            found = ecr.describe_image_scan_findings(
                repositoryName=self.repository, imageId={"imageDigest": digest}, maxResults=1
            )
        except ecr.exceptions.ScanNotFoundException:
            return Scan(MISSING, {})
        findings = found.get("imageScanFindings", {})
        return Scan(found["imageScanStatus"]["status"], findings.get("findingSeverityCounts", {}))

    def _describe(self, image_id: Mapping[str, str]) -> Mapping[str, Any] | None:
        ecr = self.accounts.client("ecr", "ai")
        try:
            details = ecr.describe_images(repositoryName=self.repository, imageIds=[image_id])["imageDetails"]
        except ecr.exceptions.ImageNotFoundException:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] != "RepositoryNotFoundException":
                raise
            deploy = f"make deploy ENV={self.accounts.environment.name}"
            first = f"it does not exist; deploy the environment first: {deploy}"
            raise bad("", "repository", self.repository, first) from None
        return details[0] if details else None
