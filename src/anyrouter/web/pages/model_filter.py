"""Which models a page shows, as its address says, and the addresses of other pages. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import parse_usd, to_usd_string
from anyrouter.web.pages.forms import Fields
from anyrouter.web.pages.model_lines import ModelLine

PATH = "/dashboard/models"
ROWS = 50
MAX_PAGE = 1000
MAX_TEXT = 200
MAX_CONTEXT = 2**53 - 1
EVERYTHING = "*"  # also what no environment reaches
MAKES = {"text": "text", "image": "images", "audio": "audio", "embedding": "embeddings"}
TAKES = ("text", "image", "audio", "video", "file")
DEFAULT_SORT = "reach"
_UNITS = {"": 1, "k": 1000, "m": 1_000_000}
_CONTEXT = re.compile(r"([0-9]{1,15})([km]?)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """What a link says; the names are those of the address. `sort` has a minus before it for the other direction.

    `environment` is a slug, empty for any of the organisation's. `max_price_nanousd` is of a million input tokens.
    """

    q: str = ""
    provider: str = ""
    makes: str = ""
    takes: str = ""
    capabilities: tuple[str, ...] = ()
    min_context: int | None = None
    max_price_nanousd: int | None = None
    environment: str = ""
    sort: str = DEFAULT_SORT
    page: int = 1

    @property
    def is_empty(self) -> bool:
        """Whether it restricts nothing."""
        said = (self.q, self.provider, self.makes, self.takes, self.capabilities, self.min_context, self.environment)
        return not any(said) and self.max_price_nanousd is None

    @property
    def max_price(self) -> str:
        """The highest price as a form shows it."""
        return "" if self.max_price_nanousd is None else to_usd_string(self.max_price_nanousd)

    def link(self, **changes: str | int) -> str:
        """The address of the list with something else in it; the first page unless a page is named."""
        fields: dict[str, str | int] = {
            "q": self.q,
            "environment": self.environment,
            "provider": self.provider,
            "makes": self.makes,
            "takes": self.takes,
            "min_context": self.min_context or "",
            "max_price": self.max_price,
            "sort": "" if self.sort == DEFAULT_SORT else self.sort,
        }
        pairs = [(name, str(value)) for name, value in {**fields, **changes}.items() if value != "" and (name, value) != ("page", 1)]
        pairs += [("capability", ability) for ability in self.capabilities]
        return f"{PATH}?{urlencode(pairs)}" if pairs else PATH

    def sort_link(self, name: str) -> str:
        """The address of the list sorted by this column, turned round when it is already."""
        return self.link(sort=f"-{name}" if self.sort == name else name)

    def describe_sort(self, name: str) -> str:
        """What `aria-sort` says of a column."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort, "none")

    def select(self, lines: Iterable[ModelLine]) -> list[ModelLine]:
        """The lines that it lets through, in its order; what is not known of a model is behind what is, either way."""
        words = self.q.casefold().split()
        found = [line for line in lines if self._lets(line) and _has(line, words)]
        value_of = _SORTS[self.sort.removeprefix("-")]
        found.sort(key=lambda line: line.model.id)
        known = [line for line in found if value_of(line) is not None]
        known.sort(key=lambda line: (value_of(line),), reverse=self.sort.startswith("-"))
        return known + [line for line in found if value_of(line) is None]

    def _lets(self, line: ModelLine) -> bool:
        model = line.model
        return (
            (not self.provider or self.provider in line.provider_ids)
            and (not self.makes or model.category == self.makes)
            and (not self.takes or self.takes in (model.input_modalities or ()))
            and all(ability in (model.capabilities or ()) for ability in self.capabilities)
            and (self.min_context is None or (model.context_length or -1) >= self.min_context)
            and (self.max_price_nanousd is None or (model.tariff is not None and model.tariff.input_nanousd <= self.max_price_nanousd))
            and (self.environment in {"", EVERYTHING} or self.environment in line.environments)
        )


# "reach": what a real provider serves before what is only simulated, and models of which something is known before others.
_SORTS: Mapping[str, Callable[[ModelLine], str | int | tuple[bool, bool, str] | None]] = {
    "reach": lambda line: (not line.is_real, line.capabilities is None, line.name.casefold()),
    "name": lambda line: line.name.casefold(),
    "context": lambda line: line.model.context_length,
    "input": lambda line: None if line.model.tariff is None else line.model.tariff.input_nanousd,
    "output": lambda line: None if line.model.tariff is None else line.model.tariff.output_nanousd,
    "created": lambda line: line.model.created or None,
}


def parse_filter(query: Fields) -> ModelFilter:
    """What the address says; ClientError for what cannot be."""
    sort = query.text("sort") or DEFAULT_SORT
    if sort.removeprefix("-") not in _SORTS:
        raise _refusal("sort", f"the link is not whole; it can say {', '.join(_SORTS)}")
    return ModelFilter(
        q=query.text("q")[:MAX_TEXT],
        provider=query.text("provider")[:MAX_TEXT],
        makes=_choose("makes", query.text("makes"), tuple(MAKES)),
        takes=_choose("takes", query.text("takes"), TAKES),
        capabilities=tuple(dict.fromkeys(ability[:MAX_TEXT] for ability in query.list("capability")[:20])),
        min_context=_read_context(query.text("min_context")),
        max_price_nanousd=_read_price(query.text("max_price")),
        environment=query.text("environment")[:MAX_TEXT],
        sort=sort,
        page=min(query.whole("page") or 1, MAX_PAGE),
    )


def _read_context(text: str) -> int | None:
    """A number of tokens, also as 128k or 1M; none for an empty text."""
    if not text:
        return None
    found = _CONTEXT.fullmatch(text.lower().replace(",", "").replace(" ", ""))
    tokens = int(found[1]) * _UNITS[found[2]] if found is not None else MAX_CONTEXT + 1
    if tokens > MAX_CONTEXT:
        raise _refusal("min_context", "a number of tokens is needed, such as 32000 or 128k")
    return tokens


def _read_price(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_usd(text.removeprefix("$"))
    except ValueError as error:
        raise _refusal("max_price", str(error)) from None


def _choose(name: str, text: str, known: tuple[str, ...]) -> str:
    if text and text not in known:
        raise _refusal(name, f"the link is not whole; it can say {', '.join(known)}")
    return text


def _refusal(name: str, message: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=name, message=f"{name}: {message}."))


def _has(line: ModelLine, words: list[str]) -> bool:
    if not words:
        return True
    model = line.model
    text = " ".join((model.id, model.name, line.vendor, *model.aliases, *line.providers)).casefold()
    return all(word in text for word in words)
