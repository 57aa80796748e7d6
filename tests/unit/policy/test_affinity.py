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


def test_a_place_can_be_given_up() -> None:
    affinity = Affinity()
    affinity.keep(key(), "one", 0.0)
    affinity.forget(key())
    affinity.forget(key())
    assert affinity.find(key(), 0.0) is None
