"""Which tests share a worker: what one of them sets up for the session is set up once, not once a worker."""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent.name
# The longest first, so that the last worker does not end alone.
GROUPS = ("local/deployed", "infra", "local/recovery", "local")


class ByGroup(LoadScopeScheduling):
    """Sends each group to one worker, and every other test wherever there is time.

    xdist's own groups (`--dist loadgroup`, 3.8.0) are lost with pytest 9.2, whose ids it cannot change.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    """As xdist asks for it."""
    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the groups."""
    items.sort(key=lambda item: GROUPS.index(group) if (group := group_of(item.nodeid)) else len(GROUPS))


def group_of(nodeid: str) -> str | None:
    """That of its folder; none for those of workloads and templates, which stand beside what they try."""
    return next((name for name in GROUPS if nodeid.startswith(f"{HERE}/{name}/")), None)
