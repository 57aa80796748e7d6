"""A process that stands back: what it does may wait, another process on the same processor may not."""

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from pathlib import Path

NICENESS = 19
SLICE_NS = 100_000_000  # the most there is
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # the numbers of the system call, which Python does not have
_ATTRIBUTES = struct.Struct("<IIQiIQQQ")  # size, policy, flags, niceness, priority, slice, deadline, period


def stand_back() -> None:
    """Give all threads of this process, and those that they start, the lowest priority: a seventieth of what others want, too.

    Since Linux 6.12 they have the longest slice besides: whoever has a shorter one, as every process has by itself, is put on at once
    when it has something to do, and not only when the slice in which it came is over, some milliseconds later (sched(7), EEVDF).
    """
    if sys.platform != "linux":
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        return
    for thread in Path("/proc/self/task").iterdir():  # priorities are the threads' own
        with suppress(ProcessLookupError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NICENESS)
        _lengthen_slice(int(thread.name))


def _lengthen_slice(thread_id: int) -> None:
    """Where the system has no such thing, nothing."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is not None:
        attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, 0, NICENESS, 0, SLICE_NS, 0, 0)
        ctypes.CDLL(None).syscall(number, thread_id, attributes, 0)
