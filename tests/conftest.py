"""Which tests share a worker: what one of them sets up for the session is set up once, not once a worker."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The longest first, so that the last worker does not end alone.
GROUPS = ("local/deployed", "infra", "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the groups and mark each of their tests; unit tests go wherever there is time."""
    ranks: dict[pytest.Item, int] = {}
    for item in items:
        own = item.path.is_relative_to(HERE)  # those of workloads and templates stand beside what they try
        folder = item.path.parent.relative_to(HERE).as_posix() if own else ""
        group = next((name for name in GROUPS if folder == name or folder.startswith(f"{name}/")), None)
        ranks[item] = GROUPS.index(group) if group else len(GROUPS)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=ranks.__getitem__)
