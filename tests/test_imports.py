"""What importing a part of Sojourn brings into a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODELS = {"pydantic_ai", "openai", "anthropic", "google.genai", "groq", "mistralai"}
TOOLS = {"mcp"}
DATABASES = {"aiosqlite", "sqlite3", "psycopg", "psycopg_pool", "asyncpg", "obstore"}
NETWORK = {"httpx", "requests", "aiohttp", "urllib3"}
COMMAND_LINE = {"typer", "rich"}
SERVER = {"temporalio"}
TELEMETRY = {"opentelemetry.sdk"}


def imported_by(module: str) -> set[str]:
    """Return every module that a process has after it has imported one."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    command = [sys.executable, "-c", code]
    return set(subprocess.check_output(command, text=True).split())


@pytest.mark.parametrize("module", ["session", "turn_run", "upkeep", "options"])
def test_workflows_bring_no_library_that_they_do_not_use(module: str) -> None:
    """A worker that replays starts as fast with every extra as without one."""
    loaded = imported_by(f"sojourn_workflows.{module}")
    unused = MODELS | TOOLS | DATABASES | NETWORK | COMMAND_LINE | TELEMETRY
    assert "sojourn" in loaded
    assert loaded & unused == set()


@pytest.mark.parametrize("module", ["sojourn", "sojourn.testing", "sojourn_activities.session"])
def test_the_library_brings_no_adapters_libraries(module: str) -> None:
    """A session in memory needs neither a database, nor a provider, nor a server."""
    loaded = imported_by(module)
    unused = MODELS | TOOLS | DATABASES | NETWORK | COMMAND_LINE | TELEMETRY
    own = set() if module.startswith("sojourn_activities") else SERVER
    assert loaded & (unused | own) == set()
