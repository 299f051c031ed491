"""A release whose deployment fails: the pin says what serves, and what was sent back."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundplan.environment import read_environment
from groundplan.names import Names
from groundplan.refusal import Refused
from groundplan.release import FORMAT, Release, read_release, release_file, write_release
from groundplan.workload import read_workload
from groundplan_operate import serve as serve_module
from groundplan_operate.accounts import Accounts

ROOT = Path(__file__).parents[2]
WORKLOAD = "digit-reader"


class CloudFormation:
    """One stack, and how it stands; and CloudWatch, of which one alarm is asked."""

    def __init__(self) -> None:
        self.status, self.alarm = "UPDATE_COMPLETE", "OK"

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        return {"MetricAlarms": [{"StateValue": self.alarm}]}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        """Of two deployments, the newest event first, as CloudFormation gives them."""
        told = [
            ("it", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Endpoint]."),
            ("Role", "UPDATE_FAILED", "Resource update cancelled"),
            ("Endpoint", "UPDATE_FAILED", "the alarm it-failing\n rang"),
            ("it", "UPDATE_IN_PROGRESS", "User Initiated"),
            ("Endpoint", "UPDATE_FAILED", "another one rang last week"),
        ]
        for thing, status, reason in told:
            event = {"PhysicalResourceId": thing, "StackId": "it", "ResourceType": f"AWS::{thing}"}
            yield {"StackEvents": [{**event, "ResourceStatus": status, "ResourceStatusReason": reason}]}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": "it", "StackStatus": self.status}]}


@pytest.fixture
def accounts(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    prices = "groundplan/prices/us-east-1.json"
    (repository / prices).parent.mkdir(parents=True)
    shutil.copy(ROOT / prices, repository / prices)
    made, stack = Accounts(repository, read_environment(repository, "local")), CloudFormation()
    monkeypatch.setattr(Accounts, "client", lambda *_: stack)
    return made


@pytest.fixture
def failing(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`failing(status)`: cdk fails, and leaves the stack so."""

    def fails(status: str) -> None:
        def run(_: Accounts, arguments: Sequence[str], **__: Any) -> None:
            assert arguments[:2] == ["deploy", f"Serving-{WORKLOAD}"]
            accounts.client("cloudformation", "ai").status = status
            raise Refused("❌ the alarm it-failing rang (all it said is in /home/me/cdk.log)")

        monkeypatch.setattr(serve_module, "run_cdk", run)

    return fails


def release(accounts: Accounts, version: str, **more: Any) -> Release:
    names = Names(accounts.environment)
    folder, group = f"s3://{names.artefacts_bucket()}/workloads/{WORKLOAD}", names.model_package_group(WORKLOAD)
    where = f"{accounts.environment.region}:{accounts.environment.accounts.ai}"
    return Release.model_validate(
        {
            "format": FORMAT,
            "version": version,
            "model_package_arn": f"arn:aws:sagemaker:{where}:model-package/{group}/1",
            "model_data_url": f"{folder}/output/job/output/model.tar.gz",
            "record_url": f"{folder}/output/job/record.json",
            "approved_by": "the approver's role",
            "approved_at": "2026-11-21T09:00:00Z",
            "simulated": True,
            **dict.fromkeys(
                ("model_data_sha256", "environment_digest", "code_digest", "fingerprint", "record_sha256"), "a" * 64
            ),
            **more,
        }
    )


def serve(accounts: Accounts, pinned: Release, was: Release | None, new: str = "") -> Release | None:
    """What is pinned after a deployment that failed."""
    workload = read_workload(accounts.root, WORKLOAD)
    if was:
        write_release(accounts.root, WORKLOAD, accounts.environment, was, None)
    write_release(accounts.root, WORKLOAD, accounts.environment, pinned, was)
    with pytest.raises(Refused, match=f"{new or pinned.version} does not serve.*the alarm it-failing rang"):
        serve_module.serve(accounts, workload, pinned, was, lambda _: None)
    return read_release(accounts.root, WORKLOAD, accounts.environment)


def test_what_was_sent_back_is_withdrawn_and_what_serves_is_pinned(
    accounts: Accounts, failing: Callable[[str], None]
) -> None:
    failing("UPDATE_ROLLBACK_COMPLETE")
    was = release(accounts, "1.0.0")
    after = serve(accounts, release(accounts, "1.1.0", previous="1.0.0"), was)
    assert after
    assert after.version == "1.0.0"
    assert after.withdrawn == {"1.1.0": "its deployment was sent back: AWS::Endpoint: the alarm it-failing rang"}


def test_a_candidate_that_was_sent_back_is_withdrawn_and_what_serves_stays(
    accounts: Accounts, failing: Callable[[str], None]
) -> None:
    failing("UPDATE_ROLLBACK_COMPLETE")
    was = release(accounts, "1.0.0")
    fields = ("model_package_arn", "model_data_url", "model_data_sha256")
    shadow = {name: getattr(was, name) for name in fields} | {"version": "1.1.0"}
    after = serve(accounts, release(accounts, "1.0.0", candidate=shadow, serial=2), was, new="1.1.0")
    assert after
    assert (after.version, after.candidate, list(after.withdrawn)) == ("1.0.0", None, ["1.1.0"])

    # To end it may fail, too: the version that serves is none the worse for it.
    was = release(accounts, "1.0.0", candidate=shadow, serial=2)
    (accounts.root / release_file(WORKLOAD, "local")).unlink()
    accounts.client("cloudformation", "ai").status = "UPDATE_COMPLETE"
    assert serve(accounts, release(accounts, "1.0.0", serial=3), was) == was


def test_a_way_back_that_failed_leads_there_no_more(accounts: Accounts, failing: Callable[[str], None]) -> None:
    failing("UPDATE_ROLLBACK_COMPLETE")
    was = release(accounts, "1.1.0", previous="1.0.0")
    after = serve(accounts, release(accounts, "1.0.0", withdrawn={"1.1.0": "it misreads eights"}), was)
    assert after
    assert (after.version, after.previous, list(after.withdrawn)) == ("1.1.0", None, ["1.0.0"])


def test_what_never_reached_the_stack_is_no_fault_of_the_version(
    accounts: Accounts, failing: Callable[[str], None]
) -> None:
    failing("UPDATE_COMPLETE")
    was = release(accounts, "1.0.0")
    assert serve(accounts, release(accounts, "1.1.0", previous="1.0.0"), was) == was


def test_a_first_release_that_failed_leaves_no_pin(accounts: Accounts, failing: Callable[[str], None]) -> None:
    failing("ROLLBACK_COMPLETE")
    assert serve(accounts, release(accounts, "1.0.0"), None) is None


@pytest.mark.parametrize(("state", "told"), [("OK", False), ("INSUFFICIENT_DATA", True)])
def test_a_version_that_nobody_asked_anything_is_said_to_be_unjudged(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, state: str, told: bool
) -> None:
    monkeypatch.setattr(serve_module, "run_cdk", lambda *_, **__: None)
    accounts.client("cloudwatch", "ai").alarm = state
    said, workload = list[str](), read_workload(accounts.root, WORKLOAD)
    serve_module.serve(accounts, workload, release(accounts, "1.1.0"), release(accounts, "1.0.0"), said.append)
    assert any("no alarm has judged it" in line for line in said) is told
    said.clear()
    serve_module.serve(accounts, workload, release(accounts, "1.0.0"), None, said.append)
    assert not any("judged" in line for line in said)  # a first version replaces nothing
