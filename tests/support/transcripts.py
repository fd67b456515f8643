"""What was said in a session, one line a message."""

from __future__ import annotations

from sojourn.messages import Message
from sojourn.ports import SessionStore
from sojourn.reads import ReadScope


def line_of(message: Message) -> str:
    """Return who speaks, and what is said, called or answered."""
    calls = [call.name for call in message.tool_calls]
    responses = [f"{part.name} {part.status}" for part in message.tool_responses]
    return f"{message.role}: {message.text or ', '.join(calls or responses)}"


async def transcript_of(store: SessionStore, session_id: str) -> list[str]:
    """Return the lines of a session's active path; none if there is no session."""
    read = await store.load(session_id, ReadScope.ACTIVE_PATH)
    return [line_of(node.message) for node in read.nodes] if read else []
