"""`groundplan image` and what `groundplan train` asks of an image, against AWS's answers by AWS's own shapes."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from groundplan.canonical import file_digest
from groundplan.environment import read_environment
from groundplan.image import LOCK, read_context
from groundplan.manifest import Entry, Manifest
from groundplan.refusal import BadInput, Refused
from groundplan.training_request import LaunchDefaults
from groundplan.workload import read_workload
from groundplan_operate import command_line
from groundplan_operate import image as image_module
from groundplan_operate import train as train_module
from groundplan_operate.accounts import Accounts
from groundplan_operate.registry import Registry

ROOT = Path(__file__).parents[2]
REPOSITORY = "groundplan-dev/digit-reader"
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'e' * 64}"
BASE = f"python@sha256:{'b' * 64}"
PROJECT = "groundplan-dev-digit-reader-image"
REGISTRY_HOST = "777788889999.dkr.ecr.us-east-1.amazonaws.com"


class Aws:
    """AWS clients that give the answers they were told, in order; AWS's own shapes check both sides."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.stubbers: dict[str, Stubber] = {}

    def __getitem__(self, service: str) -> Stubber:
        if service not in self.stubbers:
            session: Any = boto3.Session("x", "x", region_name="us-east-1")
            self.clients[service] = session.client(service)
            self.stubbers[service] = Stubber(self.clients[service])
            self.stubbers[service].activate()
        return self.stubbers[service]

    def client(self, service: str) -> Any:
        _ = self[service]
        return self.clients[service]

    def image(self, *, tags: list[str] | None, digest: str = DIGEST, asked: Any = None) -> None:
        """The answer about an image: its tags; None for no such image."""
        asked = {"repositoryName": REPOSITORY, "imageIds": [asked or {"imageDigest": digest}]}
        if tags is None:
            self["ecr"].add_client_error("describe_images", "ImageNotFoundException", expected_params=asked)
        else:
            details = [{"imageDigest": digest, "imageTags": tags}]
            self["ecr"].add_response("describe_images", {"imageDetails": details}, asked)

    def scan(self, status: str | None, findings: dict[str, int] | None = None) -> None:
        """The answer about a scan; None for no scan."""
        asked = {"repositoryName": REPOSITORY, "imageId": {"imageDigest": DIGEST}, "maxResults": 1}
        operation = "describe_image_scan_findings"
        if status is None:
            self["ecr"].add_client_error(operation, "ScanNotFoundException", expected_params=asked)
            return
        answer: dict[str, Any] = {"imageScanStatus": {"status": status}}
        if findings is not None:
            answer["imageScanFindings"] = {"findingSeverityCounts": findings}
        self["ecr"].add_response(operation, answer, asked)

    def project(self, base: str = BASE) -> None:
        """The answer about the CodeBuild project: from which base it builds."""
        variables = [{"name": "BASE_IMAGE", "value": f"{REGISTRY_HOST}/{base}"}]
        environment = {
            "type": "LINUX_CONTAINER",
            "image": "x",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": variables,
        }
        answer = {"projects": [{"name": PROJECT, "environment": environment}]}
        self["codebuild"].add_response("batch_get_projects", answer, {"names": [PROJECT]})

    def started(self, tag: str) -> None:
        """The context is uploaded and the build begun with its version."""
        self["s3"].add_response(
            "put_object",
            {"VersionId": "v7"},
            {
                "Bucket": "groundplan-dev-artefacts-777788889999-us-east-1",
                "Key": "workloads/digit-reader/image/context.zip",
                "Body": ANY,
            },
        )
        self["codebuild"].add_response(
            "start_build",
            {"build": {"id": f"{PROJECT}:1"}},
            {
                "projectName": PROJECT,
                "sourceVersion": "v7",
                "environmentVariablesOverride": [{"name": "IMAGE_TAG", "value": tag, "type": "PLAINTEXT"}],
            },
        )

    def build(self, status: str, phases: list[dict[str, Any]], **more: Any) -> None:
        """How the build stands."""
        answer = {"builds": [{"id": f"{PROJECT}:1", "buildStatus": status, "phases": phases, **more}]}
        self["codebuild"].add_response("batch_get_builds", answer, {"ids": [f"{PROJECT}:1"]})


@pytest.fixture
def dev(repository: Path) -> Path:
    """The repository, its `dev` with a base image that is no placeholder, and the Dockerfile."""
    path = repository / "environments/dev.toml"
    path.write_text(re.sub(r'(?m)^base = ".*"$', f'base = "{BASE}"', path.read_text()))
    (repository / "cdk.json").write_text("{}")
    (repository / "images/training").mkdir(parents=True)
    for name in ("Dockerfile", ".dockerignore"):
        (repository / "images/training" / name).write_bytes((ROOT / "images/training" / name).read_bytes())
    return repository


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS of the ai account."""
    aws = Aws()

    def client(_: Accounts, service: str, account: str) -> Any:
        assert account == "ai"
        return aws.client(service)

    monkeypatch.setattr(Accounts, "client", client)
    monkeypatch.setattr(image_module, "POLL_SECONDS", 0.0)
    yield aws
    for stubber in aws.stubbers.values():
        stubber.assert_no_pending_responses()


@pytest.fixture
def tag(dev: Path) -> str:
    """The tag of the image that this repository's lock makes."""
    source = read_environment(dev, "dev").images.source
    assert source
    return read_context(dev, "digit-reader", source).tag


@pytest.fixture
def groundplan(
    dev: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`groundplan(*arguments)`: exit status, what it prints and what it complains of."""
    monkeypatch.chdir(dev)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["groundplan", *arguments])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


Run = Callable[..., tuple[int, str, str]]


def pin(dev: Path, digest: str) -> None:
    """Write the digest into the workload."""
    path = dev / "workloads/digit-reader/workload.toml"
    path.write_text(path.read_text().replace("[training]\n", f'[training]\nimage_digest = "{digest}"\n'))


def test_an_image_is_built_followed_scanned_and_told(aws: Aws, groundplan: Run, tag: str) -> None:
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project()
    aws.started(tag)
    queued = {"phaseType": "QUEUED", "phaseStatus": "SUCCEEDED", "durationInSeconds": 2}
    aws.build("IN_PROGRESS", [queued, {"phaseType": "BUILD"}])
    aws.build("SUCCEEDED", [queued, {"phaseType": "BUILD", "phaseStatus": "SUCCEEDED", "durationInSeconds": 90}])
    aws.image(tags=[tag], asked={"imageTag": tag})
    aws.scan(None)
    aws.scan("IN_PROGRESS")
    aws.scan("COMPLETE", {"LOW": 3, "MEDIUM": 1})
    status, out, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert status == 0
    for line in (f"image build {PROJECT}:1", "QUEUED  SUCCEEDED  2 s", "BUILD  SUCCEEDED  90 s", "waiting for"):
        assert out.count(line) == 1, line
    assert f"{REPOSITORY}@{DIGEST}" in out
    assert out.index("MEDIUM") < out.index("LOW")
    assert f'image_digest = "{DIGEST}" under [training] of workloads/digit-reader/workload.toml' in err


def test_what_was_built_is_not_built_again(aws: Aws, groundplan: Run, dev: Path, tag: str) -> None:
    pin(dev, DIGEST)
    aws.image(tags=[tag], asked={"imageTag": tag})
    aws.scan("ACTIVE", {})
    status, out, err = groundplan("image", "build", "digit-reader", "-e", "dev", "--json")
    assert (status, err) == (0, "")
    [found] = json.loads(out)["images"]
    assert found == {
        "workload": "digit-reader",
        "repository": REPOSITORY,
        "image_digest": DIGEST,
        "lock_digest": tag.split("-")[1],
        "scan_status": "ACTIVE",
        "findings": {},
    }


def test_an_image_above_the_floor_is_told_and_refused(aws: Aws, groundplan: Run, tag: str) -> None:
    aws.image(tags=[tag], asked={"imageTag": tag})
    aws.scan("COMPLETE", {"HIGH": 2, "LOW": 1})
    status, out, err = groundplan("image", "build", "digit-reader", "-e", "dev", "--json")
    assert status == 1
    assert json.loads(out)["images"][0]["findings"] == {"HIGH": 2, "LOW": 1}
    assert err.startswith(f"groundplan: {REPOSITORY}@{DIGEST}: 2 HIGH; images.severity_floor HIGH refuses")
    assert err.count("\n") == 1


def test_a_scan_that_never_ends_is_not_waited_for_for_ever(
    aws: Aws, groundplan: Run, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "SCANNED_WITHIN_SECONDS", -1.0)
    aws.image(tags=[tag], asked={"imageTag": tag})
    aws.scan("PENDING")
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, "its scan is PENDING" in err) == (1, True)


def test_a_build_that_fails_shows_where_and_the_end_of_its_log(aws: Aws, groundplan: Run, tag: str) -> None:
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project()
    aws.started(tag)
    said = [{"message": "Error while executing command:\n docker push"}]
    failed = {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": said}
    aws.build("FAILED", [failed], logs={"groupName": "images", "streamName": "one"})
    aws["logs"].add_response(
        "get_log_events",
        {"events": [{"message": "ERROR: \x1b[31mno matching hash\n"}]},
        {"logGroupName": "images", "logStreamName": "one", "limit": 20, "startFromHead": False},
    )
    status, out, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert status == 1
    assert "no matching hash" in out
    assert "\x1b" not in out
    assert err == (
        f"groundplan: image build {PROJECT}:1: FAILED in BUILD; Error while executing command: docker push\n"
    )


def test_a_build_that_pushed_nothing_is_not_believed(aws: Aws, groundplan: Run, tag: str) -> None:
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project()
    aws.started(tag)
    aws.build("SUCCEEDED", [])
    aws.image(tags=None, asked={"imageTag": tag})
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, "the build succeeded, but" in err) == (1, True)


def test_a_build_goes_on_when_nobody_follows_it(
    aws: Aws, groundplan: Run, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("groundplan_operate.image.time.sleep", interrupted)
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project()
    aws.started(tag)
    aws.build("IN_PROGRESS", [])
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, f"image build {PROJECT}:1 goes on" in err) == (1, True)


def test_the_context_is_uploaded(aws: Aws, groundplan: Run, tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project()
    aws.started(tag)
    uploaded: list[bytes] = []
    s3 = aws.client("s3")
    put = s3.put_object
    monkeypatch.setattr(s3, "put_object", lambda **given: uploaded.append(given["Body"]) or put(**given))
    aws.build("STOPPED", [])
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, err) == (1, f"groundplan: image build {PROJECT}:1: STOPPED\n")
    with zipfile.ZipFile(io.BytesIO(uploaded[0])) as archive:
        assert set(archive.namelist()) == {"Dockerfile", ".dockerignore", "requirements.lock"}


def test_another_base_than_the_deployed_one_is_refused(aws: Aws, groundplan: Run, tag: str) -> None:
    aws.image(tags=None, asked={"imageTag": tag})
    aws.project(base=f"python@sha256:{'d' * 64}")
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert status == 2
    assert "environments/dev.toml: images.source.base" in err
    assert "another base is deployed; deploy this one: make deploy ENV=dev" in err


def test_what_is_not_deployed_yet_is_named(aws: Aws, groundplan: Run, tag: str) -> None:
    aws["ecr"].add_client_error("describe_images", "RepositoryNotFoundException")
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, err.count("\n")) == (2, 1)
    assert f"repository: '{REPOSITORY}' is not allowed; it does not exist; deploy the environment first" in err
    aws.image(tags=None, asked={"imageTag": tag})
    aws["codebuild"].add_response("batch_get_projects", {"projects": [], "projectsNotFound": [PROJECT]})
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, f"image build: '{PROJECT}' is not allowed; it does not exist" in err) == (2, True)


@pytest.mark.parametrize("verb", ["build", "check"])
def test_on_this_machine_no_image_is_built_and_none_is_checked(groundplan: Run, verb: str) -> None:
    status, out, err = groundplan("image", verb, "digit-reader", "-e", "local")
    assert (status, out) == (1, "")
    assert err.startswith("groundplan: local is this machine, where no image is built and none runs")
    assert err.count("\n") == 1


def test_without_a_source_or_with_a_placeholder_nothing_is_asked_of_aws(groundplan: Run, dev: Path) -> None:
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "prod")
    assert (status, "this is a placeholder" in err) == (2, True)
    path = dev / "environments/dev.toml"
    path.write_text(path.read_text().partition("[images.source]")[0])
    status, _, err = groundplan("image", "build", "digit-reader", "-e", "dev")
    assert (status, "environments/dev.toml: images.source: 'nothing' is not allowed" in err) == (2, True)


def test_check_refuses_what_train_would(aws: Aws, groundplan: Run, dev: Path, tag: str) -> None:
    status, _, err = groundplan("image", "check", "digit-reader", "-e", "dev")
    assert (status, "digit-reader has no training.image_digest; groundplan image build" in err) == (1, True)
    pin(dev, DIGEST)
    aws.image(tags=[tag])
    aws.scan("COMPLETE", {"CRITICAL": 1})
    status, out, err = groundplan("image", "check", "digit-reader", "-e", "dev")
    assert (status, "1 CRITICAL;" in err) == (1, True)
    assert f"{REPOSITORY}@{DIGEST}" in out
    aws.image(tags=[tag])
    aws.scan("COMPLETE", {"LOW": 1})
    status, _, err = groundplan("image", "check", "digit-reader", "-e", "dev")
    assert (status, err) == (0, "")


def registry(dev: Path) -> Registry:
    return Registry(Accounts(dev, read_environment(dev, "dev")), read_workload(dev, "digit-reader"))


def test_an_image_that_the_workloads_own_repository_does_not_hold_is_refused(aws: Aws, dev: Path) -> None:
    """Also one that another workload's repository holds: only the workload's own is asked."""
    aws.image(tags=None, digest=OTHER)
    with pytest.raises(Refused, match=f"{REPOSITORY}@{OTHER}: the workload's repository holds no such image"):
        registry(dev).usable(OTHER)
    aws["ecr"].add_response("describe_images", {"imageDetails": []})
    with pytest.raises(Refused, match="holds no such image"):
        registry(dev).usable(OTHER)


@pytest.mark.parametrize("tags", [[], ["latest"], [f"lock-{'0' * 64}-{'0' * 16}"]])
def test_an_image_of_another_lock_is_refused(aws: Aws, dev: Path, tags: list[str]) -> None:
    aws.image(tags=tags)
    with pytest.raises(Refused, match=r"it was not built from workloads/digit-reader/requirements\.lock as that"):
        registry(dev).usable(DIGEST)


@pytest.mark.parametrize(
    ("status", "findings", "telling"),
    [
        (None, None, "its scan is missing"),
        ("IN_PROGRESS", None, "its scan is IN_PROGRESS"),
        ("FAILED", None, "its scan is FAILED"),
        ("COMPLETE", {"CRITICAL": 1}, "1 CRITICAL; images.severity_floor HIGH refuses that"),
        ("COMPLETE", {"UNDEFINED": 1}, "1 UNDEFINED"),
    ],
)
def test_an_image_with_such_a_scan_is_refused(
    aws: Aws, dev: Path, tag: str, status: str | None, findings: dict[str, int] | None, telling: str
) -> None:
    aws.image(tags=[tag])
    aws.scan(status, findings)
    with pytest.raises(Refused, match=telling):
        registry(dev).usable(DIGEST)


def test_a_missing_lock_is_named(aws: Aws, dev: Path, tag: str) -> None:
    (dev / "workloads/digit-reader/requirements.lock").unlink()
    aws.image(tags=[tag])
    with pytest.raises(BadInput, match=r"workloads/digit-reader/requirements\.lock: 'no such file'"):
        registry(dev).usable(DIGEST)


DEFAULTS: dict[str, Any] = {
    "role_arn": "r",
    "artefacts": "s3://a",
    "kms_key_arn": "k",
    "subnet_ids": ["subnet-1"],
    "security_group_ids": ["sg-1"],
    "tags": {},
}


def launch_parameter(aws: Aws, environment: str, image: str) -> None:
    document = {**DEFAULTS, "image": image}
    name = f"/groundplan/{environment}/workloads/digit-reader/launch"
    aws["ssm"].add_response("get_parameter", {"Parameter": {"Value": json.dumps(document)}}, {"Name": name})


def test_train_starts_nothing_with_an_image_that_is_not_held(aws: Aws, groundplan: Run) -> None:
    launch_parameter(aws, "dev", f"{REGISTRY_HOST}/{REPOSITORY}@{DIGEST}")
    aws.image(tags=None)
    status, _, err = groundplan("train", "digit-reader", "-e", "dev")
    assert (status, err.count("\n")) == (1, 1)
    assert "repository holds no such image; groundplan image build digit-reader -e dev makes one" in err


def test_train_starts_nothing_without_an_image(aws: Aws, groundplan: Run) -> None:
    launch_parameter(aws, "dev", f"{REGISTRY_HOST}/{REPOSITORY}")
    status, _, err = groundplan("train", "digit-reader", "-e", "dev")
    assert (status, "digit-reader has no image; groundplan image build digit-reader -e dev" in err) == (1, True)


def test_on_this_machine_no_image_is_said_to_run_whatever_is_pinned(aws: Aws, dev: Path) -> None:
    launch_parameter(aws, "local", f"{REGISTRY_HOST}/{REPOSITORY}@{DIGEST}")
    accounts = Accounts(dev, read_environment(dev, "local"))
    defaults = train_module.launch_defaults(accounts, read_workload(dev, "digit-reader"))
    assert defaults.image_digest is None
    assert defaults.image == f"{REGISTRY_HOST}/{REPOSITORY}"


@pytest.mark.parametrize(("environment", "lock"), [("dev", f"workloads/digit-reader/{LOCK}"), ("local", LOCK)])
def test_the_record_names_the_lock_of_the_software_that_runs(
    aws: Aws, dev: Path, monkeypatch: pytest.MonkeyPatch, environment: str, lock: str
) -> None:
    (dev / LOCK).write_text("# of this machine\n")
    manifest = Manifest.of("lake", "digits", [Entry("train/a.csv", "v1", "a" * 64, 1)])
    monkeypatch.setattr(train_module, "current_dataset", lambda *_: manifest)
    accounts, workload = Accounts(dev, read_environment(dev, environment)), read_workload(dev, "digit-reader")
    for _ in [*(dev / "workloads/digit-reader").iterdir(), "the kit", "the script that prepares", "its kit"]:
        aws["s3"].add_response("put_object", {})
    defaults = LaunchDefaults(**DEFAULTS, image="i")
    inputs = train_module.gather_inputs(accounts, workload, defaults)
    assert inputs.environment_digest == file_digest(dev / lock)
