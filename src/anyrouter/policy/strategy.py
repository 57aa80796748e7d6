"""The order of candidates: by priority, by weight, or by what was measured.

Every order is total and stable: what is equal stays in the order of priority, so two requests in the same situation get the same.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.preference import Cutoff, Strategy
from anyrouter.policy.price import price

LEAST_SAMPLES = 3


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request and its moment matters to the order.

    `now_s` is monotonic seconds, `random` a number from 0 up to 1 (weights), `parameters` as `candidate.list_parameters` gives
    them. `output_tokens` is what the answer may cost for the comparison of prices. `places`: by public model id, the upstream
    that served this conversation last.
    """

    now_s: float
    random: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 500
    parameters: frozenset[str] = frozenset()
    places: dict[str, str] = msgspec.field(default_factory=dict)


def arrange(candidates: Sequence[Candidate], strategy: Strategy, demand: Demand) -> list[Candidate]:
    """The candidates in the strategy's order. They come in the order of priority, of one model or one model after the other."""
    if strategy is Strategy.PRIORITY or len(candidates) == 1:
        return list(candidates)
    if strategy is Strategy.WEIGHTED:
        return _by_weight(candidates, demand.random)
    return sorted(candidates, key=_KEYS[strategy](demand))


def misses(candidate: Candidate, latency: Sequence[Cutoff], throughput: Sequence[Cutoff], now_s: float) -> bool:
    """Whether a candidate was measured and is slower than asked for. An unmeasured one is not: it would never be measured."""
    performance = candidate.health.window.read_performance(now_s)
    times = performance.ttft_ms or performance.latency_ms
    if times and any(times[cutoff.percentile] > cutoff.value * 1000 for cutoff in latency):
        return True
    speeds = performance.throughput
    return bool(speeds) and any(speeds[cutoff.percentile] < cutoff.value for cutoff in throughput)


def _by_weight(candidates: Sequence[Candidate], random: float) -> list[Candidate]:
    """Within each priority a draw by weight without replacement, from one number: what is left of it after a draw is as random."""
    drawn: list[Candidate] = []
    for _, group in groupby(candidates, key=lambda candidate: candidate.target.upstream.priority):
        left = list(group)
        while len(left) > 1 and any(candidate.facts.weight for candidate in left):
            index, random = _draw([candidate.facts.weight for candidate in left], random)
            drawn.append(left.pop(index))
        drawn += left
    return drawn


def _draw(weights: Sequence[int], random: float) -> tuple[int, float]:
    """The place whose part of the sum of weights the number falls into, and where in that part it falls, from 0 up to 1."""
    point = random * sum(weights)
    for index, weight in enumerate(weights):
        if point < weight:
            return index, point / weight
        point -= weight
    last = max(index for index, weight in enumerate(weights) if weight)  # rounding, just below 1
    return last, 0.0


def _by_price(demand: Demand) -> Callable[[Candidate], tuple[bool, int]]:
    usage = Usage(input_tokens=demand.input_tokens, output_tokens=demand.output_tokens)

    def key(candidate: Candidate) -> tuple[bool, int]:
        tariff = candidate.target.tariff
        return (True, 0) if tariff is None else (False, price(tariff, usage))

    return key


def _by_latency(demand: Demand) -> Callable[[Candidate], float]:
    def key(candidate: Candidate) -> float:
        performance = candidate.health.window.read_performance(demand.now_s)
        if performance.ttft_samples >= LEAST_SAMPLES:
            return performance.ttft_ms[50]
        # First come those of whom too little is known: a few requests later it is.
        return performance.latency_ms[50] if performance.requests - performance.failures >= LEAST_SAMPLES else 0.0

    return key


def _by_throughput(demand: Demand) -> Callable[[Candidate], float]:
    def key(candidate: Candidate) -> float:
        speeds = candidate.health.window.read_performance(demand.now_s).throughput
        return -speeds[50] if speeds else float("-inf")

    return key


_KEYS: dict[Strategy, Callable[[Demand], Callable[[Candidate], Any]]] = {
    Strategy.PRICE: _by_price,
    Strategy.LATENCY: _by_latency,
    Strategy.THROUGHPUT: _by_throughput,
}
