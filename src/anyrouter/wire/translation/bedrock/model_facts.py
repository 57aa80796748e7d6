"""What a model that the service offers takes, told by its id: Converse is one API, and what is behind it differs.

Ids have a maker in front, and may have a region before that (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`) or be the end of an ARN. Of
an id that says nothing (an imported model, a profile of one's own) nothing is known, and it is asked for the plain API.
Source: docs.aws.amazon.com/bedrock/latest/userguide (conversation-inference-supported-models-features, prompt-caching,
structured-output) and docs.aws.amazon.com/nova/latest/nova2-userguide (read 2026-11-24).
"""

import re
from functools import lru_cache
from typing import NamedTuple

from anyrouter.wire.translation.claude_models import KNOWN, NO_OUTPUT_FORMAT, claude_traits

_NOVA = re.compile(r"(?:^|[./:])amazon\.nova-(?P<generation>\d+(?=-))?")
_OPEN_WEIGHT_GPT = re.compile(r"(?:^|[./:])openai\.gpt-oss")


class ModelFacts(NamedTuple):
    """`claude`: the traits of `claude_models`, none for another maker's model."""

    claude: frozenset[str]
    is_nova: bool
    is_nova_2: bool
    has_effort: bool  # additionalModelRequestFields.reasoning_effort

    @property
    def is_claude(self) -> bool:
        """Whether it is a Claude."""
        return KNOWN in self.claude

    @property
    def has_cache_points(self) -> bool:
        """Whether a cachePoint may stand in its messages and system prompt."""
        return self.is_claude or self.is_nova

    @property
    def has_long_cache(self) -> bool:
        """Whether a cachePoint may last an hour: with the generation that takes schemas."""
        return self.is_claude and NO_OUTPUT_FORMAT not in self.claude

    @property
    def has_result_status(self) -> bool:
        """Whether a tool's answer may be said to be an error."""
        return self.is_claude or self.is_nova


@lru_cache(maxsize=1024)
def facts_of(model_id: str) -> ModelFacts:
    """The facts of a model id, profile or ARN."""
    nova = _NOVA.search(model_id)
    generation = 0 if nova is None else int(nova["generation"] or 1)
    return ModelFacts(
        claude=claude_traits(model_id),
        is_nova=nova is not None,
        is_nova_2=generation > 1,
        has_effort=_OPEN_WEIGHT_GPT.search(model_id) is not None,
    )
