"""What a trial on this machine does by itself: the deployment, and the data that a workload's own data.py makes.

On AWS nothing is deployed or uploaded that was not asked for.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError

from groundplan.manifest import Manifest
from groundplan.refusal import BadInput, Refused
from groundplan.workload import Workload
from groundplan_operate import embedded_aws
from groundplan_operate.accounts import Accounts
from groundplan_operate.deploy import deploy_environment
from groundplan_operate.ingest import current_dataset, put_dataset

DATA_SCRIPT = "data.py"


def make_ready(accounts: Accounts, workload: Workload, show: Callable[[str], None]) -> None:
    """Deploy `local` where the workload's stack is missing, and put its data into the lake where there is none."""
    if not accounts.environment.embedded_aws:
        return
    if not _is_deployed(accounts, workload):
        show(f"{workload.name} is not deployed to this machine yet")
        deploy_environment(accounts.root, accounts.environment.name, show=show)
    if _script(accounts.root, workload).is_file() and not _has_data(accounts, workload):
        manifest = put_made_data(accounts, workload)
        show(f"workloads/{workload.name}/{DATA_SCRIPT} made its data set: {len(manifest.entries)} files in the lake")


def put_made_data(accounts: Accounts, workload: Workload) -> Manifest:
    """Put what the workload's data.py makes into the lake; raises Refused with its last line when it fails."""
    with _made(_script(accounts.root, workload)) as folder:
        return put_dataset(accounts, workload, folder)


@contextmanager
def _made(script: Path) -> Generator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, str(script), folder], capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"{script}: {done.stderr.strip().rpartition(chr(10))[2]}")
        yield Path(folder)


def _script(root: Path, workload: Workload) -> Path:
    return root / "workloads" / workload.name / DATA_SCRIPT


def _is_deployed(accounts: Accounts, workload: Workload) -> bool:
    if not embedded_aws.runs(accounts.root):
        return False
    try:
        accounts.client("ssm", "ai").get_parameter(Name=accounts.names.launch_parameter(workload.name))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return False
    return True


def _has_data(accounts: Accounts, workload: Workload) -> bool:
    try:
        current_dataset(accounts, workload)
    except BadInput:
        return False
    return True
