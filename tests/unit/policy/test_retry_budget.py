"""Retries as a share of requests."""

from anyrouter.policy.retry_budget import RetryBudget, RetrySettings


def test_the_burst_is_there_from_the_start_and_then_nothing() -> None:
    budget = RetryBudget(RetrySettings(share=0.1, burst=3))
    assert [budget.withdraw() for _ in range(5)] == [True, True, True, False, False]


def test_ten_requests_at_a_tenth_are_one_retry() -> None:
    budget = RetryBudget(RetrySettings(share=0.1, burst=1))
    assert budget.withdraw()
    for _ in range(9):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()
    budget.deposit(10)
    assert (budget.withdraw(), budget.withdraw()) == (True, False)


def test_no_more_than_the_burst_is_saved_up() -> None:
    budget = RetryBudget(RetrySettings(share=0.5, burst=2))
    budget.deposit(1000)
    assert [budget.withdraw() for _ in range(4)] == [True, True, False, False]


def test_without_a_share_or_burst_there_are_no_retries() -> None:
    budget = RetryBudget(RetrySettings(share=0.0, burst=0))
    budget.deposit(1000)
    assert not budget.withdraw()
