"""Identifiers: how they are minted, checked and derived."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid

from sojourn.errors import InvalidId

MAX_ID_CHARS = 200
# Temporal takes 1,000 bytes of a workflow's or an update's id, which have an id of ours and a few
# characters more, and 2,048 of a search attribute as JSON, where an id has up to thrice its bytes.
MAX_ID_BYTES = 600
_VALID = re.compile(rf"[!-~\u00a1-\U0010ffff]{{1,{MAX_ID_CHARS}}}")


def checked(kind: str, value: str) -> str:
    """Return `value` if it can be an id of this `kind`.

    Raises:
        InvalidId: it is empty, longer than 200 characters or 600 bytes of UTF-8, or has spaces or
            control characters.
    """
    if not _VALID.fullmatch(value) or not value.isprintable() or _size(value) > MAX_ID_BYTES:
        raise InvalidId(kind=kind, value=value[:40])
    return value


def mint(prefix: str) -> str:
    """Return a fresh random id, as `prefix-` and 26 base32 characters."""
    return f"{prefix}-{_base32(uuid.uuid4().bytes)}"


def node_id(session_id: str, operation_id: str, ordinal: int) -> str:
    """Derive the id of the `ordinal`-th node of an operation: a retry derives the same one."""
    name = f"{session_id}\0{operation_id}".encode()
    return f"n{_base32(hashlib.blake2b(name, digest_size=10).digest())}.{ordinal}"


def digest(body: bytes) -> str:
    """Return the content address of `body`: 32 hex characters of its SHA-256."""
    return hashlib.sha256(body).hexdigest()[:32]


def _size(text: str) -> int:
    return len(text.encode())


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
