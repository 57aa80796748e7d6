"""The cookies of the pages: the session's token, the theme, whether next steps are hidden, what came of a test, two to sign in with.

`__Host-`: a browser takes such a cookie over TLS only (or from this very machine), for this host only, whole path (RFC 6265bis). So no
other host and no plain-text connection can set or see it.
"""

from collections.abc import Mapping

SESSION_COOKIE = "__Host-anyrouter-session"
PENDING_COOKIE = "__Host-anyrouter-pending"
BROWSER_COOKIE = "__Host-anyrouter-browser"
THEME_COOKIE = "__Host-anyrouter-theme"
STEPS_COOKIE = "__Host-anyrouter-steps"
OUTCOME_COOKIE = "__Host-anyrouter-outcome"
THEMES = ("auto", "light", "dark")
_YEAR_S = 365 * 24 * 3600
_MINUTE_S = 60


def read_cookies(header: str) -> Mapping[str, str]:
    """The cookies of a Cookie header; of a repeated name the first, which is what browsers say is the most specific."""
    cookies: dict[str, str] = {}
    for part in header.split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            cookies.setdefault(name, value)
    return cookies


def session_cookie(token: str, lifetime_s: int) -> str:
    """The Set-Cookie line of a session."""
    return f"{SESSION_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lifetime_s}"


def end_session_cookie() -> str:
    """The Set-Cookie line that takes it away."""
    return f"{SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


def pending_cookie(token: str, lifetime_s: int) -> str:
    """The Set-Cookie line of a sign-in that is half done: only the browser that began it ends it."""
    return f"{PENDING_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lifetime_s}"


def end_pending_cookie() -> str:
    """The Set-Cookie line that takes it away."""
    return f"{PENDING_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"


def browser_cookie(secret: str, lifetime_s: int) -> str:
    """The Set-Cookie line of a secret that only this browser has: what it begins elsewhere, it alone ends here."""
    return f"{BROWSER_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lifetime_s}"


def theme_cookie(theme: str) -> str:
    """The Set-Cookie line of a theme, one of `THEMES`."""
    return f"{THEME_COOKIE}={theme}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={_YEAR_S}"


def steps_cookie(member_id: str) -> str:
    """The Set-Cookie line with which a member's next steps are hidden in this browser; shown again with an empty id."""
    return f"{STEPS_COOKIE}={member_id}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={_YEAR_S if member_id else 0}"


def outcome_cookie(text: str) -> str:
    """The Set-Cookie line of what came of a test, for the page that shows it next."""
    return f"{OUTCOME_COOKIE}={text}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={_MINUTE_S}"


def end_outcome_cookie() -> str:
    """The Set-Cookie line that takes it away."""
    return f"{OUTCOME_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
