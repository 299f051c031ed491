"""The deployed alarms: a workload over its ceiling is told in plain words, and what it runs is stopped."""

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from focus_rows import MONEY, rows, write

LETTER = (Path(__file__).parents[2] / "events/budget_notice.txt").read_text().replace("-dev-", "-local-")
STEM = "groundplan-local"


def topic(deployed: Any, name: str, account: str = "ai") -> str:
    environment = deployed.accounts.environment
    return f"arn:aws:sns:{environment.region}:{environment.account_ids()[account]}:{STEM}-{name}-{account}"


def subscriber(deployed: Any, account: str) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """Who reads an account's cost alarms: a queue, as a ticket system would have one."""
    sqs, sns = deployed.client("sqs", account), deployed.client("sns", account)
    url = sqs.create_queue(QueueName="finance")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    heard = topic(deployed, "spend", account)
    made = sns.subscribe(TopicArn=heard, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)

    def receive() -> dict[str, Any] | None:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return json.loads(message["Body"])
        return None

    yield receive
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def inbox(deployed: Any) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """A subscriber of the ai account's cost alarms."""
    yield from subscriber(deployed, "ai")


@pytest.fixture
def bills(deployed: Any) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """A subscriber of the data account's, where bills are read."""
    yield from subscriber(deployed, "data")


def test_the_alarm_of_a_workload_over_its_ceiling_arrives_in_plain_words(
    deployed: Any, inbox: Any, until: Any
) -> None:
    # Nothing is billed here: the letter is what AWS Budgets writes to the topic.
    deployed.client("sns").publish(TopicArn=topic(deployed, "budgets"), Message=LETTER)
    heard = until(inbox, "the alarm")
    assert heard["Subject"] == "digit-reader passed 80 % of its monthly ceiling"
    first, sums, owner, page = heard["Message"].splitlines()
    assert f"on day {datetime.now(UTC).day}; at this rate" in first
    assert sums == "Spent $41.20 of $50.00, environment local"
    assert owner == "Owner: vision-team", "whose budget it is, by its tag"
    assert page.startswith("Page: https://")


def test_a_letter_that_nobody_understands_is_passed_on(deployed: Any, inbox: Any, until: Any) -> None:
    deployed.client("sns").publish(TopicArn=topic(deployed, "budgets"), Message="Dear customer, it is a new form.")
    assert "Dear customer, it is a new form." in until(inbox, "the letter")["Message"]


def test_each_account_and_each_workload_has_its_budget(deployed: Any) -> None:
    for account in ("application", "ai", "data"):
        client, number = deployed.client("budgets", account), deployed.accounts.environment.account_ids()[account]
        found = {one["BudgetName"]: one for one in client.describe_budgets(AccountId=number)["Budgets"]}
        assert f"{STEM}-account-{account}" in found
        filtered = found.get(f"{STEM}-workload-digit-reader", {}).get("CostFilters")
        assert filtered == ({"TagKeyValue": ["user:workload$digit-reader"]} if account == "ai" else None)


def test_a_run_over_the_ceiling_is_stopped_after_its_checkpoint_and_goes_on_when_it_is_resumed(
    deployed: Any, until: Any
) -> None:
    trained = deployed.run("train", "digit-reader", "--no-follow", "--force", "--reason", "to be stopped", "--json")
    assert trained.returncode == 0, trained.stderr
    [job] = [one["training_job_name"] for one in json.loads(trained.stdout)["training_jobs"]]
    over = LETTER.replace("$40.00", "$50.00").replace("$41.20", "$60.00")
    deployed.client("sns").publish(TopicArn=topic(deployed, "budgets"), Message=over)
    sagemaker, functions = deployed.client("sagemaker"), deployed.client("lambda")
    names = [one["FunctionName"] for one in functions.list_functions()["Functions"]]
    [stopper] = [name for name in names if "Spend-ai-Stop" in name]

    def ended() -> Any:
        functions.invoke(FunctionName=stopper, Payload=b'{"look": true}')  # as its clock does
        found = sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"]
        return None if found in ("InProgress", "Stopping") else found

    assert until(ended, "the end of the job") == "Stopped"
    resumed = deployed.run("resume", f"training/{job}", "--json")
    assert resumed.returncode == 0, resumed.stderr
    [act] = json.loads(resumed.stdout)["acts"]
    assert act["status"] == "resumed"
    again = sagemaker.describe_training_job(TrainingJobName=act["runs_as"])
    before = sagemaker.describe_training_job(TrainingJobName=job)
    assert again["CheckpointConfig"] == before["CheckpointConfig"]
    assert deployed.run("resume", f"training/{job}").returncode == 1, "once"


def test_the_deployed_stopper_takes_an_order_once_and_its_clock_finds_it_carried_out(
    deployed: Any, until: Any
) -> None:
    over = LETTER.replace("$40.00", "$50.00").replace("$41.20", "$60.00").replace("digit-reader", "nightly-churn")
    for _ in range(3):
        deployed.client("sns").publish(TopicArn=topic(deployed, "budgets"), Message=over)
    table = deployed.accounts.session("ai").resource("dynamodb", endpoint_url=deployed.accounts.endpoint_url)
    key = {
        "node": f"stopped/{STEM}",
        "relation": f"ORDER#{STEM}-workload-nightly-churn#{datetime.now(UTC):%Y-%m}#100",
    }
    lineage = table.Table(deployed.accounts.names.lineage_table())
    order = until(
        lambda: (found := lineage.get_item(Key=key).get("Item")) and found["status"] == "closed" and found,
        "the order",
    )
    assert order["workload"] == "nightly-churn"


def _functions(client: Any) -> list[str]:
    return [one["FunctionName"] for one in client.list_functions()["Functions"]]


def test_the_daily_report_of_a_bill_knows_the_ceiling_tells_people_and_is_on_the_dashboard(
    deployed: Any, bills: Any, until: Any
) -> None:
    s3, functions, names = deployed.client("s3", "data"), deployed.client("lambda", "data"), deployed.accounts.names
    today = datetime.now(UTC).date()
    [row] = rows(1, month=f"{today:%Y-%m}")
    row |= dict.fromkeys(MONEY, "45") | {"ChargeCategory": "Usage", "Tags": '{"workload": "digit-reader"}'}
    # Machines of the day, so that what ran here is no more than what is billed already.
    row |= {"ChargePeriodStart": f"{today}T00:00:00Z", "SkuMeter": "USE1-Host:ml.m5.large"}
    folder = f"exports/{names.environment.exporters()[0]}/{STEM}-focus/data/BILLING_PERIOD={today:%Y-%m}"
    with tempfile.TemporaryDirectory() as place:
        file = write(Path(place, "bill.csv"), [row])
        s3.upload_file(str(file), names.costs_bucket(), f"{folder}/bill.csv")
    of_ai = deployed.client("lambda", "ai")
    [observes] = [one for one in _functions(of_ai) if "Spend-ai-Observe" in one]
    seen = json.loads(of_ai.invoke(FunctionName=observes)["Payload"].read())
    called = _functions(functions)
    [makes], [shows] = ([one for one in called if f"CostReport-{name}" in one] for name in ("Report", "Show"))
    invoked = [functions.invoke(FunctionName=one)["Payload"].read() for one in (makes, makes, shows)]
    first, again, shown = map(json.loads, invoked)
    assert (first["told"], again["told"]) == ([f"{today:%Y-%m}/workload/digit-reader/actual-80"], [])

    def told() -> Any:
        heard = bills()
        return heard if heard and heard["Subject"].startswith("digit-reader") else None

    lines = until(told, "the alarm")["Message"].splitlines()
    assert lines[0].startswith(f"digit-reader passed 80 % of its monthly ceiling on day {today.day}; at this rate ")
    assert lines[1].startswith("Spent $45.")
    assert lines[2] == "Owner: vision-team"
    report = json.loads(s3.get_object(Bucket=names.costs_bucket(), Key="report/cost.json")["Body"].read())
    [line] = [one for one in report["workloads"] if one["workload"] == "digit-reader"]
    assert {"retail", "wholesale"} <= {one["tenant"] for one in report["metered"]}, "what the demo asked the gateway"
    assert (line["ceiling_usd"], line["actual_usd"], line["estimate_unknowns"]) == ("50", "45", [])
    # What the ai account alone knows came with it.
    assert seen.get("runs", 0) >= line["training_runs"]["runs"] > 0, seen
    assert (line["refused_runs"]["of_unknown_cost"], line["idle"]) == (0, [])
    assert "digit-reader" in [one["workload"] for one in report["same_day"] if float(one["later_usd"])]
    assert any("are as of" in note for note in report["notes"])
    assert "digit-reader" in shown
    assert "$45.00" in shown
