"""`groundplan promote`: pin an approved model version, which is how it is released."""

import json
from functools import partial

import click

from groundplan.environment import read_environment
from groundplan.model_package import Package, contradictions, decision_of, pin, unfit
from groundplan.refusal import BadInput, Refused, bad
from groundplan.release import (
    Candidate,
    Release,
    checked_why,
    read_release,
    release_file,
    version_order,
    write_release,
)
from groundplan.workload import Workload
from groundplan_operate.accounts import Accounts
from groundplan_operate.deploy import alone
from groundplan_operate.model_registry import ModelRegistry, check_package, find
from groundplan_operate.options import as_json, in_environment, repository
from groundplan_operate.pins import in_registry
from groundplan_operate.serve import serve


@click.command
@click.argument("subject", metavar="MODEL_VERSION")
@in_environment
@click.option(
    "--shadow", is_flag=True, help="beside the version that serves: asked what everybody asks, answering nobody"
)
@click.option("--again", is_flag=True, help="release a version that was rolled back; needs --reason")
@click.option("--reason", metavar="TEXT", help="why; it is kept in the pin")
@as_json
def promote(
    subject: str, environment_name: str, shadow: bool, again: bool, reason: str | None, as_json: bool
) -> None:
    """Release MODEL_VERSION, such as digit-reader-1.0.0: write workloads/<name>/release.<environment>.toml.

    Refused unless it is approved, every digest is as it was judged, and it was judged against what serves now. Of
    two promotions at once, one is refused. Then the workload's serving stack is deployed; when that fails, the pin
    is as it was before.

    With --shadow the version that serves goes on serving; groundplan compare says how the other one does. Promoting
    any version ends it.
    """
    root = repository()
    accounts = Accounts(root, read_environment(root, environment_name))
    if again and not reason:
        raise bad("", "--reason", "nothing", "--again needs it: why, in 10 to 300 characters")
    said = checked_why(reason, "--reason") if reason else None
    workload, package = find(accounts, subject)
    if shadow and again:
        raise bad("", "--again", "--shadow", "a version that was rolled back is released again, or not at all")
    with alone(root, environment_name):  # what another deployment reads is never a pin that may be taken back
        was = read_release(root, workload.name, accounts.environment)
        if shadow:
            release, changed = shadow_package(accounts, workload, package)
        else:
            release, changed = release_package(accounts, workload, package, again=again, reason=said)
        serve(accounts, workload, release, was if changed else release, partial(click.echo, err=as_json))
    told(accounts, workload, release, changed=changed, as_json=as_json)


def release_package(
    accounts: Accounts, workload: Workload, package: Package, *, again: bool = False, reason: str | None = None
) -> tuple[Release, bool]:
    """The pin, and whether it changed; raises Refused or BadInput for what may not be released."""
    read = read_release(accounts.root, workload.name, accounts.environment)
    now = in_registry(accounts, workload, read)
    if now and now.version == package.properties.version:
        _as_it_was(accounts, workload, now, package)
        if now.candidate:
            alone = now.model_copy(update={"candidate": None, "serial": now.serial + 1})
            write_release(accounts.root, workload.name, accounts.environment, alone, read)
            return alone, True
        return now, False
    _fit(accounts, package)
    withdrawn = dict(now.withdrawn) if now else {}
    why = withdrawn.pop(package.properties.version, None)
    if why and not again:
        raise Refused(f"{package.name} was rolled back: {why}; release it again with --again --reason TEXT")
    if now and not why:
        _not_superseded(package, now, workload)
    decision = decision_of(package)
    release = pin(
        package,
        approved_by=decision.by,
        approved_at=decision.at,
        simulated=decision.simulated,
        previous=now.version if now else None,
        withdrawn=withdrawn,
        reason=reason,
        serial=now.serial + 1 if now else 1,
    )
    write_release(accounts.root, workload.name, accounts.environment, release, read)
    return release, True


def shadow_package(accounts: Accounts, workload: Workload, package: Package) -> tuple[Release, bool]:
    """The pin with a candidate beside what serves, and whether it changed; Refused or BadInput where it may not."""
    read, version = read_release(accounts.root, workload.name, accounts.environment), package.properties.version
    now = in_registry(accounts, workload, read)
    file = str(release_file(workload.name, accounts.environment.name))
    if now is None:
        raise Refused(f"{package.name} has nothing to be compared with: {file} pins nothing that serves")
    if now.version == version:
        raise Refused(f"{package.name} serves; allowed in its shadow: another version")
    if why := now.withdrawn.get(version):
        raise Refused(f"{package.name} was rolled back: {why}; promote --again --reason TEXT releases it, no shadow")
    _fit(accounts, package)
    _as_it_was(accounts, workload, now, ModelRegistry(accounts, workload).read(now.model_package_arn))
    candidate = Candidate(
        version=version,
        model_package_arn=package.arn,
        model_data_url=package.model_data_url,
        model_data_sha256=package.properties.model_data_sha256,
        image_digest=package.image_digest,
    )
    if now.candidate == candidate:
        return now, False
    release = now.model_copy(update={"candidate": candidate, "serial": now.serial + 1})
    write_release(accounts.root, workload.name, accounts.environment, release, read)
    return release, True


def told(accounts: Accounts, workload: Workload, release: Release, *, changed: bool, as_json: bool) -> None:
    """Say what is pinned."""
    name, file = accounts.environment.name, release_file(workload.name, accounts.environment.name)
    if as_json:
        document = release.model_dump(exclude_none=True) | {"workload": workload.name, "environment": name}
        click.echo(json.dumps(document | {"file": str(file), "changed": changed}, indent=2))
        return
    shadow = release.candidate
    beside = f"; in its shadow {workload.name}-{shadow.version}" if shadow else ""
    word = "pins" if changed else "pins already, and nothing changed:"
    click.echo(f"{file} {word} {workload.name}-{release.version}, approved by {release.approved_by}{beside}")


def _fit(accounts: Accounts, package: Package) -> None:
    if why := unfit(package):
        raise Refused(why)
    check_package(accounts, package)


def _as_it_was(accounts: Accounts, workload: Workload, now: Release, package: Package) -> None:
    """What serves is deployed anew: it must still be what its pin, the registry and S3 say."""
    if wrong := contradictions(now, package, str(release_file(workload.name, accounts.environment.name))):
        raise BadInput(wrong)
    check_package(accounts, package)


def _not_superseded(package: Package, now: Release, workload: Workload) -> None:
    """A verdict compares with what served then: with another version in service it says nothing."""
    if version_order(package.properties.version) < version_order(now.version):
        raise Refused(f"{package.name} is superseded by {now.version}, which serves; groundplan rollback goes back")
    serving = f"{workload.name}-{now.version}"
    against = package.properties.judged_against
    if against != serving:
        what = f"against {against}" if against else "when nothing served"
        again = f"groundplan verify {workload.name} --candidate {package.properties.training_job_name}"
        raise Refused(f"{package.name} is superseded: it was judged {what}, and now {serving} serves; {again}")
