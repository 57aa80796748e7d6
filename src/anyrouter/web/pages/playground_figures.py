"""What a chat of the playground took, in words: of the ledger's entry, so that it is what is billed. Pure."""

from collections.abc import Sequence

from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.usage import UsageSource
from anyrouter.providers.registry import PROVIDERS
from anyrouter.web.pages.words import cost, duration_ms, number

Figure = tuple[str, str]  # a label and its value


def list_figures(entry: LedgerEntry) -> Sequence[Figure]:
    """Cost, tokens, times, and who answered."""
    known = PROVIDERS.get(entry.provider)
    figures = [
        ("Cost", _tell_cost(entry)),
        ("Tokens", _tell_tokens(entry)),
        ("First token", duration_ms(entry.ttft_ms)),
        ("Total", duration_ms(entry.latency_ms)),
        ("Answered by", f"{known.name if known is not None else entry.provider} ({entry.upstream})"),
    ]
    if entry.ttft_ms is None or not entry.is_streamed:
        figures.pop(2)
    if entry.state is not EntryState.SETTLED:
        figures.append(("Ended", entry.error_code or entry.state.value))
    elif entry.finish_reason not in {None, "stop"}:
        figures.append(("Ended by", str(entry.finish_reason)))
    return figures


def _tell_cost(entry: LedgerEntry) -> str:
    if entry.is_price_unknown and not entry.cost_nanousd:
        return "unknown: the model has no price"
    text = cost(entry.cost_nanousd)
    if entry.shadow_cost_nanousd:
        return f"{text} (simulated; it would have been {cost(entry.shadow_cost_nanousd)})"
    if entry.is_byok:
        return f"{text} here, {cost(entry.upstream_cost_nanousd)} at your provider"
    return text


def _tell_tokens(entry: LedgerEntry) -> str:
    usage = entry.usage
    more = [
        f"{number(count)} {word}"
        for count, word in ((usage.cache_read_tokens, "from cache"), (usage.reasoning_tokens, "for thinking"))
        if count
    ]
    text = f"{number(usage.input_tokens)} in, {number(usage.output_tokens)} out"
    if more:
        text += f" ({', '.join(more)})"
    return f"{text}, estimated" if usage.source is UsageSource.ESTIMATED else text
