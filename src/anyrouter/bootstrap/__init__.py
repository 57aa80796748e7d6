"""The only place that builds things and hands them to each other: settings in, a running gateway out."""

from anyrouter.bootstrap.gateway import Started, run

__all__ = ["Started", "run"]
