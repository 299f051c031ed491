"""What a bill takes to sum, beside the same question asked of DuckDB, polars, pandas and the csv module.

Everybody runs in a process of their own with the same threads; those that have one get the same memory limit.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from focus_rows import large, large_billed

BY = "workload,service,day"
GROUPS = 3600  # of `large`, from 36,000 rows on
# Rivals that nothing else here needs live apart: make .venv-bench/.ready
BENCH = Path(__file__).parents[2] / ".venv-bench/bin/python"
# Each prints seconds by the clock and of the processors, imports apart, the most memory in MiB, how many groups there
# are and what was billed.
_MEASURE = """
import json, time
{imports}
began, used = time.perf_counter(), time.process_time()
{work}
took, used = time.perf_counter() - began, time.process_time() - used
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([took, used, peak / 1024, rows, str(billed)]))
"""
_SQL = """SELECT json_extract_string(Tags, '$.workload') AS workload, ServiceName, CAST({day} AS DATE) AS day,
    sum(BilledCost) AS billed, sum(EffectiveCost), sum(ListCost), count(*) FROM {source} GROUP BY ALL"""
_WORK = {
    "report": """
with Bill([Path({path!r})], limits=Limits({threads}, {memory}), rows_once={once}) as bill:
    found = bill.report({by!r}.split(","))
rows, billed = len(found.groups), found.totals[0].sums.billed
""",
    "duckdb": """
settings = {{"threads": {threads}}} | ({{"memory_limit": "{memory}MiB"}} if {memory} else {{}})
database = duckdb.connect(config=settings)
database.execute("SET enable_progress_bar = false")
found = database.execute({sql!r}).fetchall()
rows, billed = len(found), sum(row[3] for row in found)
""",
    "polars": """
found = (polars.scan_parquet({path!r})
    .group_by(polars.col("Tags").str.json_path_match("$.workload"), "ServiceName",
        polars.col("ChargePeriodStart").dt.date())
    .agg(polars.col("BilledCost", "EffectiveCost", "ListCost").sum(), polars.len())
    .collect(engine="streaming"))
rows, billed = len(found), found["BilledCost"].sum()
""",
    "pandas": """
columns = ["Tags", "ServiceName", "ChargePeriodStart", "BilledCost", "EffectiveCost", "ListCost"]
frame = pandas.read_parquet({path!r}, columns=columns)
tags = {{text: json.loads(text).get("workload") for text in frame["Tags"].unique()}}
keys = [frame["Tags"].map(tags), frame["ServiceName"], frame["ChargePeriodStart"].dt.date]
found = frame.groupby(keys)[columns[3:]].sum()
rows, billed = len(found), found["BilledCost"].sum()
""",
    "csv": """
found = defaultdict(lambda: [Decimal(0)] * 3)
with open({path!r}, newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        key = json.loads(row["Tags"]).get("workload"), row["ServiceName"], row["ChargePeriodStart"][:10]
        sums = found[key]
        for at, name in enumerate(("BilledCost", "EffectiveCost", "ListCost")):
            sums[at] += Decimal(row[name])
rows, billed = len(found), sum(sums[0] for sums in found.values())
""",
}

_IMPORTS = {
    "report": "from pathlib import Path\nfrom groundplan_runtime.integrations.bill import Bill, Limits",
    "duckdb": "import duckdb",
    "polars": "import os\nos.environ['POLARS_MAX_THREADS'] = '{threads}'\nimport polars",
    "pandas": "import pandas",
    "csv": "import csv\nfrom collections import defaultdict\nfrom decimal import Decimal",
}


@dataclass(frozen=True)
class Taken:
    """What one of them took for one file."""

    what: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def taken(who: str, path: Path, threads: int, memory: int, *, once: bool = False, runs: int = 3) -> Taken:
    """The quickest of several runs. Raises SystemExit when the answer is not the known one."""
    sql = _SQL.format(day="ChargePeriodStart", source=f"'{path}'")
    given = {"path": str(path), "threads": threads, "memory": memory or None, "once": once, "by": BY, "sql": sql}
    code = _MEASURE.format(imports=_IMPORTS[who].format(**given), work=_WORK[who].format(**given))
    python = str(BENCH) if who == "pandas" else sys.executable
    measured = [_run(python, code) for _ in range(runs)]
    count, billed = measured[0][3], Decimal(measured[0][4])
    known = _known(path)
    if count != GROUPS or abs(billed - known) > (Decimal("1e-9") if who in ("report", "csv") else 1):
        raise SystemExit(f"{who} has {count} groups and {billed}, not {known}")
    return Taken(
        who, min(one[0] for one in measured), min(one[1] for one in measured), min(one[2] for one in measured)
    )


def _run(python: str, code: str) -> list[float]:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout)


def _known(path: Path) -> Decimal:
    return Decimal(path.with_name(f"{path.name}.known").read_text())


@dataclass(frozen=True)
class Compared:
    """One measured thing and its rival's, in `unit`."""

    what: str
    rival: str
    own: float
    other: float
    unit: str
    aim: str = ""


def measured(rows: int, csv_rows: int, *, runs: int = 3) -> Iterator[Compared]:
    """A bill in Parquet by CPU time, which other work on the machine disturbs least; one in CSV by the clock."""
    yield from of_parquet(rows, runs=runs, others=("polars", "pandas"))
    size = f"{csv_rows / 10**6:g} M rows of CSV"
    with tempfile.TemporaryDirectory() as folder:
        path = _made(Path(folder, "bill.csv"), csv_rows)
        loop = taken("csv", path, 2, 0, runs=1)
        own = taken("report", path, 2, 0, once=True, runs=runs)
        rival = f"csv module, {size}"
        yield Compared(f"bill of {size}, 2 threads", rival, own.seconds, loop.seconds, "wall s", "<= 0.125")
        yield Compared(f"bill of {size}, 2 threads, processors", rival, own.cpu_seconds, loop.cpu_seconds, "CPU s")


def of_parquet(rows: int, *, runs: int = 3, others: Sequence[str] = ()) -> Iterator[Compared]:
    """A bill of so many rows, each counted once and as they stand; with `others` beside them."""
    size = f"{rows / 10**6:g} M rows"
    with tempfile.TemporaryDirectory() as folder:
        path = _made(Path(folder, "bill.parquet"), rows)
        for threads, memory in ((2, 0), (1, 256)):
            limits = f"{threads} threads" if threads > 1 else f"1 thread, {memory} MiB"
            bare = taken("duckdb", path, threads, memory, runs=runs)
            own = taken("report", path, threads, memory, once=True, runs=runs)
            every = taken("report", path, threads, memory, runs=runs)
            name, rival = f"bill of {size}, {limits}", f"bare DuckDB, {size}, {limits}"
            yield Compared(name, rival, own.cpu_seconds, bare.cpu_seconds, "CPU s", "<= 1.15")
            yield Compared(f"{name}, --every-row", rival, every.cpu_seconds, bare.cpu_seconds, "CPU s", "<= 1.15")
            yield Compared(f"{name}, by the clock", rival, own.seconds, bare.seconds, "wall s")
            if memory:
                aim = "<= 150 MiB" if rows <= 10**7 else ""
                yield Compared(f"{name}, peak memory", rival, own.peak_mib, bare.peak_mib, "MiB", aim)
            else:
                for who in others:
                    other = taken(who, path, threads, memory, runs=1)
                    yield Compared(f"{who}, {size}", rival, other.cpu_seconds, bare.cpu_seconds, "CPU s")


def _made(path: Path, rows: int) -> Path:
    large(path, rows)
    path.with_name(f"{path.name}.known").write_text(str(large_billed(rows)))
    return path
