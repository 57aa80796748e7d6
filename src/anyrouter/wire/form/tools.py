"""What the model may call, and whether it must."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from anyrouter.wire.form.parts import CacheControl
from anyrouter.wire.form.text import JsonText


class Tool(msgspec.Struct, frozen=True):
    """A function of the client's. `schema` is the JSON schema of its arguments as it came; None: it takes nothing."""

    name: str
    description: JsonText | None = None
    schema: msgspec.Raw | None = None
    is_strict: bool | None = None
    cache: CacheControl | None = None


class CustomTool(msgspec.Struct, frozen=True):
    """A tool of the client's that takes free text. `format` is OpenAI's object (text or grammar) as it came."""

    name: str
    description: JsonText | None = None
    format: msgspec.Raw | None = None
    cache: CacheControl | None = None


class ServerTool(msgspec.Struct, frozen=True):
    """A tool that the upstream runs itself (web search, code execution, computer use), as its dialect tells it.

    `kind` is what it is in every dialect, where there is such a word: web_search, code_execution, url_context, file_search,
    image_generation, mcp, computer, shell, text_editor, memory. An encoder may translate a kind that it has; else it
    warns and leaves the tool out.
    """

    dialect: str
    type: str
    raw: msgspec.Raw
    kind: str | None = None


AnyTool: TypeAlias = Tool | CustomTool | ServerTool


class ChoiceMode(StrEnum):
    """Whether tools are called."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"  # at least one, whichever
    NAMED = "named"  # exactly this one: names has one entry


class ToolChoice(msgspec.Struct, frozen=True):
    """`names` for `NAMED`; with `AUTO` and `REQUIRED` it limits which of the tools may be called. `is_custom`: the named one is."""

    mode: ChoiceMode
    names: tuple[str, ...] = ()
    is_custom: bool = False
