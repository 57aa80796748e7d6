"""Which Python an environment is made of: `python3`, unless another one on this machine is clearly faster.

The gateway is as fast as its interpreter, and that is a matter of how it was built: one that was optimised by a profile, as
distributions do it, serves a request with a tenth less CPU than a plain `./configure && make` of the same version. `make` asks before
it makes an environment, and never again. The command is printed on standard output, the reason in a line on standard error.

Arguments: commands to choose from, the preferred one first. Needs no package, and runs with any Python from 3.6 on, because it is
`python3` that runs it, whatever that is.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

COMMANDS = ("python3", "python3.13", "python3.12", "python3.11", "/usr/bin/python3")
OLDEST = (3, 11)
NEEDED = ("venv", "ensurepip", "ssl", "sqlite3")  # Debian's python3 lacks the second without the package python3-venv
CLEARLY = 1.15  # so many times as fast: less may be chance, and is no reason to leave what `python3` says
_RUNS, _ROUNDS = 5, 20_000  # the best of five times about 20 ms
_PATIENCE_S = 20


class Candidate(NamedTuple):
    """A command and what it said. `fault` is why no environment can be made of it, else empty; `seconds` is then its best time."""

    command: str
    version: str
    path: str
    fault: str
    seconds: float


class _Head:
    __slots__ = ("headers", "length", "path")

    def __init__(self, path: bytes, headers: dict, length: int) -> None:
        self.path, self.headers, self.length = path, headers, length


def work(rounds: int) -> int:
    """What serving a request is made of: small objects and their attributes, dictionaries, slices and joins of bytes, calls."""
    text, kept, total = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", {}, 0
    for number in range(rounds):
        end = text.find(b"\r\n")
        head = _Head(text[5 : end - 9], {b"host": b"localhost"}, number)
        host = head.headers.get(b"host")
        if host is not None and head.length >= 0:
            kept[head.path, number & 63] = head
        total += len(b"".join((text[:end], head.path, host, b"%d" % head.length)))
        total += kept[head.path, number & 63].length & 1
    return total


def describe() -> dict:
    """What this interpreter is, and how long it takes."""
    fault, seconds = "", 0.0
    if sys.version_info < OLDEST or sys.implementation.name != "cpython":
        fault = "is too old" if sys.version_info < OLDEST else f"is not CPython but {sys.implementation.name}"
    else:
        for name in NEEDED:
            try:
                importlib.import_module(name)
            except ImportError:
                fault = f"has no {name}"
                break
        else:
            seconds = min(_measure() for _ in range(_RUNS))
    return {
        "version": "{}.{}.{}".format(*sys.version_info[:3]),
        "path": os.path.realpath(sys.executable),
        "fault": fault,
        "seconds": seconds,
    }


def _measure() -> float:
    started = time.process_time()  # what others do on the machine does not count
    work(_ROUNDS)
    return time.process_time() - started


def ask(command: str) -> "Candidate | None":
    """What a command says of itself; None when there is no such command, or it is no Python 3.6."""
    try:
        said = subprocess.check_output([command, "-I", __file__, "--describe"], stderr=subprocess.DEVNULL, timeout=_PATIENCE_S)
        return Candidate(command=command, **json.loads(said.decode()))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def find(commands: "tuple[str, ...]") -> "list[Candidate]":
    """What there is, in the order of the commands; the same interpreter once, asked twice where there is a choice."""
    found, paths = [], set()
    for candidate in map(ask, commands):
        if candidate is not None and candidate.path not in paths:
            paths.add(candidate.path)
            found.append(candidate)
    return found if len(found) < 2 else [_ask_again(candidate) for candidate in found]  # noqa: PLR2004 -- one is no choice


def _ask_again(candidate: Candidate) -> Candidate:
    again = None if candidate.fault else ask(candidate.command)
    return candidate if again is None else candidate._replace(seconds=min(candidate.seconds, again.seconds))


def choose(found: "list[Candidate]") -> "tuple[Candidate, str] | None":
    """The one to take, and why; None when none will do."""
    fit = [candidate for candidate in found if not candidate.fault]
    if not fit:
        return None
    usual, fastest = fit[0], min(fit, key=lambda candidate: candidate.seconds)
    if fastest.seconds * CLEARLY <= usual.seconds:
        percent = round((usual.seconds / fastest.seconds - 1) * 100)
        return fastest, f"{percent} % faster here than {usual.command} ({usual.version})"
    if usual is not found[0]:
        return usual, f"{found[0].command} ({found[0].version}) {found[0].fault}"
    return usual, "no other one here is clearly faster" if len(fit) > 1 else "there is no other one here to choose from"


def main(commands: "tuple[str, ...]") -> int:
    """Print the command and the reason; the exit code is 1 when none will do."""
    found = find(commands)
    chosen = choose(found)
    if chosen is None:
        seen = "".join(f" {one.command} ({one.version}) {one.fault}." for one in found)
        needed = ".".join(map(str, OLDEST))
        print(f"AnyRouter needs CPython {needed} or newer with pip and venv.{seen} Set PYTHON=...", file=sys.stderr)
        return 1
    candidate, reason = chosen
    print(f"Taking {candidate.command} (Python {candidate.version}): {reason}. PYTHON=... overrules it.", file=sys.stderr)
    print(candidate.command)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--describe"]:
        print(json.dumps(describe()))
    else:
        sys.exit(main(tuple(sys.argv[1:]) or COMMANDS))
