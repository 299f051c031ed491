"""Reads `workloads/<name>/workload.toml`."""

from collections.abc import Sequence
from pathlib import Path

from groundplan.refusal import BadInput, Finding, bad
from groundplan.toml_file import read_toml
from groundplan.workload.workload import Workload


def read_workload(root: Path, name: str) -> Workload:
    """The workload called `name` below `root`; raises BadInput."""
    known = workload_names(root)
    if name not in known:
        raise bad(
            "",
            "workload",
            name,
            f"allowed: {', '.join(known) or 'none; there is no folder below workloads/'}",
        )
    relative = Path("workloads") / name / "workload.toml"
    workload = read_toml(root, relative, Workload)
    if workload.name != name:
        raise bad(str(relative), "name", workload.name, f'allowed: "{name}", the name of the folder')
    if workload.training and not _is_file(root / "workloads" / name / workload.training.script):
        raise bad(
            str(relative),
            "training.script",
            workload.training.script,
            "allowed: a file of the workload's folder",
        )
    return workload


def read_trained_workload(root: Path, name: str) -> Workload:
    """The same, and BadInput for one that trains nothing."""
    workload = read_workload(root, name)
    _ = workload.trained
    return workload


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def workload_names(root: Path) -> list[str]:
    """Names of the folders below `workloads/`, sorted; hidden ones and caches left out."""
    return sorted(path.name for path in (root / "workloads").glob("*") if path.is_dir() and path.name[0] not in "._")


def read_workloads(root: Path) -> Sequence[Workload]:
    """Every workload, sorted by name; raises one BadInput with the findings of all."""
    workloads: list[Workload] = []
    findings: list[Finding] = []
    for name in workload_names(root):
        try:
            workloads.append(read_workload(root, name))
        except BadInput as error:
            findings += error.findings
    if findings:
        raise BadInput(findings)
    return workloads
