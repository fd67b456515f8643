"""From what a provider library raises to what Sojourn raises, without a word of content.

Providers quote prompts and keys in their error bodies, so only the status and the code pass.
"""

from __future__ import annotations

import re

from pydantic_ai import exceptions as theirs

from sojourn.errors import ModelError, ModelGarbage, ModelRefused, ModelUnavailable

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_TRY_AGAIN = frozenset({408, 425, 429})
_PASSING = (
    theirs.ModelRateLimitError,
    theirs.ModelUnavailableError,
    theirs.ModelServerError,
    theirs.ModelConnectionError,
    theirs.ModelRequestTimeout,
)
_LASTING = (theirs.ModelRequestRejectedError, theirs.ModelQuotaExceededError)


def failure(model: str, error: Exception) -> ModelError:
    """Return the error to raise instead of `error`; raise it outside of the `except` block.

    There, Python would chain `error` to it, and with `error` the content that it may quote.
    """
    if isinstance(error, ModelError):
        return error
    if isinstance(error, theirs.ModelAPIError):
        return _api_failure(model, error)
    if isinstance(error, theirs.UserError):
        return ModelRefused(model=model, reason="the provider library cannot send this request")
    if _is_transport(error):
        return ModelUnavailable(model=model, reason="the connection failed")
    reason = f"the provider library raised {type(error).__name__} on the answer"
    return ModelGarbage(model=model, reason=reason)


def _api_failure(model: str, error: theirs.ModelAPIError) -> ModelError:
    kind = _kind(error)
    wait = error.retry_after if kind is ModelUnavailable else None
    return kind(model=model, reason=_reason(error), retry_after_seconds=wait)


def _kind(error: theirs.ModelAPIError) -> type[ModelError]:
    if isinstance(error, _PASSING):
        return ModelUnavailable
    if isinstance(error, _LASTING):
        return ModelRefused
    if isinstance(error, theirs.ModelHTTPError):
        passing = error.status_code >= 500 or error.status_code in _TRY_AGAIN  # noqa: PLR2004 - HTTP
        return ModelUnavailable if passing else ModelRefused
    return ModelUnavailable if error.in_stream else ModelGarbage


def _reason(error: theirs.ModelAPIError) -> str:
    if isinstance(error, theirs.ModelRequestTimeout):
        return f"no answer within {error.timeout:g} s"
    if isinstance(error, theirs.ModelTimeoutError):
        return "no answer in time"
    if isinstance(error, theirs.ModelConnectionError):
        return "the connection failed"
    if isinstance(error, theirs.ModelHTTPError):
        return f"HTTP {error.status_code}{_code(error)}"
    if error.in_stream:
        return f"an error in mid-answer{_code(error)}"
    return "the answer is not the JSON that was expected, or ends too early"


def _code(error: theirs.ModelAPIError) -> str:
    code = error.provider_error_code or error.provider_error_type or ""
    return f" ({code})" if _CODE.fullmatch(code) else ""


def _is_transport(error: Exception) -> bool:
    # By name: vendors' libraries bring httpx or httpx2, and either may be missing.
    names = {base.__name__ for base in type(error).__mro__}
    return isinstance(error, OSError) or "TransportError" in names
