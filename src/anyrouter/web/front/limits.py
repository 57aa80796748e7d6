"""What the front bears from a client. Sizes are bytes, times seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontLimits:
    """Bounds of one connection (and, by `max_connections`, of their number).

    `head_bytes` and `head_count` bound a request's head, `head_timeout_s` runs from its first byte. `body_bytes` bounds a body: its
    Content-Length, or of a chunked one everything that crosses the wire. A body has `body_timeout_s` in all and must bring
    `body_bytes_per_s` on average over each `body_window_s` (0: no such demand). `keep_alive_s` is how long an idle connection stays.
    `write_timeout_s` is how long a client may take nothing of a reply that waits for it.

    A refused request's body is not wanted. Up to `drain_bytes` of known length are read and thrown away, and the connection lives on;
    else the reply says `Connection: close`, and what still comes is thrown away until the client has seen the reply and
    closes: at most `linger_bytes`, and not past `linger_s` of silence.

    A client that has shut down its sending side may wait for its reply or may be gone, which look the same. After `presence_s` it is
    sent an interim `100 Continue` (RFC 9110, 15.2.1), which a client discards and a closed socket refuses. None: it is not asked.
    """

    head_bytes: int = 65_536
    head_count: int = 100
    head_timeout_s: float = 10.0
    body_bytes: int = 33_554_432
    body_timeout_s: float = 60.0
    body_bytes_per_s: int = 1024
    body_window_s: float = 10.0
    keep_alive_s: float = 75.0
    write_timeout_s: float = 60.0
    drain_bytes: int = 65_536
    linger_bytes: int = 33_554_432
    linger_s: float = 5.0
    presence_s: float | None = 1.0
    max_connections: int | None = None

    @property
    def sweep_s(self) -> float:
        """How often deadlines are looked at: each second, oftener when they are short."""
        deadlines = (self.head_timeout_s, self.body_timeout_s, self.body_window_s, self.keep_alive_s, self.write_timeout_s, self.linger_s)
        return max(0.01, min(1.0, min(deadlines) / 4, 1.0 if self.presence_s is None else self.presence_s))
