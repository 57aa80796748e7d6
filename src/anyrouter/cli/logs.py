"""The serving process's log: structlog's and the standard library's as one, on standard error."""

import logging
import re
import sys
from typing import TYPE_CHECKING

import structlog

from anyrouter.core.keys import hide

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from anyrouter.settings import LoggingSettings

_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)\s+\S+")


def configure_logging(settings: "LoggingSettings") -> None:
    """Write records of `settings.level` and above to standard error, as lines for people or as one JSON object each."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    is_json = settings.format == "json"
    # Plain tracebacks: the default ones show the values of local variables.
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error"):  # it may have been given a handler of its own before
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # It tells at "info" what the welcome has told already.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def hide_secrets(_logger: "WrappedLogger", _method: str, event: "EventDict") -> "EventDict":
    """Whatever text looks like one of our keys becomes its label, and a credential behind its scheme becomes dots."""
    return {name: _hide(value) if isinstance(value, str) else value for name, value in event.items()}


def _hide(text: str) -> str:
    return _AUTHORIZATION.sub(r"\1 …", hide(text))
