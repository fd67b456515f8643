"""The clerk, embedded: what it reads, what it posts, and what it does when an outcome is lost."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from examples.clerk import settings
from examples.clerk.app import app
from examples.clerk.invoice import Invoice, parse
from examples.clerk.ledger import Ledger
from examples.clerk.model import CHECKED, HELP
from examples.clerk.tools import list_files, read_file
from sojourn import App, TurnResult
from sojourn.messages import CallStatus
from sojourn.tools import ToolContext

READ = {
    "cafe.txt": Invoice("2024-0331", "Aux Deux Tasses SARL", "2024-04-05", 14916),
    "energy.txt": Invoice("LE-5521-04", "Lumen Energie SA", "2024-04-30", 35217),
    "harbour.txt": Invoice("HL/24/0071", "HARBOUR & LYLE LLP", "2024-04-12", 299050),
    "hosting-april.txt": Invoice("INV-88347", "Acme Hosting BV", "2024-04-30", 6900),
    "hosting-march.txt": Invoice("INV-88121", "Acme Hosting BV", "2024-03-31", 6900),
    "northwind.txt": Invoice("NW-2024-117", "Northwind Paper Ltd", "2024-03-04", 30615),
    "note-from-jo.txt": None,
    "print-shop.txt": Invoice("7730415", "QUICK FOX PRINT SHOP", "2024-04-22", 8680),
    "rheinwerk.txt": Invoice("RW/0098/24", "Rheinwerk Metallbau GmbH", "2024-03-14", 183855),
}
HARBOUR = "harbour.txt"
LOST = READ[HARBOUR]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger that the tools post to in this test."""
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("CLERK_LEDGER", str(path))
    return Ledger(path)


async def ask(clerk: App, store_url: str, text: str) -> TurnResult:
    """Send one message in a session of its own opening."""
    async with clerk.open("books", store=store_url) as session:
        return await session.send(text)


def calls(result: TurnResult) -> list[tuple[str, CallStatus]]:
    """Return the names and statuses of a turn's tool calls."""
    return [(call.name, call.status) for call in result.tool_calls]


def test_every_shipped_file_is_one_that_we_can_read() -> None:
    """Each layout is parsed to its number, vendor, date and total; a note is no invoice."""
    assert {name: parse(read_file(name)) for name in list_files()} == READ


@pytest.mark.parametrize("missing", ["Fee note no.", "12 April 2024", "Total payable"])
def test_a_text_that_lacks_something_is_no_invoice(missing: str) -> None:
    """An invoice without a number, a date or a total is not guessed at."""
    assert parse(read_file(HARBOUR).replace(missing, "")) is None


def test_an_impossible_date_is_none() -> None:
    """What looks like a date and is none does not end the reading with an error."""
    assert parse(read_file("cafe.txt").replace("05/04", "05/14")) is None


async def test_everything_is_booked_once(ledger: Ledger, store_url: str) -> None:
    """`book everything` posts each invoice, the two that look alike included, and no note."""
    result = await ask(app, store_url, "book everything")

    assert result.status == "completed"
    assert sorted(ledger.entries(), key=str) == sorted(filter(None, READ.values()), key=str)
    assert "note-from-jo.txt: no invoice" in result.text
    assert result.text.count(": booked") == len(ledger.entries())


async def test_what_was_booked_is_not_booked_again(ledger: Ledger, store_url: str) -> None:
    """The clerk remembers what it posted earlier in the session."""
    await ask(app, store_url, "book cafe.txt")
    again = await ask(app, store_url, "book cafe.txt and energy.txt")

    assert again.text.count(": booked") == 2
    assert ledger.entries() == [READ["cafe.txt"], READ["energy.txt"]]


@pytest.mark.parametrize(
    ("text", "answer"),
    [("hello", HELP), ("book missing.txt", "There is no such file.")],
)
async def test_what_cannot_be_booked_is_said(
    ledger: Ledger, store_url: str, text: str, answer: str
) -> None:
    """Other words, and files that are not there, post nothing."""
    result = await ask(app, store_url, text)

    assert (result.text, ledger.entries()) == (answer, [])


class StandStill:
    """A probe that stops at a point of the posting: from then on, nobody records its outcome."""

    def __init__(self, point: str, ledger: Ledger) -> None:
        self._point = point
        self._ledger = ledger
        self._tools = 0
        self.reached_it = asyncio.Event()

    async def reached(self, point: str, session_id: str) -> None:  # noqa: ARG002 - a Probe
        """Stop at the third tool call, which posts, unless it was stopped before."""
        self._tools += point == self._point
        if point == self._point and self._tools == 3:
            self.reached_it.set()
            await asyncio.Event().wait()


async def lose_the_posting(point: str, ledger: Ledger, store_url: str) -> TurnResult:
    """Book one file, and end the turn while its posting stands at `point`."""
    probe = StandStill(point, ledger)
    async with dataclasses.replace(app, probe=probe).open("books", store=store_url) as session:
        turn = await session.submit(f"book {HARBOUR}")
        await probe.reached_it.wait()
        await turn.cancel()
        return await turn.result()


@pytest.mark.parametrize(
    ("point", "posted_before", "then"),
    [
        ("tool.ran", 1, [("find_entries", CallStatus.DONE)]),
        (
            "tool.started",
            0,
            [("find_entries", CallStatus.DONE), ("post_entry", CallStatus.DONE)],
        ),
    ],
)
async def test_a_posting_with_an_unknown_outcome_is_looked_up(
    ledger: Ledger,
    store_url: str,
    point: str,
    posted_before: int,
    then: list[tuple[str, CallStatus]],
) -> None:
    """Told UNKNOWN, the clerk looks, and posts only what the ledger lacks: one entry, always."""
    lost = await lose_the_posting(point, ledger, store_url)
    assert calls(lost)[-1] == ("post_entry", CallStatus.UNKNOWN)
    assert len(ledger.entries()) == posted_before

    result = await ask(app, store_url, f"book {HARBOUR}")

    assert calls(result)[2:] == then
    assert ledger.entries() == [LOST]
    assert result.text.endswith(CHECKED) == bool(posted_before)


async def test_a_failed_posting_is_reported(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that cannot be opened is no entry, and the clerk says so."""
    monkeypatch.setenv("CLERK_LEDGER", str(tmp_path))
    result = await ask(app, store_url, f"book {HARBOUR}")

    assert result.text.endswith("not booked: post_entry ended as failed")


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "link.txt"])
async def test_no_path_leads_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`read_file` refuses parents, absolute paths and links to the outside alike."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("the secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setenv("CLERK_INVOICES", str(folder))
    result = await read_file.call({"name": name}, ToolContext("books", "turn-1", "call-1"))

    assert result.status is CallStatus.FAILED
    assert "not in the invoice folder" in str(result.error)


def test_settings_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any variable the clerk books what is shipped, offline."""
    for name in ("INVOICES", "LEDGER", "STORE", "MODEL"):
        monkeypatch.delenv(f"CLERK_{name}", raising=False)

    assert settings.invoice_folder() == settings.SHIPPED
    assert settings.ledger_path() == Path("clerk-ledger.db")
    assert settings.store_url() == "sqlite:///clerk-sessions.db"
    assert settings.model_id() == ""
