from anyrouter.web.front.limits import FrontLimits


def test_deadlines_are_looked_at_each_second_and_oftener_when_they_are_short() -> None:
    assert FrontLimits().sweep_s == 1.0
    assert FrontLimits(presence_s=None).sweep_s == 1.0
    assert FrontLimits(presence_s=0.2).sweep_s == 0.2
    assert FrontLimits(keep_alive_s=0.4).sweep_s == 0.1
    assert FrontLimits(keep_alive_s=0.0).sweep_s == 0.01
