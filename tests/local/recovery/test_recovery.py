"""Half of it gone: a killed deployment, a dead embedded AWS, a destroyed stack. Each test has one of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from commands import GROUNDPLAN, copy_repository, groundplan, variables

from groundplan.workload import read_workloads


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one workload, and nothing released: what others promote meanwhile is not deployed here."""
    return copy_repository(tmp_path_factory.mktemp("repository"), "digit-reader")


@pytest.fixture
def own(tmp_path: Path, repository: Path) -> Generator[Any]:
    """`own(*arguments)`: the command with an embedded AWS of this test alone."""
    yield lambda *arguments: groundplan(tmp_path, *arguments, at=repository)
    groundplan(tmp_path, "stop")


def server(state: Path) -> dict[str, Any]:
    return json.loads((state / "server.json").read_text())


def client(state: Path, service: str, account: str) -> Any:
    session: Any = boto3.Session(account, "embedded", region_name="us-east-1")
    return session.client(service, endpoint_url=server(state)["endpoint_url"])


def test_a_killed_deployment_is_finished_by_the_next_and_a_dead_embedded_aws_is_replaced(
    own: Any, tmp_path: Path, repository: Path
) -> None:
    kill_while_deploying(tmp_path, repository)
    # A workload whose folder is gone leaves its stack: it is named, and goes with the rest.
    left(tmp_path, "222222222222", "groundplan-local-Workload-gone")
    left(tmp_path, "444444444444", "groundplan-local-Tables-gone")
    done = own("deploy", "-e", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done:" in done.stdout
    assert "groundplan-local-Workload-gone stands although" in done.stdout
    assert "delete-stack --stack-name groundplan-local-Tables-gone, in the data account" in done.stdout
    stacks = client(tmp_path, "cloudformation", "222222222222").describe_stacks()["Stacks"]
    assert {stack["StackStatus"] for stack in stacks} == {"CREATE_COMPLETE"}
    expected = [
        "Platform",
        "Lineage",
        *(f"Workload-{one.name}" for one in read_workloads(repository) if one.training),
    ]
    assert {f"groundplan-local-{name}" for name in expected} <= {stack["StackName"] for stack in stacks}
    first = server(tmp_path)
    process = psutil.Process(first["pid"])
    process.kill()
    process.wait(30)
    asked = own("lineage", "digit-reader", "-e", "local")
    assert asked.returncode == 1
    assert "the embedded AWS does not run" in asked.stderr
    assert "make deploy" in asked.stderr
    again = own("deploy", "-e", "local")
    assert again.returncode == 0, again.stdout + again.stderr
    assert server(tmp_path)["pid"] != first["pid"]
    left(tmp_path, "222222222222", "groundplan-local-Workload-gone")
    # And taken down again, though half of it is gone already.
    client(tmp_path, "cloudformation", "222222222222").delete_stack(StackName="groundplan-local-Lineage")
    gone = own("destroy", "-e", "local")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    for account in ("222222222222", "444444444444"):
        stacks = client(tmp_path, "cloudformation", account).describe_stacks()["Stacks"]
        assert [stack["StackName"] for stack in stacks] == ["CDKToolkit-gplan"]
        buckets = client(tmp_path, "s3", account).list_buckets()["Buckets"]
        assert [b["Name"] for b in buckets if b["Name"].startswith("groundplan-")] == []
    assert own("destroy", "-e", "local").returncode == 0
    assert own("stop").returncode == own("stop").returncode == 0


def left(state: Path, account: str, stack: str) -> None:
    template = json.dumps({"Resources": {"Nothing": {"Type": "AWS::SNS::Topic"}}})
    client(state, "cloudformation", account).create_stack(StackName=stack, TemplateBody=template)


def kill_while_deploying(state: Path, repository: Path) -> None:
    started = subprocess.Popen(
        [str(GROUNDPLAN), "deploy", "-e", "local"],
        cwd=repository,
        env=variables(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with started:
        for line in started.stdout or ():
            if "deploying..." in line:
                os.killpg(started.pid, signal.SIGKILL)
                break
        else:
            pytest.fail("it ended before it could be killed")


def test_before_anything_is_deployed_each_verb_says_that_it_must_be(own: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "groundplan_local", "start", "--state", str(tmp_path)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    data = tmp_path / "data"
    for channel in ("train", "validation"):
        (data / channel).mkdir(parents=True)
        (data / channel / "part-0.csv").write_text("1\n")
    for verb in (["ingest", "digit-reader", str(data)], ["lineage", "digit-reader"]):
        done = own(*verb, "-e", "local")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "first: make deploy ENV=local" in done.stderr
        assert "Traceback" not in done.stderr


def test_asking_stopping_and_destroying_where_nothing_runs_says_so(own: Any) -> None:
    stopped = own("stop")
    assert stopped.returncode == 0
    assert "not running" in stopped.stdout
    for verb in (["destroy", "-e", "local"], ["diff", "-e", "local"], ["lineage", "digit-reader", "-e", "local"]):
        done = own(*verb)
        assert done.returncode == 1
        assert "does not run" in done.stderr
        assert "Traceback" not in done.stderr
