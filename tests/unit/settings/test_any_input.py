"""Whatever an operator writes, the answer is settings or mistakes, never another exception, and never the value of a secret."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anyrouter.settings import Settings, SettingsError
from anyrouter.settings.sections import ARRAYS, SECTIONS
from anyrouter.settings.variables import known_variables

Load = Callable[..., Settings]
MARKER = "MARKER-value"
KEYS = sorted({key for model in [*SECTIONS.values(), *ARRAYS.values()] for key in model.model_fields} | {"credential", "unknown"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(MARKER),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
TABLES = st.fixed_dictionaries(
    {},
    optional={"id": st.sampled_from(["one", "two", MARKER]), "provider": st.sampled_from(["alpha", "beta"]), **dict.fromkeys(KEYS, VALUES)},
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def try_to_load(load: Load, environ: dict[str, str]) -> None:
    try:
        load(environ=environ)
    except SettingsError as refused:
        told = [str(problem) for problem in refused.problems]
    else:
        told = ["nothing"]
    assert told
    assert [line for line in told if MARKER in line or not line.isprintable()] == []


@quick
@given(tables=st.lists(TABLES | VALUES, max_size=3))
@example(tables=[{"id": "one", "provider": "alpha", "models": {"a": None}}])
@example(tables=[{"id": ["one"], "provider": {}, "credential_variable": ["A"]}])
@example(tables=[{"id": "one", "provider": "alpha", "credential_file": "\x00"}])
@example(tables=[{"id": "one", "provider": "alpha", "base_url": "http://[::1"}])
def test_any_upstreams(load: Load, tables: Any) -> None:
    try_to_load(load, {"ANYROUTER_UPSTREAMS": json.dumps(tables)})


@quick
@given(tables=st.lists(TABLES | VALUES, max_size=3))
def test_any_environments(load: Load, tables: Any) -> None:
    try_to_load(load, {"ANYROUTER_ENVIRONMENTS": json.dumps(tables)})


@quick
@given(
    variables=st.dictionaries(
        st.sampled_from(sorted(set(known_variables()) - {"ANYROUTER_CONFIG", "ANYROUTER_DATA_DIR"})), st.text(max_size=12) | st.just(MARKER)
    )
)
def test_any_variables(load: Load, variables: dict[str, str]) -> None:
    try_to_load(load, variables)


@quick
@given(
    content=st.binary(max_size=200)
    | st.lists(st.sampled_from(["[server]", "[[upstreams]]", "port", "id", "=", '"x"', "1", "\n", "{", "}"])).map(
        lambda words: " ".join(words).encode()
    )
)
def test_any_file(load: Load, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anyrouter.toml").write_bytes(content)
    try_to_load(load, {})
