"""The command's road to real AWS, as far as it can be walked without one."""

import fcntl
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundplan.environment import read_environment
from groundplan.refusal import BadInput, Refused
from groundplan_operate import accounts as accounts_module
from groundplan_operate import bootstrap as bootstrap_module
from groundplan_operate import deploy as deploy_module
from groundplan_operate.accounts import Accounts, WrongAccount
from groundplan_operate.bootstrap import bootstrap, distinct_accounts
from groundplan_operate.deploy import deploy_environment
from groundplan_operate.train import code_commit

IDS = {"tooling": "395839583951", "application": "395839583952", "ai": "395839583953", "data": "395839583954"}


@pytest.fixture
def real(repository: Path) -> Path:
    """A repository whose `dev` has account ids that are no placeholders."""
    path = repository / "environments/dev.toml"
    text = path.read_text()
    for account, number in IDS.items():
        text = re.sub(rf"(?m)^{account} = .*$", f'{account} = "{number}"', text)
    path.write_text(text)
    return repository


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What would have been done to AWS."""
    made: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        deploy_module, "bootstrap", lambda _, account, **__: made.append(("bootstrap", account)) or ""
    )
    monkeypatch.setattr(
        deploy_module, "run_cdk", lambda _, arguments, **more: made.append((arguments[0], more)) or []
    )
    monkeypatch.setattr(deploy_module, "refuse_what_is_missing", lambda _: None)
    return made


def test_placeholders_are_refused_before_anything_is_done(repository: Path, calls: list[tuple[str, Any]]) -> None:
    with pytest.raises(BadInput, match="placeholder"):
        deploy_environment(repository, "dev", show=print)
    assert calls == []


def test_a_wrong_workload_is_refused_before_anything_is_done(real: Path, calls: list[tuple[str, Any]]) -> None:
    (real / "workloads/hollow").mkdir()
    with pytest.raises(BadInput, match="hollow"):
        deploy_environment(real, "dev", show=print)
    assert calls == []


def test_in_aws_cdk_has_the_terminal_and_asks_before_it_widens_permissions(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(
        deploy_module, "run_cdk", lambda _, arguments, **more: given.append([*arguments, *more]) or []
    )
    deploy_environment(real, "dev", show=print)
    assert given == [["deploy", "!(Governance|Billing|Bill-*)", "afterwards"]], "with a `show`, cdk could not ask"
    assert sorted(account for _, account in calls) == ["ai", "application", "data", "tooling"]


def test_what_would_make_it_fail_is_refused_before_anything_is_done(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(site: Any) -> None:
        raise Refused(f"{len(site.workloads)} workload, no quota")

    monkeypatch.setattr(deploy_module, "refuse_what_is_missing", refuse)
    with pytest.raises(Refused, match="1 workload, no quota"):
        deploy_environment(real, "dev", show=print)
    assert calls == []


def test_the_organisations_policies_are_left_to_its_management_account(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, given, said = real / "environments/dev.toml", list[list[str]](), list[str]()
    path.write_text(path.read_text() + (Path(__file__).parent / "organization.toml").read_text())
    monkeypatch.setattr(deploy_module, "run_cdk", lambda _, arguments, **__: given.append(arguments) or [])
    deploy_environment(real, "dev", show=said.append)
    assert given == [["deploy", "!(Governance|Billing|Bill-*)"]]
    assert "cdk deploy Governance -c environment=dev" in "\n".join(said)
    assert calls


def test_the_bills_of_the_paying_account_are_left_to_it(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, given, said = real / "environments/dev.toml", list[list[str]](), list[str]()
    path.write_text(path.read_text().replace("[accounts]", '[accounts]\npayer = "121212121212"'))
    monkeypatch.setattr(deploy_module, "run_cdk", lambda _, arguments, **__: given.append(arguments) or [])
    deploy_environment(real, "dev", show=said.append)
    assert given == [["deploy", "!(Governance|Billing|Bill-*)"]], "the tooling account cannot reach it"
    assert "cdk deploy Billing -c environment=dev" in "\n".join(said)
    assert "account 121212121212" in "\n".join(said)
    assert calls


def test_each_accounts_own_bill_is_left_to_it(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, said = real / "environments/dev.toml", list[str]()
    path.write_text(path.read_text().replace("[accounts]", "[accounts]\nown_bills = true"))
    monkeypatch.setattr(deploy_module, "run_cdk", lambda *_, **__: [])
    deploy_environment(real, "dev", show=said.append)
    for account in ("application", "ai", "data"):
        at = said.index(f"     Bill-{account} is deployed in account {IDS[account]} by itself:")
        assert said[at + 1] == f"     cdk deploy Bill-{account} -c environment=dev"
    assert calls


def test_a_shared_account_is_bootstrapped_once(real: Path) -> None:
    path = real / "environments/dev.toml"
    text = re.sub(r"(?m)^data = .*$", f'data = "{IDS["ai"]}"', path.read_text())
    path.write_text(text.replace("[accounts]", 'shared = ["ai", "data"]\n[accounts]'))
    assert distinct_accounts(read_environment(real, "dev")) == ["tooling", "application", "ai"]


def test_a_second_deployment_at_the_same_time_is_refused(
    real: Path, calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDPLAN_LOCAL_STATE", raising=False)
    folder = real / ".groundplan/local"
    folder.mkdir(parents=True)
    with (folder / "deploy-dev.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another deployment of dev is under way"):
            deploy_environment(real, "dev", show=print)
    assert calls == []


class Session:
    """As much of boto3's session as is asked for who it is."""

    available_profiles = ("groundplan-dev-ai",)
    asked = 0

    def __init__(self, profile_name: str | None = None, region_name: str | None = None) -> None:
        self.account = IDS["ai"] if profile_name else "111111111111"
        self.region = region_name

    def client(self, service: str, **_: Any) -> "Session":
        assert service == "sts"
        return self

    def get_caller_identity(self) -> dict[str, str]:
        type(self).asked += 1
        return {"Account": self.account}


def test_an_account_is_reached_by_its_profile_and_no_other_is_taken_for_it(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_module, "_Session", Session)
    accounts = Accounts(real, read_environment(real, "dev"))
    before = Session.asked
    assert accounts.session("ai") is accounts.session("ai")
    assert Session.asked == before + 1
    with pytest.raises(WrongAccount, match=f"the data account of dev is {IDS['data']}: sign in to it"):
        accounts.session("data")


def test_an_account_without_bootstrap_and_credentials_is_refused_with_what_to_do(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts_module, "_Session", Session)
    monkeypatch.setattr(bootstrap_module, "_version_seen_from_tooling", lambda *_: 0)
    accounts = Accounts(real, read_environment(real, "dev"))
    with pytest.raises(Refused, match="make a profile named groundplan-dev-data and run this again"):
        bootstrap(accounts, "data", show=print)


def test_the_commit_says_when_the_code_is_not_what_was_committed(tmp_path: Path) -> None:
    folder = tmp_path / "workloads/one"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("pass\n")
    assert code_commit(tmp_path, folder) == "unknown"

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    clean = code_commit(tmp_path, folder)
    assert re.fullmatch(r"[0-9a-f]{40}", clean)
    (folder / "train.py").write_text("print()\n")
    assert code_commit(tmp_path, folder) == f"{clean}-dirty"
