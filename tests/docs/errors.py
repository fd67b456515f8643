"""The table of errors, made from the classes: `python -m tests.docs.errors` prints it."""

from __future__ import annotations

from sojourn import errors
from sojourn.errors import SojournError


def error_table() -> str:
    """Return a row for each error, in the order of the module."""
    head = "| error | is a | message | retryable |\n|---|---|---|---|"
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    rows = [_row(kind) for kind in kinds if issubclass(kind, SojournError)]
    return "\n".join([head, *rows])


def _row(kind: type[SojournError]) -> str:
    message = " ".join((kind.__doc__ or "").split()).replace("|", r"\|")
    base = kind.__bases__[0].__name__ if kind is not SojournError else ""
    again = "yes" if kind.retryable else ""
    return f"| `{kind.__name__}` | {base and f'`{base}`'} | {message} | {again} |"


if __name__ == "__main__":
    print(error_table())  # noqa: T201 - to be pasted into the page
