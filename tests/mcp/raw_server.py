"""An MCP server without any library, over standard input and output, that can misbehave.

Its folder is how a test speaks to it, and reads what it did. Files that are there when it starts:
`refuse` (it ends at once), `mute` (it answers nothing), `names` (what its `echo` is called).
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
PAGE = 3
PNG = b"\x89PNG and so on"
MODERN = ["2026-07-28"]
FRESH = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
Json = dict[str, Any]

lock = threading.Lock()
cancelled: dict[int, threading.Event] = {}


def note(file: str, line: str) -> None:
    """Add a line to a file of the folder."""
    with lock, (FOLDER / file).open("a") as out:
        out.write(f"{line}\n")


def say(message: Json) -> None:
    """Write a message."""
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        sys.stdout.flush()


def text(said: str, *, is_error: bool = False) -> Json:
    """Return a result of one text."""
    content = [{"type": "text", "text": said}]
    return {"content": content, "isError": is_error, "resultType": "complete"}


def echo(arguments: Json, _: int) -> Json:
    return text(arguments["text"])


def write(arguments: Json, _: int) -> Json:
    note("written", arguments["text"])
    return text("written")


def crash(arguments: Json, _: int) -> Json:
    note("written", "crash")
    sys.stderr.write("Traceback: it fell over\n")
    sys.stderr.flush()
    os._exit(9)


def wait(arguments: Json, request: int) -> Json:
    note("waiting", str(request))
    while not (FOLDER / "go").exists():
        if cancelled[request].wait(0.01):
            note("cancelled", str(request))
            return text("never seen")
    return text("done")


def picture(arguments: Json, _: int) -> Json:
    encoded = base64.b64encode(PNG).decode()
    blob = {"uri": "file:///a.bin", "mimeType": "no type", "blob": encoded}
    return {
        "content": [
            {"type": "text", "text": "look"},
            {"type": "image", "data": encoded, "mimeType": "image/png"},
            {"type": "audio", "data": "%%%", "mimeType": "audio/wav"},
            {"type": "resource", "resource": blob},
            {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "hello"}},
            {"type": "resource_link", "uri": "file:///b", "name": "b"},
        ],
        "structuredContent": {"seen": 1},
    }


def huge(arguments: Json, _: int) -> Json:
    return text("x" * arguments["size"])


def leak(arguments: Json, _: int) -> Json:
    sys.stderr.write(f"my token is {os.environ['TOKEN']}\n")
    sys.stderr.flush()
    said = f"{os.environ['TOKEN']} and {os.environ.get('OUTSIDE', 'nothing')}"
    return text(said) | {"structuredContent": {os.environ["TOKEN"]: [said]}}


def fail(arguments: Json, _: int) -> Json:
    before = "x" * arguments.get("before", 0)
    return text(f"no: {before}{os.environ.get('TOKEN', '')}", is_error=True)


def garbage(arguments: Json, _: int) -> Json:
    return {"content": "none"}


def rename(arguments: Json, _: int) -> Json:
    (FOLDER / "names").write_text(arguments["to"])
    say({"method": "notifications/tools/list_changed"})
    return text("renamed")


TOOLS: dict[str, Callable[[Json, int], Json]] = {
    each.__name__: each
    for each in (echo, write, crash, wait, picture, huge, leak, fail, garbage, rename)
}
SAFE = {"readOnlyHint": True}


def named() -> dict[str, Callable[[Json, int], Json]]:
    """Return the tools by the names that they have now."""
    names = FOLDER / "names"
    own = names.read_text() if names.exists() else "echo"
    return {own if name == "echo" else name: tool for name, tool in TOOLS.items()}


def listing(cursor: str | None) -> Json:
    """Return a page of tools."""
    start = int(cursor or 0)
    names = list(named())
    page = [
        {
            "name": name,
            "description": f"Does {name} ({os.environ.get('TOKEN', '')}).",
            "inputSchema": {"type": "object"},
            "annotations": SAFE if name in {"echo", "wait"} else {},
        }
        for name in names[start : start + PAGE]
    ]
    more = {"nextCursor": str(start + PAGE)} if start + PAGE < len(names) else {}
    return {"tools": page} | more | (FRESH if (FOLDER / "modern").exists() else {})


def discovered(method: str) -> Json:
    """Return what a server answers that knows no handshake any more."""
    if method == "initialize":
        supported = {"supported": MODERN, "requested": "2025-11-25"}
        return {"error": {"code": -32022, "message": "what is that?", "data": supported}}
    tools = {"supportedVersions": MODERN, "capabilities": {"tools": {}}}
    return {"result": tools | FRESH}


def answered(method: str, params: Json, request: int) -> Json:
    """Return the answer to a request, as `result` or `error`."""
    if (FOLDER / "modern").exists() and method in {"initialize", "server/discover"}:
        return discovered(method)
    if method == "initialize":
        return {
            "result": {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "raw", "version": "1"},
            }
        }
    if method == "tools/list":
        note("listed", str(params.get("cursor", 0)))
        return {"result": listing(params.get("cursor"))}
    if method == "tools/call" and params["name"] in named():
        return {"result": named()[params["name"]](params.get("arguments", {}), request)}
    return {"error": {"code": -32602, "message": f"what is {params.get('name', method)}?"}}


def respond(message: Json) -> None:
    """Answer one request."""
    request = message["id"]
    say({"id": request} | answered(message["method"], message.get("params", {}), request))
    if message["method"] == "tools/list" and (FOLDER / "restless").exists():
        say({"method": "notifications/tools/list_changed"})


def main() -> None:
    """Serve until standard input ends."""
    note("pids", str(os.getpid()))
    if (FOLDER / "refuse").exists():
        sys.exit((FOLDER / "refuse").read_text() or "I do not want to")
    for line in sys.stdin:
        message = json.loads(line)
        if (FOLDER / "mute").exists():
            continue
        if message["method"] == "notifications/cancelled":
            cancelled[message["params"]["requestId"]].set()
        elif "id" in message:
            cancelled[message["id"]] = threading.Event()
            threading.Thread(target=respond, args=[message], daemon=True).start()
    time.sleep(3600 if (FOLDER / "stay").exists() else 0)


main()
