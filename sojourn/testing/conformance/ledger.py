"""The usage ledger: every token is counted once."""

from __future__ import annotations

import pytest

from sojourn.errors import HeadConflict, OperationConflict
from sojourn.ports import SessionStore
from sojourn.testing.conformance.making import chain, commit_of, grown, head_of, spent, wish
from sojourn.usage import Usage, UsageEntry

LARGEST = 2**62
COUNTS = Usage(
    input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4, reasoning_tokens=5
)


async def spend(store: SessionStore, *entries: UsageEntry) -> None:
    """Commit some rows of a ledger, as one operation."""
    lease = await store.claim(wish())
    revision = (await head_of(store)).head_revision
    await store.commit(commit_of(lease, revision, usage=entries, operation_id=f"o{revision}"))


async def test_usage_is_summed_and_never_counted_twice(store: SessionStore) -> None:
    """One row by source and model; a replay adds nothing; the head has the total."""
    lease = await store.claim(wish())
    first = commit_of(lease, 0, *chain(None, "a"), usage=(spent(3), spent(4, "summary")))
    second = commit_of(lease, 1, *chain("a", "b"), usage=(spent(5),), operation_id="t2")
    for commit in (first, first, second, second):
        await store.commit(commit)
    head = await store.head("s")

    assert list(await store.usage("s")) == [spent(8), spent(4, "summary")]
    assert head is not None
    assert head.usage == Usage(input_tokens=12)


async def test_rows_of_one_commit_are_summed(store: SessionStore) -> None:
    """A turn that asks its model three times has one row."""
    await spend(store, spent(1), spent(10), spent(100))

    assert list(await store.usage("s")) == [spent(111)]


async def test_sources_and_models_are_kept_apart(store: SessionStore) -> None:
    """In order of their names; only the head adds them all up."""
    await spend(store, spent(1, "b", "y"), spent(2, "a", "z"))
    await spend(store, spent(4, "b", "x"), spent(8, "a", "z"))

    assert list(await store.usage("s")) == [
        spent(10, "a", "z"),
        spent(4, "b", "x"),
        spent(1, "b", "y"),
    ]
    assert (await head_of(store)).usage == Usage(input_tokens=15)


async def test_every_kind_of_token_is_kept(store: SessionStore) -> None:
    """None of the five counts is mistaken for another."""
    tokens = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_read_tokens=3,
        cache_write_tokens=4,
        reasoning_tokens=5,
    )
    lease = await store.claim(wish())
    entry = spent(0).model_copy(update={"usage": tokens})
    await store.commit(commit_of(lease, 0, usage=(entry,)))
    head = await store.head("s")

    assert list(await store.usage("s")) == [entry]
    assert head is not None
    assert head.usage == tokens


async def test_every_kind_of_token_is_summed(store: SessionStore) -> None:
    """Each count with its own kind."""
    entry = UsageEntry(source="agent", model="scripted", usage=COUNTS)
    await spend(store, entry)
    await spend(store, entry)

    assert [row.usage for row in await store.usage("s")] == [COUNTS + COUNTS]
    assert (await head_of(store)).usage == COUNTS + COUNTS


async def test_big_numbers_are_exact(store: SessionStore) -> None:
    """Sums up to 2**62 lose no token."""
    await spend(store, spent(LARGEST // 2 - 1))
    await spend(store, spent(LARGEST // 2 - 2))
    await spend(store, spent(3, "other"))

    assert list(await store.usage("s")) == [spent(LARGEST - 3), spent(3, "other")]
    assert (await head_of(store)).usage == Usage(input_tokens=LARGEST)


async def test_a_refused_commit_spends_nothing(store: SessionStore) -> None:
    """Neither one on another head, nor one with other content."""
    await spend(store, spent(1))
    lease = await store.claim(wish())

    with pytest.raises(HeadConflict):
        await store.commit(commit_of(lease, 7, usage=(spent(10),)))
    with pytest.raises(OperationConflict):
        await store.commit(commit_of(lease, 1, usage=(spent(100),), operation_id="o0"))
    assert list(await store.usage("s")) == [spent(1)]


async def test_sessions_keep_their_own_ledgers(store: SessionStore) -> None:
    """A fork starts with an empty one, and its source does not pay for it."""
    await grown(store, "a")
    await spend(store, spent(1))
    fork = await store.fork("s", "a", "f")
    lease = await store.claim(wish(session="f"))
    await store.commit(commit_of(lease, fork.head_revision, *chain("a", "b"), usage=(spent(5),)))

    assert list(await store.usage("s")) == [spent(1)]
    assert list(await store.usage("f")) == [spent(5)]


async def test_an_unknown_session_has_spent_nothing(store: SessionStore) -> None:
    """There is no ledger without a session."""
    assert list(await store.usage("x")) == []


async def test_names_of_models_are_any_text(store: SessionStore) -> None:
    """Quotes, colons, spaces and every script; case counts."""
    names = sorted(["", "Ä b", "a:b/c@1", "o'clock", '"q"', "模型", "🧭", "A", "a"])
    await spend(store, *(spent(number, name, name) for number, name in enumerate(names)))

    assert [(row.source, row.model) for row in await store.usage("s")] == [(n, n) for n in names]
