"""What is known of a model: price, context, abilities. Unknown is None, never invented."""

import msgspec

# What may stand behind a model's name, after a colon: in which order its targets are tried. It is no part of the model's id.
VARIANTS = ("floor", "nitro")


class PriceTier(msgspec.Struct, frozen=True, kw_only=True):
    """From `above_tokens` input tokens on, every token of the request costs these prices instead."""

    above_tokens: int
    input_nanousd: int
    output_nanousd: int
    cache_read_nanousd: int | None = None
    cache_write_nanousd: int | None = None


class Tariff(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in nano-USD per million tokens, and `request_nanousd` in nano-USD per request.

    A cache price that is None means the input price. `tiers` rise by `above_tokens`.
    """

    input_nanousd: int
    output_nanousd: int
    cache_read_nanousd: int | None = None
    cache_write_nanousd: int | None = None
    request_nanousd: int = 0
    tiers: tuple[PriceTier, ...] = ()


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the catalogue. `id` is `vendor/name`, `name` what a person reads.

    A row that is listed under an alias has the id of what is really called in `canonical_id`. `variant` is the ending of the name
    that was asked for, one of `VARIANTS`.
    """

    id: str
    vendor: str
    upstream_name: str  # the provider's own name: the id without its vendor
    name: str
    category: str = "text"  # text, image, audio, embedding
    description: str | None = None
    created: int | None = None  # Unix seconds
    context_length: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    supported_parameters: tuple[str, ...] | None = None
    tariff: Tariff | None = None
    aliases: tuple[str, ...] = ()  # the operator's other names for it
    canonical_id: str | None = None
    variant: str | None = None


def split_variant(name: str) -> tuple[str, str | None]:
    """A name without its variant, and the variant. Any other ending, such as the tag of `llama3.1:8b`, is a part of the name."""
    base, colon, ending = name.rpartition(":")
    return (base, ending) if colon and base and ending in VARIANTS else (name, None)
