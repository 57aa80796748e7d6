"""Any client to any provider, through the official SDKs: what the model thought, and its proof on the way back."""

import json
import re
from typing import Any

import pytest

from support.clients.talk import WEATHER, Ending
from support.pairs import HOW, LIVE, WHOLE, Pair

THOUGHT = "The last message has 11 bytes. This is a simulation, so the answer is a fixed sentence."
_PROOF = re.compile(rb"(?:ErUB|CiQB|gAAAAAB)[0-9A-Za-z]{40}")
RESULTS = {"weather": "sunny"}


def proof_of(pair: Pair) -> str:
    """The proof in the upstream's last reply."""
    found = _PROOF.search(pair.world.sandbox.said[-1])
    assert found is not None
    return found[0].decode()


def has_proofs(pair: Pair) -> bool:
    """Whether there are any: chat completions of OpenAI count thoughts and tell nothing of them."""
    return pair.upstream != "openai" or pair.client.dialect == "responses"


def shows_thoughts(pair: Pair) -> bool:
    """Whether thoughts can be read: who asks Responses for an effort alone gets no summary."""
    return has_proofs(pair) and (pair.client.dialect, pair.upstream) != ("openai", "responses")


@pytest.mark.parametrize("how", HOW)
def test_what_was_thought_is_seen_before_the_answer(pair: Pair, how: str) -> None:
    said = pair.say(how, "thinker", thinks=True)
    assert said.text.startswith("Hello! This is a simulated answer")
    assert said.ending == pair.client.words[Ending.STOP]
    assert said.thoughts == (THOUGHT if shows_thoughts(pair) else "")
    assert bool(said.proofs) == has_proofs(pair)
    told = pair.generation(said)
    assert (told["tokens_prompt"], told["tokens_completion"]) == (said.input_tokens, said.output_tokens)
    assert told["native_tokens_reasoning"] == said.reasoning_tokens
    assert said.output_tokens == (len(said.text)) // 4 + len(THOUGHT) // 4
    assert said.reasoning_tokens == (len(THOUGHT) // 4 if pair.upstream in {"openai", "responses", "gemini"} else 0)


@pytest.mark.parametrize("how", HOW)
def test_a_proof_finds_its_way_back(live_pair: Pair, how: str) -> None:
    first = live_pair.say(how, "thinker", thinks=True)
    if not has_proofs(live_pair):
        assert first.proofs == ()
        return
    proof = proof_of(live_pair)
    live_pair.say(how, "thinker", text="Go on", before=first.turns, thinks=True)
    assert json.dumps(live_pair.sent).count(proof) == 1


@pytest.mark.parametrize("how", HOW)
def test_a_proof_stays_with_the_call_that_it_led_to(live_pair: Pair, how: str) -> None:
    first = live_pair.say(how, "thinking-caller", tools=(WEATHER,), thinks=True)
    (call,) = first.calls
    turns = (*first.turns, *live_pair.client.results(first, RESULTS))
    said_before = list(live_pair.world.sandbox.said)
    second = live_pair.say(how, "thinking-caller", text=None, before=turns, tools=(WEATHER,), thinks=True)
    assert second.text.startswith("Hello!")
    if not has_proofs(live_pair):
        return
    proof = _PROOF.search(said_before[-1])
    assert proof is not None
    sent = live_pair.sent
    assert json.dumps(sent).count(proof[0].decode()) == 1
    assert call.name == "weather"
    assert_in_order(live_pair.upstream, sent, proof[0].decode())


def assert_in_order(upstream: str, sent: Any, proof: str) -> None:
    """The thought stands before the call, in the turn of the model that called; Gemini's is the call's own."""
    if "input" in sent:
        kinds = [item.get("type") for item in sent["input"]]
        assert kinds.index("reasoning") < kinds.index("function_call") < kinds.index("function_call_output")
        return
    turns = sent["contents"] if upstream == "gemini" else sent["messages"]
    (turn,) = [turn for turn in turns if proof in json.dumps(turn)]
    blocks = turn["parts"] if upstream == "gemini" else turn["content"]
    proven = next(at for at, block in enumerate(blocks) if proof in json.dumps(block))
    called = next(at for at, block in enumerate(blocks) if WEATHER.name in json.dumps(block))
    assert proven == called if upstream == "gemini" else proven < called


@pytest.mark.parametrize("maker", ["responses", "anthropic", "gemini"])
def test_a_proof_is_given_to_nobody_else(live_pair: Pair, maker: str) -> None:
    """A conversation that another provider began goes on, without what only that one could check."""
    began = live_pair.world.pair(live_pair.client.dialect, maker, LIVE)
    first = began.say(WHOLE, "thinker", thinks=True)
    said = live_pair.say(WHOLE, "echo", text="Go on", before=first.turns, thinks=True)
    assert said.text == "Go on"
    is_own = maker == live_pair.upstream or {maker, live_pair.upstream} in ({"anthropic", "bedrock"}, {"openai", "responses"})
    is_passed = live_pair.client.dialect == live_pair.upstream == "openai"  # chat completions as the client wrote them
    if has_proofs(began) and not is_own and not is_passed:
        assert _PROOF.search(json.dumps(live_pair.sent).encode()) is None
