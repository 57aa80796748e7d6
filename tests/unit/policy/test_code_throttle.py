from anyrouter.policy.code_throttle import LIMIT, MAX_MEMBERS, SPAN_S, CodeThrottle


def test_as_many_failures_as_are_allowed_and_then_a_wait_until_the_first_is_an_hour_old() -> None:
    throttle = CodeThrottle()
    assert [throttle.begin("mem_1", float(second)) for second in range(LIMIT)] == [None] * LIMIT
    assert throttle.begin("mem_1", 100.0) == SPAN_S - 100.0
    assert throttle.begin("mem_2", 100.0) is None, "another member's are counted apart"
    assert throttle.begin("mem_1", SPAN_S) is None
    assert throttle.begin("mem_1", SPAN_S) == 1.0, "one is an hour old, one place is free"


def test_attempts_at_once_count_before_they_are_judged_and_success_forgets() -> None:
    throttle = CodeThrottle()
    for _ in range(LIMIT - 1):
        throttle.begin("mem_1", 0.0)
    assert throttle.begin("mem_1", 0.0) is None
    assert throttle.begin("mem_1", 0.0) is not None
    throttle.succeed("mem_1")
    assert throttle.begin("mem_1", 0.0) is None


def test_memory_is_bounded_and_the_one_who_tries_now_is_not_forgotten() -> None:
    throttle = CodeThrottle()
    for _ in range(LIMIT):
        throttle.begin("mem_victim", 0.0)
    for number in range(MAX_MEMBERS - 1):
        throttle.begin(f"mem_{number}", 1.0)
    assert throttle.begin("mem_victim", 2.0) is not None
    for number in range(MAX_MEMBERS - 1):
        throttle.begin(f"mem_x{number}", 3.0)
    assert throttle.begin("mem_victim", 4.0) is not None


def test_an_attempt_that_could_not_be_judged_is_not_counted_and_those_before_are() -> None:
    throttle = CodeThrottle()
    for _ in range(LIMIT):
        throttle.begin("mem_1", 0.0)
    throttle.forgive("mem_1")
    throttle.forgive("mem_unknown")
    assert throttle.begin("mem_1", 1.0) is None
    assert throttle.begin("mem_1", 1.0) is not None
