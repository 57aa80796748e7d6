"""wrk (HTTP load at saturation): the script that it is given and the report that it prints."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchError, Launch

CONNECTIONS = 32
MARK = "BENCH "
SCRIPT = """
wrk.method = "POST"
local file = io.open(%(body)s, "rb")
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
%(headers)s
function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('%(mark)s{"requests":%%d,"duration_us":%%d,"failed":%%d,"p50_us":%%d,"p99_us":%%d}\\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What wrk counted: whole replies, the time that it took, and what was not a reply of 2xx."""

    requests: int
    duration_us: int
    failed: int
    p50_us: int
    p99_us: int

    @property
    def requests_per_s(self) -> float:
        return self.requests * 1e6 / self.duration_us


def run(launch: Launch, body: bytes, *, seconds: int, core: int, directory: Path) -> Report:
    """Load a program with `CONNECTIONS` connections; BenchError unless every single reply was good."""
    payload, script = directory / "wrk.body", directory / "wrk.lua"
    payload.write_bytes(body)
    headers = "\n".join(f"wrk.headers[{quote(name)}] = {quote(value)}" for name, value in launch.headers.items())
    script.touch(mode=0o600)
    script.write_text(SCRIPT % {"body": quote(str(payload)), "headers": headers, "mark": MARK})
    command = (
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "--latency",
        "-s",
        str(script),
    )
    address = f"http://127.0.0.1:{launch.port}{launch.path}"
    done = subprocess.run((*command, address), capture_output=True, text=True, check=False, timeout=seconds + 60, env=dict(os.environ))
    if done.returncode != 0:
        raise BenchError(f"wrk ended with {done.returncode}: {done.stderr.strip()}")
    report = parse(done.stdout)
    if report.failed:
        raise BenchError(f"{launch.name}: {report.failed} of {report.requests} requests failed")
    if not report.requests:
        raise BenchError(f"{launch.name}: no reply within {seconds} s")
    return report


def parse(output: str) -> Report:
    """The report in wrk's output; BenchError when there is none."""
    for line in output.splitlines():
        if line.startswith(MARK):
            return Report(**json.loads(line.removeprefix(MARK)))
    raise BenchError(f"wrk printed no report: {output.strip()[-300:]!r}")


def quote(text: str) -> str:
    """A Lua string literal."""
    return '"' + "".join(f"\\{ord(sign):03d}" if sign in '"\\' or not sign.isprintable() else sign for sign in text) + '"'
