"""A server's address as a host gives it: checked at once, read in clear when it is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sojourn.adapters.mcp.secrets import (
    MASK,
    Given,
    revealed,
    secrets_in,
    secrets_of_url,
    shown_url,
)
from sojourn.adapters.mcp.target import Target
from sojourn.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """See `McpServer`, whose attributes these are.

    Raises:
        InvalidInput: it has no name, not exactly one address, or what does not go with it.
    """

    name: str
    command: tuple[str, ...]
    url: Given
    env: Mapping[str, Given]
    headers: Mapping[str, Given]
    cwd: Path | str | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            reason = f"{self.name!r} cannot name an MCP server: use 1 to 40 letters, digits, _ or -"
            raise InvalidInput(reason=reason)
        if bool(self.command) == bool(self.url):
            self._refuse("needs a command or a url, and not both")
        if self.url and (self.env or self.cwd):
            self._refuse("has a url: env and cwd go with a command")
        if self.command and self.headers:
            self._refuse("has a command: headers go with a url")
        if isinstance(self.url, str) and self.url:
            self._check(self.url)

    @property
    def shown(self) -> str:
        """The command or the URL, as others may read it."""
        if self.command:
            return self.command[0]
        return shown_url(self.url) if isinstance(self.url, str) else MASK

    def target(self) -> Target:
        """Return what it takes to connect, in clear.

        Raises:
            InvalidInput: a variable of the environment is not set, or the URL in it is none.
        """
        url = revealed(self.url, self.name)
        if self.url:
            self._check(url)
        return Target(
            command=self.command,
            url=url,
            env={key: revealed(given, self.name) for key, given in self.env.items()},
            headers={key: revealed(given, self.name) for key, given in self.headers.items()},
            cwd=Path(self.cwd) if self.cwd else None,
        )

    def secrets(self) -> Iterator[str]:
        """Yield what nobody else may read.

        Raises:
            InvalidInput: a variable of the environment is not set.
        """
        yield from secrets_in({**self.env, **self.headers}, self.name)
        url = revealed(self.url, self.name)
        yield from secrets_of_url(url)
        if not isinstance(self.url, str):
            yield url

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            self._refuse("needs a url such as https://host/mcp")

    def _refuse(self, reason: str) -> None:
        raise InvalidInput(reason=f"MCP server {self.name!r} {reason}")
