"""Reports of leaked keys by GitHub's secret scanning partner program: proven to be GitHub's, then believed.

What is reported and is a key here is disabled at once, and its owner is told. Knows no HTTP and no database.

Source: docs.github.com, "Secret scanning partner program" (read 2026-11-24): a JSON array of tokens, signed with ECDSA P-256 and SHA-256
over the body's own bytes; the public keys are at api.github.com/meta/public_keys/secret_scanning.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_facts import key_facts
from anyrouter.control.keys import KeyService
from anyrouter.control.ports import KeyStore
from anyrouter.control.stores import NoticeStore
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.keys import hide

MAX_REPORTS = 1000
KEY_HEADER, SIGNATURE_HEADER = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
_KEY_ID = re.compile(r"[0-9A-Za-z_.:=+/-]{1,128}", re.ASCII)
_MAX_SIGNATURE = 256
_MAX_URL = 500
_PLACE = re.compile(r"https?://[^\s\x00-\x1f\x7f]+")


class LeakReport(msgspec.Struct, kw_only=True):
    """One token that was found. More members may come: they are not looked at."""

    token: Annotated[str, Meta(max_length=4096)]
    type: Annotated[str, Meta(max_length=256)]
    url: Annotated[str, Meta(max_length=4096)] | None = None
    source: Annotated[str, Meta(max_length=256)] | None = None

    def __repr__(self) -> str:
        return "LeakReport(hidden)"


class Verdict(msgspec.Struct, kw_only=True):
    """What GitHub hears of a token: whether it is one."""

    token_raw: str
    token_type: str
    label: str

    def __repr__(self) -> str:
        return "Verdict(hidden)"


class PublicKeys(Protocol):
    """GitHub's public keys."""

    async def find(self, key_id: str) -> str | None:
        """The key of that id as PEM; None when there is none of that id. StorageUnavailable when nobody can say."""


class LeakService:
    """Takes reports."""

    def __init__(
        self, *, public_keys: PublicKeys, keys: KeyService, store: KeyStore, notices: NoticeStore, clock: Callable[[], datetime]
    ) -> None:
        self._public_keys, self._keys, self._store, self._notices, self._clock = public_keys, keys, store, notices, clock

    async def report(self, actor: Actor, key_id: str | None, signature: str | None, body: bytes) -> list[Verdict]:
        """Disable the keys that are reported; says of each token whether it is one.

        ClientError when the report is not signed by GitHub, or is none; StorageUnavailable when its public keys cannot be read.
        """
        await self._check_signature(key_id, signature, body)
        reports = _read(body)
        found = await self._keys.find_texts([report.token for report in reports])
        places = {report.token: report for report in reversed(reports)}
        for text, key in found.items():
            await self._disable(key, places[text], actor)
        return [
            Verdict(
                token_raw=report.token,
                token_type=report.type,
                label="true_positive" if report.token in found else "false_positive",
            )
            for report in reports
        ]

    async def _check_signature(self, key_id: str | None, signature: str | None, body: bytes) -> None:
        if key_id is None or signature is None:
            missing = KEY_HEADER if key_id is None else SIGNATURE_HEADER
            raise ClientError(Denied(code="missing_parameter", param=missing, message=f"{missing} is missing: a report is signed."))
        if not _KEY_ID.fullmatch(key_id):
            raise _refusal(KEY_HEADER, "This is not the id of a key.")
        decoded = _decode(signature)
        if decoded is None:
            raise _refusal(SIGNATURE_HEADER, "This is not a signature.")
        pem = await self._public_keys.find(key_id)
        if pem is None:
            raise _refusal(KEY_HEADER, "GitHub has no such key for secret scanning.")
        if not is_signed(pem, decoded, body):
            raise _refusal(SIGNATURE_HEADER, "This is not the signature of the body with that key.")

    async def _disable(self, key: ApiKey, report: LeakReport, actor: Actor) -> None:
        """Disable a key and have it told; of one that was disabled before it is told once."""
        current: ApiKey | None = key
        facts = {"type": hide(report.type), "url": _name_place(report.url), "source": hide(report.source or "")}
        while current is not None:
            now = self._clock().astimezone(UTC)
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
            if current.is_disabled:
                event = self._event(actor, current, now, {}, facts)
                await self._notices.take_notice(current.organisation_id, current.id, "key.leaked", now, event)
                return
            disabled = replace(current, is_disabled=True, updated_at=now, version=current.version + 1)
            before, after = find_differences(key_facts(current), key_facts(disabled))
            try:
                await self._store.update_key(disabled, self._event(actor, current, now, before, {**after, **facts}))
            except ClientError as error:
                if error.code not in {"etag_mismatch", "not_found"}:
                    raise
                current = await self._store.find_key(key.organisation_id, key.id)
            else:
                await self._notices.take_notice(current.organisation_id, current.id, "key.leaked", now)
                return

    def _event(self, actor: Actor, key: ApiKey, now: datetime, before: Mapping[str, object], after: Mapping[str, object]) -> AuditEvent:
        return make_event(
            replace(actor, label="GitHub secret scanning"),
            key.organisation_id,
            "key.leaked",
            now,
            target_id=key.id,
            target_label=key.label,
            environment=key.environment,
            before=before,
            after=after,
        )


def is_signed(pem: str, signature: bytes, body: bytes) -> bool:
    """Whether it is an ECDSA P-256 signature (DER, SHA-256) of exactly these bytes. False for a key that is none of the kind."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 -- 8 MB; most have no such reports
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 -- as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 -- as above

    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8"))
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            return False
        key.verify(signature, body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _read(body: bytes) -> Sequence[LeakReport]:
    try:
        reports = msgspec.json.decode(body, type=list[LeakReport])
    except msgspec.ValidationError:
        raise ClientError(
            Denied(code="invalid_parameter", message="The body must be a JSON array of objects with token, type, url and source.")
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ClientError(Denied(code="invalid_json", message="The body is not valid JSON.")) from None
    if len(reports) > MAX_REPORTS:
        raise ClientError(Denied(code="invalid_parameter", message=f"At most {MAX_REPORTS} tokens are taken in a report."))
    return reports


def _decode(signature: str) -> bytes | None:
    if len(signature) > _MAX_SIGNATURE:
        return None
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return None


def _name_place(url: str | None) -> str | None:
    """Where it was found, as it may be shown: no control characters, and no key."""
    return hide(url)[:_MAX_URL] if url is not None and _PLACE.fullmatch(url) else None


def _refusal(param: str, message: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=param, message=message))
