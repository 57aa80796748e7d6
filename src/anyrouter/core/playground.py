"""Requests of people who are signed in, made without a key of their own: what stands in a key's place.

Compatibility law: the ids are in the ledger. No stored key has one of them: those begin with `key_`.
"""

PREFIX = "play_"
PLAYGROUND = "playground"
_MEMBER = "mem_"


def playground_key_id(member_id: str) -> str:
    """What a member's requests from the playground are under in the ledger, as key and as rotation group."""
    return PREFIX + member_id.removeprefix(_MEMBER)


def find_player(key_id: str) -> str | None:
    """The id of the member whose requests are under it; None for the id of a key."""
    return _MEMBER + key_id.removeprefix(PREFIX) if key_id.startswith(PREFIX) else None
