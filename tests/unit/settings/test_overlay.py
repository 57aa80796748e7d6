"""The operator's file of models: what it can say, and how mistakes in it are told."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyrouter.control.catalogue import load_catalogue
from anyrouter.control.overlay import ModelEntry, Overlay
from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.settings import SettingsError, load_settings
from anyrouter.settings.overlay import MAX_BYTES, read_overlay, serves_beyond

BUNDLED = load_catalogue(datetime(2026, 11, 24, tzinfo=UTC))
Read = Callable[..., Overlay]
Problems = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str | bytes, *served: str) -> Overlay:
        path = tmp_path / "models.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_overlay(path, BUNDLED, lambda name: name in served)

    return read


@pytest.fixture
def problems(read: Read, tmp_path: Path) -> Problems:
    """What is wrong with a file, a line each, without the file's name, which is on every line."""

    def problems(text: str | bytes, *served: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read(text, *served)
        lines = str(caught.value).splitlines()
        start = f"{tmp_path}/models.toml: "
        assert all(line.startswith(start) for line in lines)
        return [line.removeprefix(start) for line in lines]

    return problems


def test_everything_that_can_be_said(read: Read) -> None:
    assert read("""
        hidden = ["openai/gpt-3.5*", "anthropic/*", "openai/gpt-4o"]

        [[models]]
        id = "box/llama3.1:8b"
        upstream_name = "llama3.1:8b-instruct-q4_0"
        name = "Llama 3.1"
        description = "On the machine under the desk."
        category = "text"
        created = 1720000000
        context_length = 131072
        max_output_tokens = 8192
        capabilities = ["chat", "tool_use"]
        input_modalities = ["text", "image"]
        output_modalities = ["text"]
        supported_parameters = ["temperature"]
        [models.price]
        input_per_million = "0.05"
        output_per_million = 1
        cache_read_per_million = "0.000000001"
        per_request = "0.0001"
        [[models.price.tiers]]
        above_tokens = 200000
        input_per_million = "0.1"
        output_per_million = "2"
        [[models.price.tiers]]
        above_tokens = 100000
        input_per_million = "0.075"
        output_per_million = "1.5"
        cache_write_per_million = "0.1"

        [prices."openai/gpt-4o-mini"]
        input_per_million = "0.12"
        output_per_million = "0.48"

        [aliases]
        "openai/gpt-4o-latest" = "openai/gpt-4o-2024-11-20"
        fast = "box/llama3.1:8b:nitro"
    """) == Overlay(
        models=(
            ModelEntry(
                id="box/llama3.1:8b",
                upstream_name="llama3.1:8b-instruct-q4_0",
                name="Llama 3.1",
                description="On the machine under the desk.",
                category="text",
                created=1_720_000_000,
                context_length=131_072,
                max_output_tokens=8192,
                capabilities=("chat", "tool_use"),
                input_modalities=("text", "image"),
                output_modalities=("text",),
                supported_parameters=("temperature",),
                tariff=Tariff(
                    input_nanousd=50_000_000,
                    output_nanousd=1_000_000_000,
                    cache_read_nanousd=1,
                    request_nanousd=100_000,
                    tiers=(
                        PriceTier(
                            above_tokens=100_000, input_nanousd=75_000_000, output_nanousd=1_500_000_000, cache_write_nanousd=100_000_000
                        ),
                        PriceTier(above_tokens=200_000, input_nanousd=100_000_000, output_nanousd=2_000_000_000),
                    ),
                ),
            ),
        ),
        prices={"openai/gpt-4o-mini": Tariff(input_nanousd=120_000_000, output_nanousd=480_000_000)},
        aliases={"openai/gpt-4o-latest": "openai/gpt-4o-2024-11-20", "fast": "box/llama3.1:8b:nitro"},
        hidden=("openai/gpt-3.5*", "anthropic/*", "openai/gpt-4o"),
    )


def test_an_empty_file_says_nothing(read: Read) -> None:
    assert read("") == read("# nothing yet\n") == Overlay()


def test_all_mistakes_are_told_at_once_each_with_its_place_and_the_nearest_name(problems: Problems) -> None:
    found = problems("""
        hiden = []
        hidden = ["openai/gpt-4o-mimi", 5]
        [[models]]
        id = "box/a"
        contextlength = 5
        max_output_tokens = 0
        [[models.price.tiers]]
        input_per_million = 0.5
        above_token = 3
        [[models]]
        name = "nameless"
        [prices."opnai/gpt-4o"]
        input_per_million = "2.5"
        output_per_million = "a lot"
        [prices."openai/gpt-40-mini"]
        input_per_million = "1"
        output_per_million = "1"
        [aliases]
        fast = "openai/gpt4o-mini"
        "two words" = "openai/gpt-4o"
        one = "two"
        two = "one:floor"
    """)
    for line in (
        "hiden: is not known; did you mean hidden?",
        "hidden[0]: is not known; did you mean openai/gpt-4o-mini?",
        'hidden[1]: must be an id, or the start of ids with a * behind it such as "vendor/*"',
        'models["box/a"].contextlength: is not known; did you mean context_length?',
        'models["box/a"].max_output_tokens: must be greater than or equal to 1',
        'models["box/a"].price.output_per_million: is missing',
        'models["box/a"].price.tiers[0].above_token: is not known; did you mean above_tokens?',
        'models["box/a"].price.tiers[0].above_tokens: is missing',
        "models[1].id: is missing",
        'prices."openai/gpt-40-mini": is not known; did you mean openai/gpt-4o-mini?; a model of your own has its price in [[models]]',
        "aliases.fast: means a model that is not known; did you mean openai/gpt-4o-mini?",
        "aliases.one: leads in a circle: one -> two -> one",
        "aliases.two: leads in a circle: two -> one -> two",
    ):
        assert line in found
    assert any(line.startswith('models["box/a"].price.tiers[0].input_per_million: must be US dollars in quotes') for line in found)
    assert any(line.startswith('prices."opnai/gpt-4o".output_per_million: must be US dollars in quotes') for line in found)
    assert any("two words" in line and "is not a name" in line for line in found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models = 5", "models: must be an array of tables"),
        ("models = [5]", "models[0]: must be a table"),
        ("prices = []", "prices: must be a table of tables"),
        ('[prices]\n"openai/gpt-4o" = "2.5"', 'prices."openai/gpt-4o": must be a table'),
        ("aliases = 'x'", "aliases: must be a table of texts"),
        ("hidden = 'openai/*'", "hidden: must be a list"),
        ("hidden = ['*']", "hidden[0]: must be an id"),
        ("hidden = ['openai/*-mini']", "hidden[0]: must be an id"),
        ("[prices.openai]\n", "prices.openai: is not an id"),
        ("[[models]]\nid = 'llama'", 'models["llama"].id: must be an id such as'),
        ("[[models]]\nid = 'Box/llama'", "models[0].id: must be an id such as"),
        ("[[models]]\nid = 'box/llama:nitro'", 'models["box/llama:nitro"].id: must be an id such as'),
        ("[[models]]\nid = 'box/a@preset/b'", 'models["box/a@preset/b"].id: must be an id such as'),
        ("[[models]]\nid = 'sandbox/own'", 'models["sandbox/own"].id: is taken by the built-in simulated provider'),
        ("[[models]]\nid = 'box/a'\n[[models]]\nid = 'box/a'", 'models["box/a"].id: is used twice'),
        ("[[models]]\nid = 'box/a'\ncategory = 'video'", 'models["box/a"].category: must be'),
        ("[[models]]\nid = 'box/a'\ncapabilities = ['Tool use']", 'models["box/a"].capabilities[0]: must be an ability such as'),
        ("[[models]]\nid = 'box/a'\ncontext_length = '128k'", 'models["box/a"].context_length: must be a whole number'),
        ("[[models]]\nid = 'box/a'\nprice = 5", 'models["box/a"].price: must be a table'),
        ("[prices.'openai/gpt-4o']\ninput_per_million = '1'", 'prices."openai/gpt-4o".output_per_million: is missing'),
        ("[aliases]\nx = 5", "aliases.x: must be the name of a model"),
        ("[aliases]\nx = '@preset/y'", "aliases.x: must be the name of a model"),
        ("[aliases]\n'x:floor' = 'openai/gpt-4o'", "is not a name"),
        ("a = 1\na = 2", "is not TOML"),
        ("models = " + "[" * 10_000, "is not TOML"),
        (f"a = {'9' * 10_000}", "is not TOML"),
        (b"a = '\xff'", "is not a text in UTF-8"),
        (b"#" * (MAX_BYTES + 1), "is larger than 4 MB"),
    ],
)
def test_a_mistake_is_told_by_itself(problems: Problems, text: str | bytes, complaint: str) -> None:
    (line,) = problems(text)
    assert complaint in line


@pytest.mark.parametrize(
    "price", ["2.5", "-1", "1e3", "1,5", "", " 1", "1.", ".5", "NaN", "Infinity", "9999999", "0.0000000001", "1_0", "$1"]
)
def test_a_price_that_is_not_an_exact_decimal_is_refused(problems: Problems, price: str) -> None:
    text = "[prices.'openai/gpt-4o']\noutput_per_million = '1'\ninput_per_million = "
    if price == "2.5":
        assert "a number with a point would not be exact" in problems(text + price)[0]
    else:
        assert "input_per_million" in problems(f"{text}'{price}'")[0]


@pytest.mark.parametrize("value", ["true", "-1", "1000000", "nan", "2026-01-01"])
def test_a_price_of_another_kind_is_refused(problems: Problems, value: str) -> None:
    assert len(problems(f"[prices.'openai/gpt-4o']\noutput_per_million = '1'\ninput_per_million = {value}")) == 1


def test_two_tiers_that_begin_at_the_same_number_are_refused(problems: Problems) -> None:
    tier = "[[prices.'openai/gpt-4o'.tiers]]\nabove_tokens = 5\ninput_per_million = '1'\noutput_per_million = '1'\n"
    (line,) = problems(f"[prices.'openai/gpt-4o']\ninput_per_million = '1'\noutput_per_million = '1'\n{tier}{tier}")
    assert line == 'prices."openai/gpt-4o": has two tiers that begin at the same number of tokens'


def test_a_model_with_a_mistake_gets_no_second_complaint_for_its_alias(problems: Problems) -> None:
    (line,) = problems("[[models]]\nid = 'box/a'\ncontext_length = 0\n[aliases]\nx = 'box/a'\n")
    assert "context_length" in line


def test_no_mistake_repeats_a_value(problems: Problems) -> None:
    found = problems("""
        MARKER = 1
        hidden = ["MARKER value"]
        [[models]]
        id = "MARKER value"
        name = ["MARKER"]
        category = "MARKER"
        capabilities = ["MARKER value"]
        [prices."openai/gpt-4o"]
        input_per_million = "MARKER"
        [aliases]
        x = "MARKER value"
    """)
    assert len(found) == 9
    assert "MARKER" not in "\n".join(line for line in found if not line.startswith("MARKER: is not known"))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_overlay(tmp_path / "absent.toml", BUNDLED, lambda _: False)
    assert str(caught.value) == f"{tmp_path}/absent.toml: cannot be read: No such file or directory"


def test_its_place_is_relative_to_the_configuration_or_else_to_the_data(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "own.toml").write_text("[catalogue]\noverlay = 'models.toml'\n", encoding="utf-8")
    named = load_settings(data_dir=tmp_path / "data", config=tmp_path / "etc" / "own.toml", environ={})
    assert named.overlay_path == tmp_path / "etc" / "models.toml"
    variable = {"ANYROUTER_CATALOGUE__OVERLAY": "models.toml"}
    assert load_settings(data_dir=tmp_path / "data", environ=variable).overlay_path == tmp_path / "data" / "models.toml"
    assert load_settings(data_dir=tmp_path / "data", environ={}).overlay_path is None


def test_what_an_own_server_serves_or_may_serve_is_known(tmp_path: Path) -> None:
    (tmp_path / "anyrouter.toml").write_text(
        """
        [[upstreams]]
        id = "box"
        provider = "openai-compatible"
        base_url = "http://127.0.0.1:1/v1"
        [[upstreams]]
        id = "main"
        provider = "openai"
        base_url = "http://127.0.0.1:1/v1"
        models = ["openai/*", "meta/llama"]
        """,
        encoding="utf-8",
    )
    is_served = serves_beyond(BUNDLED, load_settings(data_dir=tmp_path, environ={}).upstreams)
    assert [name for name in ("box/any", "meta/llama", "meta/other", "openai/gpt-99", "nobody/x") if is_served(name)] == [
        "box/any",
        "meta/llama",
    ]


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8).map(repr),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: [item for item in items if not isinstance(item, dict)]),
    max_leaves=6,
)
LINES = st.sampled_from(
    [
        "[[models]]",
        "[models.price]",
        "[prices.'openai/gpt-4o']",
        "[[prices.'openai/gpt-4o'.tiers]]",
        "[aliases]",
        "hidden = []",
        "id = 'box/a'",
    ]
) | st.builds(
    "{} = {}".format,
    st.sampled_from(
        ["id", "name", "price", "tiers", "input_per_million", "above_tokens", "hidden", "models", "aliases", "'a/b'", "capabilities"]
    ),
    VALUES,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(LINES, max_size=8).map("\n".join) | st.binary(max_size=100))
def test_any_file_is_an_overlay_or_mistakes(read: Read, content: str | bytes) -> None:
    with contextlib.suppress(SettingsError):
        read(content)
