"""The gateway's settings: compiled from what is written down, completed by what the ai account tells."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from groundplan.catalogue import Catalogue, read_catalogue
from groundplan.environment import read_environment
from groundplan.gateway.compiled import compiled
from groundplan.gateway.settings import DeployedPlace, GatewaySettings, Issuer, Rules, Told, settings_of
from groundplan.prices import read_prices
from groundplan.refusal import BadInput
from groundplan.workload import Workload, read_workloads
from groundplan_gateway.asgi import PLACE_VARIABLE, gateway
from groundplan_gateway.clients import AssumedRole, Clients
from stub_gateway import serving, settings, token

ROOT = Path(__file__).parents[2]
TARGETS = ("amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0")
TOLD = Told.model_validate_json(
    '{"guardrail": {"identifier": "g1", "version": "3"}, "profiles": {"support-assistant/nova-lite": "arn:lite"}}'
)


def assistant() -> Workload:
    [found] = [one for one in read_workloads(ROOT) if one.name == "support-assistant"]
    return found


def catalogue() -> Catalogue:
    found = read_catalogue(ROOT)
    assert found
    return found


def rules(*uses: tuple[Workload, tuple[str, ...]], tenants: dict[str, Decimal] | None = None) -> Rules:
    environment = read_environment(ROOT, "prod")
    budgets = environment.budgets.model_copy(update={"tenants": tenants or {}})
    environment = environment.model_copy(update={"budgets": budgets})
    return compiled(environment, catalogue(), uses or [(assistant(), TARGETS)], read_prices(ROOT, "us-east-1"))


def place() -> DeployedPlace:
    return DeployedPlace(
        region="us-east-1",
        role_arn="arn:aws:iam::222222222222:role/models",
        table="ledger",
        issuer=Issuer(issuer="https://cognito-idp.us-east-1.amazonaws.com/p", audience="a", keys_url="https://k"),
        rules="gateway.json",
        told_by="/groundplan/prod/models",
    )


def test_rules_name_the_plans_models_at_the_snapshots_prices() -> None:
    made = rules()
    assert {name: (model.target, model.fallback) for name, model in made.models.items()} == {
        "nova-lite": (TARGETS[0], "nova-micro"),
        "nova-micro": (TARGETS[1], None),
    }
    assert made.models["nova-lite"].prices.input == Decimal("0.06"), "dollars for a million"
    assert made.models["nova-lite"].prices.cache_write == Decimal("0.06"), "without a price of its own, as input"


def test_a_tenant_spends_its_budget_or_what_its_workloads_may_cost() -> None:
    tenants = rules(tenants={"retail": Decimal(40)}).tenants
    assert {name: tenant.dollars_per_month for name, tenant in tenants.items()} == {
        "retail": Decimal(40),
        "wholesale": assistant().drivers.monthly_cost_ceiling_usd,
    }
    assert tenants["retail"].requests_per_minute == 180, "three a second at the peak"
    assert tenants["retail"].features == ("help-page", "agent-desk")


def test_a_fallback_that_the_plan_leaves_out_is_none() -> None:
    assert rules((assistant(), TARGETS[:1])).models["nova-lite"].fallback is None


def test_two_workloads_cannot_share_a_feature() -> None:
    other = assistant().model_copy(update={"name": "other"})
    with pytest.raises(BadInput, match=r"workloads/other/workload.toml: metering\.features: 'help-page'"):
        rules((assistant(), TARGETS), (other, TARGETS))


def test_an_endpoint_answers_the_features_and_tenants_of_its_workload_and_no_others() -> None:
    [reader] = [one for one in read_workloads(ROOT) if one.name == "digit-reader"]
    made = compiled(
        read_environment(ROOT, "prod"),
        catalogue(),
        [(assistant(), TARGETS)],
        read_prices(ROOT, "us-east-1"),
        endpoints=[(reader, "groundplan-prod-digit-reader")],
    )
    assert {name: one.endpoint_name for name, one in made.predictions.items()} == {
        "digit-reader": "groundplan-prod-digit-reader"
    }
    assert {name: one.predictions for name, one in made.features.items()} == {
        "help-page": (),
        "agent-desk": (),
        "forms": ("digit-reader",),
    }
    assert made.features["forms"].models == ()
    assert {name: one.features for name, one in made.tenants.items()} == {
        "archive": ("forms",),
        "retail": ("help-page", "agent-desk"),
        "wholesale": ("help-page", "agent-desk"),
    }


def test_settings_are_the_rules_under_the_guardrail_and_through_the_workloads_profile() -> None:
    found = settings_of(rules(), place(), TOLD)
    assert {(model.guardrail, model.guardrail_version) for model in found.models.values()} == {("g1", "3")}
    assert found.features["help-page"].profiles == {"nova-lite": "arn:lite"}
    assert found.table == "ledger"
    assert GatewaySettings.model_validate_json(found.model_dump_json()) == found


def test_a_deployed_gateway_reads_its_files_and_the_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.json").write_text(rules().model_dump_json())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PLACE_VARIABLE, place().model_dump_json())
    asked: list[str] = []

    def told(_: AssumedRole, name: str) -> str:
        asked.append(name)
        return TOLD.model_dump_json()

    monkeypatch.setattr(AssumedRole, "read_parameter", told)
    assert gateway().state.gateway.settings == settings_of(rules(), place(), TOLD)
    assert asked == ["/groundplan/prod/models"]


def test_the_parameter_is_read_as_the_models_role_with_both_session_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def assume_role(self, **request: Any) -> Any:
            made.append(("assume", request))
            keys = {"AccessKeyId": "one", "SecretAccessKey": "two", "SessionToken": "three"}
            return {"Credentials": {**keys, "Expiration": datetime(2100, 1, 1, tzinfo=UTC)}}

        def get_parameter(self, **request: Any) -> Any:
            made.append(("get", request))
            return {"Parameter": {"Value": "told"}}

    session = Session(region_name="us-east-1")
    monkeypatch.setattr(session, "client", lambda *_, **__: Client())
    role = AssumedRole(session=session, role_arn="arn:role", region="us-east-1", timeout_seconds=5)
    assert role.read_parameter("/one") == "told"
    assert {tag["Key"] for tag in made[0][1]["Tags"]} == {"tenant", "feature"}
    assert made[1] == ("get", {"Name": "/one"})


def test_a_refused_model_has_the_settings_read_again() -> None:
    newer = settings(deadline_seconds=9.0)

    class Refusing:
        def converse(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "Converse")

    with serving() as running:
        shared = running.app.state.gateway
        shared.clients, shared.renew = lambda _: Clients(bedrock=Refusing(), sagemaker=None), lambda: newer
        client = openai.OpenAI(base_url=f"{running.url}/v1", api_key=token(), max_retries=0)
        with pytest.raises(openai.InternalServerError, match="may not call this model"):
            client.chat.completions.create(model="lone", messages=[{"role": "user", "content": "Hi"}])
        assert shared.settings is newer
