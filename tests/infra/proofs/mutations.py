"""One small mistake at a time in the policies, and whether an assertion notices it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from proofs.assertions import Assertion
from proofs.evaluator import Policy, Statement, applies, speaks_of
from proofs.world import World

Document = Mapping[str, Any]
WIDENING = ("drop condition", "widen action", "widen resource")


@dataclass(frozen=True)
class Mutation:
    """`id` says what was done where; `world` is the world with it.

    A statement of `policy` was `before` and is `after`; or `caller` lost its boundary.
    """

    id: str
    world: World
    policy: str
    before: Statement | None = None
    after: Statement | None = None
    caller: str | None = None
    widens: bool = False  # the statement applies to more; otherwise to no more than before

    def speaks_of(self, action: str) -> bool:
        """Whether what was changed is about the action."""
        if self.before and self.after and self._changes_actions_alone:
            return speaks_of(self.before, action) is not speaks_of(self.after, action)
        changed = [entry for entry in (self.before, self.after) if entry]
        return not changed or any(speaks_of(entry, action) for entry in changed)

    def concerns(self, assertion: Assertion) -> bool:
        """Whether the answer can be another now: the statement applies where it did not, or says otherwise."""
        if self.before is None:
            return assertion.caller.name == self.caller
        was = applies(self.before, assertion.request)
        if was is self.widens:
            return False  # what applied does so still, and what did not does not yet: the same as below, sooner
        now = self.after is not None and applies(self.after, assertion.request, remember=False)
        same_effect = self.after is not None and self.before.effect == self.after.effect
        return (was or now) and not (was and now and same_effect and not self._names_others)

    @cached_property
    def _changes_actions_alone(self) -> bool:
        before, after = ({**entry.document, "Action": None} for entry in (self.before, self.after) if entry)
        return before == after

    @cached_property
    def _names_others(self) -> bool:
        return (
            self.after is not None
            and self.before is not None
            and (self.before.document.get("Principal") != self.after.document.get("Principal"))
        )


def mutations(world: World, used: Container[str]) -> Iterator[Mutation]:
    """Every mutation of every statement of every policy that is used, and of every role's boundary."""
    for name, policy in world.policies.items():
        if name not in used:
            continue
        for index, statement in enumerate(policy.statements):
            label = statement.document.get("Sid") or index
            for what, changed in _changes(
                statement.document, attached=name.startswith(("resource:", "trust:", "endpoint:"))
            ):
                kept = list(policy.statements)
                kept[index : index + 1] = [Statement(changed)] if changed else []
                mutated = Policy(name, tuple(kept))
                after = kept[index] if changed else None
                yield Mutation(
                    f"{name} | {label} | {what}",
                    world.with_policy(mutated),
                    name,
                    statement,
                    after,
                    widens=what.startswith(WIDENING),
                )
    for name, caller in world.callers.items():
        if caller.boundary:
            without = world.with_caller(replace(caller, boundary=None))
            yield Mutation(f"{name} | drop boundary", without, caller.boundary, caller=name)


def _changes(document: Document, *, attached: bool) -> Iterator[tuple[str, Document | None]]:
    """What is done, and the statement after it. Left out is what changes nothing by the meaning of ARNs:

    a wildcard of actions where only one service's resources are named, and a wildcard of resources in the policy of
    a resource that has nothing below it (`attached`: the policy belongs to one resource).
    """
    yield "drop statement", None
    yield "flip effect", {**document, "Effect": "Deny" if document["Effect"] == "Allow" else "Allow"}
    for operator, block in document.get("Condition", {}).items():
        for key in block:
            rest = {name: value for name, value in block.items() if name != key}
            conditions = {**document["Condition"], operator: rest}
            yield (
                f"drop condition {operator} {key}",
                {**document, "Condition": {k: v for k, v in conditions.items() if v}},
            )
    if "Action" in document:
        actions = _listed(document["Action"])
        services = sorted({action.partition(":")[0] for action in actions})
        if document["Effect"] == "Allow":
            for service in services:
                if f"{service}:*" not in actions:
                    yield f"widen action to {service}:*", {**document, "Action": [*actions, f"{service}:*"]}
            if "*" in _listed(document.get("Resource", "*")) and not attached:
                yield "widen action to *", {**document, "Action": "*"}
        if len(actions) > 1:
            for action in actions:
                yield f"drop action {action}", {**document, "Action": [name for name in actions if name != action]}
    if "Resource" in document:
        resources = _listed(document["Resource"])
        divisible = not attached or any(name.startswith("arn:aws:s3:") for name in resources)
        if document["Effect"] == "Allow" and resources != ["*"] and divisible:
            yield "widen resource to *", {**document, "Resource": "*"}
        if len(resources) > 1:
            for resource in resources:
                rest = [name for name in resources if name != resource]
                yield f"drop resource {resource}", {**document, "Resource": rest}
    if document.get("Principal", "*") != "*" and document["Effect"] == "Allow":
        yield "widen principal to *", {**document, "Principal": "*"}


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


Touched = dict[str, dict[str, list[Assertion]]]


def touched(assertions: Sequence[Assertion], world: World) -> Touched:
    """Policy to the assertions in which it takes part, by action."""
    found: Touched = {}
    for assertion in assertions:
        if assertion.through:
            _note(found, world.endpoints[assertion.through], assertion)
            continue
        for policy in world.touched(assertion.caller, assertion.request.resource):
            _note(found, policy, assertion)
    return found


def _note(found: Touched, policy: str, assertion: Assertion) -> None:
    found.setdefault(policy, {}).setdefault(assertion.request.action, []).append(assertion)


def survivors(world: World, assertions: Sequence[Assertion]) -> tuple[int, list[str]]:
    """How many mutations there are, and the ids of those that no assertion notices."""
    by_policy, total, alive = touched(assertions, world), 0, list[str]()
    used = {name for name in by_policy if not name.startswith("bystander:")}
    for mutation in mutations(world, used):
        total += 1
        if all(
            not mutation.concerns(assertion) or assertion.holds(mutation.world)
            for action, concerned in by_policy[mutation.policy].items()
            if mutation.speaks_of(action)
            for assertion in concerned
        ):
            alive.append(mutation.id)
    return total, alive
