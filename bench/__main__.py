"""`python -m bench`: 0 when every first target is met, 1 when one is missed, 2 when nothing could be measured."""

import argparse
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import installation, machine, peers, profiling, report, results, targets
from bench.lineup import Bench, Plan, own_entrants
from bench.measures import MEASURES
from bench.processes import BenchError, Cores

ROOT = installation.ROOT
LATEST, PAGE = ROOT / "bench/results/latest.json", ROOT / "docs/performance.md"
FULL = Plan(runs=5, load_s=3, rate_s=6, stream_rounds=3, memory_requests=100_000)
LENGTHY = {"size", "rows", "pages"}
QUICK = Plan(runs=1, load_s=1, rate_s=2, stream_rounds=2, memory_requests=20_000)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench", description="What AnyRouter adds to a request, as ratios to nginx proxy_pass in the same run."
    )
    made.add_argument(
        "command",
        nargs="?",
        choices=("run", "profile", "docs"),
        default="run",
        help="run: measure (the default); profile: where the gateway's time goes; docs: write docs/performance.md from a stored result",
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help="one short run of each measure, in under a minute: a check that it works, no figures to publish",
    )
    made.add_argument("--runs", type=int, metavar="N", help=f"interleaved runs (default {FULL.runs}, with --quick {QUICK.runs})")
    made.add_argument(
        "--only",
        default=",".join(MEASURES),
        metavar="A,B",
        help=f"some of {','.join(MEASURES)} (default all, with --quick all but {' and '.join(sorted(LENGTHY))})",
    )
    made.add_argument(
        "--peers",
        action="store_true",
        default=os.environ.get("PEERS", "") not in {"", "0"},
        help="other gateways too, installed in a temporary place (also PEERS=1)",
    )
    made.add_argument("--size", type=int, default=300, metavar="BYTES", help="profile: the body's size (default 300)")
    made.add_argument(
        "--json",
        type=Path,
        metavar="PATH",
        help=f"where the result goes (default {LATEST.relative_to(ROOT)} with --write-docs, else nowhere)",
    )
    made.add_argument("--write-docs", action="store_true", help="write the result to docs/performance.md and its chart")
    return made


def main() -> int:
    given = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    if given.command == "docs":
        report.write_docs(results.read(given.json or LATEST), PAGE)
        return 0
    if missing := machine.missing_packages():
        print(f"The benchmark needs {' and '.join(missing)}: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    try:
        cores = Cores.choose()
        os.sched_setaffinity(0, {cores.load})
        with tempfile.TemporaryDirectory(prefix="anyrouter-bench-") as directory:
            if given.command == "profile":
                print(profiling.profile(cores, Path(directory), given.size))
                return 0
            document = measure(given, cores, Path(directory))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    publish(given, document)
    return 1 if any(verdict.is_met is False for verdict in targets.judge(document)) else 0


def measure(given: argparse.Namespace, cores: Cores, directory: Path) -> results.Document:
    plan = QUICK if given.quick else FULL
    plan = plan if given.runs is None else Plan(**{name: getattr(plan, name) for name in Plan.__slots__} | {"runs": given.runs})
    wanted = chosen(given.only, is_quick=given.quick)
    description = machine.describe_machine() | {
        "cores": str(len({cores.load, cores.measured}) if os.cpu_count() is None else os.cpu_count())
    }
    document = results.Document(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=machine.commit(ROOT),
        is_quick=given.quick,
        runs=plan.runs,
        machine=description,
        tools=machine.describe_tools(),
    )
    begun = time.monotonic()

    def log(text: str) -> None:
        print(f"[{time.monotonic() - begun:4.0f} s] {text}", file=sys.stderr, flush=True)

    bench = Bench(cores=cores, directory=directory, plan=plan, document=document, entrants=own_entrants(), log=log)
    if given.peers:
        peers.join(bench)
    for name in wanted:
        MEASURES[name](bench)
    return document


def chosen(only: str, *, is_quick: bool) -> list[str]:
    """The measures in their order; BenchError for an unknown one."""
    names = {name.strip() for name in only.split(",")}
    if unknown := names - set(MEASURES):
        raise BenchError(f"unknown measure {', '.join(sorted(unknown))}: there are {', '.join(MEASURES)}")
    if is_quick and names == set(MEASURES):
        names -= LENGTHY
    return [name for name in MEASURES if name in names]


def publish(given: argparse.Namespace, document: results.Document) -> None:
    print(report.results(document))
    target = given.json or (LATEST if given.write_docs else None)
    if target:
        results.write(target, document)
    if given.write_docs:
        report.write_docs(document, PAGE)


if __name__ == "__main__":
    sys.exit(main())
