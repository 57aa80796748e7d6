"""Which of a provider's names mean one model: genai-prices' clauses as predicates.

A clause is a dict with one key: `starts_with`, `ends_with`, `contains`, `equals`, `regex`, `or_`, `and_`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Predicate = Callable[[str], bool]


def compile_clause(clause: Mapping[str, Any]) -> Predicate:
    """A predicate over names in lower case; it means what genai-prices' own matching means.

    A clause of a kind that this release does not know matches nothing: its row is found by its id alone.
    """
    kind = next(iter(clause), "")
    value: Any = clause.get(kind)
    if kind in ("or_", "and_"):
        parts = [compile_clause(part) for part in value]
        quantify = any if kind == "or_" else all
        return lambda name: quantify(part(name) for part in parts)
    if kind == "regex":
        search = re.compile(value).search
        return lambda name: search(name) is not None
    return _compile_text(kind, str(value).lower())


def _compile_text(kind: str, text: str) -> Predicate:
    match kind:
        case "starts_with":
            return lambda name: name.startswith(text)
        case "ends_with":
            return lambda name: name.endswith(text)
        case "contains":
            return lambda name: text in name
        case "equals":
            return lambda name: name == text
        case _:
            return lambda _: False
