"""Where conversations were served last."""

from anyrouter.policy.affinity import Affinity, ConversationKey


def key(name: bytes = b"n", environment_id: str = "env", model: str = "m") -> ConversationKey:
    return ConversationKey(environment_id, model, name)


def test_a_conversation_is_found_where_it_was() -> None:
    affinity = Affinity()
    assert affinity.find(key(), 0.0) is None
    affinity.keep(key(), "one", 0.0)
    assert affinity.find(key(), 1.0) == "one"
    affinity.keep(key(), "two", 1.0)
    assert (affinity.find(key(), 1.0), len(affinity)) == ("two", 1)


def test_nobody_elses_conversation_of_the_same_name_is_found() -> None:
    affinity = Affinity()
    affinity.keep(key(), "one", 0.0)
    assert affinity.find(key(environment_id="other"), 0.0) is None
    assert affinity.find(key(model="other"), 0.0) is None
    assert affinity.find(key(b"other"), 0.0) is None


def test_a_place_is_forgotten_after_a_while_and_renewed_by_an_answer() -> None:
    affinity = Affinity(ttl_s=600.0)
    affinity.keep(key(), "one", 0.0)
    assert (affinity.find(key(), 599.9), affinity.find(key(), 600.0)) == ("one", None)
    affinity.keep(key(), "one", 599.0)
    assert affinity.find(key(), 1198.9) == "one"


def test_looking_is_no_answer() -> None:
    affinity = Affinity(ttl_s=10.0)
    affinity.keep(key(), "one", 0.0)
    for now_s in range(10):
        affinity.find(key(), float(now_s))
    assert affinity.find(key(), 10.0) is None


def test_the_oldest_goes_when_there_are_too_many() -> None:
    affinity = Affinity(limit=3)
    for name in (b"a", b"b", b"c"):
        affinity.keep(key(name), "one", 0.0)
    affinity.keep(key(b"a"), "one", 1.0)
    affinity.keep(key(b"d"), "one", 2.0)
    assert [affinity.find(key(name), 2.0) for name in (b"a", b"b", b"c", b"d")] == ["one", None, "one", "one"]


def test_what_has_expired_is_cleared_away_by_what_comes() -> None:
    affinity = Affinity(ttl_s=10.0)
    for number in range(100):
        affinity.keep(key(b"%d" % number), "one", 0.0)
    for number in range(50):
        affinity.keep(key(b"new %d" % number), "one", 20.0)
    assert len(affinity) == 50


def test_what_has_not_expired_stays_when_the_rest_is_cleared_away() -> None:
    affinity = Affinity(ttl_s=10.0)
    for name, now_s in ((b"old", 0.0), (b"young", 9.0), (b"new", 11.0)):
        affinity.keep(key(name), "one", now_s)
    assert [affinity.find(key(name), 11.0) for name in (b"old", b"young", b"new")] == [None, "one", "one"]
    assert len(affinity) == 2


def test_places_are_counted_by_environment_and_model() -> None:
    affinity = Affinity(limit=2)
    affinity.keep(key(b"a"), "one", 0.0)
    affinity.keep(key(b"a"), "two", 0.0)
    affinity.keep(key(b"b"), "one", 0.0)
    assert [affinity.count(*place, 0.0) for place in (("env", "m"), ("env", "other"), ("other", "m"))] == [2, 0, 0]
    affinity.keep(key(b"c", model="other"), "one", 0.0)
    assert [affinity.count(*place, 0.0) for place in (("env", "m"), ("env", "other"))] == [1, 1]
    affinity.forget(key(b"b"))
    assert affinity.count("env", "m", 0.0) == 0


def test_asking_often_enough_clears_everything_away_that_has_expired() -> None:
    affinity = Affinity(ttl_s=10.0)
    for number in range(100):
        affinity.keep(key(b"%d" % number), "one", 0.0)
    for _ in range(25):
        affinity.count("env", "m", 10.0)
    assert (affinity.count("env", "m", 10.0), len(affinity)) == (0, 0)


def test_a_place_can_be_given_up() -> None:
    affinity = Affinity()
    affinity.keep(key(), "one", 0.0)
    affinity.forget(key())
    affinity.forget(key())
    assert affinity.find(key(), 0.0) is None
