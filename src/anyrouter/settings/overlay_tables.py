"""The tables of the file of models, as they are written in it. The reference in docs/ is generated from these classes.

Compatibility law: as for the sections of the configuration. Prices are kept as integers, nano-USD per million tokens, from here on.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints, WithJsonSchema

from anyrouter.core.catalogue import PriceTier, Tariff, split_variant
from anyrouter.core.money import NANO
from anyrouter.core.preset import MARK
from anyrouter.providers.sandbox import VENDOR as SANDBOX_VENDOR
from anyrouter.settings.fields import Section, Text

MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._:/@+-]*", re.ASCII)
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", re.ASCII)
_MAX_NAME = 200
_PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?", re.ASCII)
_MAX_USD = 1_000_000
_CAPABILITY = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def is_model_id(text: str) -> bool:
    """Whether a text is a public id: `vendor/name`, without a variant."""
    return len(text) <= _MAX_NAME and MODEL_ID.fullmatch(text) is not None and split_variant(text)[1] is None and MARK not in text


def is_alias(text: str) -> bool:
    """Whether a text can be another name of a model: an id, or a name without a vendor."""
    return len(text) <= _MAX_NAME and _ALIAS.fullmatch(text) is not None and split_variant(text)[1] is None and MARK not in text


def _model_id(value: str) -> str:
    if not is_model_id(value):
        raise ValueError(
            'must be an id such as "vendor/name": a vendor in lower case, a slash, a name without spaces and without a variant'
        )
    if value.startswith(f"{SANDBOX_VENDOR}/"):
        raise ValueError("is taken by the built-in simulated provider")
    return value


def _price(value: Any) -> int:
    """Nano-USD; ValueError for what is not exact."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_USD:
        return value * NANO
    if not isinstance(value, str) or not _PRICE.fullmatch(value):
        raise ValueError('must be US dollars in quotes, such as "2.50", below a million; a number with a point would not be exact')
    nanousd = Decimal(value) * NANO
    if nanousd != int(nanousd):
        raise ValueError("is finer than a billionth of a dollar")
    return int(nanousd)


def _capability(value: str) -> str:
    if not _CAPABILITY.fullmatch(value):
        raise ValueError("must be an ability such as tool_use: lower-case letters, digits and _")
    return value


ModelId = Annotated[Text, AfterValidator(_model_id)]
Price = Annotated[int, BeforeValidator(_price), WithJsonSchema({"type": "decimal text"})]
Tokens = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]
Capability = Annotated[Text, AfterValidator(_capability)]
Modality = Literal["text", "image", "audio", "video", "file", "embeddings"]
Parameter = Annotated[Text, StringConstraints(max_length=64)]


class TierTable(Section):
    """From so many input tokens on, these prices hold for every token of the request."""

    above_tokens: Tokens = Field(description="The prices hold for requests with more input tokens than this.")
    input_per_million: Price = Field(description="US dollars per million input tokens.")
    output_per_million: Price = Field(description="US dollars per million output tokens.")
    cache_read_per_million: Price | None = Field(default=None, description="Of tokens read from a cache. Unset: as input.")
    cache_write_per_million: Price | None = Field(default=None, description="Of tokens written to a cache. Unset: as input.")


class PriceTable(Section):
    """What a model costs, in US dollars: decimal texts in quotes, kept exactly."""

    input_per_million: Price = Field(description="US dollars per million input tokens.")
    output_per_million: Price = Field(description='US dollars per million output tokens. `"0"` for embeddings.')
    cache_read_per_million: Price | None = Field(default=None, description="Of tokens read from a cache. Unset: as input.")
    cache_write_per_million: Price | None = Field(default=None, description="Of tokens written to a cache. Unset: as input.")
    per_request: Price | None = Field(default=None, description="US dollars per request, beside the tokens. Unset: nothing.")
    tiers: Annotated[tuple[TierTable, ...], Field(max_length=20)] = Field(
        default=(), description="Prices of longer requests: `[[….tiers]]`, see below."
    )

    def make_tariff(self) -> Tariff:
        """The tariff; tiers in rising order. ValueError when two begin at the same number."""
        starts = [tier.above_tokens for tier in self.tiers]
        if len(set(starts)) < len(starts):
            raise ValueError("has two tiers that begin at the same number of tokens")
        return Tariff(
            input_nanousd=self.input_per_million,
            output_nanousd=self.output_per_million,
            cache_read_nanousd=self.cache_read_per_million,
            cache_write_nanousd=self.cache_write_per_million,
            request_nanousd=self.per_request or 0,
            tiers=tuple(
                PriceTier(
                    above_tokens=tier.above_tokens,
                    input_nanousd=tier.input_per_million,
                    output_nanousd=tier.output_per_million,
                    cache_read_nanousd=tier.cache_read_per_million,
                    cache_write_nanousd=tier.cache_write_per_million,
                )
                for tier in sorted(self.tiers, key=lambda tier: tier.above_tokens)
            ),
        )


class ModelTable(Section):
    """A model of your own, or what is to be said of a known one. What is not said stays as it is known, else unknown."""

    id: ModelId = Field(description="`vendor/name`: what clients ask for.")
    upstream_name: Text | None = Field(default=None, description="What the upstream calls it. Unset: the id without its vendor.")
    name: Text | None = Field(default=None, description="What people read. Unset: the upstream's name.")
    description: Text | None = Field(default=None, description="A sentence about it.")
    category: Literal["text", "image", "audio", "embedding"] | None = Field(default=None, description="What it makes. Unset: `text`.")
    created: Annotated[int, Strict(), Field(ge=0, le=2**40)] | None = Field(default=None, description="When it came out, in Unix seconds.")
    context_length: Tokens | None = Field(default=None, description="Tokens of prompt and answer together.")
    max_output_tokens: Tokens | None = Field(default=None, description="Tokens of an answer at most.")
    capabilities: tuple[Capability, ...] | None = Field(
        default=None, description="What it can do, such as `chat`, `tool_use`, `vision`, `json_schema`, `reasoning`, `embedding`."
    )
    input_modalities: tuple[Modality, ...] | None = Field(
        default=None, description="What it takes: `text`, `image`, `audio`, `video`, `file`."
    )
    output_modalities: tuple[Modality, ...] | None = Field(
        default=None, description="What it makes: `text`, `image`, `audio`, `video`, `embeddings`."
    )
    supported_parameters: tuple[Parameter, ...] | None = Field(
        default=None, description="Members of a request that it takes. Unset: those that its capabilities imply."
    )
    price: PriceTable | None = Field(default=None, description="What it costs, see below. Unset: unknown, which is charged as nothing.")
