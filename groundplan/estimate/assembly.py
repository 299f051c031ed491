"""Reads a cloud assembly (the folder that `cdk synth` writes) as plain dictionaries, nested stacks and stages too.

The shape of the manifest: https://github.com/cdklabs/cloud-assembly-schema.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from groundplan.estimate.template import Stack
from groundplan.json_value import Json, mapping, sequence
from groundplan.refusal import BadInput, Finding, bad

DEFAULT_REGION = "us-east-1"
DEEPEST_NESTING = 16  # stacks in stacks
DEEPEST_VALUE = 100  # values in values


def read_stacks(folder: Path, *, region: str = DEFAULT_REGION) -> tuple[list[Stack], list[Finding]]:
    """Every stack below `folder`, in the manifest's order, and a finding for each template that cannot be read.

    `region` is where stacks are that name none. A stack whose template cannot be read is there, without resources.
    Raises BadInput when the folder holds no assembly.
    """
    findings: list[Finding] = []
    stacks = list(_stacks(folder, region, findings, depth=0))
    return stacks, findings


def _stacks(folder: Path, region: str, findings: list[Finding], depth: int) -> Iterator[Stack]:
    for name, found in _manifest(folder).items():
        artifact = mapping(found)
        properties = mapping(artifact.get("properties"))
        if artifact.get("type") == "cdk:cloud-assembly" and depth < DEEPEST_NESTING:
            stage = folder / str(properties.get("directoryName"))
            try:
                yield from _stacks(stage, region, findings, depth + 1)
            except BadInput as error:
                findings += error.findings
                yield Stack(name, "unknown-account", region, {}, stage / "manifest.json")
        if artifact.get("type") == "aws:cloudformation:stack":
            account, where = _target(str(artifact.get("environment", "")), region)
            file = folder / str(properties.get("templateFile"))
            stack = Stack(
                name=str(artifact.get("displayName", name)),
                account=account,
                region=where,
                template=_template(file, findings),
                file=file,
                parameters=mapping(properties.get("parameters")),
                tags=mapping(properties.get("tags")),
                assets=_assets(file),
            )
            yield stack
            yield from _nested(stack, findings, depth)


def _nested(outer: Stack, findings: list[Finding], depth: int) -> Iterator[Stack]:
    """The nested stacks of a stack, each with the parameters it is given."""
    for name, resource in outer.resources.items():
        file = outer.nested_template(resource)
        if file and depth < DEEPEST_NESTING:
            given = mapping(outer.resolve(mapping(mapping(resource.get("Properties")).get("Parameters"))))
            template = _template(file, findings)
            inner = replace(outer, name=f"{outer.name}/{name}", template=template, file=file, parameters=given)
            yield inner
            yield from _nested(inner, findings, depth + 1)


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


def _template(path: Path, findings: list[Finding]) -> Json:
    given: object
    try:
        document: object = json.loads(path.read_bytes())
        resources = mapping(document).get("Resources")
        if _deeper_than(document, DEEPEST_VALUE):
            given, allowed = "deeply nested values", f"allowed: at most {DEEPEST_VALUE} levels"
        elif resources != mapping(resources):
            given, allowed = resources, "its Resources must be an object"
        else:
            return mapping(document)
    except OSError as error:
        given, allowed = error.strerror or "an unreadable file", "it must be there"
    except (ValueError, RecursionError) as error:
        given, allowed = str(error), "it must be JSON"
    findings.append(
        Finding(path.name, "", given, f"{allowed}; what it holds is not in the estimate: synthesise again")
    )
    return {}


def _assets(template: Path) -> dict[str, str]:
    """Digest to file of the assets of a stack, which are told in a manifest beside its template."""
    try:
        document: object = json.loads(
            template.with_name(template.name.replace(".template.", ".assets.")).read_bytes()
        )
    except (OSError, ValueError, RecursionError):
        return {}
    files = mapping(mapping(document).get("files"))
    return {digest: str(mapping(mapping(one).get("source")).get("path")) for digest, one in files.items()}


def _target(environment: str, region: str) -> tuple[str, str]:
    """Account and region of `aws://account/region`; what a stack leaves open is `unknown-account` and `region`."""
    account, _, where = environment.removeprefix("aws://").partition("/")
    return account or "unknown-account", where if where and where != "unknown-region" else region


def _deeper_than(value: object, levels: int) -> bool:
    """Whether a JSON value is nested deeper; level by level, so that no depth is too much for the test itself."""
    level: list[object] = [value]
    while level and levels >= 0:
        level = [inner for one in level for inner in (*mapping(one).values(), *sequence(one))]
        levels -= 1
    return bool(level)
