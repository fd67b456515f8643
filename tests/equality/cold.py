"""A process that has never seen a session: it assembles what it is told to, line by line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any, Self

from sojourn import Residency
from sojourn.adapters.open import opened_store
from tests.equality.apps import family
from tests.equality.portrait import Portrait, cold_portrait
from tests.support.worker_process import ROOT, SOURCES


class ColdProcess:
    """Asks a process of its own for portraits."""

    def __enter__(self) -> Self:
        path = ":".join(map(str, SOURCES))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.equality.cold"],
            env={"PYTHONPATH": path},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def portrait(
        self, store_url: str, session_id: str, residency: Residency, *, has_crm: bool
    ) -> Portrait:
        """Return the portrait of a session that this process assembles from its store."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wish = [store_url, session_id, residency.value, has_crm]
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        found: Portrait = json.loads(self._process.stdout.readline())
        return found


async def _answer(store_url: str, session_id: str, residency: str, has_crm: Any) -> Portrait:
    app = family(Residency(residency), store_url, has_crm=bool(has_crm))
    async with opened_store(store_url) as store:
        return await cold_portrait(app, store, session_id)


def main() -> None:
    """Answer until the asker leaves."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(_answer(*json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
