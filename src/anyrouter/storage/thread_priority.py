"""Threads that stand back: what they do may wait, the loop that forwards requests may not."""

import os
import sys
import threading

NICENESS = 5


def lower_priority() -> None:
    """Give this thread a third of the others' claim to the processor, where a thread can have a claim of its own (Linux).

    The loop is then put on at once when it has something to do, also where both have one core. Not less than a third: a thread that
    holds the interpreter must come to its end on a busy machine, too.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
