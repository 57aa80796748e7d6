"""What differs between the dialects besides their endpoints: the envelope of replies, and the words of refusals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.fields import FieldFault
from anyrouter.sandbox.reply import ApiError, Reply, Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider's manners. The functions that make an ApiError say what it is about by their names."""

    whole: Callable[[Any, Stamp], Reply]
    render_error: Callable[[ApiError, Stamp], Reply]
    of_fault: Callable[[FieldFault], ApiError]
    of_window: Callable[[WindowExceeded, str], ApiError]
    no_key: Callable[[], ApiError]
    not_json: Callable[[str], ApiError]
    not_found: Callable[[str, str], ApiError]
    wrong_method: Callable[[str, str, str], ApiError]
    too_large: Callable[[], ApiError]
    rate_limited: Callable[[str, int], ApiError]
    server_error: Callable[[], ApiError]
