"""`--app module:attribute`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sojourn.errors import InvalidApp
from sojourn_worker.loading import load_app
from tests.cli.apps import app


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def test_an_app_is_loaded_from_a_module() -> None:
    """The target names a module and an attribute of it."""
    assert load_app("tests.cli.apps:app") is app


def test_the_working_directory_is_searched(here: Path) -> None:
    """Nothing has to be installed to be served."""
    (here / "shop_in_cwd.py").write_text("from tests.cli.apps import app as shop\n")

    assert load_app("shop_in_cwd:shop") is app


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("", "shop", "write it as module:attribute"),
        ("", ":app", "write it as module:attribute"),
        ("", "shop_missing:app", "there is no module shop_missing in "),
        ("", "shop.inner:app", "there is no module shop.inner in "),
        ("", "shop:app", "module shop has no 'app'"),
        ("app = 7", "shop:app", "app is of type int, not a sojourn.App"),
        ("\nimport gone_for_ever", "shop:app", "it imports gone_for_ever at {here}/shop.py:2"),
        ("x = (\n", "shop:app", "SyntaxError at {here}/shop.py:1"),
        ("\n\n1 / 0", "shop:app", "its import raised ZeroDivisionError at {here}/shop.py:3"),
        ("raise ValueError('secret')", "shop:app", "raised ValueError at {here}/shop.py:1"),
        ("import sys; sys.exit(3)", "shop:app", "raised SystemExit at {here}/shop.py:1"),
        (
            "from sojourn import App\napp = App(agents=[])",
            "shop:app",
            "an app needs an agent: App(agents=[Agent(...)]) ({here}/shop.py:2)",
        ),
    ],
)
def test_what_is_no_app_is_refused_with_a_reason(
    here: Path, source: str, target: str, reason: str
) -> None:
    """The reason names what stands in the way and where, in one line, without strangers' texts."""
    (here / "shop.py").write_text(source)

    with pytest.raises(InvalidApp) as refused:
        load_app(target)

    assert reason.format(here=here) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
