"""Sessions to be moved, and what they look like afterwards."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from sojourn import ids
from sojourn.commit import Commit, NewNode, Snapshot
from sojourn.graph import Node
from sojourn.lease import Claim, LeaseOwner
from sojourn.messages import CallStatus, Message, Role, ToolCallPart, assistant, tool_response, user
from sojourn.ports import SessionStore
from sojourn.reads import Head, ReadScope
from sojourn.transfer import ExportOptions, Imported, ImportOptions, export_session, import_session
from sojourn.usage import Usage, UsageEntry

NewStore = Callable[[], AbstractAsyncContextManager[SessionStore]]
FULL = ReadScope.FULL_GRAPH
OWNER = LeaseOwner("maker", "1")


async def exported(
    store: SessionStore, session_id: str = "chat-42", options: ExportOptions | None = None
) -> bytes:
    """Return a session as a file."""
    return b"".join([line async for line in export_session(store, session_id, options)])


async def imported(
    store: SessionStore, file: bytes, options: ImportOptions | None = None
) -> Imported:
    """Make a session of a file, and return the last word of that."""
    told = [each async for each in import_session(store, io.BytesIO(file), options)]
    return told[-1]


async def committed(store: SessionStore, turn_id: str, *nodes: NewNode, **changes: Any) -> None:
    """Commit an operation that continues the session, or `leaf` elsewhere."""
    session_id = changes.pop("session", "chat-42")
    lease = await store.claim(Claim(session_id, OWNER, turn_id))
    head = await store.head(session_id)
    assert head is not None
    made = Commit(
        session_id=session_id,
        operation_id=turn_id,
        expected_head_revision=head.head_revision,
        fencing_token=lease.fencing_token,
        nodes=nodes,
        leaf=nodes[-1].node_id if nodes else head.leaf,
        result={"status": "completed", "input_digest": ids.digest(turn_id.encode())},
        release=True,
    )
    await store.commit(replace(made, **changes))


def chain(parent: str | None, *bodies: tuple[str, bytes], kind: str = "message") -> list[NewNode]:
    """Return nodes that hang on each other, of ids and bodies."""
    nodes = list[NewNode]()
    for node_id, body in bodies:
        nodes.append(NewNode(node_id, parent, kind, body))
        parent = node_id
    return nodes


def exchange(number: int, text: str = "") -> list[tuple[str, bytes]]:
    """Return the messages of a turn with a tool call."""
    call = ToolCallPart(id=f"call-{number}", name="look", arguments={"room": "blå"})
    said: list[Message] = [
        user(f"look {number} {text}"),
        assistant("", call),
        tool_response(call.id, "look", {"free": True}, CallStatus.DONE),
        assistant(f"it is free {number}"),
    ]
    return [(f"n{number}.{at}", message.encode()) for at, message in enumerate(said)]


async def rich_session(store: SessionStore, session: str = "chat-42") -> None:
    """Make a session that has something of everything: branches, frames, odd bodies, states."""
    config = {"agent": "clerk", "model": {"id": "openai:gpt-5"}}
    usage = UsageEntry(source="turn", model="m", usage=Usage(input_tokens=7, output_tokens=3))
    tools, plugins = b'{"generation":3,"tools":{}}', b'{"p":{"version":"1","revision":2}}\n'
    await committed(
        store,
        "t1",
        *chain(None, *exchange(1)),
        config=config,
        usage=(usage,),
        tool_state=Snapshot(ids.digest(tools), tools, 3),
        plugin_state=Snapshot(ids.digest(plugins), plugins, 2),
        session=session,
    )
    await committed(store, "t2", *chain("n1.3", *exchange(2)), session=session)
    await committed(store, "checkout/2", leaf="n1.3", is_turn=False, session=session)
    frame = chain("n1.3", ("f1", b'{"v":1,"reason":"by hand"}'), kind="frame")
    seed = chain("f1", ("f1.1", user("what was said before").encode()))
    await committed(store, "compact/3", *frame, *seed, is_turn=False, session=session)
    odd = [
        NewNode("o1", "f1.1", "new kind", b"\xf0\x28\x8c\xbc"),
        NewNode("o2", "o1", "new kind", b'{ "spaced" : 1.0 }'),
        NewNode("o3", "o2", "new kind", b'{"lines":\n1}'),
        NewNode("o4", "o3", "new kind", b""),
    ]
    await committed(store, "t3", *odd, *chain("o4", *exchange(3)), session=session)


async def whole(store: SessionStore, session_id: str = "chat-42") -> dict[str, Any]:
    """Return all that a session is, but for how many commits made it."""
    read = await store.load(session_id, FULL)
    assert read is not None
    head: Head = read.head
    turns = {node.turn_id: node for node in read.nodes}
    receipts = {turn_id: await store.receipt(session_id, turn_id) for turn_id in turns}
    return {
        "nodes": read.nodes,
        "states": (read.tool_state, read.plugin_state, head.tool_state, head.plugin_state),
        "head": (head.leaf, head.turn_count, head.created_at, head.config, head.usage),
        "usage": await store.usage(session_id),
        "receipts": {
            turn_id: receipt and (receipt.leaf, receipt.result)
            for turn_id, receipt in receipts.items()
        },
        "attachments": [
            row.attachment for row in await store.attachments(session_id) if row.is_committed
        ],
    }


def shape(nodes: tuple[Node, ...]) -> list[tuple[int | None, str, bytes, str, Any]]:
    """Return nodes without their ids: parents by their place."""
    places = {node.node_id: place for place, node in enumerate(nodes)}
    return [
        (
            places[node.parent_id] if node.parent_id is not None else None,
            node.kind,
            node.body,
            node.turn_id,
            node.created_at,
        )
        for node in nodes
    ]


def lines(file: bytes) -> list[Any]:
    """Return the lines of a file."""
    return [json.loads(line) for line in file.splitlines()]


def resigned(file: bytes) -> bytes:
    """Return a changed file whose last line vouches for it again."""
    *before, last = file.splitlines(keepends=True)
    end = json.loads(last) | {"sha256": hashlib.sha256(b"".join(before)).hexdigest()}
    return b"".join(before) + json.dumps(end, separators=(",", ":")).encode() + b"\n"


def roles(messages: list[Message]) -> list[Role]:
    """Return who speaks."""
    return [message.role for message in messages]


def as_lines(items: list[Any]) -> bytes:
    """Return items as JSON lines."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)
