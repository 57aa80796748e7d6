"""How much thinking, and proofs that find their way back."""

import pytest

from anyrouter.wire.form.reasoning import (
    ANTHROPIC_FORMAT,
    EFFORTS,
    GEMINI_FORMAT,
    MAX_BUDGET,
    MIN_BUDGET,
    Sealed,
    budget_of,
    effort_of,
    seal,
    unseal,
)


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
@pytest.mark.parametrize("max_tokens", [None, 16_000, 64_000, 100_000])
def test_an_effort_becomes_a_budget_and_the_same_effort_again(effort: str, max_tokens: int | None) -> None:
    assert effort_of(budget_of(effort, max_tokens), max_tokens) == effort


@pytest.mark.parametrize("effort", EFFORTS)
def test_a_budget_stays_within_its_bounds(effort: str) -> None:
    assert budget_of(effort, 10) == MIN_BUDGET
    assert MIN_BUDGET <= budget_of(effort, 10_000_000) <= MAX_BUDGET


@pytest.mark.parametrize(
    "sealed",
    [Sealed(GEMINI_FORMAT, "cHJvb2Y=", None), Sealed(ANTHROPIC_FORMAT, "a.b.c", "rs_1"), Sealed(None, "x", "y"), Sealed("f", "", None)]
    + [Sealed(GEMINI_FORMAT, "p.q", origin) for origin in ("functions.f:0", "100%", "a%2Eb", "a.%25.b", "..")]
    + [Sealed("v1.5", "p", None)],
)
def test_a_sealed_proof_is_what_it_was_when_unsealed(sealed: Sealed) -> None:
    assert unseal(seal(sealed.proof, sealed.format, sealed.id)) == sealed


@pytest.mark.parametrize("proof", ["", "EqQBCgIYAhIM", "anyrouter.", "anyrouter.only-one", "anyrouter"])
def test_a_proof_that_was_never_sealed_is_left_as_it_is(proof: str) -> None:
    assert unseal(proof) == Sealed(None, proof, None)


def test_what_is_sealed_today_is_opened_for_ever() -> None:
    assert seal("cHJvb2Y=", GEMINI_FORMAT, "call_1") == "anyrouter.google-gemini-v1.call_1.cHJvb2Y="
    assert seal("cHJvb2Y=", GEMINI_FORMAT, "functions.f:0") == "anyrouter.google-gemini-v1.functions%2Ef:0.cHJvb2Y="
    assert unseal("anyrouter.google-gemini-v1.call%1.cHJvb2Y=") == Sealed(GEMINI_FORMAT, "cHJvb2Y=", "call%1")
