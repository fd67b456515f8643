"""Leases: the time-limited sole right to write a session, and the rules that move it.

Every rule here is a pure function of the stored lease and the store's own time; stores apply
them inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from typing_extensions import override

from sojourn import ids
from sojourn.errors import InvalidInput, LeaseHeld, LeaseLost

RENEWALS_PER_TTL = 3


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """Who holds leases: one logical workflow or one embedded runtime, over all its restarts.

    Attributes:
        owner_id: stable name, such as `temporal/<namespace>/<workflow_id>`.
        incarnation_id: one life of that owner, such as the first run id of its workflow.
    """

    owner_id: str
    incarnation_id: str

    @override
    def __str__(self) -> str:
        return f"{self.owner_id} ({self.incarnation_id})"

    @classmethod
    def fresh(cls) -> LeaseOwner:
        """Mint an owner that excludes every other one, as each embedded open does."""
        return cls(ids.mint("embedded"), ids.mint("life"))


@dataclass(frozen=True, slots=True)
class Lease:
    """One holder's right to write one session.

    Attributes:
        session_id: the session.
        owner: who holds it.
        executor_id: what the owner is doing with it: the turn id, or one embedded open.
        fencing_token: grows by one with each fresh acquisition; survives release; never reused.
        claimed_at: when this token was given, by the store's clock.
        expires_at: when others may take it, by the store's clock.
        released: whether the holder gave it back (the row stays, for its token).
    """

    session_id: str
    owner: LeaseOwner
    executor_id: str
    fencing_token: int
    claimed_at: datetime
    expires_at: datetime
    released: bool = False

    def is_live(self, now: datetime) -> bool:
        """Tell whether nobody but the holder's own owner may claim: an expiry of `now` is past."""
        return not self.released and self.expires_at > now


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """How long a lease lives and how often it is renewed; a holder may miss two renewals.

    Raises:
        InvalidInput: `ttl` is shorter than three times `renew_interval`, or either is not positive.
    """

    ttl: timedelta = timedelta(seconds=30)
    renew_interval: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if self.renew_interval <= timedelta(0):
            raise InvalidInput(reason="the renew interval must be positive")
        if self.ttl < RENEWALS_PER_TTL * self.renew_interval:
            raise InvalidInput(reason="the lease's ttl must be at least 3 x its renew interval")


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for the lease of `session_id`, for `ttl` from the store's now."""

    session_id: str
    owner: LeaseOwner
    executor_id: str
    ttl: timedelta = LeaseTimings().ttl


def claim(current: Lease | None, wish: Claim, now: datetime) -> Lease:
    """Give the lease to `wish`, unless another owner or incarnation holds it alive.

    The same owner, incarnation and executor re-enter: the token stays. The same owner and
    incarnation with another executor take over at once with the next token, since the owner has
    serialised its executors and the older one can only be a zombie. So does anybody after
    release or expiry.

    Raises:
        LeaseHeld: another owner or incarnation holds a lease that is neither released nor expired.
    """
    expires_at = now + wish.ttl
    if current is None:
        return _acquired(wish, 1, now)
    ours = current.owner == wish.owner
    if ours and not current.released and current.executor_id == wish.executor_id:
        return replace(current, expires_at=max(expires_at, current.expires_at))
    if not ours and current.is_live(now):
        raise LeaseHeld(
            session_id=wish.session_id,
            holder=str(current.owner),
            expires_at=current.expires_at,
        )
    return _acquired(wish, current.fencing_token + 1, now)


def renew(current: Lease | None, lease: Lease, ttl: timedelta, now: datetime) -> Lease:
    """Move the expiry of `lease` to `now + ttl`; its token never changes.

    Raises:
        LeaseLost: a newer token was given, or the lease was released.
    """
    held = check_fence(current, lease.session_id, lease.fencing_token)
    if held.released:
        raise LeaseLost(
            session_id=lease.session_id,
            presented=lease.fencing_token,
            actual=held.fencing_token,
        )
    return replace(held, expires_at=max(now + ttl, held.expires_at))


def release(current: Lease | None, lease: Lease) -> Lease | None:
    """Give `lease` back, keeping its token; a stale release changes nothing and is no error."""
    if current is None or current.fencing_token != lease.fencing_token:
        return current
    return replace(current, released=True)


def check_fence(current: Lease | None, session_id: str, fencing_token: int) -> Lease:
    """Return the stored lease if `fencing_token` is its token: expiry alone does not fence.

    Raises:
        LeaseLost: a newer token was given since, or none ever was.
    """
    actual = current.fencing_token if current else 0
    if current is None or actual != fencing_token:
        raise LeaseLost(session_id=session_id, presented=fencing_token, actual=actual)
    return current


def _acquired(wish: Claim, token: int, now: datetime) -> Lease:
    return Lease(
        session_id=wish.session_id,
        owner=wish.owner,
        executor_id=wish.executor_id,
        fencing_token=token,
        claimed_at=now,
        expires_at=now + wish.ttl,
    )
