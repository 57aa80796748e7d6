"""What the operator says about models, laid over the catalogue as it is shipped."""

from datetime import UTC, datetime

import pytest

from anyrouter.control.catalogue import Catalogue, load_catalogue
from anyrouter.control.overlay import ModelEntry, Overlay, compose, find_mistakes
from anyrouter.core.catalogue import Model, Tariff

BUNDLED = load_catalogue(datetime(2026, 11, 24, 12, 30, tzinfo=UTC))
CHEAP = Tariff(input_nanousd=1, output_nanousd=2)


def resolve(overlay: Overlay, name: str, *discovered: Model) -> Model:
    model = compose(BUNDLED, overlay, discovered).resolve(name)
    assert model is not None
    return model


def mistakes(overlay: Overlay, served: tuple[str, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    return [(mistake.path, mistake.text) for mistake in find_mistakes(overlay, BUNDLED, lambda name: name.startswith(served or ("\0",)))]


def test_without_an_overlay_the_catalogue_is_the_bundled_one() -> None:
    composed = compose(BUNDLED)
    assert composed.models == BUNDLED.models == composed.listed
    assert composed.valid_until == BUNDLED.valid_until
    assert composed.resolve("openai/gpt-4o-2024-08-06") == BUNDLED.resolve("openai/gpt-4o-2024-08-06")


def test_what_is_not_said_of_an_own_model_is_unknown() -> None:
    model = resolve(Overlay(models=(ModelEntry(id="box/Qwen/Qwen2.5-7B", capabilities=("chat", "tool_use")),)), "box/Qwen/Qwen2.5-7B")
    assert model == Model(
        id="box/Qwen/Qwen2.5-7B",
        vendor="box",
        upstream_name="Qwen/Qwen2.5-7B",
        name="Qwen/Qwen2.5-7B",
        capabilities=("chat", "tool_use"),
        supported_parameters=("max_tokens", "tools", "tool_choice"),
    )


def test_what_is_said_of_a_known_model_replaces_what_was_known_and_nothing_else() -> None:
    entry = ModelEntry(id="openai/gpt-4o", name="By contract", context_length=1000)
    model, known = resolve(Overlay(models=(entry,)), "openai/gpt-4o"), BUNDLED.models["openai/gpt-4o"]
    assert (model.name, model.context_length) == ("By contract", 1000)
    assert (model.tariff, model.capabilities, model.supported_parameters) == (known.tariff, known.capabilities, known.supported_parameters)


def test_an_own_price_holds_for_all_of_a_rows_names() -> None:
    overlay = Overlay(prices={"openai/gpt-4o": CHEAP})
    for name in ("openai/gpt-4o", "gpt-4o", "openai/gpt-4o-2024-08-06", "openai/gpt-4o-latest", "openai/gpt-4o:floor"):
        assert resolve(overlay, name).tariff == CHEAP, name
    assert resolve(overlay, "openai/gpt-4o-mini").tariff == BUNDLED.models["openai/gpt-4o-mini"].tariff


def test_a_price_of_one_dated_name_is_that_names_alone_and_lists_nothing() -> None:
    composed = compose(BUNDLED, Overlay(prices={"openai/gpt-4o-2024-08-06": CHEAP}))
    dated, row = composed.resolve("openai/gpt-4o-2024-08-06"), composed.resolve("openai/gpt-4o")
    assert dated is not None
    assert (dated.tariff, dated.upstream_name, dated.context_length) == (CHEAP, "gpt-4o-2024-08-06", 128_000)
    assert row == BUNDLED.models["openai/gpt-4o"]
    assert composed.listed.keys() == BUNDLED.listed.keys()


def test_a_discovered_model_is_listed_and_takes_what_is_said_of_it() -> None:
    found = Model(id="box/tiny", vendor="box", upstream_name="tiny", name="tiny", context_length=4096)
    overlay = Overlay(models=(ModelEntry(id="box/tiny", name="Tiny"),), prices={"box/tiny": CHEAP, "box/later": CHEAP})
    composed = compose(BUNDLED, overlay, [found])
    model, later = composed.models["box/tiny"], composed.resolve("box/later")
    assert (model.name, model.context_length, model.tariff) == ("Tiny", 4096, CHEAP)
    assert later is not None
    assert (later.tariff, later.context_length) == (CHEAP, None)
    assert "box/later" not in composed.listed
    assert composed.resolve("tiny") is model
    assert composed.resolve("box/other") is None


def test_a_discovered_model_does_not_take_a_bare_name_from_others() -> None:
    found = Model(id="box/gpt-4o", vendor="box", upstream_name="gpt-4o", name="gpt-4o")
    assert resolve(Overlay(), "gpt-4o", found).id == "openai/gpt-4o"
    assert resolve(Overlay(), "box/gpt-4o", found) is found


def test_what_a_host_only_hosts_stays_behind_its_makers_when_something_is_laid_over_it() -> None:
    assert BUNDLED.later
    bare = {model_id.partition("/")[2] for layer in BUNDLED.later for model_id in layer}
    composed = compose(
        BUNDLED, Overlay(prices={BUNDLED.later[0][0]: CHEAP}), [Model(id="box/x", vendor="box", upstream_name="x", name="x")]
    )
    assert composed.later[:-1] == BUNDLED.later
    assert composed.models[BUNDLED.later[0][0]].tariff == CHEAP
    for name in bare:
        one, other = composed.resolve(name), BUNDLED.resolve(name)
        assert (one and one.id) == (other and other.id)


def test_an_alias_means_the_model_that_it_leads_to() -> None:
    overlay = Overlay(
        aliases={
            "openai/gpt-4o-latest": "openai/gpt-4o-2024-11-20",
            "fast": "house/default",
            "house/default": "anthropic/claude-sonnet-5:nitro",
            "openai/gpt-3.5-turbo": "gpt-4o-mini",
        }
    )
    composed = compose(BUNDLED, overlay)
    found = {name: composed.resolve(name) for name in (*overlay.aliases, "fast:floor", "openai/gpt-3.5-turbo-0125")}
    assert {name: (model.id, model.upstream_name, model.variant) for name, model in found.items() if model is not None} == {
        "openai/gpt-4o-latest": ("openai/gpt-4o-2024-11-20", "gpt-4o-2024-11-20", None),
        "fast": ("anthropic/claude-sonnet-5", "claude-sonnet-5", "nitro"),
        "house/default": ("anthropic/claude-sonnet-5", "claude-sonnet-5", "nitro"),
        "fast:floor": ("anthropic/claude-sonnet-5", "claude-sonnet-5", "floor"),
        "openai/gpt-3.5-turbo": ("openai/gpt-4o-mini", "gpt-4o-mini", None),
        # A dated name is the vendor's own: it is asked for, at its own price, whatever stands in for the row.
        "openai/gpt-3.5-turbo-0125": ("openai/gpt-3.5-turbo-0125", "gpt-3.5-turbo-0125", None),
    }
    dated = found["openai/gpt-3.5-turbo-0125"]
    assert dated is not None
    assert dated.tariff == BUNDLED.models["openai/gpt-3.5-turbo"].tariff


def test_an_alias_is_listed_as_a_row_that_names_what_is_really_called() -> None:
    listed = compose(BUNDLED, Overlay(aliases={"fast": "openai/gpt-4o-mini", "x/y": "fast"})).listed
    assert (listed["fast"].canonical_id, listed["fast"].tariff) == ("openai/gpt-4o-mini", BUNDLED.models["openai/gpt-4o-mini"].tariff)
    assert listed["openai/gpt-4o-mini"].aliases == ("fast", "x/y")
    assert listed["openai/gpt-4o-mini"].canonical_id is None


def test_an_alias_of_a_model_that_only_an_upstream_knows_has_its_name_and_nothing_else() -> None:
    assert resolve(Overlay(aliases={"fast": "box/tiny"}), "fast") == Model(id="box/tiny", vendor="box", upstream_name="tiny", name="tiny")


def test_hidden_models_are_not_listed_and_still_mean_themselves() -> None:
    overlay = Overlay(hidden=("openai/gpt-4o", "anthropic/*", "openai/gpt-3.5*"), aliases={"good": "openai/gpt-4o"})
    composed = compose(BUNDLED, overlay)
    assert not [name for name in composed.listed if name == "openai/gpt-4o" or name.startswith(("anthropic/", "openai/gpt-3.5"))]
    assert {"openai/gpt-4o-mini", "good"} <= composed.listed.keys()
    assert composed.resolve("openai/gpt-4o") is not None
    assert composed.resolve("claude-opus-4-6") is not None
    assert "openai/gpt-4o" not in composed.find_nearest("openai/gpt-4o")


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (
            Overlay(prices={"openai/gpt-40-mini": CHEAP}),
            [
                (
                    ("prices", "openai/gpt-40-mini"),
                    "is not known; did you mean openai/gpt-4o-mini?; a model of your own has its price in [[models]]",
                )
            ],
        ),
        (
            Overlay(models=(ModelEntry(id="box/a", tariff=CHEAP),), prices={"box/a": CHEAP}),
            [(("prices", "box/a"), "has its price in [[models]] already: keep one")],
        ),
        (
            Overlay(aliases={"a": "b", "b": "a:floor"}),
            [(("aliases", name), f"leads in a circle: {name} -> {other} -> {name}") for name, other in ("ab", "ba")],
        ),
        (
            Overlay(aliases={"openai/gpt-4o": "openai/gpt-4o"}),
            [(("aliases", "openai/gpt-4o"), "leads in a circle: openai/gpt-4o -> openai/gpt-4o")],
        ),
        (
            Overlay(aliases={"fast": "slow", "slow": "openai/gpt4o-mini"}),
            [(("aliases", "slow"), "means a model that is not known; did you mean openai/gpt-4o-mini?")],
        ),
        (Overlay(hidden=("openai/*", "openai/gpt-4o-mini", "zzzz/zzzz")), [(("hidden", 2), "is not known")]),
        (
            Overlay(
                models=(ModelEntry(id="box/a"),),
                prices={"openai/gpt-4o": CHEAP},
                aliases={"a": "box/a", "b": "a:nitro"},
                hidden=("a", "box/a"),
            ),
            [],
        ),
    ],
)
def test_what_refers_to_nothing_is_told_with_the_nearest_name(overlay: Overlay, expected: list[tuple[tuple[str | int, ...], str]]) -> None:
    assert mistakes(overlay) == expected


def test_what_an_upstream_of_ones_own_may_have_is_no_mistake() -> None:
    overlay = Overlay(prices={"box/tiny": CHEAP}, aliases={"fast": "box/tiny:floor"}, hidden=("box/big",))
    assert len(mistakes(overlay)) == 3
    assert mistakes(overlay, served=("box/",)) == []


def test_a_circle_of_aliases_means_nothing_even_when_nobody_refused_it() -> None:
    assert compose(BUNDLED, Overlay(aliases={"aa": "bb", "bb": "aa", "cc": "aa"})).resolve("cc") is None


def test_a_variant_is_noted_and_is_no_part_of_the_id() -> None:
    for name, model_id in (
        ("openai/gpt-4o:nitro", "openai/gpt-4o"),
        ("gpt-4o:nitro", "openai/gpt-4o"),
        ("anthropic/claude-sonnet-4-5-20250929:nitro", "anthropic/claude-sonnet-4-5-20250929"),
    ):
        model, plain = BUNDLED.resolve(name), BUNDLED.resolve(name.removesuffix(":nitro"))
        assert model is not None
        assert plain is not None
        assert (model.id, model.variant, model.upstream_name) == (model_id, "nitro", plain.upstream_name)
        assert plain.variant is None
    for name in ("openai/not-a-model:nitro", ":nitro", "openai/gpt-4o:fast", "openai/gpt-4o:nitro:x", "openai/gpt-4o:"):
        assert BUNDLED.resolve(name) is None, name


def test_latest_behind_a_rows_name_is_that_row_unless_the_vendor_has_such_a_name() -> None:
    def meaning(catalogue: Catalogue, name: str) -> tuple[str, str] | None:
        model = catalogue.resolve(name)
        return None if model is None else (model.id, model.upstream_name)

    assert meaning(BUNDLED, "openai/gpt-4o-latest") == meaning(BUNDLED, "gpt-4o-latest") == ("openai/gpt-4o", "gpt-4o")
    assert meaning(BUNDLED, "openai/chatgpt-4o-latest") == ("openai/chatgpt-4o-latest", "chatgpt-4o-latest")
    assert meaning(BUNDLED, "mistralai/mistral-large-latest") == ("mistralai/mistral-large-latest", "mistral-large-latest")
    assert meaning(BUNDLED, "openai/gpt-99-latest") is None
    assert meaning(BUNDLED, "sandbox/echo-latest") == ("sandbox/echo", "echo")
