from anyrouter.control.challenges import Challenges


class Watch:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_challenge_is_taken_once_by_the_browser_that_began_it() -> None:
    challenges: Challenges[str] = Challenges(monotonic=Watch(), lifetime_s=60)
    begun = challenges.put("browser-1", "value")
    assert challenges.take(begun, "browser-2") is None
    assert challenges.take("another", "browser-1") is None
    assert challenges.take(begun, "browser-1") == "value", "the other's attempt has not used it up"
    assert challenges.take(begun, "browser-1") is None


def test_a_challenge_ends_with_its_time() -> None:
    watch = Watch()
    challenges: Challenges[str] = Challenges(monotonic=watch, lifetime_s=60)
    begun = challenges.put("browser", "value")
    watch.now_s = 60.0
    assert challenges.take(begun, "browser") is None


def test_who_begins_without_end_takes_only_places_of_the_same_owner() -> None:
    challenges: Challenges[int] = Challenges(monotonic=Watch(), lifetime_s=60, most=100, most_of_one=3)
    other = challenges.put("browser", -1, owner="192.0.2.1")
    begun = [challenges.put("browser", number, owner="192.0.2.2") for number in range(5)]
    assert [challenges.take(one, "browser") for one in begun] == [None, None, 2, 3, 4]
    assert challenges.take(other, "browser") == -1


def test_in_all_there_are_at_most_so_many_and_the_oldest_goes() -> None:
    challenges: Challenges[int] = Challenges(monotonic=Watch(), lifetime_s=60, most=3, most_of_one=3)
    begun = [challenges.put("browser", number, owner=str(number)) for number in range(5)]
    assert [challenges.take(one, "browser") for one in begun] == [None, None, 2, 3, 4]
