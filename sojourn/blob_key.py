"""Blob keys: where an attachment's bytes stand. A key is given once, and never again.

`sha256/<first 2>/<digest>.<26 random characters>`: bytes that lost their last row and are kept
anew stand under another key, so that a late deletion of the old one cannot reach them.
"""

from __future__ import annotations

import base64
import re
import secrets

FOLDER = "sha256"
_RANDOM_BYTES = 16
_KEY = re.compile(
    rf"{FOLDER}/(?P<first>[0-9a-f]{{2}})/(?P=first)[0-9a-f]{{62}}\.[a-z2-7]{{26}}"
    r"(\.[a-z2-7]{26}\.part)?"
)


def fresh_key(attachment_id: str) -> str:
    """Return a key for an attachment's bytes that nobody had before."""
    return f"{FOLDER}/{attachment_id[:2]}/{attachment_id}.{_random()}"


def partial_name(blob_key: str) -> str:
    """Return a fresh name for a blob that is being written: no row ever has it."""
    return f"{blob_key}.{_random()}.part"


def is_blob_key(name: str) -> bool:
    """Tell whether a name is a blob's or that of one being written, and not somebody else's."""
    return _KEY.fullmatch(name) is not None


def _random() -> str:
    return base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode().rstrip("=").lower()
