"""Reading an invoice's text: who wants how much, under which number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_NUMBER = re.compile(
    r"\b(?:invoice|bill|receipt|facture|fee note|rechnungs) ?"
    r"(?:number:?|nummer:|no[.:]|n°|#) *(?=\S*\d)([A-Z0-9][A-Z0-9/-]{5,})\b",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"^\W*(?:total|amount due|balance due|gesamtbetrag)\b.*?(\d[\d.,]*[.,]\d\d)\b",
    re.IGNORECASE | re.MULTILINE,
)
_SENDER = re.compile(r"^from:\s*([^,\n]+)", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(r"^\W*(?!invoice\W*$)(\w.*?)(?:\s{3,}.*|\W*)$", re.IGNORECASE | re.MULTILINE)
_DATES = (
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\b"),
    re.compile(r"\b(?P<day>\d\d)[./](?P<month>\d\d)[./](?P<year>\d{4})\b"),
    re.compile(r"\b(?P<day>\d\d?) (?P<month>[A-Z][a-z]+) (?P<year>\d{4})\b"),
    re.compile(r"\b(?P<month>[A-Z][a-z]+) (?P<day>\d\d?), (?P<year>\d{4})\b"),
)


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is posted of an invoice."""

    number: str
    vendor: str
    issued: str
    total_cents: int

    @property
    def total(self) -> str:
        """The total for people, in euros."""
        return f"{self.total_cents / 100:,.2f} EUR"


def parse(text: str) -> Invoice | None:
    """Return the invoice that a text is; None if it lacks a number, a date, a vendor or a total."""
    number, totals = _NUMBER.search(text), _TOTAL.findall(text)
    issued, vendor = _issued(text), _vendor(text)
    if number is None or not totals or issued is None or not vendor:
        return None
    # Totals without tax stand above the one that is due.
    return Invoice(number[1], vendor, issued.isoformat(), _cents(totals[-1]))


def _vendor(text: str) -> str:
    found = _SENDER.search(text) or _HEADING.search(text)
    return found[1].strip() if found else ""


def _issued(text: str) -> date | None:
    found = [match for pattern in _DATES for match in pattern.finditer(text)]
    first = min(found, key=lambda match: match.start(), default=None)
    return _date(first.groupdict()) if first else None


def _date(written: Mapping[str, str]) -> date | None:
    month = written["month"]
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1
        return date(int(written["year"]), number, int(written["day"]))
    except ValueError:
        return None


def _cents(amount: str) -> int:
    """Read `1,234.50` and `1.234,50` alike: the last two digits are cents."""
    return int(re.sub(r"\D", "", amount))
