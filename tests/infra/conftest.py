"""Every environment, synthesised once a session."""

from collections.abc import Mapping

import pytest
from assembly import Assembly, served_in_prod, synthesise

from proofs.environment import read
from proofs.report import Report

ENVIRONMENTS = ("local", "dev", "prod")


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Assembly]:
    """Environment to its assembly."""
    folder = tmp_path_factory.mktemp("assemblies")
    return {name: synthesise(name, folder / name) for name in ENVIRONMENTS}


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """Production in which the examples are served, and a workload for each mode that none of them has."""
    return served_in_prod(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def report(assemblies: Mapping[str, Assembly]) -> Report:
    """The proofs of prod's policies."""
    prod = assemblies["prod"]
    return Report(read(prod.names, prod.folder))


@pytest.fixture(params=ENVIRONMENTS)
def assembly(request: pytest.FixtureRequest, assemblies: Mapping[str, Assembly]) -> Assembly:
    """Each environment in turn."""
    return assemblies[request.param]
