"""What of a URL is secret, and what is only a setting."""

from __future__ import annotations

import pytest

from sojourn.adapters.mcp.secrets import MASK, Redactor, secrets_of_url


@pytest.mark.parametrize("query", ["transport=http", "page=1234567", "team=blue&lang=en"])
def test_a_setting_in_a_query_is_no_secret(query: str) -> None:
    """Else every "http" in a result would be masked."""
    redactor = Redactor(secrets_of_url(f"https://crm.example/mcp?{query}"))
    told = "see http://crm.example, page 1234567 of blue, english"

    assert redactor.text(told) == told


@pytest.mark.parametrize(
    ("query", "secret"),
    [("api_key=blue", "blue"), ("sig=aabb", "aabb"), ("v=x7Kq92LmZt40PwRs", "x7Kq92LmZt40PwRs")],
    ids=["named", "signature", "random"],
)
def test_a_secret_in_a_query_is_masked(query: str, secret: str) -> None:
    """By its name, or by its looks; what stands beside it is not."""
    redactor = Redactor(secrets_of_url(f"https://crm.example/mcp?transport=http&{query}"))

    assert redactor.text(f"http {secret}") == f"http {MASK}"
