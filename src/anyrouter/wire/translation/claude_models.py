"""What a Claude model takes of its own API, told by its name: its makers change that from generation to generation.

Used by every dialect that can carry a request to one. Names are read in all spellings that hosts use (`claude-opus-4-5@20251101`,
`us.anthropic.claude-opus-4-6-v1`, `anthropic/claude-opus-4.6`, `claude-3-7-sonnet-20250219`); of a name that is no Claude's nothing is
known.
Source: platform.claude.com/docs (thinking, effort, structured-outputs, mid-conversation-system-messages, the migration guides of each
model), read 2026-11-24.
"""

import re
from functools import lru_cache

KNOWN = "claude"  # the name is a Claude's
NO_SAMPLING = "no_sampling"  # temperature, top_p and top_k are refused
ONE_SAMPLING = "one_sampling"  # temperature and top_p are refused together
ADAPTIVE_THINKING = "adaptive_thinking"  # thinking may be "adaptive"
NO_THINKING_BUDGET = "no_thinking_budget"  # thinking may not be "enabled" with a budget
THINKS_ALWAYS = "thinks_always"  # thinking may not be "disabled"
THINKS_BETWEEN_TOOLS = "thinks_between_tools"  # the least of thinking is "between_tools"
THINKS_AT_HIGH_EFFORT = "thinks_at_high_effort"  # thinking may not be "disabled" with an effort above high
HIDES_THINKING = "hides_thinking"  # what was thought is not shown unless that is asked for
NO_FORCED_TOOLS = "no_forced_tools"  # a tool call cannot be forced
SYSTEM_TURNS = "system_turns"  # messages may have the role system, within a conversation
EFFORT = "effort"  # output_config.effort is known: low, medium, high
EFFORT_MAX = "effort_max"
EFFORT_XHIGH = "effort_xhigh"
NO_OUTPUT_FORMAT = "no_output_format"  # output_config.format is not known

_FAMILIES = r"(?P<{0}>opus|sonnet|haiku|fable|mythos)"
_NAME = re.compile(
    r"claude-(?:"
    + _FAMILIES.format("family")
    + r"(?:-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d))?"
    + r"|(?P<old_major>\d)(?:[-.](?P<old_minor>\d))?-"
    + _FAMILIES.format("old_family")
    + r"|(?P<ancient>instant|2))"
)
_PREVIEW = (5, 0)  # a name without a version is a preview of what the family began with
_FIRST_WITH_SCHEMAS = (4, 5)


@lru_cache(maxsize=1024)
def claude_traits(name: str) -> frozenset[str]:
    """What the model of this name takes and refuses, in the words above; nothing for a model that is no Claude."""
    found = _NAME.search(name.lower())
    if found is None:
        return frozenset()
    if found["ancient"]:
        return frozenset({KNOWN, NO_OUTPUT_FORMAT})
    family = found["family"] or found["old_family"]
    major, minor = found["major"] or found["old_major"], found["minor"] or found["old_minor"]
    version = _PREVIEW if major is None else (int(major), int(minor or 0))
    if family in {"fable", "mythos"}:
        return _traits_of_fable(version)
    return _traits_of(family, version)


def _traits_of_fable(version: tuple[int, int]) -> frozenset[str]:
    traits = {KNOWN, NO_SAMPLING, ADAPTIVE_THINKING, NO_THINKING_BUDGET, THINKS_ALWAYS, HIDES_THINKING, SYSTEM_TURNS}
    if version >= (5, 1):
        traits.add(NO_FORCED_TOOLS)
    return frozenset(traits | {EFFORT, EFFORT_MAX, EFFORT_XHIGH})


def _traits_of(family: str, version: tuple[int, int]) -> frozenset[str]:
    traits = {KNOWN}
    is_opus, is_sonnet, is_haiku = family == "opus", family == "sonnet", family == "haiku"
    if version < _FIRST_WITH_SCHEMAS and not (is_opus and version == (4, 1)):
        traits.add(NO_OUTPUT_FORMAT)
    if version >= (4, 0):
        traits.add(ONE_SAMPLING)
    if version >= (4, 6):
        traits |= {ADAPTIVE_THINKING, EFFORT, EFFORT_MAX}
    elif is_opus and version >= (4, 5):
        traits.add(EFFORT)
    if version >= ((4, 7) if is_opus else (5, 0)):
        traits |= {NO_SAMPLING, NO_THINKING_BUDGET, HIDES_THINKING, EFFORT_XHIGH}
    if is_opus and version >= (4, 8):
        traits.add(SYSTEM_TURNS)
    if is_opus and version >= (5, 0):
        traits.add(THINKS_ALWAYS if version >= (5, 5) else THINKS_AT_HIGH_EFFORT)
    if is_sonnet and version >= (5, 5):
        traits.add(THINKS_BETWEEN_TOOLS)
    if not is_haiku and version >= (5, 5):
        traits.add(NO_FORCED_TOOLS)
    return frozenset(traits)
