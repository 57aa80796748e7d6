"""What the operator decides: one TOML file, variables and flags, checked before anything starts.

This package knows no socket, database or loop. Nobody below it knows it: `bootstrap` takes it apart and hands everybody
their own part.
"""

from anyrouter.settings.loading import CONFIG_NAME, DEFAULT_DATA_DIR, STANDARD_ENVIRONMENTS, Settings, load_settings
from anyrouter.settings.problems import Problem, SettingsError
from anyrouter.settings.sections import (
    CatalogueSettings,
    EnvironmentSettings,
    LimitSettings,
    LoggingSettings,
    RetentionSettings,
    ServedModel,
    ServerSettings,
    StorageSettings,
)
from anyrouter.settings.upstreams import SANDBOX_ID, Upstream

__all__ = [
    "CONFIG_NAME",
    "DEFAULT_DATA_DIR",
    "SANDBOX_ID",
    "STANDARD_ENVIRONMENTS",
    "CatalogueSettings",
    "EnvironmentSettings",
    "LimitSettings",
    "LoggingSettings",
    "Problem",
    "RetentionSettings",
    "ServedModel",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "Upstream",
    "load_settings",
]
