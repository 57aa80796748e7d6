"""Annotations and log probabilities of an answer's text, to and from the form."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import Citation
from anyrouter.wire.form.reply import TokenLogprob, TopLogprob
from anyrouter.wire.translation.responses.shapes import NAME, AnnotationShape, LogprobShape, compact

_decode = msgspec.json.Decoder(AnnotationShape).decode
_encode = msgspec.json.Encoder().encode


def citation_of(raw: Raw) -> Citation:
    """An annotation in the form. `file_citation` and `file_path` have one place, not two; an unknown type is carried as it is."""
    told = _decode(raw)
    if told.type == "url_citation":
        kind, start, end = "url", told.start_index, told.end_index
    else:
        kind = "file"
        start, end = (told.index, told.index) if told.type == "file_citation" else (told.start_index, told.end_index)
    return Citation(
        kind=kind,
        url=told.url,
        title=told.title or told.filename,
        text_start=start,
        text_end=end,
        file_id=told.file_id,
        dialect=NAME,
        raw=raw,
    )


def encode_citation(citation: Citation, size: int) -> bytes | None:
    """An annotation; None for what the dialect has none for. `size` counts the text's code points so far, for a citation of all of it.

    A citation of a document that has neither address nor id becomes a `file_citation` with an empty id: its name is what clients show.
    """
    if citation.dialect == NAME and citation.raw is not None:
        return compact(citation.raw)
    start = 0 if citation.text_start is None else citation.text_start
    end = size if citation.text_end is None else citation.text_end
    if citation.url is not None:
        members: dict[str, Any] = {
            "type": "url_citation",
            "start_index": start,
            "end_index": end,
            "title": citation.title or "",
            "url": citation.url,
        }
    elif citation.file_id is not None or citation.title is not None:
        members = {"type": "file_citation", "file_id": citation.file_id or "", "filename": citation.title or "", "index": end}
    else:
        return None
    if citation.cited_text is not None:
        members["cited_text"] = citation.cited_text
    return _encode(members)


def logprobs_of(told: list[LogprobShape]) -> list[TokenLogprob]:
    """Log probabilities in the form."""
    return [
        TokenLogprob(one.token, one.logprob, one.bytes, [TopLogprob(top.token, top.logprob, top.bytes) for top in one.top_logprobs or ()])
        for one in told
    ]


def encode_logprobs(logprobs: list[TokenLogprob]) -> list[bytes]:
    """Log probabilities as the dialect has them, one object each, `bytes` made of the token where nobody told them."""
    return [
        _encode(
            {
                "token": one.token,
                "bytes": _bytes(one.token, one.bytes),
                "logprob": one.logprob,
                "top_logprobs": [{"token": top.token, "bytes": _bytes(top.token, top.bytes), "logprob": top.logprob} for top in one.top],
            }
        )
        for one in logprobs
    ]


def _bytes(token: str, told: list[int] | None) -> list[int]:
    return list(token.encode()) if told is None else told
