"""The command line in this process, and one real `sojourn worker` for the tests that need one."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sojourn_worker.cli import main
from tests.support.server import DevServer
from tests.support.worker_process import ROOT, SOURCES

APP = "tests.cli.apps:app"
SOJOURN = [sys.executable, "-c", "from sojourn_worker.cli import main; main()"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed with `--json`."""
        return json.loads(self.out)

    @property
    def error(self) -> tuple[str, str]:
        """The type and the message of the one JSON line on standard error."""
        (line,) = self.err.splitlines()
        error = json.loads(line)["error"]
        return error["type"], error["message"]


Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it."""
    for name in list(os.environ):
        if name.startswith(("SOJOURN_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", "/nonexistent/temporal.toml")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands set up logging for a process of their own: here it is taken back."""
    loggers = [logging.getLogger(name) for name in (None, "sojourn", "sojourn_worker")]
    before = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return run


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a subprocess: the checkout's sources, and nobody's settings."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, SOURCES))} | more


@dataclass
class Serving:
    """A `sojourn worker` process, its queue and its store."""

    process: subprocess.Popen[str]
    address: str
    queue: str
    store: str

    @classmethod
    def start(cls, server: DevServer, queue: str, store: str, *flags: str) -> Serving:
        """Start a worker, and wait for the line that says that it polls."""
        command = [*SOJOURN, "worker", "--app", APP, "--store", store, "--task-queue", queue]
        process = subprocess.Popen(
            [*command, *flags],
            cwd=ROOT,
            env=environment(TEMPORAL_ADDRESS=server.address),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        serving = cls(process, server.address, queue, store)
        serving.wait_for("worker polls")
        return serving

    def wait_for(self, text: str) -> str:
        """Read the log up to a line that holds `text`, and return that line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return line
        raise AssertionError(f"the worker ended with {self.process.wait()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture(scope="session")
def shared_worker(server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One worker for the tests that only talk to one; it must end well."""
    store = f"sqlite:///{tmp_path_factory.mktemp('served')}/sojourn.db"
    serving = Serving.start(server, f"cli-{os.getpid()}", store)
    yield serving
    assert serving.end() == 0


@pytest.fixture
def served(shared_worker: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """The shared worker, named by the environment as users name theirs."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", shared_worker.address)
    monkeypatch.setenv("SOJOURN_TASK_QUEUE", shared_worker.queue)
    monkeypatch.setenv("SOJOURN_STORE", shared_worker.store)
    return shared_worker


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where the file of `store_url` stands."""
    return tmp_path / "sojourn.db"
