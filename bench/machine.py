"""What a document says about where it was measured, and whether the tools are there."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = {"nginx": "nginx", "wrk": "wrk", "taskset": "util-linux"}


def missing_packages() -> list[str]:
    """The packages (Debian's names) of tools that are not installed."""
    return [package for tool, package in PACKAGES.items() if not shutil.which(tool)]


def describe_machine() -> dict[str, str]:
    """The processor, the cores that may be used, the kernel."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        "unknown",
    )
    return {
        "CPU": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "Linux": platform.release().partition("-")[0],
        "Python": platform.python_version(),
    }


def describe_tools() -> dict[str, str]:
    """Versions of nginx and wrk."""
    nginx = output("nginx", "-v").rpartition("/")[2].split()
    wrk = output("wrk", "-v").split()
    return {"nginx": nginx[0] if nginx else "unknown", "wrk": wrk[1].removeprefix("debian/") if len(wrk) > 1 else "unknown"}


def commit(root: Path) -> str:
    """The checkout's commit, marked when tracked files differ from it; empty outside of a checkout."""
    if not shutil.which("git"):
        return ""
    return output("git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*")


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout + done.stderr).strip().partition("\n")[0]
