"""Whole replies of the OpenAI dialect: what the client gets has our names and cost, and everything else as it came, however it is spelt."""

import json
from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.openai_reply import read_reply, render_reply
from anyrouter.wire.reply import CostFields, Naming
from support.json_texts import Nested, rendered, spaces

NAMING = Naming(b'"gen-1"', b'"openai/gpt-4o"', b'"OpenAI"')
COST = CostFields(cost=b"0.00035")
ESTIMATE = Usage(input_tokens=7, output_tokens=2, source=UsageSource.ESTIMATED)
COSTS = ("cost", "is_byok", "cost_details")


def seldom(others: st.SearchStrategy, usual: st.SearchStrategy, one_in: int = 6) -> st.SearchStrategy:
    return st.integers(1, one_in).flatmap(lambda number: others if number == one_in else usual)


odd_names = st.sampled_from(["a", "", ":", ",", ": ", 'quo"te', "back\\", "\u043a\u043b\u044e\u0447", "\U0001f511", 5, 11, None, {"a": 1}])
identities = seldom(odd_names, st.sampled_from(["chatcmpl-1", "chatcmpl-12"]), 4)
models = seldom(odd_names | identities, st.sampled_from(["gpt-4o-x", "gpt-4o-x2"]), 4)
counts = st.sampled_from([0, 1, 5, 11, 110])
details = st.fixed_dictionaries({"cached_tokens": counts, "reasoning_tokens": counts}, optional={"audio_tokens": st.just(0)})
whole_usages = st.fixed_dictionaries(
    {
        "prompt_tokens": counts,
        "completion_tokens": counts,
        "total_tokens": counts,
        "prompt_tokens_details": details,
        "completion_tokens_details": details,
    },
)
partial_usages = st.fixed_dictionaries(
    {"prompt_tokens": counts, "total_tokens": counts},
    optional={
        "completion_tokens": counts,
        "prompt_tokens_details": details | st.none(),
        "x": odd_names,
        "cost": st.just(9),
        "is_byok": st.booleans(),
        "cost_details": st.just({}),
    },
)
usages = seldom(partial_usages | st.none(), whole_usages)
SEPARATORS = ((",", ":"), (", ", ": "), (",\n  ", ": "), (" , ", " : "))


def nest(value: object) -> object:
    """Dictionaries as lists of pairs, as `rendered` takes them."""
    if isinstance(value, dict):
        return Nested((name, nest(child)) for name, child in value.items())
    return [nest(child) for child in value] if isinstance(value, list) else value


def spell(value: object, comma: str, colon: str, *, is_ascii: bool) -> str:
    """JSON text in one style from its first byte to its last, as servers write it. Names may repeat."""

    def write(value: object) -> str:
        if isinstance(value, Nested):
            return "{" + comma.join(f"{json.dumps(name)}{colon}{write(child)}" for name, child in value) + "}"
        if isinstance(value, list):
            return "[" + comma.join(map(write, value)) + "]"
        return json.dumps(value, ensure_ascii=is_ascii)

    return write(value)


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, bytes]:
    """An endpoint and a reply, in which the values of id, model and usage may stand in other places too."""
    endpoint = draw(st.sampled_from(["chat/completions", "chat/completions", "completions", "embeddings"]))
    told, other = ({"id": draw(identities), "model": draw(models), "usage": draw(usages)} for _ in range(2))
    echoes = seldom(
        st.sampled_from([told, other, [told], *told.values(), *other.values(), json.dumps(told), json.dumps(told["usage"])]),
        st.sampled_from(["Hello", 'it\'s "id":"x"', {"id": "call_1", "model": "m"}]),
        4,
    )
    choice = {"index": 0, "finish_reason": draw(st.sampled_from(["stop", None])), "message": draw(echoes)}
    members = [
        ("id", told["id"]),
        ("object", "x"),
        ("model", told["model"]),
        ("data", [draw(echoes)]) if endpoint == "embeddings" else ("choices", [choice]),
        ("usage", told["usage"]),
    ]
    for name in draw(st.lists(st.sampled_from(["x", "system_fingerprint", "y"]), max_size=2, unique=True)):
        members.insert(draw(st.integers(0, len(members))), (name, draw(echoes)))
    members = draw(seldom(st.permutations(members), st.just(members)))
    if not draw(st.integers(0, 5)):
        members.insert(draw(st.integers(0, len(members))), draw(st.sampled_from([*other.items(), *told.items(), ("provider", "theirs")])))
    if not draw(st.integers(0, 7)):
        members = [member for member in members if member[0] != draw(st.sampled_from(["id", "model", "usage"]))]
    nested = nest(dict(members)) if draw(st.booleans()) else Nested((name, nest(value)) for name, value in members)
    if draw(st.integers(0, 2)):
        return endpoint, spell(nested, *draw(st.sampled_from(SEPARATORS)), is_ascii=draw(st.booleans())).encode()
    return endpoint, f"{draw(spaces)}{draw(rendered(nested))}{draw(spaces)}".encode()


def without_nulls(value: object) -> object:
    return {name: 0 if child is None else child for name, child in value.items()} if isinstance(value, dict) else value


WHOLE = b'{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "prompt_tokens_details": {}, "completion_tokens_details": {}}'


@settings(max_examples=400)
@given(replies())
@example(("embeddings", b'{"id":":", "model": "m", "data": [], "usage": %b}' % WHOLE))
@example(("embeddings", b'{"id": 5, "model":":", "data": [], "usage": %b}' % WHOLE))
@example(("embeddings", b'{"id": "a", "model": "m", "data": [], "usage": %b, "x": {"usage": %b}}' % (WHOLE, WHOLE)))
@example(("embeddings", b'{"id": "a", "model": "m", "data": [{"usage": %b}], "usage": %b}' % (WHOLE, WHOLE)))
def test_a_reply_gets_our_names_and_cost_wherever_their_values_stand(drawn: tuple[str, bytes]) -> None:
    endpoint, text = drawn
    names, judged = [name for name, _ in json.loads(text, object_pairs_hook=list)], json.loads(text)
    read, facts = read_reply(endpoint, text)
    out = b"".join(render_reply(endpoint, read, NAMING, facts.usage or ESTIMATE, COST))
    got = json.loads(out)
    told, usage = judged.pop("usage", None), got.pop("usage")
    if endpoint == "chat/completions":
        judged.setdefault("system_fingerprint", None)
    assert got == {**judged, "id": "gen-1", "model": "openai/gpt-4o", "provider": "OpenAI"}
    assert {name: usage.pop(name) for name in COSTS} == json.loads(b"{%b}" % COST.render())
    if facts.usage is not None:
        kept = {name: without_nulls(value) for name, value in told.items() if name not in COSTS and value is not None}
        assert {name: usage[name] for name in kept} == kept
    if len(set(names)) == len(names):
        assert set(Counter(name for name, _ in json.loads(out, object_pairs_hook=list)).values()) == {1}
