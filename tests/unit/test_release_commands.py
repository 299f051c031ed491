"""What the commands of a release cannot use is said before anything runs, and what went wrong is."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from groundplan.environment import read_environment
from groundplan.refusal import BadInput, Refused
from groundplan.workload import read_workload
from groundplan_operate import approve as approve_module
from groundplan_operate import promote as promote_module
from groundplan_operate import rollback as rollback_module
from groundplan_operate import toolkit
from groundplan_operate.accounts import Accounts
from groundplan_operate.deploy import alone
from groundplan_operate.lineage import ask
from groundplan_operate.reproduce import reproduce
from groundplan_operate.verify import verify

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (verify, ["digit-reader", "--version", "1.x"], "--version: '1.x'.*semver"),
        (
            verify,
            ["digit-reader", "--html", "nowhere/page.html"],
            "--html: 'nowhere/page.html'.*a folder that is there",
        ),
        (reproduce, ["digit-reader-1.0.0", "--tolerance", "nan"], "--tolerance: 'nan'.*from 0 to 1"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_before_aws_is_asked(
    command: Any, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("GROUNDPLAN_LOCAL_STATE", str(tmp_path))  # where nothing runs, which is Refused
    with pytest.raises(BadInput, match=said):
        command.main(arguments, standalone_mode=False)


@pytest.mark.parametrize(
    ("module", "arguments", "writes"),
    [
        (promote_module, ["digit-reader-1.0.0"], "release_package"),
        (promote_module, ["digit-reader-1.0.0", "--shadow"], "shadow_package"),
        (rollback_module, ["digit-reader", "--reason", "it reads ones as sevens"], "roll_back"),
    ],
)
def test_while_another_deployment_reads_the_pins_none_is_written(
    module: Any, arguments: list[str], writes: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def written(*_: Any, **__: Any) -> None:
        raise AssertionError("the pin was written")

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("GROUNDPLAN_LOCAL_STATE", str(tmp_path))
    monkeypatch.setattr(module, "find", lambda *_: (read_workload(ROOT, "digit-reader"), None), raising=False)
    monkeypatch.setattr(module, writes, written)
    command = getattr(module, module.__name__.rpartition(".")[2])
    with alone(ROOT, "local"), pytest.raises(Refused, match="another deployment of local is under way"):
        command.main(arguments, standalone_mode=False)


@pytest.mark.parametrize(("verb", "version"), [("release_package", "1.0.0"), ("shadow_package", "1.1.0")])
def test_what_serves_is_not_deployed_anew_once_a_byte_of_it_was_altered(
    verb: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: Any, package: Any) -> None:
        if package.properties.version == "1.0.0":
            raise Refused("digit-reader-1.0.0: its model was altered")

    serving, asked = (SimpleNamespace(properties=SimpleNamespace(version=one)) for one in ("1.0.0", version))
    now: Any = SimpleNamespace(version="1.0.0", withdrawn={}, candidate=None, model_package_arn="arn")
    fakes = {
        "read_release": lambda *_: now,
        "in_registry": lambda *_: now,
        "contradictions": lambda *_: [],
        "unfit": lambda _: "",
        "check_package": check,
        "ModelRegistry": lambda *_: SimpleNamespace(read=lambda _: serving),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(promote_module, name, fake)
    accounts = Accounts(ROOT, read_environment(ROOT, "local"))
    with pytest.raises(Refused, match="its model was altered"):
        getattr(promote_module, verb)(accounts, read_workload(ROOT, "digit-reader"), asked)


def test_who_may_not_become_the_approver_is_told_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")

    waiting = SimpleNamespace(name="digit-reader-1.0.0", approval="PendingManualApproval", status="Completed")
    ann = {"Arn": "arn:aws:sts::777788889999:assumed-role/engineer/ann"}
    sts = SimpleNamespace(get_caller_identity=lambda: ann, assume_role=denied)
    monkeypatch.setattr(approve_module, "find", lambda *_: (None, waiting))
    monkeypatch.setattr(approve_module, "check_package", lambda *_: None)
    monkeypatch.setattr(Accounts, "client", lambda *_: sts)
    with pytest.raises(Refused, match=r"ann may not approve.*the tag model-approver = groundplan-prod"):
        approve_module.decide(Accounts(ROOT, read_environment(ROOT, "prod")), "digit-reader-1.0.0", "Approved", "")


def test_where_nothing_is_deployed_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "embedded")
    monkeypatch.setattr(Accounts, "endpoint_url", None)
    monkeypatch.setattr(Accounts, "session", lambda *_: boto3.Session(region_name="us-east-1"))
    with mock_aws(), pytest.raises(BadInput, match=r"groundplan-local-lineage.*make deploy ENV=local"):
        ask(Accounts(ROOT, read_environment(ROOT, "local")), "digit-reader")


def test_what_the_app_refused_is_said_and_not_that_it_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for file in ("node_modules/.bin/cdk", ".venv/bin/node"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    refused = "release.local.toml: candidate: '1.1.0' is not allowed; serverless has no shadow variant"
    lines = [refused, "python app.py: Subprocess exited with error 2"]
    monkeypatch.setattr(toolkit, "_piped", lambda *_: (1, lines))
    accounts: Any = SimpleNamespace(root=tmp_path, variables=lambda _account: {})
    with pytest.raises(Refused, match="no shadow variant"):
        toolkit.run_cdk(accounts, ["deploy"], show=print, with_app=False)
