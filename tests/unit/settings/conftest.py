from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core.provider import Provider
from anyrouter.settings import Settings, SettingsError, load_settings

ALPHA = Provider(
    id="alpha",
    name="Alpha",
    dialect="openai",
    base_url="https://api.alpha.example/v1",
    vendors=("alpha",),
    paths={"chat/completions": "/chat/completions"},
    credential_variable="ALPHA_API_KEY",
    base_url_variable="ALPHA_BASE_URL",
)
BETA = Provider(id="beta", name="Beta", dialect="openai", base_url="", vendors=(), paths={})
PROVIDERS = {"alpha": ALPHA, "beta": BETA}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Load settings from a file's text (none: no file), variables and flags."""

    def load(text: str | None = None, *, environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
        if text is not None:
            (tmp_path / "anyrouter.toml").write_text(text, encoding="utf-8")
        arguments.setdefault("data_dir", tmp_path)
        return load_settings(environ=environ or {}, providers=PROVIDERS, **arguments)

    return load


@pytest.fixture
def problems(load: Callable[..., Settings]) -> Callable[..., list[str]]:
    """What is wrong with a configuration, a line each."""

    def problems(text: str | None = None, **arguments: Any) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **arguments)
        return str(caught.value).splitlines()

    return problems
