"""What a user may send."""

from __future__ import annotations

from sojourn.errors import EmptyText, InvalidInput, TextTooLarge

MAX_TEXT_BYTES = 1_000_000


def checked_text(text: str) -> str:
    """Return `text` if it can be a turn's input.

    Raises:
        EmptyText: there is nothing but white space.
        TextTooLarge: it has more than 1,000,000 bytes in UTF-8.
        InvalidInput: it has surrogates without a partner, which are no Unicode text.
    """
    if not text.strip():
        raise EmptyText
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(reason="the message is not valid Unicode text") from None
    if size > MAX_TEXT_BYTES:
        raise TextTooLarge(size_bytes=size, limit_bytes=MAX_TEXT_BYTES)
    return text
