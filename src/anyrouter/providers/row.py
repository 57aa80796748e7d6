"""A row of compatible.toml as it is written, and the provider that it means. What a row leaves out is what nearly all have in common."""

import msgspec

from anyrouter.core.provider import AuthKind, Effect, Format, Provider, Quirk, Source, Variable

OPENAI_DIALECT = "openai"
CHAT = "chat/completions"


class FormatRow(msgspec.Struct, forbid_unknown_fields=True):
    """Another wire format of a provider."""

    path: str
    stream_path: str | None = None
    count_tokens_path: str | None = None
    base_url: str | None = None
    credential_header: str | None = None
    credential_prefix: str | None = None


class QuirkRow(msgspec.Struct, forbid_unknown_fields=True):
    """A quirk; its source is the provider's, unless it has its own."""

    effect: Effect
    members: tuple[str, ...]
    to: str | None = None
    values: tuple[str, ...] = ()
    models: str = ""
    dialect: str = OPENAI_DIALECT
    source: Source | None = None


class Row(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A provider. `endpoints` are at their public path below the base URL, `paths` are those that are elsewhere."""

    id: str
    name: str
    vendors: tuple[str, ...]
    source: Source
    dialect: str = OPENAI_DIALECT
    base_url: str = ""
    base_url_template: str = ""
    base_url_variable: str | None = None
    endpoints: tuple[str, ...] = ()
    paths: dict[str, str] = {}
    formats: dict[str, FormatRow] = {}
    auth: tuple[AuthKind, ...] = (AuthKind.HEADER,)
    credential_variable: str | None = None
    variables: tuple[Variable, ...] = ()
    models_path: str | None = None
    model_prefix: str = ""
    quirks: tuple[QuirkRow, ...] = ()
    is_asking_usage: bool = True
    is_fetching_images: bool = True
    is_host: bool = False
    is_found_last: bool = False
    is_local: bool = False
    is_implied: bool = True
    note: str = ""

    def complete(self) -> Provider:
        """The provider that the row means."""
        paths = {path: f"/{path}" for path in self.endpoints} | self.paths
        formats = {OPENAI_DIALECT: Format(path=paths[CHAT])} if CHAT in paths else {}
        return Provider(
            id=self.id,
            name=self.name,
            dialect=self.dialect,
            base_url=self.base_url,
            base_url_template=self.base_url_template,
            base_url_variable=self.base_url_variable,
            vendors=self.vendors,
            paths=paths,
            formats=formats | {name: Format(**msgspec.structs.asdict(row)) for name, row in self.formats.items()},
            auth=self.auth,
            credential_variable=self.credential_variable,
            variables=self.variables,
            models_path=self.models_path,
            model_prefix=self.model_prefix,
            quirks=tuple(self._complete_quirk(quirk) for quirk in self.quirks),
            is_asking_usage=self.is_asking_usage,
            is_fetching_images=self.is_fetching_images,
            is_host=self.is_host,
            is_found_last=self.is_found_last,
            is_local=self.is_local,
            is_implied=self.is_implied,
            source=self.source,
            note=self.note,
        )

    def _complete_quirk(self, quirk: QuirkRow) -> Quirk:
        return Quirk(
            members=quirk.members,
            effect=quirk.effect,
            source=quirk.source or self.source,
            to=quirk.to,
            values=quirk.values,
            models=quirk.models,
            dialect=quirk.dialect,
        )
