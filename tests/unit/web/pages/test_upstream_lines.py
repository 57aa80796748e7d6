"""Lines of upstreams: trouble first, known names alone, and what was never asked."""

from collections.abc import Callable

import pytest

from anyrouter.core.catalogue import Model
from anyrouter.policy.health import HealthSettings, TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.route import Upstream
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.stats import UpstreamRecord
from anyrouter.web.pages.gateway import Standing
from anyrouter.web.pages.upstream_lines import MAX_TARGETS, ModelNames, UpstreamLine, make_line, name_targets

NOW_S = 100.0


def upstream(**fields: object) -> Upstream:
    values = {"id": "box", "models": {"acme/*": "", "acme/own": "their-own"}} | fields
    return Upstream(provider=PROVIDERS["openai"], scheme="https", host="h", port=443, base_path="", **values)  # type: ignore[arg-type]


def asked(times: int, *, is_failing: bool = False) -> TargetHealth:
    health = TargetHealth(HealthSettings(), NOW_S)
    for _ in range(times):
        permit = health.admit(NOW_S)
        if is_failing:
            health.fail(permit, NOW_S, Outcome.FAILED)
        else:
            health.succeed(permit, NOW_S, 250.0)
    return health


@pytest.fixture
def line() -> Callable[..., UpstreamLine]:
    def make(*found: tuple[str, TargetHealth], record: UpstreamRecord | None = None, **fields: object) -> UpstreamLine:
        names = {name: f"acme/{name}" for name, _ in found if name != "invented"}
        standings = [
            Standing(key=("box", name), state=health.read_state(NOW_S), rank=health.rank(NOW_S), asked=health.admitted)
            for name, health in found
        ]
        reports = {("box", name): health.report(NOW_S) for name, health in found}
        box = upstream(**fields)
        return make_line(box, name_targets(box, standings, names), reports, record=record, models_read=None)

    return make


def test_what_is_in_trouble_comes_first_and_then_what_is_asked_most(line: Callable[..., UpstreamLine]) -> None:
    shown = line(("rare", asked(1)), ("often", asked(9)), ("broken", asked(8, is_failing=True)))
    assert [target.model for target in shown.targets] == ["acme/broken", "acme/often", "acme/rare"]
    assert shown.state == "open"
    assert (shown.targets[1].latency_ms[0], shown.targets[0].latency_ms) == (pytest.approx(250, rel=0.2), (None, None))
    assert (shown.targets[1].uptime, shown.targets[0].uptime) == ("100 %", "0.0 %")


def test_what_clients_invent_is_left_out(line: Callable[..., UpstreamLine]) -> None:
    shown = line(("invented", asked(8, is_failing=True)))
    assert (shown.targets, shown.state) == ([], None)


def test_many_are_cut_and_counted(line: Callable[..., UpstreamLine]) -> None:
    shown = line(*((f"m{number}", asked(1)) for number in range(MAX_TARGETS + 3)))
    assert (len(shown.targets), shown.hidden) == (MAX_TARGETS, 3)


def test_the_simulated_one_is_well_whatever_it_is_asked_to_do(line: Callable[..., UpstreamLine]) -> None:
    assert line(is_sandbox=True).state == "well"
    assert line().state is None


def test_an_error_is_told_only_while_it_lasts(line: Callable[..., UpstreamLine]) -> None:
    failing, well = UpstreamRecord(failures=2, last_error="upstream_error"), UpstreamRecord(failures=0, last_error="upstream_error")
    assert (line(record=failing).failures, line(record=failing).last_error) == (2, "upstream_error")
    assert (line(record=well).failures, line(record=well).last_error) == (0, None)


def test_names_are_those_of_the_catalogue_and_of_the_operator_and_follow_both() -> None:
    names, box = ModelNames(), upstream()
    first = {"acme/one": Model(id="acme/one", vendor="acme", upstream_name="one", name="One")}
    assert names.find(box, first) == {"one": "acme/one", "their-own": "acme/own"}
    assert names.find(box, first) is names.find(box, first)
    second = {"acme/two": Model(id="acme/two", vendor="acme", upstream_name="two", name="Two")}
    assert "two" in names.find(box, second)
    assert "one" not in names.find(box, second)
    assert names.find(upstream(models={"acme/other": "o"}), second) == {"o": "acme/other"}
