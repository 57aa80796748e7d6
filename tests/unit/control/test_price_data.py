"""Two ways to the same rows: the data module's code on its own, and the package imported."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anyrouter.control import price_data
from anyrouter.control.price_data import UnreadablePriceDataError, import_data_module, read_price_data, run_data_module


def _install(monkeypatch: pytest.MonkeyPatch, directory: Path, name: str, data: str) -> None:
    package = directory / name
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('the package is not imported')\n")
    (package / "data.py").write_text(data)
    monkeypatch.syspath_prepend(directory)
    monkeypatch.setattr(price_data, "_PACKAGE", name)
    monkeypatch.setattr(price_data, "_MODULE", f"{name}.data")


def _without_unset(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_unset(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_unset(item) for key, item in value.items() if item is not None}
    return value


def test_both_ways_give_the_same_rows() -> None:
    run, imported = run_data_module(), import_data_module()
    assert [row["id"] for row in run] == [row["id"] for row in imported]
    for one, other in zip(run, imported, strict=True):
        assert one.get("model_match") == other.get("model_match")
        assert _without_unset(one["models"]) == _without_unset(other["models"])


def test_a_release_with_new_constructors_is_read_without_an_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = (
        "from decimal import Decimal\nfrom .types import *\n"
        "providers: list[Provider] = [Provider(id='a', models=[Newer(id='m', match=Clause(equals='m'),"
        " prices=Newest(input_mtok=Decimal('1')))])]\n"
    )
    _install(monkeypatch, tmp_path, "prices_of_tomorrow", data)
    assert read_price_data() == [{"id": "a", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": Decimal(1)}}]}]


@pytest.mark.parametrize(
    "data",
    ["providers = 1\n", "providers = [Provider(id='a')]\n", "def f(): return load()\nproviders = f()\n", "raise OSError\n", ""],
)
def test_a_release_of_another_form_is_not_guessed_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: str) -> None:
    _install(monkeypatch, tmp_path, "prices_of_another_form", data)
    with pytest.raises(UnreadablePriceDataError):
        run_data_module()


def test_a_missing_package_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_data, "_PACKAGE", "prices_that_are_not_installed")
    with pytest.raises(ModuleNotFoundError, match="prices_that_are_not_installed"):
        read_price_data()
