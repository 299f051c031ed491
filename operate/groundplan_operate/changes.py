"""What git says was changed below `workloads/` since a commit, and the repository as it was then."""

import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from groundplan.refusal import bad


def changed_files(root: Path, since: str) -> list[str]:
    """The files below `workloads/` that differ from where `since` was left, also those that are gone; sorted."""
    return sorted(_git(root, since, "diff", "--name-only", f"{since}...HEAD", "--", "workloads").splitlines())


def changed_workloads(root: Path, since: str) -> list[str]:
    """The workloads with such files, pins left out, whose folder is still there."""
    names = {Path(file).parts[1] for file in changed_files(root, since) if not Path(file).name.startswith("release.")}
    return sorted(name for name in names if (root / "workloads" / name / "workload.toml").is_file())


@contextmanager
def as_it_was(root: Path, since: str) -> Generator[Path]:
    """The repository in a folder of its own, as it was where the change began."""
    base = _git(root, since, "merge-base", since, "HEAD").strip()
    with tempfile.TemporaryDirectory(prefix="groundplan-") as folder:
        before = Path(folder) / "before"
        _git(root, since, "worktree", "add", "--quiet", "--detach", str(before), base)
        try:
            yield before
        finally:
            _git(root, since, "worktree", "remove", "--force", str(before))


def _git(root: Path, since: str, *arguments: str) -> str:
    if since.startswith("-"):
        raise bad("", "--since", since, "allowed: a commit, branch or tag")
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)  # noqa: S607
    if done.returncode:
        why = done.stderr.strip().rpartition("\n")[2] or "git said nothing"
        raise bad("", "--since", since, f"allowed: a commit that this clone has, with its history ({why})")
    return done.stdout
