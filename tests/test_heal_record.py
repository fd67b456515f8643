from __future__ import annotations

from dataclasses import replace

from sojourn.commit import Commit
from sojourn.heal import Healed, HealedKind, dangling_leaf, recorded, with_record


def test_the_record_keeps_what_a_commit_makes_invisible() -> None:
    """A lost leaf, the newest twenty; calls without a response show in every reading."""
    healed = [
        Healed(HealedKind.UNANSWERED_CALL, "a", "call c1"),
        *(dangling_leaf(f"gone-{number}", "b") for number in range(30)),
    ]
    record = recorded([{"kind": "dangling leaf", "node_id": "old", "detail": ""}], healed)

    assert [entry["node_id"] for entry in record] == [f"gone-{n}" for n in range(10, 30)]
    assert set(record[0]) == {"kind", "node_id", "detail"}


def test_the_record_goes_with_a_commit_that_keeps_the_configuration() -> None:
    """One that leaves it alone leaves the record alone, and a healthy session has none."""
    bare = Commit("s", "t1", 0, 1)
    record = recorded([], [dangling_leaf("gone", "b")])

    assert with_record(bare, record) is bare
    kept = replace(bare, config={"agent": "clerk"})
    assert with_record(kept, []) is kept
    assert with_record(kept, record).config == {"agent": "clerk", "healed": record}
