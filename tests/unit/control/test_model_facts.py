"""The table of facts that is shipped."""

from datetime import UTC, date, datetime

from anyrouter.control.catalogue import load_catalogue
from anyrouter.control.model_facts import FACTS_FILE, ModelFacts, list_parameters, read_facts


def test_the_file_says_where_it_comes_from_and_is_small() -> None:
    facts = read_facts()
    assert (facts.source, facts.licence) == ("litellm", "MIT")
    assert facts.version
    assert date.fromisoformat(facts.retrieved) > date(2026, 1, 1)
    assert FACTS_FILE.stat().st_size < 200_000


def test_facts_are_of_listed_models_only() -> None:
    catalogue = load_catalogue(datetime(2026, 11, 24, tzinfo=UTC))
    facts = read_facts().models
    assert len(facts) > 150
    assert facts.keys() <= catalogue.models.keys()


def test_the_facts_of_well_known_models_are_right() -> None:
    facts = read_facts().models
    model = facts["openai/gpt-4o"]
    assert (model.category, model.max_output_tokens, model.output_modalities) == ("text", 16384, ("text",))
    assert {"chat", "tool_use", "vision", "json_schema", "prompt_caching"} <= set(model.capabilities or ())
    assert facts["openai/text-embedding-3-small"].category == "embedding"
    assert facts["openai/gpt-image-1"].category == "image"
    assert facts["openai/whisper-1"].category == "audio"


def test_facts_reach_the_catalogue_and_unknown_ones_stay_none() -> None:
    catalogue = load_catalogue(datetime(2026, 11, 24, tzinfo=UTC))
    facts = read_facts().models
    unknown = [model for model in catalogue.models.values() if model.vendor != "sandbox" and model.id not in facts]
    assert unknown
    assert all(model.capabilities is None and model.supported_parameters is None for model in unknown)
    assert catalogue.models["openai/gpt-4o"].capabilities == facts["openai/gpt-4o"].capabilities


def test_a_model_without_facts_in_the_file_has_none() -> None:
    assert all(getattr(ModelFacts(), field) is None for field in ModelFacts.__struct_fields__)


def test_parameters_follow_from_abilities_and_from_nothing_else() -> None:
    assert list_parameters(None) is None
    assert list_parameters(("embedding",)) == ()
    assert list_parameters(("chat", "tool_use", "completion")) == ("max_tokens", "tools", "tool_choice")
