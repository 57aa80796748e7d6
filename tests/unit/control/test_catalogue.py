"""The catalogue as it is shipped: which models it lists, and what names mean."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.control.catalogue import MAX_NAME_LENGTH, Catalogue, load_catalogue
from anyrouter.control.price_data import read_price_data
from anyrouter.core.catalogue import Model, Tariff
from anyrouter.providers.registry import PROVIDERS
from anyrouter.providers.sandbox import SANDBOX_MODELS

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(NOW)


def test_the_well_known_models_are_listed_with_their_prices(catalogue: Catalogue) -> None:
    tariffs = {
        model_id: catalogue.models[model_id].tariff
        for model_id in ("openai/gpt-4o", "openai/gpt-4-turbo", "openai/text-embedding-3-small", "anthropic/claude-3-5-sonnet")
    }
    assert tariffs == {
        "openai/gpt-4o": Tariff(input_nanousd=2_500_000_000, output_nanousd=10_000_000_000, cache_read_nanousd=1_250_000_000),
        "openai/gpt-4-turbo": Tariff(input_nanousd=10_000_000_000, output_nanousd=30_000_000_000),
        "openai/text-embedding-3-small": Tariff(input_nanousd=20_000_000, output_nanousd=0),
        "anthropic/claude-3-5-sonnet": Tariff(
            input_nanousd=3_000_000_000,
            output_nanousd=15_000_000_000,
            cache_read_nanousd=300_000_000,
            cache_write_nanousd=3_750_000_000,
        ),
    }


def test_every_vendor_with_prices_has_models_and_every_id_is_its_vendors(catalogue: Catalogue) -> None:
    vendors = {model.vendor for model in catalogue.models.values()}
    priced = {row["id"] for row in read_price_data()}
    assert vendors == {row.vendors[0] for row in PROVIDERS.values() if row.id in priced} | {"sandbox"}
    for model_id, model in catalogue.models.items():
        assert model.id == model_id == model_id.lower()
        assert model_id.startswith(f"{model.vendor}/")
        assert model.category in {"text", "image", "audio", "embedding"}
        assert not model_id.endswith(("-", "/"))


def test_a_maker_lists_its_own_models_only(catalogue: Catalogue) -> None:
    assert "anthropic/claude-opus-4-6" in catalogue.models
    makers = {vendor for row in PROVIDERS.values() if not row.is_host for vendor in row.vendors} - {"anthropic"}
    assert not [model.id for model in catalogue.models.values() if "claude" in model.id and model.vendor in makers]
    assert catalogue.resolve("google/claude-opus-4-6") is None


def test_a_host_lists_what_it_hosts_under_its_own_name(catalogue: Catalogue) -> None:
    hosted = catalogue.models["groq/openai/gpt-oss-120b"]
    assert (hosted.vendor, hosted.upstream_name) == ("groq", "openai/gpt-oss-120b")


def test_an_id_in_lower_case_keeps_the_providers_own_spelling(catalogue: Catalogue) -> None:
    assert catalogue.models["minimax/minimax-m2"].upstream_name == "MiniMax-M2"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("anthropic/claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
        ("anthropic/claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-0"),
        ("mistralai/mistral-large-latest", "mistralai/mistral-large"),
        ("openai/GPT-4o", "openai/gpt-4o"),
    ],
)
def test_a_vendors_other_name_has_the_rows_price_and_is_asked_for_as_it_was_written(catalogue: Catalogue, name: str, row: str) -> None:
    model, listed = catalogue.resolve(name), catalogue.models[row]
    assert model is not None
    assert (model.id, model.upstream_name) == (name, name.partition("/")[2])
    assert (model.vendor, model.tariff, model.context_length) == (listed.vendor, listed.tariff, listed.context_length)
    assert name not in catalogue.models
    assert catalogue.resolve(name) is model


def test_a_fine_tune_resolves_to_its_own_price_though_no_fine_tune_is_listed(catalogue: Catalogue) -> None:
    model = catalogue.resolve("openai/ft:gpt-4o-2024-08-06:acme::abc123")
    assert model is not None
    assert model.tariff is not None
    assert model.tariff.input_nanousd == 3_750_000_000
    assert not [model_id for model_id in catalogue.models if ":" in model_id and model_id.startswith("openai/")]


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("claude-opus-4-6", "anthropic/claude-opus-4-6"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet-latest"),
        ("gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("echo", "sandbox/echo"),
    ],
)
def test_a_bare_name_resolves_when_exactly_one_vendor_has_it(catalogue: Catalogue, name: str, model_id: str) -> None:
    model = catalogue.resolve(name)
    assert model is not None
    assert model.id == model_id


def test_a_bare_name_that_two_vendors_have_means_nothing(catalogue: Catalogue) -> None:
    assert {"openai/gpt-oss-120b", "cerebras/gpt-oss-120b"} <= catalogue.models.keys()
    assert catalogue.resolve("gpt-oss-120b") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "openai/",
        "/gpt-4o",
        "openai/gpt-4o ",
        " openai/gpt-4o",
        "openai/gpt-4o\n",
        "openai/gpt\u20114o",
        "openai/not-a-model",
        "nobody/gpt-4o",
        "nobody/claude-v2",
        "openai//gpt-4o",
        "sandbox/not-a-scenario",
        "anthropic/claude-3-5-sonnet-" + "x" * MAX_NAME_LENGTH,
    ],
)
def test_a_name_that_nobody_has_means_nothing(catalogue: Catalogue, name: str) -> None:
    assert catalogue.resolve(name) is None


def test_a_host_that_repeats_makers_names_takes_none_of_them_away(catalogue: Catalogue) -> None:
    assert {"x-ai/grok-3", "openrouter/grok-3"} <= catalogue.models.keys()
    late = {vendor for row in PROVIDERS.values() if row.is_found_last for vendor in row.vendors}
    for model in catalogue.models.values():
        found = catalogue.resolve(model.id.partition("/")[2])
        if model.vendor not in late and found is not None and "/" not in found.id.partition("/")[2]:
            assert found.vendor not in late, model.id


def test_a_name_that_only_such_a_host_has_is_found_without_its_vendor(catalogue: Catalogue) -> None:
    model = catalogue.resolve("amazon.nova-lite-v1:0")
    assert model is not None
    assert model.id == "amazon-bedrock/amazon.nova-lite-v1:0"


def test_the_memory_of_judged_names_is_bounded(catalogue: Catalogue) -> None:
    for number in range(5000):
        catalogue.resolve(f"anthropic/claude-3-opus-{number}")
    assert len(catalogue._judged) <= 4096
    assert catalogue.resolve("anthropic/claude-3-opus-0") is not None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("openai/gpt-40-mini", "openai/gpt-4o-mini"),
        ("gpt4o", "openai/gpt-4o"),
        ("anthropic/claude-opus-46", "anthropic/claude-opus-4-6"),
        ("OpenAI/GPT-4-Turbo", "openai/gpt-4-turbo"),
    ],
)
def test_the_nearest_ids_are_suggested(catalogue: Catalogue, name: str, nearest: str) -> None:
    found = catalogue.find_nearest(name)
    assert found[0] == nearest
    assert len(found) <= 3


def test_nothing_is_suggested_for_what_looks_like_nothing(catalogue: Catalogue) -> None:
    assert catalogue.find_nearest("zzzzzzzz") == []
    assert catalogue.find_nearest("") == []
    assert catalogue.find_nearest("\0" * 100_000) == []


def test_the_sandbox_models_are_listed_and_free(catalogue: Catalogue) -> None:
    rows = {model.upstream_name: model for model in catalogue.models.values() if model.vendor == "sandbox"}
    assert rows.keys() == SANDBOX_MODELS.keys()
    assert all(model.tariff == Tariff(input_nanousd=0, output_nanousd=0) for model in rows.values())


def test_the_operators_rows_are_added_and_replace_known_ones() -> None:
    own = Model(id="local/llama", vendor="local", upstream_name="llama", name="Llama here")
    cheap = Model(
        id="openai/gpt-4o", vendor="openai", upstream_name="gpt-4o", name="By contract", tariff=Tariff(input_nanousd=1, output_nanousd=1)
    )
    catalogue = load_catalogue(NOW, extra=[own, cheap])
    assert catalogue.resolve("local/llama") is own
    assert catalogue.resolve("llama") is own
    assert catalogue.resolve("openai/gpt-4o") is cheap
    assert catalogue.resolve("local/other") is None


def test_a_catalogue_says_until_when_its_prices_hold() -> None:
    before = load_catalogue(datetime(2026, 11, 24, 0, 59, tzinfo=UTC))
    assert before.valid_until == datetime(2026, 11, 24, 1, tzinfo=UTC)
    after = load_catalogue(before.valid_until)
    assert before.models["deepseek/deepseek-v4-flash"].tariff != after.models["deepseek/deepseek-v4-flash"].tariff


def test_nothing_changes_before_a_catalogue_ends() -> None:
    now = NOW
    for _ in range(3):
        catalogue = load_catalogue(now)
        assert catalogue.valid_until is not None
        assert catalogue.valid_until > now
        just_before = load_catalogue(catalogue.valid_until - timedelta(microseconds=1))
        assert just_before.models == catalogue.models
        now = catalogue.valid_until


def test_loading_imports_neither_the_price_package_nor_an_http_client() -> None:
    program = (
        "import sys, json, datetime\n"
        "from anyrouter.control.catalogue import load_catalogue\n"
        "load_catalogue(datetime.datetime.now(datetime.UTC))\n"
        "print(json.dumps([name for name in ('genai_prices', 'httpx2', 'httpx', 'pydantic', 'ssl', 'socket') if name in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert json.loads(ended.stdout) == []
