"""A repository of a few files, made anew for each test."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The environments and the example workload that this repository ships, to be spoilt."""
    for file in ("local", "dev", "prod"):
        (tmp_path / "environments").mkdir(exist_ok=True)
        shutil.copy(ROOT / f"environments/{file}.toml", tmp_path / "environments")
    example = "workloads/digit-reader"
    shutil.copytree(
        ROOT / example, tmp_path / example, ignore=shutil.ignore_patterns("__pycache__", "release.*.toml")
    )
    return tmp_path
