"""Options that verbs share."""

import re
from pathlib import Path

import click

from groundplan.refusal import bad

in_environment = click.option(
    "-e", "--environment", "environment_name", default="local", show_default=True, help="environments/<name>.toml"
)
as_json = click.option("--json", "as_json", is_flag=True, help="print JSON for machines")


def repository() -> Path:
    """The folder that holds `cdk.json` and `environments/`: this one or the nearest above; raises BadInput."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "cdk.json").is_file() and (folder / "environments").is_dir():
            return folder
    raise bad("", "folder", str(here), "run this inside a Groundplan repository (cdk.json beside environments/)")


def plain(text: str) -> str:
    """Text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
