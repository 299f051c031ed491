"""Compares SageMaker's lists with the lineage table: EventBridge delivers SageMaker's events at best effort."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from groundplan.lineage.records import iso
from groundplan_runtime.integrations.lineage_recorder import LineageRecorder
from groundplan_runtime.integrations.sagemaker import Listed

OVERLAP = timedelta(hours=1)
logger = Logger()


class SweepIncomplete(Exception):  # noqa: N818 - it names what happened
    """Some items could not be recorded; the others were. The message names them all."""


class LineageSweep:
    """Records through `recorder`, the same way as an event does."""

    def __init__(self, recorder: LineageRecorder) -> None:
        self._recorder = recorder

    def run(self, now: datetime) -> dict[str, int]:
        """How many were `checked` and how many `recorded`.

        Looks at what was modified since an hour before the last complete sweep, or at everything when there was
        none. Raises SweepIncomplete at the end when an item failed; then the next sweep starts from the same point.
        """
        watermark = self._recorder.table.watermark()
        since = datetime.fromisoformat(watermark) - OVERLAP if watermark else None
        checked, recorded, failed = 0, 0, list[str]()
        for what, listing in self._listings(since):
            try:
                for item in listing():
                    checked += 1
                    recorded += self._check(item, since, failed)
            except Exception:
                logger.exception("this list ended early", list=what)
                failed.append(f"the list of {what}")
        if failed:
            raise SweepIncomplete(
                f"{len(failed)} not recorded: {', '.join(failed)}; {recorded} of {checked} checked were recorded; "
                f"the next sweep starts again from {watermark or 'the beginning'}"
            )
        self._recorder.table.set_watermark(iso(now))
        return {"checked": checked, "recorded": recorded}

    def _listings(self, since: datetime | None) -> Iterator[tuple[str, Callable[[], Iterator[Listed]]]]:
        # Runs first: packages and endpoints then find their ancestors.
        sagemaker = self._recorder.sagemaker
        yield "training jobs", lambda: sagemaker.training_jobs(since)
        yield "model packages", sagemaker.model_packages
        yield "endpoints", lambda: sagemaker.endpoints(since)

    def _check(self, item: Listed, since: datetime | None, failed: list[str]) -> int:
        try:
            if self._stands(item, since) or not self._recorder.record(item.kind, item.name):
                return 0
        except Exception:
            # One item must not stop the others; all that failed are named together at the end.
            logger.exception("not recorded", kind=item.kind, item=item.name)
            failed.append(f"{item.kind} {item.name}")
            return 0
        logger.warning("recovered by sweep", kind=item.kind, item=item.name)
        return 1

    def _stands(self, item: Listed, since: datetime | None) -> bool:
        """Whether the table holds what the list says, and for recent items all of their ancestors."""
        table = self._recorder.table
        state = table.get(f"{item.kind}/{item.name}")
        if state is None or state.status != item.status or state.last_modified < (item.changed or ""):
            return False
        record: Any = state.record
        if item.kind == "run" and not record.get("bases"):
            return True
        if item.kind == "package" and record["approval"] != item.approval:
            return False
        recent = since is None or max(item.created, item.changed or "") >= iso(since)
        return not recent or self._complete(state.node)

    def _complete(self, node: str) -> bool:
        # The reversed index trails the table, so two records written within a second may not have met.
        table = self._recorder.table
        known = table.ancestors(node)
        targets = {relation.target for relation in known}
        direct = [relation.target for relation in known if relation.depth == 1]
        return all(above.target in targets for target in direct for above in table.ancestors(target))
