"""Which models a request names: `model`, and behind it those of `models`.

Source: openrouter.ai/docs/guides/routing/model-fallbacks (read 2026-11).
"""

from anyrouter.wire.members import Members
from anyrouter.wire.request import MAX_MODEL_LENGTH

MAX_MODELS = 10


def list_models(members: Members, first: str) -> tuple[str, ...]:
    """The names to try in their order, without repetitions: `first`, then those of `models`.

    What of `models` is no list or no possible name is ignored, and so is what comes after `MAX_MODELS`.
    """
    names = members.decode("models") if "models" in members.values else None
    if not isinstance(names, list):
        return (first,)
    usable = (name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_MODEL_LENGTH and name.isprintable())
    return tuple(dict.fromkeys((first, *usable)))[:MAX_MODELS]
