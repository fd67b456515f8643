"""Search attributes of session workflows, where the server has them."""

from __future__ import annotations

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

SESSION = SearchAttributeKey.for_keyword("SojournSession")
AGENT = SearchAttributeKey.for_keyword("SojournAgent")


class Visibility:
    """Says what a session's workflow is found by.

    A server that lacks an attribute refuses the whole start, so it is asked once what it has.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._registered: frozenset[str] | None = None

    async def of(self, session_id: str, agent: str) -> TypedSearchAttributes | None:
        """Return the attributes to start a session's workflow with; None if there are none."""
        if self._registered is None:
            self._registered = await self._ask()
        pairs = [
            SearchAttributePair(key, value)
            for key, value in ((SESSION, session_id), (AGENT, agent))
            if value and key.name in self._registered
        ]
        return TypedSearchAttributes(pairs) if pairs else None

    async def _ask(self) -> frozenset[str]:
        request = ListSearchAttributesRequest(namespace=self._client.namespace)
        try:
            reply = await self._client.operator_service.list_search_attributes(request)
        except RPCError:
            return frozenset()  # not everybody may ask: then sessions are found by their id alone
        return frozenset(reply.custom_attributes)
