"""The upkeep workflow: the chores of a store, one after the other, as a schedule starts it."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from sojourn.chores import Chore, Piece, UpkeepPolicy
    from sojourn.compact import Compact
    from sojourn_activities.upkeep import Stretch, UpkeepActivities
    from sojourn_workflows import options

PROGRESS = "upkeep.progress"


class UpkeepReport(Compact):
    """What a run of upkeep did.

    Attributes:
        done: what each chore did; of one that is not done, the next run has the rest.
        failed: why a chore could not go on; the next run tries it again.
    """

    done: dict[str, Piece] = {}  # noqa: RUF012 - pydantic copies defaults
    failed: dict[str, str] = {}  # noqa: RUF012 - pydantic copies defaults


@workflow.defn(name="Upkeep", failure_exception_types=options.FAILURE_TYPES)
class UpkeepWorkflow:
    """Does every chore of its policy in bounded stretches; one that fails does not stop the next.

    Nothing is lost if it ends in between: what was removed is removed. What one run has not come
    to, the next one begins with.
    """

    def __init__(self) -> None:
        self._done: dict[str, Piece] = {}
        self._failed: dict[str, str] = {}

    @workflow.run
    async def run(self, policy: UpkeepPolicy) -> UpkeepReport:
        """Do the chores in order."""
        left = workflow.get_last_completion_result(UpkeepReport) or UpkeepReport()
        for chore in policy.chores():
            try:
                await self._do(chore, policy, left.done.get(chore, Piece()).cursor)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                self._failed[chore] = str(error.cause or error)
                workflow.logger.warning("upkeep of %s failed: %s", chore, self._failed[chore])
        return self.progress()

    @workflow.query(name=PROGRESS)
    def progress(self) -> UpkeepReport:
        """Tell what has been done so far."""
        return UpkeepReport(done=self._done, failed=self._failed)

    async def _do(self, chore: Chore, policy: UpkeepPolicy, cursor: str) -> None:
        self._done[chore] = whole = Piece(cursor=cursor, is_done=False)
        for _ in range(options.MAX_STRETCHES):
            request = Stretch(chore=chore, policy=policy, cursor=whole.cursor)
            piece = await workflow.execute_activity_method(
                UpkeepActivities.upkeep, request, **options.upkeep(chore)
            )
            self._done[chore] = whole = piece.after(whole)
            if whole.is_done:
                return
