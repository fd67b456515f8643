"""How the laws become tests of one store, in classes that pytest collects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from importlib import import_module
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import pytest

from sojourn.clock import Clock, ManualClock
from sojourn.ports import SessionStore

StoreOpener = Callable[[Clock, Path], AbstractAsyncContextManager[SessionStore]]
Law = Callable[..., Any]

CAPABILITIES = (
    "leases",
    "fencing",
    "commits",
    "receipts",
    "heads",
    "integrity",
    "ledger",
    "openings",
    "journal",
    "reads",
    "moving",
    "newest",
    "branches",
    "tombstones",
    "vacuum",
    "deletion",
    "attachments",
    "blob_keys",
    "given_up",
    "old_receipts",
    "intents",
    "checks",
    "odd_content",
    "concurrency",
    "reopening",
)

_GIVEN = ("store", "clock", "open_again", "open_store", "folder", "durable")

# Before any of them is imported: so that a failed assert says what was compared.
pytest.register_assert_rewrite(
    *(f"{__package__}.{name}" for name in (*CAPABILITIES, "machine", "scene"))
)


def store_conformance(open_store: StoreOpener | str, *, durable: bool = True) -> type:
    """Return a class of tests that a session store passes if it keeps every law of the port.

    Args:
        open_store: opens the store whose data belong to a folder: empty if the folder is, and the
            same data whenever the folder is the same, also while they are open already. The store
            tells time by the clock alone, and is closed when the context is left. Or the name of
            a fixture that gives such a function.
        durable: whether the data outlive the store; if not, nothing is opened again.
    """
    names = [name for name in CAPABILITIES if durable or name != "reopening"]
    tests = {_title(name): _capability(name, open_store) for name in names}
    tests["TestMachine"] = _machine(open_store, durable=durable)
    return type("StoreConformance", (), tests)


def _title(name: str) -> str:
    return "Test" + name.title().replace("_", "")


def _capability(name: str, open_store: StoreOpener | str) -> type:
    module = import_module(f"{__package__}.{name}")
    laws = {key: law for key, law in vars(module).items() if key.startswith("test_")}
    tests = {key: _test(law, partial(_judge, law), open_store) for key, law in laws.items()}
    return type(_title(name), (), {"__doc__": module.__doc__, **tests})


def _machine(open_store: StoreOpener | str, *, durable: bool) -> type:
    module = import_module(f"{__package__}.machine")
    law = module.test_holders_and_zombies_obey_the_laws
    test = _test(law, partial(law, durable=durable), open_store)
    return type("TestMachine", (), {"__doc__": module.__doc__, law.__name__: test})


def _test(law: Law, judge: Callable[..., None], open_store: StoreOpener | str) -> Law:
    """Return a plain test: it runs its own event loop, whatever plugin there is for others."""

    @wraps(law)
    def test(_self: object, tmp_path: Path, **values: Any) -> None:
        opener = values.pop(open_store) if isinstance(open_store, str) else open_store
        judge(opener, tmp_path, **values)

    # What pytest reads: the fixtures that the test needs, and the law's own parameters.
    asked = [name for name in signature(law).parameters if name not in _GIVEN]
    asked += [open_store] if isinstance(open_store, str) else []
    names = ("_self", "tmp_path", *asked)
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    vars(test)["__signature__"] = Signature(parameters)
    return test


def _judge(law: Law, open_store: StoreOpener, folder: Path, **values: Any) -> None:
    async def judged() -> None:
        clock = ManualClock()
        open_again = partial(open_store, clock, folder)
        async with open_again() as store:
            given = {"store": store, "clock": clock, "open_again": open_again}
            asked = signature(law).parameters
            await law(**{name: given[name] for name in given if name in asked}, **values)

    asyncio.run(judged())
