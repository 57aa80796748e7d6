"""Defaults that are written in two places, since neither may import the other: they agree."""

from dataclasses import fields

from anyrouter.relay.ports import Timeouts
from anyrouter.settings.sections import ServerSettings, TimeoutSettings
from anyrouter.web.front.limits import FrontLimits


def test_the_fronts_own_defaults_are_those_of_the_settings() -> None:
    server, front = ServerSettings(), FrontLimits()
    shared = {field.name for field in fields(FrontLimits)} & set(ServerSettings.model_fields) - {"max_connections"}
    assert {"head_bytes", "head_count", "head_timeout_s", "body_bytes", "body_timeout_s", "keep_alive_s"} <= shared
    assert {name: getattr(server, name) for name in shared} == {name: getattr(front, name) for name in shared}


def test_an_upstreams_own_deadlines_are_those_of_the_settings() -> None:
    assert Timeouts(**TimeoutSettings().model_dump()) == Timeouts()
