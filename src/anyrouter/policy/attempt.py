"""What a failed attempt means, for the client and for those that follow: the contract's section 4."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from anyrouter.core.errors import (
    ConnectFailed,
    Denied,
    StreamFailed,
    UpstreamError,
    UpstreamStatus,
    UpstreamTimeout,
)
from anyrouter.core.ledger import AttemptRecord
from anyrouter.policy.route import Target
from anyrouter.wire.failure import MAX_RAW_CHARACTERS, read_failure, scrub

_KEPT_STATUSES = {400: "invalid_parameter", 404: "model_not_found", 413: "body_too_large", 422: "unprocessable"}
CREDENTIAL_STATUSES = (401, 402, 403)  # what is said to a credential, by the contract
_OVERLOADED_STATUSES = (503, 529)
_TOO_MANY, _REQUEST_TIMEOUT, _SERVER_ERROR = 429, 408, 500
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
_LONGEST_WAIT_S = 86_400.0
_CONTEXT_HINTS = ("context length", "context_length", "prompt is too long", "context window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt: what the client will hear if it was the last one, and whether another target may help."""

    denied: Denied
    is_fallback_allowed: bool


class Attempts(msgspec.Struct, eq=False):
    """What became of the attempts of one request. Whom to ask next is `policy.succession`'s to say."""

    records: list[AttemptRecord] = []
    _failures: list[Failure] = []
    _skipped: list[Denied] = []

    @property
    def is_any(self) -> bool:
        """Whether there is anything that `refusal` could tell."""
        return bool(self._failures or self._skipped)

    @property
    def number(self) -> int:
        """The ordinal of the attempt under way, from 1."""
        return len(self.records) + 1

    def fail(self, target: Target, error: UpstreamError, latency_ms: int) -> Failure:
        """Be told that an attempt failed; says what that means."""
        status = error.status if isinstance(error, UpstreamStatus) else 0
        failure = judge(target, error)
        self._failures.append(failure)
        self.records.append(_record(target, status, latency_ms, failure.denied.code))
        return failure

    def skip(self, denied: Denied) -> None:
        """Be told that the target cannot be asked for this: nothing was sent."""
        self._skipped.append(denied)

    def succeed(self, target: Target, status: int, latency_ms: int) -> None:
        """Be told that an attempt's reply is good."""
        self.records.append(_record(target, status, latency_ms, None))

    def abandon(self, target: Target, code: str, latency_ms: int = 0) -> None:
        """Be told that an attempt ended for a reason that is not the target's."""
        self.records.append(_record(target, 0, latency_ms, code))

    def join(self, others: "Sequence[Attempts]", records: Sequence[AttemptRecord]) -> None:
        """Be told of attempts that ran side by side, in their order, and of what became of them."""
        self.records += records
        self._failures += [failure for other in others for failure in other._failures]  # noqa: SLF001 -- of its own kind
        self._skipped += [denied for other in others for denied in other._skipped]  # noqa: SLF001 -- of its own kind

    def refusal(self) -> Denied:
        """What the client hears after the last failure, with all attempts in its metadata; after none, why nothing could be asked."""
        if not self._failures:
            return self._skipped[0]
        last = self._failures[-1].denied
        statuses = [record.status for record in self.records]
        code, message = last.code, last.message
        if code == "upstream_error" and all(status in _OVERLOADED_STATUSES for status in statuses):
            code = "no_healthy_upstream"
        retry_after_s = last.retry_after_s if last.retry_after_s is not None else (1.0 if code == "no_healthy_upstream" else None)
        return self.tell(Denied(code=code, message=message, param=last.param, retry_after_s=retry_after_s, metadata=last.metadata))

    def tell(self, denied: Denied) -> Denied:
        """The refusal with all attempts in its metadata."""
        tried = [{"upstream": record.upstream, "status": record.status or None, "latency_ms": record.latency_ms} for record in self.records]
        return replace(denied, metadata={**denied.metadata, "attempts": tried})


def judge(target: Target, error: UpstreamError) -> Failure:
    """What one failed attempt means."""
    name = target.upstream.provider.name
    metadata: dict[str, Any] = {"provider_name": name}
    if isinstance(error, UpstreamStatus):
        return _judge_status(target, error, metadata)
    if isinstance(error, UpstreamTimeout):
        return Failure(
            denied=Denied(code="upstream_timeout", message=f"{name} did not answer in time ({error.phase}).", metadata=metadata),
            is_fallback_allowed=True,
        )
    if isinstance(error, ConnectFailed):
        return Failure(
            denied=Denied(code="upstream_error", message=f"{name} could not be reached: {error.public}", metadata=metadata),
            is_fallback_allowed=True,
        )
    return Failure(
        denied=Denied(
            code="upstream_invalid_response", message=f"{name} sent a reply that cannot be used: {error.public}", metadata=metadata
        ),
        is_fallback_allowed=True,
    )


def _judge_status(target: Target, error: UpstreamStatus, metadata: dict[str, Any]) -> Failure:
    name, status = target.upstream.provider.name, error.status
    secrets = target.upstream.secrets
    said, code_said, param = read_failure(error.body)
    said, param = scrub(said, secrets) if said else None, scrub(param, secrets) if param else None
    metadata |= {
        "provider_status": status,
        "raw": scrub(error.body[: 4 * MAX_RAW_CHARACTERS].decode("utf-8", "replace"), secrets)[:MAX_RAW_CHARACTERS],
    }
    reason = f": {said}" if said else f" with status {status}."
    if status in _KEPT_STATUSES:
        code = _KEPT_STATUSES[status]
        if code_said == "context_length_exceeded" or (said and any(hint in said.lower() for hint in _CONTEXT_HINTS)):
            code = "context_length_exceeded"
            if "maximum context length" not in (said or ""):
                reason += " (the prompt is over the model's maximum context length)"
        denied = Denied(code=code, message=f"{name} refused the request{reason}", param=param, metadata=metadata)
        return Failure(denied=denied, is_fallback_allowed=False)
    if status == _TOO_MANY:
        metadata["limited_by"] = "upstream"
        denied = Denied(
            code="upstream_rate_limited",
            message=f"{name} limits the rate of requests{reason}",
            retry_after_s=error.retry_after_s if error.retry_after_s is not None else 1.0,
            metadata=metadata,
        )
        return Failure(denied=denied, is_fallback_allowed=True)
    if status in CREDENTIAL_STATUSES and target.upstream.byok is not None:
        said = f"{name} did not accept your organisation's own credential {target.upstream.byok.name!r} (status {status}). Test it, replace"
        message = f"{said} it, or ask {name} about it: POST /byok/{target.upstream.id}/test says more."
        if target.upstream.byok.needs_secret:
            owner = f"Your organisation's own credential {target.upstream.byok.name!r}"
            message = f"{owner} has no secret since its address was changed: it must be entered again, by PATCH /byok/{target.upstream.id}."
        metadata.pop("raw")  # providers repeat parts of a credential, and whoever asks need not be its owner
        denied = Denied(code="byok_credential_rejected", message=message, metadata={**metadata, "credential": target.upstream.id})
        return Failure(denied=denied, is_fallback_allowed=True)
    if status in CREDENTIAL_STATUSES:
        # Its text is about the operator's account: not for the client.
        metadata.pop("raw")
        denied = Denied(
            code="upstream_error",
            message=f"{name} did not accept this gateway's credential (status {status}). The operator has to look at it.",
            metadata=metadata,
        )
        return Failure(denied=denied, is_fallback_allowed=True)
    code = "upstream_timeout" if status in (_REQUEST_TIMEOUT, 504) else "upstream_error"
    if isinstance(error, StreamFailed) and status in _OVERLOADED_STATUSES:  # there is no next target that could make it a 502
        code = "overloaded"
    denied = Denied(code=code, message=f"{name} failed{reason}", metadata=metadata, retry_after_s=error.retry_after_s)
    return Failure(denied=denied, is_fallback_allowed=status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT)


def read_retry_after(text: str, now_s: float) -> float | None:
    """The seconds that a Retry-After asks for: a number or an HTTP date (RFC 9110, section 10.2.3), `now_s` being Unix seconds.

    None for what is neither. At most a day, so that a slip of the provider's does not lock a client out for good.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(0.0, moment.timestamp() - now_s), _LONGEST_WAIT_S)


def _record(target: Target, status: int, latency_ms: int, error: str | None) -> AttemptRecord:
    upstream = target.upstream
    return AttemptRecord(
        upstream=upstream.id, provider=upstream.provider.id, model=target.upstream_model, status=status, latency_ms=latency_ms, error=error
    )
