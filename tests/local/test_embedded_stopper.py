"""The stopper on running things: a job after its checkpoint, nothing in production, each once, and the way back."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from boto3.session import Session

from groundplan.spend import Alarm, Notice, Rules, Subject
from groundplan_runtime.integrations.spend_acts import SpendActs
from groundplan_runtime.integrations.spend_stopper import Stopper
from groundplan_runtime.integrations.spend_things import SpendThings
from groundplan_runtime.integrations.told_alarms import LEASE, ToldAlarms

DIGITS = Subject("workload", "digit-reader")
OVER = Notice("groundplan-dev-workload-digit-reader", Decimal(50), "actual", Decimal(50), Decimal(51))
RULES = Rules(environment="dev", production=False)
TAGS = [{"Key": "workload", "Value": "digit-reader"}, {"Key": "environment", "Value": "dev"}]
AT_ONCE = 12
# Saves when the file GO is there, and then goes on until it is told to stop.
TRAINS = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while not os.path.exists(os.environ["GO"]):
    time.sleep(0.02)
folder = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
folder.mkdir(exist_ok=True)
(folder / "step-1").write_text("weights")
while True:
    time.sleep(0.05)
"""
SERVES = """
def model_fn(model_dir): return None
def predict_fn(data, model): return data
"""


@dataclass
class Heard:
    """What people were told."""

    alarms: list[Alarm]

    def tell(self, alarm: Alarm) -> None:
        self.alarms.append(alarm)


class Site:
    """An account of a test's own, with a table, in which things run."""

    def __init__(self, embedded_aws: Any, account: str, wait: Callable[..., Any]) -> None:
        self.account, self._wait = account, wait
        self.sagemaker, self.s3 = (embedded_aws.client(one, account) for one in ("sagemaker", "s3"))
        self.bucket = f"site-{account}"
        self.s3.create_bucket(Bucket=self.bucket)
        self._dynamodb: Any = Session().resource(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=embedded_aws.endpoint_url,
            aws_access_key_id=account,
            aws_secret_access_key="embedded",
        )
        table = self._dynamodb.create_table(
            TableName="lineage",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "node", "KeyType": "HASH"},
                {"AttributeName": "relation", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("node", "relation")],
        )
        self.acts, self.heard = SpendActs(table, "groundplan-dev"), Heard([])

    def stopper(self, rules: Rules = RULES, mode: Any = "on") -> Stopper:
        """With these rules."""
        return Stopper(
            things=SpendThings(self.sagemaker, self.s3), acts=self.acts, teller=self.heard, rules=rules, mode=mode
        )

    def train(self, go: Path, name: str = "digits-1") -> str:
        """A job that saves as soon as `go` is there."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}/train.py", Body=TRAINS.encode())
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{name}/"}
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=f"arn:aws:iam::{self.account}:role/Training",
            AlgorithmSpecification={
                "TrainingImage": "none",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "/opt/ml/input/data/code/train.py"],
            },
            InputDataConfig=[
                {
                    "ChannelName": "code",
                    "DataSource": {"S3DataSource": {**source, "S3DataDistributionType": "FullyReplicated"}},
                }
            ],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/output"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 120},
            CheckpointConfig={"S3Uri": f"s3://{self.bucket}/checkpoints/{name}"},
            Environment={"GO": str(go)},
            Tags=TAGS,
        )
        self._wait(lambda: self.job(name)["SecondaryStatus"] == "Training")
        return name

    def job(self, name: str) -> Mapping[str, Any]:
        """DescribeTrainingJob."""
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def saved(self, name: str) -> None:
        """Waits for the checkpoint in S3."""
        listing = {"Bucket": self.bucket, "Prefix": f"checkpoints/{name}/step"}
        self._wait(lambda: self.s3.list_objects_v2(**listing).get("KeyCount"))

    def serve(self, name: str = "digits", tags: Any = TAGS) -> str:
        """An endpoint on a machine."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as target:
            entry = tarfile.TarInfo("inference.py")
            entry.size = len(SERVES)
            target.addfile(entry, io.BytesIO(SERVES.encode()))
        self.s3.put_object(Bucket=self.bucket, Key="model.tar.gz", Body=packed.getvalue())
        container = {"Image": "none", "ModelDataUrl": f"s3://{self.bucket}/model.tar.gz"}
        role = f"arn:aws:iam::{self.account}:role/Serving"
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container)
        variant = {
            "VariantName": "Main",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
        self.in_service()
        return name

    def in_service(self) -> None:
        """Waits until every endpoint serves."""
        self._wait(lambda: {"InService"} == {one["EndpointStatus"] for one in self._endpoints()})

    def served(self) -> list[str]:
        """Names of the endpoints."""
        return sorted(one["EndpointName"] for one in self._endpoints())

    def _endpoints(self) -> list[Mapping[str, Any]]:
        return self.sagemaker.list_endpoints()["Endpoints"]


@pytest.fixture
def site(embedded_aws: Any, account: str, until: Callable[..., Any]) -> Iterator[Site]:
    made = Site(embedded_aws, account, until)
    yield made
    for name in made.served():
        made.sagemaker.delete_endpoint(EndpointName=name)
    for job in made.sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]:
        made.sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])


def now(**later: float) -> datetime:
    return datetime.now(UTC) + timedelta(**later)


def test_a_job_is_stopped_once_its_checkpoint_is_there_and_not_before(
    site: Site, tmp_path: Path, until: Callable[..., Any]
) -> None:
    job, stopper = site.train(tmp_path / "go"), site.stopper()
    assert stopper.over(OVER, DIGITS, now())["waiting"] == [f"training/{job}"]
    assert stopper.look(now()) == {"stopped": [], "waiting": [f"training/{job}"]}
    assert site.job(job)["TrainingJobStatus"] == "InProgress"
    assert site.heard.alarms == []
    (tmp_path / "go").touch()
    site.saved(job)
    assert stopper.look(now()) == {"stopped": [f"training/{job}"], "waiting": []}
    until(lambda: site.job(job)["TrainingJobStatus"] == "Stopped")
    [told] = site.heard.alarms
    assert told.title == "Groundplan stopped 1 thing in dev"
    assert f"groundplan resume training/{job} -e dev" in told.text
    [kept] = site.acts.of(f"training/{job}")
    assert (kept.act.status, kept.workload, kept.act.cause) == ("done", "digit-reader", "budget")
    assert stopper.look(now()) == {"stopped": [], "waiting": []}, "the order is carried out"


def test_the_same_letter_again_and_many_at_once_act_once(site: Site, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    job = site.train(tmp_path / "go")
    site.saved(job)
    endpoint = site.serve()
    together = Barrier(AT_ONCE)

    def trigger(number: int) -> list[str]:
        together.wait()
        stopper = site.stopper()
        return stopper.look(now())["stopped"] if number % 2 else stopper.over(OVER, DIGITS, now())["stopped"]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        stopped = [subject for one in threads.map(trigger, range(AT_ONCE)) for subject in one]
    stopped += site.stopper().look(now())["stopped"]
    assert sorted(stopped) == [f"endpoint/{endpoint}", f"training/{job}"]
    assert len(site.acts.all()) == 2
    assert site.served() == []
    assert site.stopper().over(OVER, DIGITS, now()) == {"stopped": [], "waiting": [], "order": "closed"}


def test_production_serving_and_what_is_somebody_elses_go_on(site: Site) -> None:
    ours = site.serve()
    other = site.serve("foreign", [{"Key": "workload", "Value": "digit-reader"}])
    assert site.stopper(replace(RULES, production=True)).over(OVER, DIGITS, now())["stopped"] == []
    assert site.served() == [ours, other]
    opted_in = replace(RULES, production=True, stop_production=frozenset({"digit-reader"}))
    next_month = site.stopper(opted_in).over(OVER, DIGITS, now(days=32))
    assert next_month["stopped"] == [f"endpoint/{ours}"]
    assert site.served() == [other]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(site: Site) -> None:
    endpoint = site.serve()
    for _ in range(2):
        site.stopper(mode="dry-run").over(OVER, DIGITS, now())
    assert site.served() == [endpoint]
    assert site.acts.all() == ()
    [told] = site.heard.alarms
    assert told.title == "Groundplan would stop 1 thing in dev"
    assert "Nothing was done" in told.text


def test_an_endpoint_comes_back_as_it_was_and_is_then_left_alone_for_a_while(site: Site) -> None:
    endpoint, stopper = site.serve(), site.stopper()
    before = site.sagemaker.describe_endpoint(EndpointName=endpoint)
    stopper.over(OVER, DIGITS, now())
    assert site.served() == []
    [kept] = site.acts.of(f"endpoint/{endpoint}")
    assert stopper.resume(kept, "ada", now())
    assert not stopper.resume(kept, "bob", now()), "it runs already"
    site.in_service()
    after = site.sagemaker.describe_endpoint(EndpointName=endpoint)
    assert after["EndpointConfigName"] == before["EndpointConfigName"]
    assert site.sagemaker.list_tags(ResourceArn=after["EndpointArn"])["Tags"] == TAGS
    higher = replace(OVER, threshold_usd=Decimal(75), amount_usd=Decimal(80))
    assert stopper.over(higher, DIGITS, now())["stopped"] == []
    much_higher = replace(OVER, threshold_usd=Decimal(100), amount_usd=Decimal(110))
    assert stopper.over(much_higher, DIGITS, now(hours=5))["stopped"] == [f"endpoint/{endpoint}"]
    [first, second] = site.acts.of(f"endpoint/{endpoint}")
    assert (first.act.status, first.act.resumed_by, second.act.status) == ("resumed", "ada", "done")


def test_nights_are_free_and_mornings_bring_back_what_the_night_took_and_nothing_else(site: Site) -> None:
    endpoint, stopper = site.serve(), site.stopper()
    notebook = {"NotebookInstanceName": "desk", "InstanceType": "ml.t3.medium"}
    site.sagemaker.create_notebook_instance(**notebook, RoleArn=f"arn:aws:iam::{site.account}:role/Desk", Tags=TAGS)
    site.sagemaker.start_notebook_instance(NotebookInstanceName="desk")
    for _ in range(2):
        assert stopper.close_for_the_night(now())["stopped"] == [f"endpoint/{endpoint}", "notebook/desk"]
        assert stopper.close_for_the_night(now())["stopped"] == [], "an evening has one end"
        assert site.served() == []
        assert sorted(stopper.open_in_the_morning(now())["resumed"]) == [f"endpoint/{endpoint}", "notebook/desk"]
        assert stopper.open_in_the_morning(now())["resumed"] == []
        site.in_service()
    stopper.over(OVER, DIGITS, now())
    assert stopper.open_in_the_morning(now())["resumed"] == []
    assert site.served() == []


def test_what_cannot_be_brought_back_stays_stopped_and_can_be_tried_again(site: Site) -> None:
    endpoint, stopper = site.serve(), site.stopper()
    stopper.close_for_the_night(now())
    site.sagemaker.delete_endpoint_config(EndpointConfigName=endpoint)
    with pytest.raises(Exception, match="Could not find"):
        stopper.open_in_the_morning(now())
    [kept] = site.acts.of(f"endpoint/{endpoint}")
    assert (kept.act.status, kept.act.resumed_at) == ("done", None)


def test_an_alarm_that_many_would_tell_at_once_is_told_once(embedded_aws: Any) -> None:
    s3, heard, ready = embedded_aws.client("s3", "300000000077"), list[str](), Barrier(AT_ONCE)
    s3.create_bucket(Bucket="told-once")
    kept, now = ToldAlarms(s3, "told-once"), datetime.now(UTC)

    def tell(_: int) -> bool:
        ready.wait(30)
        return kept.tell_once("2026-11/x", lambda: heard.append("x"), now)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(tell, range(AT_ONCE))) == 1
    assert heard == ["x"]
    assert kept.told("2026-11") == {"2026-11/x"}
    assert not kept.tell_once("2026-11/x", lambda: heard.append("x"), now + 2 * LEASE)
