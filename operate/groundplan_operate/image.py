"""`groundplan image`: build a workload's image in AWS, and say whether the one it is pinned to may be used."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console
from rich.control import strip_control_codes
from rich.table import Column, Table

from groundplan.environment import environment_file, read_environment
from groundplan.image import BuildContext, Image, Source, read_context, refuse_image
from groundplan.refusal import Refused, bad
from groundplan.workload import Workload, read_trained_workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.registry import MISSING, Registry

POLL_SECONDS = 5.0
SCANNED_WITHIN_SECONDS = 900.0
LAST_LINES = 20
UNDER_WAY = ("IN_PROGRESS", "PENDING", MISSING)
Show = Callable[[str], None]


@click.group
def image() -> None:
    """Build and check a workload's image."""


@image.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@as_json
def build(workload_name: str, environment_name: str, as_json: bool) -> None:
    """Build the image of WORKLOAD from its requirements.lock, wait for its scan, and print its digest.

    The same lock on the same base again builds nothing: the image is there.
    """
    accounts, workload = _open(workload_name, environment_name)
    built = build_image(accounts, workload, show=(lambda _: None) if as_json else click.echo)
    _tell(built, as_json)
    refuse_image(built, accounts.environment.images)
    if built.digest != workload.trained.image_digest:
        line = f'image_digest = "{built.digest}"'
        click.echo(f"write {line} under [training] of workloads/{workload.name}/workload.toml, and deploy", err=True)


@image.command
@click.argument("workload_name", metavar="WORKLOAD")
@in_environment
@as_json
def check(workload_name: str, environment_name: str, as_json: bool) -> None:
    """Refuse the image that WORKLOAD is pinned to unless the registry holds it, scanned and below the floor."""
    accounts, workload = _open(workload_name, environment_name)
    registry, digest = Registry(accounts, workload), workload.trained.image_digest
    if not digest:
        raise Refused(f"{workload.name} has no training.image_digest; {registry.how}")
    held = registry.held(digest)
    _tell(held, as_json)
    refuse_image(held, accounts.environment.images)


def build_image(accounts: Accounts, workload: Workload, *, show: Show) -> Image:
    """Build unless that was done, and wait for the scan; the image, whether it may be used or not."""
    file = str(environment_file(accounts.root, accounts.environment.name))
    source, registry = accounts.environment.images.source, Registry(accounts, workload)
    if not source:
        raise bad(file, "images.source", "nothing", "say what images are built from; dev.toml has an example")
    source.refuse_placeholder(file)
    context = read_context(accounts.root, workload.name, source)
    digest = registry.digest_of(context.tag)
    if digest:
        show("this lock on this base is built already")
    else:
        _build(accounts, workload, source, context, show)
        digest = registry.digest_of(context.tag)
    if not digest:
        raise Refused(f"the build succeeded, but {registry.repository} holds no image with the tag {context.tag}")
    return _scanned(registry, digest, context.lock_digest, show)


def _open(workload_name: str, environment_name: str) -> tuple[Accounts, Workload]:
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    workload = read_trained_workload(root, workload_name)
    if accounts.environment.embedded_aws:
        raise Refused(
            f"{environment_name} is this machine, where no image is built and none runs: training uses this Python; "
            "name an environment in AWS with -e"
        )
    return accounts, workload


def _tell(image: Image, as_json: bool) -> None:
    document = image.document()
    if as_json:
        click.echo(json.dumps({"images": [document]}, indent=2))
        return
    click.echo(image.name)
    table = Table("severity", Column("findings", justify="right"), title=f"scan: {image.scan.status}")
    for severity, count in document["findings"].items():
        table.add_row(severity, str(count))
    Console(highlight=False).print(table if document["findings"] else f"scan: {image.scan.status}, no findings")


def _build(accounts: Accounts, workload: Workload, source: Source, context: BuildContext, show: Show) -> None:
    codebuild, project = accounts.client("codebuild", "ai"), accounts.names.image_build(workload.name)
    _refuse_other_base(accounts, codebuild.batch_get_projects(names=[project])["projects"], project, source)
    uploaded = accounts.client("s3", "ai").put_object(
        Bucket=accounts.names.artefacts_bucket(),
        Key=accounts.names.image_context(workload.name),
        Body=context.archive(),
    )
    started = codebuild.start_build(
        projectName=project,
        sourceVersion=uploaded["VersionId"],
        environmentVariablesOverride=[{"name": "IMAGE_TAG", "value": context.tag, "type": "PLAINTEXT"}],
    )["build"]["id"]
    show(f"image build {started}")
    try:
        done = _follow(codebuild, started, show)
    except KeyboardInterrupt:
        raise Refused(f"no longer followed, but image build {started} goes on; run this again after it") from None
    if done["buildStatus"] != "SUCCEEDED":
        _show_end_of_log(accounts, done.get("logs", {}), show)
        raise Refused(f"image build {started}: {_why(done)}")


def _refuse_other_base(accounts: Accounts, projects: list[Any], project: str, source: Source) -> None:
    """What is built must be what the environment's file says: the image's tag is made from the file."""
    deploy = f"make deploy ENV={accounts.environment.name}"
    if not projects:
        raise bad("", "image build", project, f"it does not exist; deploy the environment first: {deploy}")
    deployed = {entry["name"]: entry["value"] for entry in projects[0]["environment"]["environmentVariables"]}
    if not deployed.get("BASE_IMAGE", "").endswith(f"/{source.base}"):
        file = str(environment_file(accounts.root, accounts.environment.name))
        raise bad(file, "images.source.base", source.base, f"another base is deployed; deploy this one: {deploy}")


def _follow(codebuild: Any, build_id: str, show: Show) -> Mapping[str, Any]:
    """Show each phase as it ends, until the build has."""
    seen = 0
    while True:
        found = codebuild.batch_get_builds(ids=[build_id])["builds"][0]
        ended = [phase for phase in found.get("phases", []) if "phaseStatus" in phase]
        for phase in ended[seen:]:
            show(f"  {phase['phaseType']}  {phase['phaseStatus']}  {phase.get('durationInSeconds', 0)} s")
        seen = len(ended)
        if found["buildStatus"] != "IN_PROGRESS":
            return found
        time.sleep(POLL_SECONDS)


def _why(done: Mapping[str, Any]) -> str:
    """The phase that went wrong, and what CodeBuild says of it."""
    for phase in done.get("phases", []):
        if phase.get("phaseStatus", "SUCCEEDED") != "SUCCEEDED":
            said = " ".join(context.get("message", "") for context in phase.get("contexts", []))
            return f"{done['buildStatus']} in {phase['phaseType']}; {' '.join(said.split()) or 'no reason'}"
    return str(done["buildStatus"])


def _show_end_of_log(accounts: Accounts, place: Mapping[str, Any], show: Show) -> None:
    if not place.get("streamName"):
        return
    events = accounts.client("logs", "ai").get_log_events(
        logGroupName=place["groupName"], logStreamName=place["streamName"], limit=LAST_LINES, startFromHead=False
    )["events"]
    for event in events:
        show(f"    {strip_control_codes(event['message'].rstrip())}")


def _scanned(registry: Registry, digest: str, lock_digest: str, show: Show) -> Image:
    """The image as soon as its scan is done, or as it is when that takes too long."""
    deadline, found = time.monotonic() + SCANNED_WITHIN_SECONDS, registry.image(digest, lock_digest)
    if found.scan.status in UNDER_WAY:
        show("waiting for the scan")
    while found.scan.status in UNDER_WAY and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        found = registry.image(digest, lock_digest)
    return found
