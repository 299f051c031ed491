"""`catalogue.toml`: each approved model, where it answers, which data it may see, until when, and whose it is."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from groundplan.catalogue.geography import GLOBAL, keeps_to, places
from groundplan.refusal import Disallowed, Finding
from groundplan.text import Region, TagValue, WorkloadName, matching
from groundplan.toml_file import Values, read_toml
from groundplan.workload.data import Classification

FILE = "catalogue.toml"
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_FoundationModelSummary.html, modelId
ModelId = Annotated[
    str,
    matching(r"[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}([.:][a-z0-9-]{1,63}){0,3}", "allowed: the id of a Bedrock model"),
]
Regions = tuple[Region, ...]


class Model(Values):
    """One approved model."""

    model_id: ModelId
    provider: str
    regions: Annotated[
        Regions, Field(strict=False, description="where it is invoked by its own id; none: by profile only")
    ] = ()
    profiles: dict[str, Annotated[tuple[Region | Literal["global"], ...], Field(strict=False, min_length=1)]] = Field(
        default={}, description="ids of inference profiles, and the regions to which each may route"
    )
    data_classes: Annotated[tuple[Classification, ...], Field(strict=False, min_length=1)]
    price_key: str
    end_of_life: date
    owner: TagValue
    fallback: WorkloadName | None = None

    def contradictions(self) -> Iterator[tuple[str, object, str]]:
        """Field, value and what would be right, for each that does not agree with another."""
        if self.provider != (named := self.model_id.partition(".")[0]):
            yield "provider", self.provider, f'allowed: "{named}", as its model_id says'
        for profile, regions in self.profiles.items():
            if not places(profile) or profile.partition(".")[2] != self.model_id:
                yield "profiles", profile, f"allowed: a geography and the model, such as us.{self.model_id}"
            elif (GLOBAL in regions) != (places(profile) == GLOBAL) or (GLOBAL in regions and len(regions) > 1):
                allowed = 'allowed: ["global"] for a global profile, for others the regions that it routes to'
                yield f"profiles.{profile}", list(regions), allowed
        if not (self.regions or self.profiles):
            yield "regions", "nothing", "regions or profiles: one of them says where it answers"
        for name, values in (("regions", self.regions), ("data_classes", self.data_classes)):
            if len(set(values)) < len(values):
                yield name, list(values), "allowed: each value once"

    def targets(self, region: str) -> tuple[str, ...]:
        """The ids by which it can be invoked from a region: its own, then its profiles."""
        own = (self.model_id,) if region in self.regions else ()
        through = (name for name, regions in self.profiles.items() if region in regions or GLOBAL in regions)
        return (*own, *through)

    def ended(self, on: date) -> bool:
        """Whether it may no longer be used on a day."""
        return self.end_of_life <= on


class Catalogue(Values):
    """The approved models by key. Read once; a model that is not here is not approved."""

    models: Annotated[dict[WorkloadName, Model], Field(min_length=1, max_length=200)]

    @classmethod
    def read(cls, path: Path) -> "Catalogue":
        """The catalogue in a file; raises BadInput with a finding for each thing wrong."""
        return read_toml(path.parent, Path(path.name), cls)

    @model_validator(mode="after")
    def _models_agree_with_themselves_and_differ(self) -> "Catalogue":
        seen: dict[str, str] = {}
        for key, model in self.models.items():
            for field, value, allowed in model.contradictions():
                raise Disallowed(value, allowed, field=f"models.{key}.{field}")
            if (other := seen.setdefault(model.model_id, key)) != key:
                raise Disallowed(
                    model.model_id,
                    f"models.{other} has it; allowed: each model once",
                    field=f"models.{key}.model_id",
                )
        return self

    @model_validator(mode="after")
    def _fallbacks_end(self) -> "Catalogue":
        for key, model in self.models.items():
            field, seen = f"models.{key}.fallback", [key]
            while fallback := self.models[seen[-1]].fallback:
                if fallback not in self.models:
                    others = ", ".join(sorted(set(self.models) - {key})) or "none, there is no other model"
                    raise Disallowed(fallback, f"allowed: the key of another model: {others}", field=field)
                if fallback in seen:
                    circle = " -> ".join([*seen, fallback])
                    raise Disallowed(
                        fallback, f"allowed: a smaller model; these go in a circle: {circle}", field=field
                    )
                seen.append(fallback)
            if model.fallback:
                unseen = [c for c in model.data_classes if c not in self.models[model.fallback].data_classes]
                if unseen:
                    allowed = f"allowed: a model that may see {', '.join(unseen)} as this one may"
                    raise Disallowed(model.fallback, allowed, field=field)
        return self

    def find(self, target: str) -> tuple[str, Model] | None:
        """Key and model of a model id or a profile's id; None for one that is not approved."""
        for key, model in self.models.items():
            if target == model.model_id or target in model.profiles:
                return key, model
        return None

    def fallbacks(self, target: str, region: str) -> list[str]:
        """`target`, then what answers in its stead from a region; nothing where it is not approved."""
        known = self.find(target)
        found = [target] if known else []
        while known and (key := known[1].fallback):
            known = key, self.models[key]
            found += known[1].targets(region)[:1]
        return found

    def price_key(self, target: str) -> str:
        """Under which id prices have what `target` costs; raises KeyError for one that is not approved."""
        found = self.find(target)
        if found is None:
            raise KeyError(target)
        return found[1].price_key if target == found[1].model_id else target

    def unapproved(self, target: str, *, region: str, on: date | None) -> str:
        """Why `target` must not be invoked from a region on a day (None: it is not known); nothing where it may."""
        found = self.find(target)
        if found is None:
            return f"{target} is not in {FILE}"
        _, model = found
        if on and model.ended(on):
            return f"{target} ended on {model.end_of_life}, says {FILE}"
        if target not in model.targets(region):
            return f"{FILE} does not let {target} be invoked from {region}"
        return ""

    def unseen(self, target: str, classification: Classification) -> str:
        """Why `target` must not see data of a class; nothing where it may, or where it is not approved at all."""
        found = self.find(target)
        if found and classification not in (classes := found[1].data_classes):
            return f"{FILE} lets {target} see {', '.join(classes)} data only, not {classification}"
        return keeps_to(target, classification)

    def ended(self, on: date) -> list[Finding]:
        """A finding for each model whose end of life is that day or earlier."""
        return [
            Finding(
                FILE,
                f"models.{key}.end_of_life",
                model.end_of_life.isoformat(),
                f"allowed: a day after {on}; take the model out, put its successor in, "
                f"or have {model.owner} set a later day that AWS has announced",
            )
            for key, model in self.models.items()
            if model.ended(on)
        ]


def read_catalogue(root: Path) -> Catalogue | None:
    """The catalogue of the repository at `root`; None where there is none, and every model counts as approved."""
    return Catalogue.read(root / FILE) if (root / FILE).exists() else None
