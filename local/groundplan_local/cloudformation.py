"""ministack's CloudFormation, with the types of `RESOURCE_TYPES` and the repairs of `COMPLETIONS`."""

from collections.abc import Callable, Mapping
from typing import Any

from groundplan_local.bedrock_types import BEDROCK_TYPES
from groundplan_local.completions import COMPLETIONS
from groundplan_local.connections import connect, tags_as_mapping
from groundplan_local.gateway_types import GATEWAY_TYPES
from groundplan_local.joints import account_and_region, joint, mend
from groundplan_local.network_types import NETWORK_TYPES, NetworkType
from groundplan_local.resource_types import RESOURCE_TYPES, ResourceType
from groundplan_local.serving_types import SERVING_TYPES, ServingType
from groundplan_local.spend_types import SPEND_TYPES, BudgetActions

PROVISIONERS = "ministack.services.cloudformation.provisioners"
STACKS = "ministack.services.cloudformation.stacks"
Provisioned = tuple[str, dict[str, Any]]  # what Ref returns, and the attributes of GetAtt
Properties = Mapping[str, Any]


def install() -> None:
    """Add what ministack lacks; what it has by itself is left alone."""
    handlers: dict[str, dict[str, Any]] = joint(PROVISIONERS, "_RESOURCE_HANDLERS")
    for name, row in RESOURCE_TYPES.items():
        if name in handlers:
            raise RuntimeError(f"ministack has {name} by now: take it out of resource_types.py")
        handlers[name] = _handler(name, row)
    for name, kind in NETWORK_TYPES.items():
        if name in handlers:
            raise RuntimeError(f"ministack has {name} by now: take it out of network_types.py")
        handlers[name] = _network_handler(kind)
    for name, kind in {**SERVING_TYPES, **SPEND_TYPES, **BEDROCK_TYPES, **GATEWAY_TYPES}.items():
        if name in handlers:
            raise RuntimeError(f"ministack has {name} by now: take it out of our tables")
        handlers[name] = _serving_handler(kind)
    BudgetActions().install()
    mend(
        PROVISIONERS, "_cw_metric_alarm_record", _keeping_expressions(joint(PROVISIONERS, "_cw_metric_alarm_record"))
    )
    for name in COMPLETIONS:
        _complete(name, handlers[name])
    tables = (RESOURCE_TYPES, NETWORK_TYPES, SERVING_TYPES, SPEND_TYPES, BEDROCK_TYPES, GATEWAY_TYPES, COMPLETIONS)
    ours = {name for table in tables for name in table}
    on_worker_thread = joint(STACKS, "_runs_on_worker_thread")

    def runs_on_worker_thread(resource_type: str) -> bool:
        # These call the server that they run in, which must not wait for itself.
        return resource_type in ours or on_worker_thread(resource_type)

    mend(STACKS, "_runs_on_worker_thread", runs_on_worker_thread)


def _keeping_expressions(record: Callable[[str, Properties], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """An alarm over an expression of metrics is kept over a metric that nobody writes: it stays without data."""

    def keep(name: str, properties: Properties) -> dict[str, Any]:
        if "Metrics" not in properties:
            return record(name, properties)
        rest = {key: value for key, value in properties.items() if key != "Metrics"}
        return record(name, rest | {"Namespace": "embedded-aws/expressions", "MetricName": name})

    return keep


def _here(service: str) -> Any:
    return connect(service, *account_and_region())


def _handler(type_name: str, row: ResourceType) -> dict[str, Any]:
    """What ministack expects of a type: three functions, called on a worker thread."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        request = dict(properties)
        for name, reason in row.not_emulated.items():
            if name in request:
                raise ValueError(f"{type_name}: property {name} is not emulated: {reason}")
        physical_name: Callable[..., str] = joint(PROVISIONERS, "_physical_name")
        request.setdefault(row.name, physical_name(stack_name, logical_id, max_len=63))
        getattr(_here(row.service), row.create)(**request)
        return describe(request[row.name])

    def describe(name: str) -> Provisioned:
        answer = getattr(_here(row.service), row.describe)(**{row.name: name})
        # CloudFormation's attributes are text, numbers or truth values; times are text.
        attributes = {
            key: value if isinstance(value := answer[key], (str, int, float)) else str(value)
            for key in row.attributes
        }
        return str(answer[row.ref]), attributes

    def update(reference: str, old: Properties, new: Properties, *_: str | None) -> Provisioned:
        changed = {key for key in {*old, *new} - {"Tags"} if old.get(key) != new.get(key)}
        if changed:
            raise ValueError(f"{type_name}: a change of {', '.join(sorted(changed))} is not emulated; only Tags are")
        described = describe(row.name_of(reference))
        _change_tags(row, described[1][row.arn], old, new)
        return described

    def delete(reference: str, _: Properties) -> None:
        getattr(_here(row.service), row.delete)(**{row.name: row.name_of(reference)})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _network_handler(kind: NetworkType) -> dict[str, Any]:
    def create(_: str, properties: Properties, __: str) -> Provisioned:
        made = kind.create(_here("ec2"), properties)
        return made, {"Id": made}

    def update(reference: str, old: Properties, new: Properties, *_: str | None) -> Provisioned:
        if {key: value for key, value in old.items() if key != "Tags"} != {
            key: value for key, value in new.items() if key != "Tags"
        }:
            return create("", new, "")
        _here("ec2").delete_tags(Resources=[reference])
        if tags := new.get("Tags"):
            _here("ec2").create_tags(Resources=[reference], Tags=tags)
        return reference, {"Id": reference}

    def delete(reference: str, properties: Properties) -> None:
        kind.delete(_here("ec2"), reference, properties)

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _serving_handler(kind: ServingType) -> dict[str, Any]:
    def create(_: str, properties: Properties, __: str) -> Provisioned:
        return kind.create(properties, _here)

    def update(reference: str, old: Properties, new: Properties, *_: str | None) -> Provisioned:
        return kind.update(reference, old, new, _here)

    def delete(reference: str, properties: Properties) -> None:
        kind.delete(reference, properties, _here)

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _change_tags(row: ResourceType, arn: str, old: Properties, new: Properties) -> None:
    before, after = tags_as_mapping(old.get("Tags", [])), tags_as_mapping(new.get("Tags", []))
    if gone := sorted(before.keys() - after.keys()):
        _here(row.service).delete_tags(ResourceArn=arn, TagKeys=gone)
    if after:
        _here(row.service).add_tags(ResourceArn=arn, Tags=new["Tags"])


def _complete(type_name: str, handler: dict[str, Any]) -> None:
    """Let a completion follow ministack's own create and update."""
    complete = COMPLETIONS[type_name]

    def followed(step: Callable[..., Provisioned], properties_at: int) -> Callable[..., Provisioned]:
        def run(*arguments: Any) -> Provisioned:
            provisioned = step(*arguments)
            complete(provisioned[0], arguments[properties_at], _here)
            return provisioned

        return run

    handler["create"] = followed(handler["create"], properties_at=1)
    if "update" in handler:
        handler["update"] = followed(handler["update"], properties_at=2)
