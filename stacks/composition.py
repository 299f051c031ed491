"""Which stacks an environment has, and how they hang together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks, PCIDSS321Checks

from groundplan.catalogue import Catalogue, read_catalogue
from groundplan.environment import Environment
from groundplan.estimate import Usage
from groundplan.gateway.compiled import Endpoints, Uses, compiled
from groundplan.gateway.settings import Rules
from groundplan.guardrail import read_guardrail
from groundplan.names import Names
from groundplan.planner import Market, plan
from groundplan.planner.invoked import invoked
from groundplan.prices import read_prices
from groundplan.prompt_evaluation import used_prompts
from groundplan.refusal import Refused, bad
from groundplan.serving.design import Design, design
from groundplan.table import read_tables
from groundplan.workload import Workload, usage_of
from groundplan_constructs import CostCeilings, CostCeilingsProps, EndpointRules, FunctionPackage
from stacks.ai_platform import Platform
from stacks.billing import Billing
from stacks.cost_report import CostReport
from stacks.data_lake import DataLake
from stacks.gateway import Gateway, gateway_package
from stacks.generative import Generative
from stacks.governance import Governance
from stacks.intake import Intake
from stacks.lineage import Lineage
from stacks.meter import Meter
from stacks.network import Network
from stacks.own_bill import OwnBill
from stacks.serving import Pin, Serving
from stacks.spend import AiSpend, Spend
from stacks.tables import Tables
from stacks.tracking import Tracking
from stacks.training import Training
from stacks.workload import WorkloadStack


@dataclass(frozen=True)
class Stacks:
    """The stacks of one environment."""

    data_lake: DataLake
    intake: Intake
    tables: Sequence[Tables]
    platform: Platform
    network: Network
    lineage: Lineage
    training: Training
    tracking: Tracking | None
    workloads: Sequence[WorkloadStack]
    serving: Sequence[Serving]
    spend: Sequence[Spend]
    cost_report: CostReport
    billing: Billing | None
    own_bills: Sequence[OwnBill]
    generative: Generative | None
    gateway: Gateway | None
    meter: Meter | None
    governance: Governance | None


def compose(
    app: cdk.App,
    root: Path,
    environment: Environment,
    workloads: Sequence[Workload],
    releases: Mapping[str, Pin] | None = None,
) -> Stacks:
    """Adds the environment's stacks to `app`; `root` is the repository, where the functions' code lies.

    `releases` is workload to pin: what has none is not served.
    """
    names = Names(environment)
    validations = cdk.Validations.of(app)
    validations.add_plugins(
        AwsSolutionsChecks(),
        NIST80053R5Checks(),
        PCIDSS321Checks(),
        EndpointRules(),
        _ceilings(environment, workloads),
    )
    package, tables_package, bills_package = (
        FunctionPackage(
            requirements=root / "runtime" / lock,
            sources=[root / "groundplan", root / "runtime/groundplan_runtime"],
            architecture=environment.architecture,
            cache=root / ".groundplan/functions",
        )
        for lock in ("requirements.lock", "tables.lock", "bills.lock")
    )
    platform = Platform(app, "Platform", names=names)
    network = Network(app, "Network", names=names, platform=platform)
    lake = DataLake(app, "DataLake", names=names)
    catalogue = read_catalogue(root)
    uses = models_of(root, environment, workloads, catalogue) if catalogue else ()
    served = list(_served(root, environment, workloads, releases or {}))
    endpoints = _endpoints(names, served) if uses else ()
    declared = {workload.name: read_tables(root, workload) for workload in workloads}
    training = Training(app, "Training", names=names, platform=platform, network=network.jobs, package=package)
    spend = _spend(app, names, package, lake, platform, training, workloads)
    stacks = Stacks(
        data_lake=lake,
        intake=Intake(app, "Intake", names=names, lake=lake, package=tables_package),
        tables=[
            Tables(
                app,
                f"Tables-{workload.name}",
                names=names,
                lake=lake,
                workload=workload,
                tables=declared[workload.name],
            )
            for workload in workloads
            if declared[workload.name]
        ],
        platform=platform,
        network=network,
        lineage=Lineage(app, "Lineage", names=names, platform=platform, package=package),
        training=training,
        tracking=Tracking(app, "Tracking", names=names, platform=platform, package=package, size=environment.mlflow)
        if environment.mlflow
        else None,
        workloads=[
            WorkloadStack(
                app,
                f"Workload-{workload.name}",
                names=names,
                platform=platform,
                network=network.jobs,
                workload=workload,
            )
            for workload in workloads
            if workload.training
        ],
        serving=[
            Serving(
                app,
                f"Serving-{workload.name}",
                names=names,
                platform=platform,
                network=network.jobs,
                workload=workload,
                design=found,
                pin=pin,
            )
            for workload, found, pin in served
        ],
        spend=spend,
        cost_report=CostReport(
            app,
            "CostReport",
            names=names,
            lake=lake,
            spend=spend[-1],  # of the data account
            package=bills_package,
            lean=package,
            metered=bool(uses),
        ),
        billing=Billing(app, "Billing", names=names, payer=environment.accounts.payer, workloads=workloads)
        if environment.accounts.payer
        else None,
        own_bills=[
            OwnBill(app, f"Bill-{account}", names=names, account=number)
            for account, number in environment.own_bills().items()
        ],
        generative=Generative(
            app,
            "Generative",
            names=names,
            platform=platform,
            package=package,
            catalogue=catalogue,
            policy=read_guardrail(root),
            uses=uses,
            endpoints=[name for _, name in endpoints],
        )
        if catalogue
        else None,
        gateway=_gateway(app, names, rules_of(root, environment, catalogue, uses, endpoints), root, spend[0].alarms)
        if catalogue and uses
        else None,
        meter=Meter(app, "Meter", names=names, lake=lake) if catalogue and uses else None,
        governance=Governance(
            app, "Governance", names=names, organization=environment.organization, catalogue=catalogue
        )
        if environment.organization
        else None,
    )
    made = (stacks.tracking, stacks.generative, stacks.gateway, stacks.meter, stacks.billing, stacks.governance)
    optional = [stack for stack in made if stack]
    platform_stacks = (
        stacks.data_lake,
        stacks.intake,
        stacks.platform,
        stacks.network,
        stacks.lineage,
        stacks.training,
        stacks.cost_report,
        *stacks.spend,
        *stacks.own_bills,
    )
    for stack in (*platform_stacks, *optional):
        _tag(stack, environment, workload="platform", owner=environment.owner, cost_centre=environment.cost_centre)
    for stack in (*stacks.workloads, *stacks.tables, *stacks.serving):
        workload = stack.workload
        _tag(stack, environment, workload=workload.name, owner=workload.owner, cost_centre=workload.cost_centre)
    return stacks


def _spend(
    app: cdk.App,
    names: Names,
    package: FunctionPackage,
    lake: DataLake,
    platform: Platform,
    training: Training,
    workloads: Sequence[Workload],
) -> Sequence[Spend]:
    """One in each account, the application's first, the data account's last, or one for that and the ai account."""
    accounts = names.environment.accounts
    if slips := names.environment.budgets.unknown([workload.name for workload in workloads]):
        known = ", ".join(workload.name for workload in workloads)
        raise bad(f"environments/{names.environment.name}.toml", "budgets", slips, f"allowed: workloads: {known}")
    ai = AiSpend(
        app, "Spend-ai", names=names, package=package, platform=platform, training=training, workloads=workloads
    )
    application = Spend(app, "Spend-application", names=names, account="application", package=package)
    if accounts.data == accounts.ai:
        return (application, ai)
    # The lake's key: a role that may decrypt what the lake holds may do so with any key of that account.
    data = Spend(app, "Spend-data", names=names, account="data", package=package, key=lake.key)
    return (application, ai, data)


def _gateway(app: cdk.App, names: Names, rules: Rules, root: Path, alarm_topic: sns.ITopic) -> Gateway:
    """Its alarms are heard where the application account's budget is."""
    package = gateway_package(root, names, rules)
    return Gateway(app, "Gateway", names=names, package=package, rules=rules, alarm_topic=alarm_topic)


def _served(
    root: Path, environment: Environment, workloads: Sequence[Workload], releases: Mapping[str, Pin]
) -> Iterator[tuple[Workload, Design, Pin]]:
    """Each workload with a pin, with the design of its plan; those that no endpoint serves are left out."""
    pinned = [workload for workload in workloads if workload.name in releases]
    if not pinned:
        return
    market = Market(read_prices(root, environment.region, environment.prices.factor()), read_catalogue(root))
    for workload in pinned:
        decided = plan(workload, market)
        if decided.chosen is None:
            raise Refused(decided.refusal)
        if found := design(decided.chosen):
            yield workload, found, releases[workload.name]


def _endpoints(names: Names, served: Sequence[tuple[Workload, Design, Pin]]) -> Endpoints:
    """Those that answer at once, and by their own name: a component's is another, a queue and a job answer later."""
    return [
        (workload, names.endpoint(workload.name))
        for workload, found, _ in served
        if found.mode in ("real-time", "serverless")
    ]


def models_of(root: Path, environment: Environment, workloads: Sequence[Workload], catalogue: Catalogue) -> Uses:
    """Each workload whose plan is a foundation model, with the ids of that and of its fallbacks."""
    market = Market(read_prices(root, environment.region, environment.prices.factor()), catalogue)
    return list(invoked(workloads, market, environment.region))


def rules_of(
    root: Path, environment: Environment, catalogue: Catalogue, uses: Uses, endpoints: Endpoints = ()
) -> Rules:
    """The gateway's rules; raises BadInput where a workload uses a prompt that has not passed its evaluation."""
    prices = read_prices(root, environment.region, environment.prices.factor())
    prompts = {workload.name: used_prompts(root, environment, workload.name, model) for workload, [model, *_] in uses}
    return compiled(environment, catalogue, uses, prices, prompts, endpoints)


def _ceilings(environment: Environment, workloads: Sequence[Workload]) -> CostCeilings:
    return CostCeilings(
        CostCeilingsProps(
            monthly_ceiling_usd=environment.monthly_cost_ceiling_usd,
            workload_ceilings_usd={one.name: one.drivers.monthly_cost_ceiling_usd for one in workloads},
            require_known_prices=environment.require_known_prices,
            usage=Usage(assumed=environment.usage, drivers=usage_of(workloads)),
            region_factor=environment.prices.factor(),
            accept_old_prices=environment.prices.accept_old or "",
        )
    )


def _tag(stack: cdk.Stack, environment: Environment, *, workload: str, owner: str, cost_centre: str) -> None:
    tags = cdk.Tags.of(stack)
    for key, value in environment.conventions.tags.items():
        tags.add(key, value)
    tags.add("workload", workload)
    tags.add("environment", environment.name)
    tags.add("owner", owner)
    tags.add("cost-centre", cost_centre)
