"""What a newcomer sees: the demo, and the questions it can be asked afterwards."""

import itertools
import json
import re
from typing import Any

import httpx2
import pytest

from groundplan.workload import read_workloads
from groundplan_operate.deployed_gateway import DeployedGateway
from groundplan_operate.experiments import logged_run

ACCOUNTS = {"tooling": "111111111111", "application": "333333333333", "ai": "222222222222", "data": "444444444444"}


def test_the_demo_shows_stacks_by_account_the_model_and_what_it_was_made_from(deployed: Any) -> None:
    for words in ("groundplan-local-DataLake", "groundplan-local-Lineage", "groundplan-local-Workload-digit-reader"):
        assert words in deployed.demo
    assert re.search(r"accuracy of digit 9\s+│ (0\.\d+|1\.0+)", deployed.demo)
    assert "What was this model made from?" in deployed.demo
    assert "manifest root" in deployed.demo


def test_the_demo_survives_two_interruptions_and_is_refused_the_same_run(deployed: Any) -> None:
    trained, _, after = deployed.demo.partition("The same run again")
    resumed = [int(step) for step in re.findall(r"resumed after step (\d+)", trained)]
    assert trained.count("  Interrupted  ") == len(resumed) == 2
    assert 0 < resumed[0] <= resumed[1]
    assert re.search(r"interruptions survived\s+│ 2 ", after)
    [name] = re.findall(r"training job (digit-reader-\S+)\n", trained)
    refused = after.partition("What stands where")[0]
    assert re.search(
        rf"refused: this run was done before: .*{name}.*accuracy 0\.9.*it cost .*--force --reason", refused
    )


def test_the_run_of_the_demo_is_in_mlflow_with_its_values(deployed: Any) -> None:
    [page] = re.findall(
        r"run in MLflow: (http://127\.0\.0\.1:\d+)/#/experiments/\d+/runs/[0-9a-f]{32}", deployed.demo
    )
    assert f"MLflow: {page}" in deployed.demo.partition("A real data set")[0]
    done = deployed.run("lineage", "digit-reader", "-e", "local", "--json")
    trained, _, _ = deployed.demo.partition("The model before the gate")
    run = next(one for one in json.loads(done.stdout)["runs"] if one["name"] in trained)
    logged = logged_run(deployed.accounts, "digit-reader", run["fingerprint"], run["name"])
    assert logged is not None
    assert logged.status == "FINISHED"
    assert logged.metrics["accuracy"] == pytest.approx(run["metrics"]["accuracy"], abs=1e-6)
    assert logged.metrics["interruptions"] == 2
    assert logged.metrics["cost_usd"] > 0
    assert {f"accuracy/digit/{digit}" for digit in range(10)} <= set(logged.metrics)
    assert logged.parameters == run["hyperparameters"]
    assert logged.tags["groundplan.artefact"] == run["artefact"]
    assert logged.tags["groundplan.data_manifest_root"] == run["data_manifest_root"]


def test_the_gateway_blocks_masks_falls_back_and_counts(deployed: Any) -> None:
    _, _, shown = deployed.demo.partition("The gateway, the one way to foundation models")
    shown, _, _ = shown.partition("Finance reads one line a workload")
    assert "a question is answered: It arrives on Tuesday." in shown
    assert "a prompt attack is blocked: This request was not answered" in shown
    assert re.search(r"an answer is masked: .*\{EMAIL\}", shown)
    assert "@" not in shown
    [(calls, requests)] = re.findall(
        r"nova-lite is down: (\d+) calls of (\d+) requests reach it, then its breaker opens", shown
    )
    assert 0 < int(requests) <= int(calls) == 5, "the breaker's threshold"
    assert "its fallback, nova-micro, answers all 8;" in shown
    rows = re.findall(r"│ (\w+) +│ (\S+) +│ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+) │ +(\S+) │", shown)
    assert [row[:3] + row[5:6] for row in rows] == [
        ("retail", "help-page", "2", "2"),
        ("wholesale", "agent-desk", "9", "0"),
    ]
    assert all(int(row[3]) > 0 and int(row[4]) > 0 and float(row[6]) > 0 for row in rows)
    assert "the data account's lake has the same 11 requests" in shown
    report = json.loads(deployed.run("report", "-e", "local", "--json").stdout)
    assert [
        (one["tenant"], one["feature"], str(one["requests"]), str(one["interventions"]), one["usd"])
        for one in report["metered"]
        if one["model"] == "nova-lite"
    ] == [(*row[:3], *row[5:]) for row in rows]


def test_the_lineage_of_the_model_is_complete(deployed: Any) -> None:
    done = deployed.run("lineage", "digit-reader", "-e", "local", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    assert run["status"] == "Completed"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", run["code_commit"])
    assert re.fullmatch(r"[0-9a-f]{64}", run["data_manifest_root"])
    assert re.fullmatch(r"[0-9a-f]{64}", run["environment_digest"])
    assert run["image_digest"] is None
    assert run["hyperparameters"]["epochs"] == "60"
    assert float(run["metrics"]["accuracy"]) > 0.9
    assert {f"accuracy_digit_{digit}" for digit in range(10)} <= set(run["metrics"])
    bucket, _, key = run["artefact"].removeprefix("s3://").partition("/")
    assert deployed.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_the_data_in_the_lake_is_what_the_manifest_says(deployed: Any) -> None:
    s3 = deployed.client("s3", "data")
    bucket = deployed.accounts.names.lake_bucket("curated")
    read: Any = lambda key, **more: s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()  # noqa: E731
    pointer = json.loads(read("digit-reader/digits/current.json"))
    manifest = json.loads(read(pointer["manifest"]))
    assert [entry["key"] for entry in manifest["entries"]] == [
        "train/part-0.csv",
        "train/part-1.csv",
        "train/part-2.csv",
        "validation/part-0.csv",
    ]
    for entry in manifest["entries"]:
        body = read(f"{manifest['prefix']}/{entry['key']}", VersionId=entry["version"])
        assert len(body) == entry["size"]


def test_each_account_trusts_the_tooling_account_and_no_other(deployed: Any) -> None:
    for account, number in ACCOUNTS.items():
        iam = deployed.client("iam", account)
        roles = [role for role in iam.list_roles()["Roles"] if role["RoleName"].startswith("cdk-gplan-")]
        assert len(roles) == 5
        for role in roles:
            named = set(re.findall(r"[0-9]{12}", json.dumps(role["AssumeRolePolicyDocument"])))
            assert named <= {number, ACCOUNTS["tooling"]}, role["RoleName"]
        deploy = next(role for role in roles if "-deploy-role-" in role["RoleName"])
        assert ACCOUNTS["tooling"] in json.dumps(deploy["AssumeRolePolicyDocument"])


def test_cloudformation_deploys_under_the_platforms_policy_and_not_as_administrator(deployed: Any) -> None:
    for account, number in ACCOUNTS.items():
        attached = deployed.client("iam", account).list_attached_role_policies(
            RoleName=f"cdk-gplan-cfn-exec-role-{number}-us-east-1"
        )["AttachedPolicies"]
        assert [policy["PolicyArn"] for policy in attached] == [
            f"arn:aws:iam::{number}:policy/execution-groundplan-local"
        ]


@pytest.fixture(scope="module")
def deployed_again(deployed: Any) -> str:
    """What the second deployment said: by it the gateway hears of the demo's release."""
    return deployed.run("deploy", "-e", "local").stdout


def test_deploying_again_changes_nothing_and_says_so(deployed: Any, deployed_again: str) -> None:
    assert "done: 2 stacks changed" in deployed_again
    done = deployed.run("deploy", "-e", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    unchanged = re.search(r"done: nothing changed, all (\d+) stacks are as they should be", done.stdout)
    assert unchanged, done.stdout
    trained = [one for one in read_workloads(deployed.accounts.root) if one.training]
    assert done.stdout.count("(no changes)") == int(unchanged[1]) > len(trained)


@pytest.mark.usefixtures("deployed_again")
def test_the_gateway_passes_predictions_on_and_meters_them(deployed: Any) -> None:
    gateway = DeployedGateway.find(deployed.accounts)
    row = ",".join(["0"] * 64).encode()
    with gateway.token("archive", "forms") as token:
        headers = {"authorization": f"Bearer {token}", "content-type": "text/csv", "accept": "text/csv"}
        address = f"{gateway.url.removesuffix('/v1')}/predict"
        said = httpx2.post(f"{address}/digit-reader", content=row, headers=headers, timeout=30)
        assert said.text.strip().isdigit(), said.text
        unserved = httpx2.post(f"{address}/support-assistant", content=row, headers=headers, timeout=30)
    assert unserved.status_code == 404
    [metered] = gateway.metered([said.headers["x-request-id"]])
    assert (metered.tenant, metered.feature, metered.workload) == ("archive", "forms", "digit-reader")


def test_what_a_workload_was_designed_to_cost_is_kept_once(deployed: Any) -> None:
    s3, names = deployed.client("s3"), deployed.accounts.names
    where = {"Bucket": names.artefacts_bucket(), "Key": names.design("digit-reader")}
    design = json.loads(s3.get_object(**where)["Body"].read())
    planned = json.loads(deployed.run("plan", "digit-reader", "--json").stdout)["plans"]
    assert [design["plan"]] == planned
    assert float(design["plan"]["choice"]["monthly_cost"]["average"]["usd"]) > 0
    assert design["estimate"]["unknowns"] == []
    versions = s3.list_object_versions(Bucket=where["Bucket"], Prefix=where["Key"])["Versions"]
    digests = [version["ETag"] for version in versions]  # a release changes what is designed to stand
    assert all(one != other for one, other in itertools.pairwise(digests)), "deploying again wrote the same again"


def test_ingesting_the_same_data_again_changes_nothing(deployed: Any, tmp_path: Any) -> None:
    for channel in ("train", "validation"):
        (tmp_path / channel).mkdir()
        (tmp_path / channel / "part-0.csv").write_text("1," + ",".join("0" * 64) + "\n")
    pointer = f"{deployed.accounts.names.lake_bucket('curated')}"
    before = deployed.client("s3", "data").get_object(Bucket=pointer, Key="digit-reader/digits/current.json")
    kept = before["Body"].read()
    try:
        first = deployed.run("ingest", "digit-reader", str(tmp_path), "-e", "local", "--json")
        again = deployed.run("ingest", "digit-reader", str(tmp_path), "-e", "local", "--json")
    finally:
        deployed.client("s3", "data").put_object(Bucket=pointer, Key="digit-reader/digits/current.json", Body=kept)
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert json.loads(first.stdout) == json.loads(again.stdout)


@pytest.mark.parametrize(
    ("arguments", "telling"),
    [
        (
            ["deploy", "-e", "dev"],
            "environments/dev.toml: accounts.tooling: '111122223333' is not allowed; this is a",
        ),
        (["deploy", "-e", "nowhere"], "environment: 'nowhere' is not allowed; allowed: dev, "),
        (["deploy", "-e", "../dev"], "environment: '../dev' is not allowed"),
        (["train", "absent", "-e", "local"], "workload: 'absent' is not allowed; allowed: "),
        (["ingest", "digit-reader", "tests", "-e", "local"], "this folder must hold at least one file for it"),
        (["lineage", "absent", "-e", "local"], "absent"),
        (["frobnicate"], "No such command"),
        (["deploy", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_line(deployed: Any, arguments: list[str], telling: str) -> None:
    done = deployed.run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert telling in done.stderr
    assert "Traceback" not in done.stderr


def test_destroying_a_protected_environment_is_refused(deployed: Any) -> None:
    done = deployed.run("destroy", "-e", "prod")
    assert done.returncode == 1
    assert "retain_data = true" in done.stderr


def test_the_preflight_finds_nothing_missing_and_says_what_it_cannot_know(deployed: Any) -> None:
    done = deployed.run("check", "--json")
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout)["checks"]
    known = [one for one in checks if one["status"] != "unknown"]
    assert {one["status"] for one in known} == {"ok"}
    bootstrap = ["bootstrap", "bootstrap trust", "bootstrap policy", "execution policy", "permissions boundary"]
    for account in ACCOUNTS:
        assert [one["check"] for one in known if one["account"] == account][:6] == ["credentials", *bootstrap]
    unknown = {one["check"].partition(":")[0] for one in checks if one["status"] == "unknown"}
    assert unknown == {"services of the region", "runtime of functions", "quota", "cost allocation tags", "model"}
    assert all(one["found"] for one in checks)
