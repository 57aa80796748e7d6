"""Whose fault an error of a generation was, and what to do about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from anyrouter.core.errors import CODES
from anyrouter.core.ledger import EntryState, LedgerEntry

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`whose` is in words; `happened` and `advice` are sentences."""

    whose: str
    happened: str
    advice: str


_CLIENT, _PROVIDER, _GATEWAY, _ACCOUNT = "The client's", "The provider's", "The gateway's", "Your account's at the provider"
_FAULTS: Mapping[str, Fault] = {
    "client_closed_request": Fault(
        whose=_CLIENT,
        happened="The client ended the connection before the reply had ended.",
        advice="If it gives up by a timeout of its own, give it a longer one, or stream. Tokens that were used until then are charged.",
    ),
    "upstream_error": Fault(
        whose=_PROVIDER,
        happened="The provider answered with an error.",
        advice="Look at the attempts below for its status. If it goes on, add a second upstream for the model, so that requests fall back.",
    ),
    "upstream_invalid_response": Fault(
        whose=_PROVIDER,
        happened="The provider's answer was cut off, malformed or too large.",
        advice="The same request may succeed if it is sent again. If it goes on, look at the upstream's health.",
    ),
    "upstream_timeout": Fault(
        whose=_PROVIDER,
        happened="The provider did not answer in time.",
        advice="Send it again, ask for fewer tokens, or have the operator give the upstream more time.",
    ),
    "upstream_rate_limited": Fault(
        whose=_ACCOUNT,
        happened="Every upstream that could answer said that it is asked too much.",
        advice="Send less at once, ask the provider for a higher limit, or add another credential or upstream for the model.",
    ),
    "byok_credential_rejected": Fault(
        whose=_ACCOUNT,
        happened="The provider refused your organisation's own credential.",
        advice="Test it under Settings, BYOK, and enter a new secret if it has ended.",
    ),
    "no_healthy_upstream": Fault(
        whose=_PROVIDER,
        happened="Every upstream that could answer is ill, and was left alone.",
        advice="Look at the upstreams' health; they are tried again by themselves.",
    ),
    "context_length_exceeded": Fault(
        whose=_CLIENT,
        happened="The prompt was longer than the model's context.",
        advice="Shorten it, or use a model with a longer context.",
    ),
    "overloaded": Fault(
        whose=_PROVIDER,
        happened="It had more to do than it can, or said so in the middle of the stream.",
        advice="Send it again in a moment.",
    ),
    "internal_error": Fault(
        whose=_GATEWAY,
        happened="Something went wrong in the gateway itself.",
        advice="Give the operator the request id: the log says more.",
    ),
    "storage_unavailable": Fault(
        whose=_GATEWAY,
        happened="The gateway's database or journal could not be used.",
        advice="Tell the operator. The same request succeeds once the storage is back.",
    ),
}
_INTERRUPTED = Fault(
    whose=_GATEWAY,
    happened="The gateway stopped in the middle of it. What was used is an estimate from what was asked for.",
    advice="Nothing to do. If it happens often, the operator should look at why the process ends.",
)


def explain_error(entry: LedgerEntry) -> Fault | None:
    """What is known of an entry that did not end well; None of one that did."""
    if entry.state is EntryState.INTERRUPTED:
        return _INTERRUPTED
    if entry.error_code is None and entry.state is EntryState.SETTLED:
        return None
    code = entry.error_code or ""
    if code in _FAULTS:
        return _FAULTS[code]
    status = CODES[code].status if code in CODES else entry.status
    if status < _SERVER_ERROR:
        return Fault(
            whose=_CLIENT,
            happened="The request was refused as it was.",
            advice="The error code says why; the reference of errors explains it. Change the request.",
        )
    return Fault(
        whose=_PROVIDER,
        happened="The request failed on its way to the provider or there.",
        advice="Look at the attempts below. The same request may succeed if it is sent again.",
    )
