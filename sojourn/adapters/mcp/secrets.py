"""Secrets of a server: where they come from, and how they are kept out of what others read."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from sojourn.errors import InvalidInput

MASK = "[secret]"
# Shorter ones stand in too many other words.
MIN_SECRET_CHARS = 4
_TELLING = re.compile(r"auth|token|key|secret|passw|cookie|credential", re.IGNORECASE)
_TELLING_IN_QUERY = re.compile(rf"{_TELLING.pattern}|pwd|sig|jwt|session|code", re.IGNORECASE)
# A query's value under another name is a secret if it looks like one: long, and no plain word.
MIN_RANDOM_CHARS = 16
MIN_RANDOM_KINDS = 10


@dataclass(frozen=True, slots=True)
class FromEnv:
    """A secret that stands in an environment variable, read whenever the server is opened.

    Attributes:
        variable: the variable's name.
        prefix: what stands before it, such as `Bearer `.
    """

    variable: str
    prefix: str = ""


Given = str | SecretStr | FromEnv


def revealed(given: Given, server: str) -> str:
    """Return a value in clear, for the server alone.

    Raises:
        InvalidInput: the environment has no such variable.
    """
    if isinstance(given, SecretStr):
        return given.get_secret_value()
    if isinstance(given, str):
        return given
    value = os.environ.get(given.variable)
    if value is None:
        reason = f"MCP server {server!r} wants the environment variable {given.variable}: set it"
        raise InvalidInput(reason=reason)
    return f"{given.prefix}{value}"


class Redactor:
    """Masks a server's secrets wherever they turn up: in results, descriptions and last words."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        worth = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS}
        longest_first = sorted(worth, key=lambda secret: (-len(secret), secret))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if worth else None

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def json(self, value: Any) -> Any:
        """Return a JSON value without secrets, in keys neither."""
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                items = cast("dict[str, Any]", value).items()
                return {self.text(key): self.json(item) for key, item in items}
            case [*items]:
                return [self.json(item) for item in items]
            case _:
                return value


def secrets_in(named: Mapping[str, Given], server: str) -> Iterator[str]:
    """Yield what is secret among headers or variables: by its type, or by its name."""
    for name, given in named.items():
        if not isinstance(given, str) or _TELLING.search(name):
            value = revealed(given, server)
            yield value
            yield value.rpartition(" ")[2]  # the token of `Bearer ...`


def secrets_of_url(url: str) -> Iterator[str]:
    """Yield what is secret in a URL: its user and password, and what its query has of secrets.

    Those are values under a telling name, and values that look random.
    """
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    if userinfo:
        user, _, password = userinfo.partition(":")
        yield from (unquote(user), unquote(password), userinfo)
        plain = f"{unquote(user)}:{unquote(password)}"
        yield base64.b64encode(plain.encode()).decode()
    found = [value for name, value in parse_qsl(parts.query) if _is_secret(name, value)]
    yield from found
    if found:
        yield parts.query


def _is_secret(name: str, value: str) -> bool:
    if _TELLING_IN_QUERY.search(name):
        return True
    has_digit = any(letter.isdigit() for letter in value)
    is_varied = has_digit and len(set(value)) >= MIN_RANDOM_KINDS
    return len(value) >= MIN_RANDOM_CHARS and is_varied


def shown_url(url: str) -> str:
    """Return a URL as others may read it: without user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
