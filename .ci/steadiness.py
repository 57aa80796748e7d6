"""`make test`; of what failed in it a few tests are run once more by themselves.

A test that fails beside thousands of others and passes alone is unsteady: a bug, of the test or of the program, that is to be
mended. It is named loudly, but what somebody else wants to land is not held up by it. Everything else fails: more than a few, one
that fails again, what could not be collected, a worker that crashed.

This file is also the plugin that writes down for it what happened.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FEW = 5
ROOT = Path(__file__).resolve().parent.parent
OUTCOME = ROOT / ".cache" / "outcome.json"


class Outcome:
    """What the tests' processes tell the one that started them."""

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._called: set[str] = set()
        self._trouble: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A phase of a test: its fixtures fail, too."""
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self._called.add(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        """A module."""
        if report.failed:
            self._trouble.append(f"{report.nodeid} cannot be collected")

    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker that died."""
        self._trouble.append(f"a worker crashed in {crashitem}")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """The end."""
        OUTCOME.parent.mkdir(exist_ok=True)
        passed = sorted(self._called - self._failed)
        said = {"exit": int(exitstatus), "failed": sorted(self._failed), "passed": passed, "trouble": self._trouble}
        OUTCOME.write_text(json.dumps(said), encoding="utf-8")


def pytest_configure(config: Any) -> None:
    """Nothing in the workers, which have a `workerinput`."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcome(), "outcome")


def run(*command: str) -> tuple[int, dict[str, Any]]:
    """A command that starts pytest with this plugin: its exit status, and what happened; that is empty when nobody wrote it down."""
    OUTCOME.unlink(missing_ok=True)
    found = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": found}, check=False)
    return ended.returncode, json.loads(OUTCOME.read_text(encoding="utf-8")) if OUTCOME.exists() else {}


def main() -> int:
    """The exit status."""
    status, said = run("make", "test", "ARGS=-p steadiness")
    if status == 0:
        return 0
    failed = said.get("failed", [])
    if said.get("exit") != 1 or said["trouble"] or not 0 < len(failed) <= FEW:
        print(*said.get("trouble", []), "The suite failed.", sep="\n", flush=True)
        return status
    print(f"\n{len(failed)} failed; once more, by themselves:", *failed, sep="\n  ", flush=True)
    status, again = run(sys.executable, "-m", "pytest", "-n", "0", "-p", "steadiness", *failed)
    if status != 0 or again.get("passed") != failed:
        print("The suite failed: what failed does so by itself, too.", flush=True)
        return status or 1
    print("\n" + "!" * 100, "UNSTEADY, passed only when run alone; each is a bug to mend:", *failed, "!" * 100, sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
