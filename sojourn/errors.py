"""Every error that Sojourn raises, as one tree. A class's docstring is its message.

SojournError
├── InvalidInput             the caller's fault, before anything was done
│   ├── EmptyText
│   ├── TextTooLarge
│   ├── InvalidId
│   ├── UnknownSession
│   ├── UnknownAgent
│   ├── UnknownTool
│   ├── UnknownNode
│   ├── UnknownTurn
│   ├── UnknownCall
│   ├── UnknownAttachment
│   ├── InvalidApp
│   ├── InvalidStoreUrl
│   ├── InvalidBlobsUrl
│   ├── Untransferable
│   └── SessionExists
├── StoreError               what a session store answers
│   ├── LeaseHeld
│   ├── LeaseLost
│   ├── HeadConflict
│   ├── OperationConflict
│   ├── Contended            (retryable)
│   ├── StoreUnavailable     (retryable)
│   ├── StoreUnusable
│   ├── SchemaTooNew
│   ├── SessionDeleted
│   ├── UnsupportedReadScope
│   ├── GraphCorrupt
│   ├── CommitTooLarge
│   ├── NodeReachable
│   ├── EffectSettled
│   ├── BlobMissing
│   ├── BlobDamaged
│   ├── BlobStoreUnavailable (retryable)
│   └── EmptyRootSet
├── TurnError                what a session answers to a turn
│   ├── TurnConflict
│   ├── QueueFull            (retryable)
│   ├── SessionContinuing    (retryable)
│   ├── TooManyWaiters       (retryable)
│   ├── SessionHeld
│   ├── HalfImported
│   ├── Diverged
│   ├── RunEnded             (retryable)
│   ├── TurnFailed
│   ├── CompactionFailed
│   ├── TurnAborted
│   └── TurnPending          (it goes on; nobody waits for it any more)
├── AssemblyError            a session that cannot be brought to life
│   ├── MissingModel
│   ├── MissingContextWindow
│   ├── MissingExtra
│   ├── UnusableModel
│   ├── MissingPluginHost
│   ├── StoreRequired
│   ├── BlobStoreRequired
│   ├── PluginFailed
│   │   └── PluginConflict
│   └── ClaimedAlready
├── CatalogError
│   ├── GenerationMismatch
│   ├── DuplicateTool
│   ├── AmbiguousTool
│   ├── UnresolvedTool
│   └── MalformedToolState
├── ModelError               what a model provider did
│   ├── ModelUnavailable     (retryable)
│   ├── ModelRefused
│   ├── ContextFull
│   └── ModelGarbage         (retryable)
├── ToolFailure              what a tool did
│   ├── InvalidArguments
│   ├── ToolRaised
│   ├── ToolTimedOut
│   ├── ToolLost             (it may have run)
│   ├── ToolRefused
│   ├── ResultTooLarge
│   ├── ResultUnserialisable
│   ├── ToolUnavailable
│   ├── ContractUnavailable
│   └── ToolRetry            (raised by a tool: nothing happened, try again)
├── ServerUnavailable        no Temporal server at the address
├── NoWorker                 a server, but nobody polls the task queue
└── ShutdownTooSlow          a worker that would not end
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sojourn.usage import Usage


class SojournError(Exception):
    """Sojourn failed."""

    retryable: ClassVar[bool] = False

    def __init__(self, **facts: Any) -> None:
        """Fill the class's docstring with `facts`, which become attributes too."""
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(self._message())

    def _message(self) -> str:
        template = " ".join((type(self).__doc__ or "").split())
        try:
            return template.format(**self.facts)
        except (KeyError, IndexError):
            return template


class InvalidInput(SojournError):
    """The request cannot be served as it stands: {reason}."""

    reason: str


class EmptyText(InvalidInput):
    """The message is empty: send at least one character that is not a space."""


class TextTooLarge(InvalidInput):
    """The message has {size_bytes} bytes and the limit is {limit_bytes}: send it as a file."""

    size_bytes: int
    limit_bytes: int


class InvalidId(InvalidInput):
    """{value!r} is no valid {kind} id: use 1 to 200 printable characters (600 bytes), no spaces."""

    kind: str
    value: str


class UnknownSession(InvalidInput):
    """There is no session {session_id!r} in this store: check the id and --store."""

    session_id: str


class UnknownAgent(InvalidInput):
    """There is no agent {agent!r} in the app: it has {known}."""

    agent: str
    known: str


class UnknownTool(InvalidInput):
    """There is no tool {tool!r} in this session: it has {known}."""

    tool: str
    known: str


class UnknownNode(InvalidInput):
    """Session {session_id!r} has no node {node_id!r}: `sojourn session show` lists them."""

    session_id: str
    node_id: str


class UnknownTurn(InvalidInput):
    """Session {session_id!r} has no open turn {turn_id!r}: it ended, or never began."""

    session_id: str
    turn_id: str


class UnknownCall(InvalidInput):
    """Session {session_id!r} waits for no approval of call {call_id!r}."""

    session_id: str
    call_id: str


class UnknownAttachment(InvalidInput):
    """Session {session_id!r} has no attachment {attachment_id!r}."""

    session_id: str
    attachment_id: str


class InvalidApp(InvalidInput):
    """--app {target!r} does not name a Sojourn app: {reason}."""

    target: str


class InvalidStoreUrl(InvalidInput):
    """{url!r} is no store: use sqlite:///path.db, postgresql://host/db or memory://."""

    url: str


class InvalidBlobsUrl(InvalidInput):
    """{url!r} is no blob store: use file:///folder, s3://bucket/prefix, gs://, az:// or memory://."""

    url: str


class Untransferable(InvalidInput):
    """Line {line} of the file cannot be imported: {reason}."""

    line: int


class SessionExists(InvalidInput):
    """There is a session {session_id!r} already: import it under another id (--session)."""

    session_id: str


class StoreError(SojournError):
    """The session store refused: {reason}."""

    reason: str


class LeaseHeld(StoreError):
    """Session {session_id!r} is held by {holder} until {expires_at}: wait, or park it there."""

    session_id: str
    holder: str
    expires_at: datetime


class LeaseLost(StoreError):
    """Session {session_id!r} has a newer owner (token {actual}, not {presented}): stop writing."""

    session_id: str
    presented: int
    actual: int


class HeadConflict(StoreError):
    """Session {session_id!r} is at head {actual}, not at {expected}: reload it."""

    session_id: str
    expected: int
    actual: int


class OperationConflict(StoreError):
    """Operation {operation_id!r} of session {session_id!r} was committed with other content."""

    session_id: str
    operation_id: str


class Contended(StoreError):
    """The store is busy with another writer: try the same again ({reason})."""

    retryable = True


class StoreUnavailable(StoreError):
    """The store {url} cannot be used now: {reason}."""

    retryable = True
    url: str


class StoreUnusable(StoreError):
    """{url} cannot serve as a session store: {reason}."""

    url: str


class SchemaTooNew(StoreError):
    """{url} has schema {found}, newer than this Sojourn knows ({known}): upgrade Sojourn."""

    url: str
    found: int
    known: int


class SessionDeleted(StoreError):
    """Session {session_id!r} was deleted, and ids are used once: choose another id."""

    session_id: str


class UnsupportedReadScope(StoreError):
    """This store cannot read {scope}: use a store or a residency that fits."""

    scope: str


class GraphCorrupt(StoreError):
    """Session {session_id!r} has a damaged graph at node {node_id!r}: {reason}."""

    session_id: str
    node_id: str


class CommitTooLarge(StoreError):
    """The commit of {operation_id!r} has {size_bytes} bytes and the limit is {limit_bytes}."""

    operation_id: str
    size_bytes: int
    limit_bytes: int


class NodeReachable(StoreError):
    """Node {node_id!r} is reachable from a live session and cannot be tombstoned."""

    node_id: str


class EffectSettled(StoreError):
    """Effect {effect_key!r} of turn {turn_id!r} came after the turn was settled: dropped."""

    turn_id: str
    effect_key: str


class BlobMissing(StoreError):
    """The bytes of {blob_key} are not in the blob store: was it cleared, or is it another one?"""

    blob_key: str


class BlobDamaged(StoreError):
    """The bytes of {blob_key} are not the ones that were kept: restore that blob from a backup."""

    blob_key: str


class BlobStoreUnavailable(StoreError):
    """The blob store {url} cannot be used now: {reason}."""

    retryable = True
    url: str


class EmptyRootSet(StoreError):
    """The store names no attachment, and {blobs} blobs would go: allow it if that is right."""

    blobs: int


class TurnError(SojournError):
    """The turn was not run: {reason}."""

    reason: str


class TurnConflict(TurnError):
    """Turn {turn_id!r} of session {session_id!r} has other text: a turn id is one turn for ever."""

    session_id: str
    turn_id: str


class QueueFull(TurnError):
    """Session {session_id!r} has {limit} turns waiting already: send again when one is done."""

    retryable = True
    session_id: str
    limit: int


class SessionContinuing(TurnError):
    """Session {session_id!r} is moving to a fresh run: send again."""

    retryable = True
    session_id: str


class TooManyWaiters(TurnError):
    """Session {session_id!r} has {limit} callers waiting for outcomes already: ask again."""

    retryable = True
    session_id: str
    limit: int


class SessionHeld(TurnError):
    """Session {session_id!r} was held by {holder} for longer than {waited_seconds:.0f} s."""

    session_id: str
    holder: str
    waited_seconds: float


class HalfImported(TurnError):
    """Session {session_id!r} is half imported: run its `sojourn session import` again."""

    session_id: str


class Diverged(TurnError):
    """Session {session_id!r} is ahead of its workflow ({actual} > {known}), as after a reset."""

    session_id: str
    known: int
    actual: int


class RunEnded(TurnError):
    """The run of {session_id!r} ended before turn {turn_id!r}: send that id again, it runs once."""

    retryable = True
    session_id: str
    turn_id: str


class TurnFailed(TurnError):
    """Turn {turn_id!r} could not be committed: {reason}."""

    turn_id: str


class CompactionFailed(TurnError):
    """The session was not compacted, and is as it was: {reason}."""


class TurnAborted(TurnError):
    """Plugin {plugin_id!r} ended the turn: {reason}."""

    plugin_id: str


class TurnPending(TurnError):
    """Turn {turn_id!r} of {session_id!r} goes on after {seconds:g} s: --turn-id waits again."""

    session_id: str
    turn_id: str
    seconds: float


class AssemblyError(SojournError):
    """The session cannot be assembled: {reason}."""

    reason: str


class MissingModel(AssemblyError):
    """Agent {agent!r} names no model: write Agent(model="openai:...") or pass a provider."""

    agent: str


class MissingContextWindow(AssemblyError):
    """How much {model!r} can read is not known: ModelSpec({model!r}, context_window_tokens=...)."""

    model: str


class MissingExtra(AssemblyError):
    """Run `pip install {package}` first: the library behind {model!r} is not installed."""

    model: str
    package: str


class UnusableModel(AssemblyError):
    """The model {model!r} cannot be opened: {reason}."""

    model: str


class MissingPluginHost(AssemblyError):
    """The runtime environment has no plugin host: build it with PluginHost(plugins)."""


class StoreRequired(AssemblyError):
    """{operation} needs a store: what is trimmed or parked could not come back without one."""

    operation: str


class BlobStoreRequired(AssemblyError):
    """Attachments need a place for their bytes: App(blobs="file:///folder"), or an s3:// bucket."""


class PluginFailed(AssemblyError):
    """Plugin {plugin_id!r} failed in {hook}: {reason}."""

    plugin_id: str
    hook: str


class PluginConflict(PluginFailed):
    """Plugins {other_id!r} and {plugin_id!r} replace each other's {what} in {hook}: keep one."""

    other_id: str
    what: str


class ClaimedAlready(AssemblyError):
    """The lease owner of session {session_id!r} is fixed: it has claimed already."""

    session_id: str


class CatalogError(SojournError):
    """The tool catalogue refused: {reason}."""

    reason: str


class GenerationMismatch(CatalogError):
    """The change is for generation {expected} and the catalogue is at {actual}: read it again."""

    expected: int
    actual: int


class DuplicateTool(CatalogError):
    """Two tools are called {name!r} (ids {first!r} and {second!r}): rename one."""

    name: str
    first: str
    second: str


class AmbiguousTool(CatalogError):
    """The tool id {tool_id!r} comes from source {first!r} and {second!r}: rename or drop one."""

    tool_id: str
    first: str
    second: str


class UnresolvedTool(CatalogError):
    """No source has the tool {tool_id!r}: register its source first."""

    tool_id: str


class MalformedToolState(CatalogError):
    """The stored tool state is malformed: {reason}."""


class ModelError(SojournError):
    """The model {model} failed: {reason}."""

    model: str
    reason: str
    retry_after_seconds: float | None = None
    # The tokens that the provider counted all the same; no fact, as it is for the ledger alone.
    spent: Usage | None = None


class ModelUnavailable(ModelError):
    """The model {model} is not available: {reason}."""

    retryable = True


class ModelRefused(ModelError):
    """The model {model} refused the request: {reason}."""


class ContextFull(ModelError):
    """The model {model} has room for {room} tokens, and would read about {tokens}: compact it."""

    room: int
    tokens: int


class ModelGarbage(ModelError):
    """The model {model} answered what cannot be read: {reason}."""

    retryable = True


class ToolFailure(SojournError):
    """The tool {tool!r} failed: {reason}."""

    tool: str
    reason: str
    # What the model is told instead of the message. It may hold content, so it is no fact: it
    # stays out of `facts`, of the message, and thereby out of logs and history.
    detail: str | None = None


class InvalidArguments(ToolFailure):
    """The tool {tool!r} cannot be called so: {reason}."""


class ToolRaised(ToolFailure):
    """The tool {tool!r} raised {reason}."""


class ToolTimedOut(ToolFailure):
    """The tool {tool!r} did not end within {seconds} s."""

    seconds: float


class ToolLost(ToolFailure):
    """The tool {tool!r} was called and did not answer, since {reason}: it may have run."""


class ToolRefused(ToolFailure):
    """The tool {tool!r} answered with an error: {reason}."""


class ResultTooLarge(ToolFailure):
    """The tool {tool!r} ran, but its {size_bytes} bytes were over {limit_bytes} and not kept."""

    size_bytes: int
    limit_bytes: int


class ResultUnserialisable(ToolFailure):
    """The tool {tool!r} ran to its end, but its result is not JSON and was not kept: {reason}."""


class ToolUnavailable(ToolFailure):
    """The tool {tool!r} is not available in this session: {reason}."""


class ContractUnavailable(ToolFailure):
    """The tool {tool!r} has no input schema to show, since its source failed: {reason}."""


class ToolRetry(SojournError):
    """Nothing was done; try again ({reason})."""

    retryable = True
    reason: str
    after_seconds: float | None = None


class ServerUnavailable(SojournError):
    """No Temporal server at {address} ({reason}): ./temporal-dev.sh, or set TEMPORAL_ADDRESS."""

    retryable = True
    address: str
    reason: str


class NoWorker(SojournError):
    """No worker polls task queue {task_queue!r}: start one with `sojourn worker --app ...`."""

    retryable = True
    task_queue: str


class ShutdownTooSlow(SojournError):
    """The worker did not end within {seconds:g} s of being told to: its turns go on elsewhere."""

    seconds: float
