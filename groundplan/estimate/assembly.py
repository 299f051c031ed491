"""Reads a cloud assembly (the folder that `cdk synth` writes) as plain dictionaries, nested stacks and stages too.

The shape of the manifest: https://github.com/cdklabs/cloud-assembly-schema.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from groundplan.estimate.template import Json, Stack, mapping, sequence
from groundplan.refusal import Finding, bad

DEFAULT_REGION = "us-east-1"
DEEPEST_NESTING = 16  # stacks in stacks
DEEPEST_VALUE = 100  # values in values


def read_stacks(folder: Path, *, region: str = DEFAULT_REGION) -> tuple[list[Stack], list[Finding]]:
    """Every stack below `folder`, in the manifest's order, and a finding for each template that cannot be read.

    `region` is where stacks are that name none. Raises BadInput when the folder holds no assembly.
    """
    findings: list[Finding] = []
    stacks = list(_stacks(folder, region, findings, depth=0))
    return stacks, findings


def _stacks(folder: Path, region: str, findings: list[Finding], depth: int) -> Iterator[Stack]:
    artifacts = _manifest(folder)
    for name, artifact in artifacts.items():
        properties = mapping(mapping(artifact).get("properties"))
        kind = mapping(artifact).get("type")
        if kind == "cdk:cloud-assembly" and depth < DEEPEST_NESTING:
            yield from _stacks(folder / str(properties.get("directoryName")), region, findings, depth + 1)
        if kind != "aws:cloudformation:stack":
            continue
        template = _template(folder / str(properties.get("templateFile")), findings)
        if template is None:
            continue
        account, where = _target(str(mapping(artifact).get("environment", "")), region)
        stack = Stack(
            name=str(mapping(artifact).get("displayName", name)),
            account=account,
            region=where,
            template=template,
            parameters=mapping(properties.get("parameters")),
            tags=mapping(properties.get("tags")),
        )
        yield stack
        yield from _nested(folder, stack, findings, depth)


def _nested(folder: Path, stack: Stack, findings: list[Finding], depth: int) -> Iterator[Stack]:
    """The nested stacks of a stack, each with the parameters it is given."""
    for name, resource in stack.resources.items():
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            continue
        asset = mapping(resource.get("Metadata")).get("aws:asset:path")
        if not isinstance(asset, str) or depth >= DEEPEST_NESTING:
            findings.append(
                Finding(f"{stack.name}/{name}", "", "a nested stack without a template in the assembly", _NESTED)
            )
            continue
        template = _template(folder / asset, findings)
        if template is None:
            continue
        given = mapping(stack.resolve(mapping(resource.get("Properties")).get("Parameters", {})))
        inner = Stack(f"{stack.name}/{name}", stack.account, stack.region, template, given, stack.tags)
        yield inner
        yield from _nested(folder, inner, findings, depth + 1)


_NESTED = "it is left out of the estimate; CDK's NestedStack writes its template into the assembly"


def _manifest(folder: Path) -> Json:
    path = folder / "manifest.json"
    try:
        document: object = json.loads(path.read_bytes())
    except OSError:
        allowed = "allowed: a folder that cdk synth wrote, with a manifest.json (cdk synth --output FOLDER)"
        raise bad("", "assembly", str(folder), allowed) from None
    except (ValueError, RecursionError) as error:
        raise bad(str(path), "", str(error), "it must be JSON; synthesise again") from None
    artifacts = mapping(document).get("artifacts")
    if artifacts != mapping(artifacts) or "version" not in mapping(document):
        raise bad(
            str(path), "artifacts", artifacts, "allowed: the manifest of a cloud assembly, as cdk synth writes it"
        )
    return mapping(artifacts)


def _template(path: Path, findings: list[Finding]) -> Json | None:
    left_out = "it is left out of the estimate; synthesise again"
    try:
        document: object = json.loads(path.read_bytes())
    except OSError as error:
        findings.append(Finding(path.name, "", error.strerror or "an unreadable file", left_out))
        return None
    except (ValueError, RecursionError) as error:
        findings.append(Finding(path.name, "", str(error), f"it must be JSON; {left_out}"))
        return None
    template = mapping(document)
    if not isinstance(template.get("Resources"), dict):
        findings.append(
            Finding(path.name, "Resources", template.get("Resources"), f"it must be an object; {left_out}")
        )
        return None
    return template


def _target(environment: str, region: str) -> tuple[str, str]:
    """Account and region of `aws://account/region`; what a stack leaves open is `unknown-account` and `region`."""
    account, _, where = environment.removeprefix("aws://").partition("/")
    return account or "unknown-account", where if where and where != "unknown-region" else region


def _depth_exceeds(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper; level by level, so that no depth is too much for the test itself."""
    level: list[object] = [value]
    while level and levels >= 0:
        level = [inner for one in level for inner in (*mapping(one).values(), *sequence(one))]
        levels -= 1
    return bool(level)
