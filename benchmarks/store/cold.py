"""What it costs to bring back a session that its process has never seen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from benchmarks.commit import BODIES
from benchmarks.measure import Row, interleaved, milliseconds
from benchmarks.store.part import Part
from benchmarks.store.places import PLACES, Place
from benchmarks.store.scale import Scale
from benchmarks.store.turns import FRAME_TURNS, frame, pile, writer_of
from sojourn import Agent, App, ParkedSession, Residency, SessionRuntime
from sojourn.ports import SessionStore
from sojourn.testing import ScriptedModel

FLAT_BUDGET, LONG_BUDGET = 1.2, 0.050
APP = App(agents=[Agent("bench", model=ScriptedModel(lambda _: "yes"))])
NOTES = (
    "`SessionRuntime.resume` assembles a session of 4-message turns from an open store, in a "
    f"process that has never seen it. The last {FRAME_TURNS} turns stand in a frame of their own, "
    "which is what `active_path_only` reads."
)


async def measure(scale: Scale) -> list[Part]:
    """Measure on both kinds of store."""
    rows: list[Row] = []
    for make in PLACES:
        with make() as place:
            rows += await _resumed(place, scale)
    return [Part("Store: cold resume", rows, NOTES)]


async def _resumed(place: Place, scale: Scale) -> list[Row]:
    async with place.opened_hastily() as store:
        for turns in scale.cold:
            await _make(store, turns)
    async with place.opened() as store:
        works = {
            _label(residency, turns): partial(_resume, store, turns, residency)
            for residency in Residency
            for turns in scale.cold
        }
        medians = await interleaved(works, scale.few)
    return _rows(place, scale, medians)


async def _make(store: SessionStore, turns: int) -> None:
    writer = await writer_of(store, f"{turns}-turns")
    await pile(writer, (turns - FRAME_TURNS) * len(BODIES))
    await frame(writer)
    await pile(writer, FRAME_TURNS * len(BODIES))


async def _resume(store: SessionStore, turns: int, residency: Residency) -> None:
    environment = replace(APP.environments()["bench"], residency=residency)
    parked = ParkedSession(f"{turns}-turns", APP.agent().policy(), store)
    runtime = await SessionRuntime.resume(parked, environment)
    assert len(runtime.messages()) == FRAME_TURNS * len(BODIES)
    runtime.unregister_plugin_session()


def _label(residency: Residency, turns: int) -> str:
    return f"{residency}, {turns:,} turns"


def _rows(place: Place, scale: Scale, medians: dict[str, float]) -> list[Row]:
    rows: list[Row] = []
    for residency in Residency:
        is_flat = residency is Residency.ACTIVE_PATH_ONLY
        floor = medians[_label(residency, scale.cold[0])]
        for turns in scale.cold:
            what = _label(residency, turns)
            budget = FLAT_BUDGET if is_flat and turns > scale.cold[0] else None
            shown = milliseconds(medians[what]), milliseconds(floor)
            rows.append(Row(f"{place.name}, {what}", *shown, medians[what] / floor, budget))
    what = _label(Residency.ACTIVE_PATH_ONLY, scale.cold[-1])
    shown = milliseconds(medians[what]), milliseconds(LONG_BUDGET)
    rows.append(Row(f"{place.name}, {what}, in all", *shown, medians[what] / LONG_BUDGET, 1.0))
    return rows
