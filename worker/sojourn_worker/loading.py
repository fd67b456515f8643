"""Loading the app that `--app module:attribute` names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

import sojourn
from sojourn.app import App
from sojourn.errors import InvalidApp, SojournError


def load_app(target: str) -> App:
    """Import `module:attribute`, the working directory included, and return the app there.

    Raises:
        InvalidApp: there is none; the reason says what stands in the way, without a traceback.
    """
    module, separator, attribute = target.partition(":")
    if not (module and separator and attribute):
        raise InvalidApp(target=target, reason="write it as module:attribute, such as shop.app:app")
    loaded = _imported(target, module)
    if not hasattr(loaded, attribute):
        raise InvalidApp(target=target, reason=f"module {module} has no {attribute!r}")
    app = getattr(loaded, attribute)
    if not isinstance(app, App):
        reason = f"{attribute} is of type {type(app).__name__}, not a sojourn.App"
        raise InvalidApp(target=target, reason=reason)
    return app


def _imported(target: str, module: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise InvalidApp(target=target, reason=_why(module, error)) from error


def _why(module: str, error: BaseException) -> str:
    """Say what went wrong: of a stranger's exception its type and place, never its text."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        if f"{module}.".startswith(f"{error.name}."):
            return f"there is no module {error.name} in {Path.cwd()} or on the Python path"
        return f"it imports {error.name} at {_place(error)}, which is not installed"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} at {error.filename}:{error.lineno}"
    if isinstance(error, SojournError):
        return f"{str(error).rstrip('.')} ({_place(error)})"
    return f"its import raised {type(error).__name__} at {_place(error)}"


def _place(error: BaseException) -> str:
    """Return the last file and line of the user's own code on the way to `error`."""
    ours = (str(Path(sojourn.__file__).parent), "<")
    places = [
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(ours)
    ]
    return places[-1]
