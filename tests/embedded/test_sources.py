"""Sources of tools that change while a session is live."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from sojourn import tool
from sojourn.models import ModelAnswer, ModelRequest
from sojourn.testing import ScriptedModel
from tests.embedded.making import SESSION, app_of
from tests.support.scene import calling
from tests.tools.sources import Rack, named


class Offered(ScriptedModel):
    """A scripted model that keeps the names of the tools it was offered with each question."""

    def __init__(self, *calls: tuple[str, dict[str, object]]) -> None:
        super().__init__(calling(*calls))
        self.offered: list[Sequence[str]] = []

    @override
    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Note what is offered, and answer."""
        self.offered.append([spec.name for spec in request.tools])
        return await super().complete(request)


async def test_a_question_offers_the_tools_that_the_sources_have_by_then(store_url: str) -> None:
    """A source that moves in mid-turn is read again before the next question."""
    rack = Rack("r")

    @tool
    def learn() -> str:
        """Learn another trade."""
        rack.put(learn, named("taught"))
        return "learnt"

    rack.put(learn)
    model = Offered(("learn", {}))
    async with app_of(store_url, model, sources=[rack]).open(SESSION) as session:
        await session.send("go")
        view = await session.show()

    assert model.offered == [["learn"], ["learn", "taught"]]
    assert view.tools.generation == 2
