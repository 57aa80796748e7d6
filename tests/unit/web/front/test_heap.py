import subprocess
import sys

import pytest

_SCRIPT = """
import resource, sys
from anyrouter.web.front.heap import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("not supported")
for _ in range(3):
    [bytes(200_000) + b"x" for _ in range(8)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    [bytes(200_000) + b"x" for _ in range(8)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    ended = subprocess.run([sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=False)
    if ended.stderr.strip() == "not supported":
        pytest.skip("this C library has no mallopt")
    return int(ended.stdout)


def test_large_bodies_cost_no_page_faults_once_memory_is_kept() -> None:
    assert _faults("kept") * 10 < _faults("given back")
