"""Release pins beside the registry: which of them hold, and which are of an embedded AWS that has ended."""

from collections.abc import Sequence
from datetime import datetime

import click

from groundplan.model_package import candidate_contradictions, contradictions
from groundplan.refusal import BadInput
from groundplan.release import Release, read_release, release_file
from groundplan.workload import Workload, read_workloads
from groundplan_operate.accounts import Accounts
from groundplan_operate.model_registry import ModelRegistry, check_package


def in_registry(accounts: Accounts, workload: Workload, release: Release | None) -> Release | None:
    """A pin that the registry knows. The embedded AWS forgets its registry when it ends; then nothing serves."""
    if release is None or not accounts.environment.embedded_aws:
        return release
    if _is_known(accounts, workload, release):
        return release
    file = release_file(workload.name, accounts.environment.name)
    click.echo(f"groundplan: {file} is of an embedded AWS that has ended; nothing of it serves", err=True)
    return None


def refuse_altered_pins(accounts: Accounts, workloads: Sequence[Workload]) -> None:
    """Raises BadInput or Refused for a pin that is not what the registry and S3 hold: asked at each deployment."""
    for workload in workloads:
        release = in_registry(accounts, workload, read_release(accounts.root, workload.name, accounts.environment))
        if release is None:
            continue
        package = ModelRegistry(accounts, workload).read(release.model_package_arn)
        if wrong := contradictions(release, package, str(release_file(workload.name, accounts.environment.name))):
            raise BadInput(wrong)
        check_package(accounts, package)
        if candidate := release.candidate:
            package = ModelRegistry(accounts, workload).read(candidate.model_package_arn)
            file = str(release_file(workload.name, accounts.environment.name))
            if wrong := candidate_contradictions(candidate, package, file):
                raise BadInput(wrong)
            check_package(accounts, package)


def served_here(accounts: Accounts) -> list[str]:
    """The workloads whose pins the embedded AWS knows."""
    found: list[str] = []
    for workload in read_workloads(accounts.root):
        release = read_release(accounts.root, workload.name, accounts.environment)
        if release and _is_known(accounts, workload, release):
            found.append(workload.name)
    return found


def _is_known(accounts: Accounts, workload: Workload, release: Release) -> bool:
    """Not when its package came into the registry after the pin was approved: then it is another one's number."""
    made = ModelRegistry(accounts, workload).made_at(release.model_package_arn)
    return made is not None and made.replace(microsecond=0) <= datetime.fromisoformat(release.approved_at)
