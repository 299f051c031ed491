"""`groundplan new workload`: a folder that trains, made from a template."""

import json
import shutil
import tempfile
from pathlib import Path

import click

from groundplan.refusal import Refused
from groundplan.workload import read_workload
from groundplan.workload.template import new_workload_files
from groundplan_operate.options import as_json, repository


@click.group
def new() -> None:
    """Begin something new."""


@new.command
@click.argument("name")
@click.option("--from", "template", required=True, metavar="TEMPLATE", help="a folder of templates/workloads")
@click.option("--owner", help="tag: the team whose it is")
@click.option("--cost-centre", "cost_centre", help="tag: who pays for it")
@as_json
def workload(name: str, template: str, owner: str | None, cost_centre: str | None, as_json: bool) -> None:
    """Make workloads/NAME: what it must do, data, training script, locked requirements, test. It trains at once."""
    root = repository()
    given = {"owner": owner, "cost_centre": cost_centre}
    values = {key: value for key, value in given.items() if value is not None}
    files = new_workload_files(root, name, template, values)
    folder = root / "workloads" / name
    _write(folder, files)
    made = read_workload(root, name)
    if as_json:
        click.echo(json.dumps({"workloads": [{"name": name, "template": template, "files": sorted(files)}]}))
        return
    click.echo(f"workloads/{name}, from the template {template}:")
    for file in sorted(files):
        click.echo(f"  {file}")
    click.echo(f"owner {made.owner}, cost centre {made.cost_centre}: workload.toml says so, and what it must do")
    click.echo(f"train it: .venv/bin/groundplan train {name}")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All of it or nothing: beside, then renamed."""
    draft = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        for name, content in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError as error:
        if draft:
            shutil.rmtree(draft, ignore_errors=True)
        raise Refused(f"{folder} cannot be made: {error.strerror}") from None
