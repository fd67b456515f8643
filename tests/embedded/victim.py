"""A process that opens a session, sends one message, and kills itself on the way.

Called as `victim STORE POINT TEXT`: see `tests.support.crash_apps.shop` for what texts do.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import timedelta

from sojourn import App
from sojourn.lease import LeaseTimings
from sojourn.ports import Probe, SilentProbe
from sojourn.testing import KillAt
from tests.support.crash_apps import shop

SESSION = "chat-1"
TURN = "t-1"
# The dead are missed soon; a second is enough for whoever lives.
QUICK = LeaseTimings(ttl=timedelta(seconds=1), renew_interval=timedelta(seconds=0.25))


def quick_shop(store_url: str, probe: Probe | None = None) -> App:
    """Return the shop whose leases end soon."""
    return replace(shop(store_url, probe or SilentProbe()), timings=QUICK)


async def main(store_url: str, point: str, text: str) -> None:
    """Send one message; who reads this line's end has chosen a point that is never passed."""
    name, _, nth = point.partition(":")
    async with quick_shop(store_url, KillAt(name, int(nth or 1))).open(SESSION) as session:
        await session.send(text, TURN)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
