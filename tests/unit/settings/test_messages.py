"""The sections [notices] and [leaks]."""

from pathlib import Path
from typing import Any

import pytest

from anyrouter.core.money import NANO
from anyrouter.settings import Settings, load_settings
from anyrouter.settings.problems import SettingsError


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    (tmp_path / "anyrouter.toml").write_text(text)
    return load_settings(data_dir=tmp_path, environ=environ)


def test_without_them_owners_are_told_and_nobody_reports(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert (settings.notices.expiry_days, settings.notices.budget_percent, settings.notices.credits_percent) == ((14, 3, 1), (80, 100), 10)
    assert (settings.notices.anomaly_factor, settings.notices.anomaly_floor_nanousd) == (5, 5 * NANO)
    assert settings.leaks.github is False
    assert settings.leaks.github_keys_url == "https://api.github.com/meta/public_keys/secret_scanning"


def test_what_is_said_holds(tmp_path: Path) -> None:
    text = (
        '[notices]\nexpiry_days = [30]\nbudget_percent = []\nanomaly_floor_usd = "0.5"\n[leaks]\ngithub_keys_url = "http://localhost:1/k"\n'
    )
    settings = load(tmp_path, text, ANYROUTER_LEAKS__GITHUB="true")
    assert (settings.notices.expiry_days, settings.notices.budget_percent) == ((30,), ())
    assert settings.notices.anomaly_floor_nanousd == NANO // 2
    assert (settings.leaks.github, settings.leaks.github_keys_url) == (True, "http://localhost:1/k")


@pytest.mark.parametrize(
    "line",
    [
        "[notices]\nexpiry_days = [0]",
        "[notices]\nexpiry_days = 14",
        "[notices]\nbudget_percent = [101]",
        "[notices]\ncredits_percent = 0",
        "[notices]\nanomaly_factor = 1",
        '[notices]\nanomaly_floor_usd = "much"',
        "[notices]\nanomaly_floor_usd = -1",
        '[leaks]\ngithub = "yes"',
        '[leaks]\ngithub_keys_url = "ftp://github.com"',
        "[leaks]\ngitlab = true",
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str) -> None:
    caught: Any
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, f"{line}\n")
    assert len(caught.value.problems) == 1
