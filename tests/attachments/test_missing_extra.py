"""Object storage needs a library that is an extra; a folder needs none."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["obstore"] = None
from sojourn.adapters.blobs import open_blobs
try: print(type(open_blobs({url!r})).__name__)
except Exception as error: print(type(error).__name__, "|", error)
"""


def said(url: str) -> str:
    """Open a blob store where obstore is not installed."""
    command = [sys.executable, "-c", PROGRAM.format(url=url)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "gs://bucket", "az://container"])
def test_a_missing_library_is_named_with_its_cure(url: str) -> None:
    """One typed error says what to install."""
    kind, _, message = said(url).partition(" | ")

    assert kind == "MissingExtra"
    assert "`pip install sojourn[attachments]`" in message
    assert url in message


@pytest.mark.parametrize("url", ["file:///tmp/blobs", "memory://"])
def test_what_needs_no_library_opens_without_it(url: str) -> None:
    """The standard library is enough for a folder."""
    assert said(url).strip() in {"FolderBlobs", "MemoryBlobs"}
