"""The server as a process: started once, on loopback, and gone without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from boto3.session import Session

# One child that still has its parent, and one whose parent ended.
LEAVES_ITS_GROUP = """
import os, pathlib, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(99)"]
child = subprocess.Popen(sleep, start_new_session=True)
again = f"import subprocess; print(subprocess.Popen({sleep!r}, start_new_session=True, stdout=2).pid)"
orphan = subprocess.run([sys.executable, "-c", again], stdout=subprocess.PIPE, check=True).stdout.decode()
draft = pathlib.Path(os.environ["SM_MODEL_DIR"], "draft")
draft.write_text(f"{child.pid} {orphan}")
draft.rename(draft.with_name("children"))
time.sleep(99)
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def state(tmp_path: Path, embedded_command: Command) -> Iterator[Path]:
    yield tmp_path / "state"
    embedded_command("stop", "--state", str(tmp_path / "state"))


@pytest.fixture
def embedded(state: Path, embedded_command: Command) -> Command:
    """A command on this test's own state folder."""
    return lambda verb, *options: embedded_command(verb, "--state", str(state), *options)


def described(state: Path) -> dict[str, Any]:
    return json.loads((state / "server.json").read_text())


def everything_listening(server: psutil.Process) -> list[str]:
    processes = [server, *server.children(recursive=True)]
    connections = [connection for process in processes for connection in process.net_connections(kind="inet")]
    return [connection.laddr.ip for connection in connections if connection.status in ("LISTEN", "NONE")]


def test_a_server_is_started_once_described_and_stopped(embedded: Command, state: Path) -> None:
    started = embedded("start")
    server = described(state)
    assert (started.returncode, started.stdout.count("\n"), started.stderr) == (0, 1, "")
    assert set(server) == {"endpoint_url", "port", "pid", "process_started", "enforces_iam"}
    again = embedded("start")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    assert described(state) == server
    assert json.loads(embedded("status", "--json").stdout) == {"running": True, **server}
    stopped = embedded("stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert not alive(server["pid"])
    assert sorted(path.name for path in state.iterdir()) == ["lock", "server.log"]
    for verb in ("stop", "status"):
        idle = embedded(verb)
        assert (idle.returncode, idle.stdout) == (0, "embedded AWS is not running\n")
    assert json.loads(embedded("status", "--json").stdout) == {"running": False}


def test_iam_is_enforced_where_the_command_says_so_and_not_the_shell(
    embedded_aws: Any, embedded_command: Command
) -> None:
    with urlopen(f"{embedded_aws.endpoint_url}/_ministack/health") as health:  # noqa: S310 - http
        assert json.load(health)["auth"] == "disabled"
    state = str(embedded_aws.state)
    assert json.loads(embedded_command("status", "--state", state, "--json").stdout)["enforces_iam"] is False
    refused = embedded_command("start", "--state", state, "--enforce-iam")
    one_line(refused, "a server that does not enforce IAM runs at", "stop it first")


def test_nothing_but_loopback_is_listened_on(embedded_aws: Any) -> None:
    server = psutil.Process(described(embedded_aws.state)["pid"])
    listening = everything_listening(server)
    assert listening
    assert set(listening) == {"127.0.0.1"}


def test_two_starts_at_once_make_one_server(state: Path) -> None:
    command = [sys.executable, "-m", "groundplan_local", "start", "--state", str(state)]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [start.communicate(timeout=120)[0] for start in starts]
    assert [start.returncode for start in starts] == [0, 0]
    assert sorted("already running" in line for line in said) == [False, True]
    url = described(state)["endpoint_url"]
    assert all(url in line for line in said)


def test_a_taken_port_is_named_in_one_line(embedded: Command, state: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = embedded("start", "--port", str(port))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"port {port} of 127.0.0.1 cannot be had")
    assert refused.stderr.count("\n") == 1
    assert not (state / "server.json").exists()


def test_a_dead_servers_description_is_replaced_and_its_training_ended(
    embedded: Command, state: Path, until: Any, unique: str
) -> None:
    embedded("start")
    server = described(state)
    child = train_forever(server["endpoint_url"], state, until, unique)
    os.kill(server["pid"], signal.SIGKILL)
    until(lambda: not alive(server["pid"]))
    assert alive(child)
    assert embedded("start").returncode == 0
    assert described(state)["pid"] != server["pid"]
    until(lambda: not alive(child))


def test_a_description_with_another_processs_id_is_not_believed(embedded: Command, state: Path) -> None:
    state.mkdir()
    bystander = {"endpoint_url": "http://127.0.0.1:9", "port": 9, "pid": os.getpid(), "process_started": 1.0}
    (state / "server.json").write_text(json.dumps(bystander))
    assert embedded("stop").stdout == "embedded AWS is not running\n"  # and this very process lives on


def test_stopping_ends_the_training_that_runs(embedded: Command, state: Path, until: Any, unique: str) -> None:
    embedded("start")
    child = train_forever(described(state)["endpoint_url"], state, until, unique)
    assert embedded("stop").returncode == 0
    until(lambda: not alive(child))


@pytest.mark.parametrize("status", ["zombie", "dead"])
def test_a_process_that_nobody_collected_yet_has_ended(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = import_module("groundplan_local.processes")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    known = psutil.Process(process.pid)
    started = known.create_time()
    assert (processes.find(process.pid, started), alive(process.pid)) == (known, True)
    os.kill(process.pid, signal.SIGKILL)
    assert processes.ended(known, 10)
    monkeypatch.setattr(psutil.Process, "status", lambda _: status)
    assert (processes.find(process.pid, started), alive(process.pid)) == (None, False)
    process.wait()


DESCRIPTION = {"endpoint_url": "http://127.0.0.1:9", "port": 9, "pid": 1 << 21, "process_started": 1.0}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({**DESCRIPTION, "pid": -1}),
        json.dumps({**DESCRIPTION, "pid": "12"}),
        json.dumps({**DESCRIPTION, "pid": 10**30}),
        json.dumps({**DESCRIPTION, "pid": os.getpid(), "process_started": 10**400}),
        json.dumps({**DESCRIPTION, "pid": os.getpid(), "process_started": "now"}),
        "[" * 100_000,
        "12",
        '{"pid": 1',
        "\udcff",
    ],
    ids=["negative", "text", "huge", "long ago", "no time", "deep", "number", "cut short", "no text"],
)
def test_a_description_of_nothing_is_no_server(embedded: Command, state: Path, content: str) -> None:
    state.mkdir()
    for verb in ("status", "stop"):
        (state / "server.json").write_bytes(content.encode(errors="surrogateescape"))
        idle = embedded(verb)
        assert (idle.returncode, idle.stdout, idle.stderr) == (0, "embedded AWS is not running\n", "")


@pytest.mark.parametrize("verb", ["start", "status", "stop", "serve"])
@pytest.mark.parametrize("obstacle", ["folder", "pipe", "link"])
def test_a_description_that_is_no_file_is_named_in_one_line(
    embedded: Command, state: Path, verb: str, obstacle: str
) -> None:
    state.mkdir()
    description = state / "server.json"
    {"folder": description.mkdir, "pipe": lambda: os.mkfifo(description)}.get(
        obstacle, lambda: description.symlink_to(description)
    )()
    one_line(embedded(verb), f"{description}: it is a", "move away what is in the way")


@pytest.mark.parametrize("verb", ["start", "status", "stop", "serve"])
def test_a_state_folder_that_is_none_is_named_in_one_line(
    embedded_command: Command, tmp_path: Path, verb: str
) -> None:
    file, circle = tmp_path / "file", tmp_path / "circle"
    file.write_text("mine")
    circle.symlink_to(circle)
    for wrong in (file, file / "below", circle, Path("/dev/null"), Path("/dev/null/below"), tmp_path / ("x" * 300)):
        one_line(embedded_command(verb, "--state", str(wrong)), str(wrong), "--state must name a folder")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("verb", ["start", "serve"])
def test_a_state_folder_that_cannot_be_made_is_named_in_one_line(embedded_command: Command, verb: str) -> None:
    for wrong in ("/proc", "/proc/nowhere"):
        one_line(embedded_command(verb, "--state", wrong), wrong, "--state must name a folder")


def one_line(refused: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr
    assert [word for word in words if word not in refused.stderr] == []


def test_another_programs_answer_is_not_the_servers() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example.org\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        server = import_module("groundplan_local.lifecycle").Server(f"http://127.0.0.1:{port}", port, 1, 1.0)
        assert not server.answers()
        thread.join()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_training_started_elsewhere_ends_with_the_server(
    embedded: Command, state: Path, until: Any, unique: str, end: str
) -> None:
    embedded("start")
    server = described(state)
    train_forever(server["endpoint_url"], state, until, unique, LEAVES_ITS_GROUP)
    (said,) = until(lambda: list((state / "training").rglob("model/children")))
    children = [int(word) for word in said.read_text().split()]
    assert [alive(child) for child in children] == [True, True]
    if end == "kill":
        os.kill(server["pid"], signal.SIGKILL)
        until(lambda: not alive(server["pid"]))
    assert embedded("stop").returncode == 0
    assert [alive(child) for child in children] == [False, False]


def alive(pid: int) -> bool:
    try:
        # Ended, but not yet collected by its parent, is ended.
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def train_forever(endpoint_url: str, state: Path, until: Any, unique: str, script: str = "") -> int:
    """Start a job that ignores SIGTERM; returns the id of its process."""
    session = Session("888888888888", "embedded", region_name="us-east-1")
    s3, sagemaker = (session.client(service, endpoint_url=endpoint_url) for service in ("s3", "sagemaker"))
    s3.create_bucket(Bucket=unique)
    ignores = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('x', flush=True)\ntime.sleep(99)\n"
    )
    s3.put_object(Bucket=unique, Key="code/train.py", Body=(script or ignores).encode())
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{unique}/code/"}}
    sagemaker.create_training_job(
        TrainingJobName=unique,
        RoleArn="arn:aws:iam::888888888888:role/Training",
        AlgorithmSpecification={
            "TrainingImage": "none",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/train.py"],
        },
        InputDataConfig=[{"ChannelName": "code", "DataSource": source}],
        OutputDataConfig={"S3OutputPath": f"s3://{unique}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    (remembered,) = until(lambda: list((state / "training").rglob("process.json")))
    return until(lambda: json.loads(remembered.read_text() or "null"))["pid"]
