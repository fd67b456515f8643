"""Connecting to Temporal, by its standard `TEMPORAL_*` variables and profiles alone."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, RPCStatusCode

from sojourn.errors import InvalidInput, ServerUnavailable

DEFAULT_ADDRESS = "localhost:7233"
CONNECT_TIMEOUT = timedelta(seconds=5)

_SAID = re.compile(r'(?:message|error): "([^"]+)"')


async def connect(plugins: Sequence[SimplePlugin] = ()) -> Client:
    """Connect to the server that the environment names, or give up within five seconds.

    Raises:
        ServerUnavailable: no server answers there.
        InvalidInput: the configuration cannot be read, or the server lacks the namespace.
    """
    config = _configuration()
    address = str(config.pop("target_host", DEFAULT_ADDRESS))
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
            client = await Client.connect(address, plugins=plugins, runtime=runtime(), **config)
            await _check_namespace(client, address)
    except TimeoutError:
        seconds = CONNECT_TIMEOUT.total_seconds()
        raise ServerUnavailable(address=address, reason=f"no answer in {seconds:g} s") from None
    except (RuntimeError, ValueError, RPCError) as error:
        raise ServerUnavailable(address=address, reason=_why(error)) from error
    return client


def _configuration() -> dict[str, Any]:
    try:
        return dict(ClientConfig.load_client_connect_config())
    except Exception as error:  # the bridge's own type has no public name
        reason = f"Temporal's configuration cannot be read: {_one_line(error)}"
        raise InvalidInput(reason=reason) from error


async def _check_namespace(client: Client, address: str) -> None:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            reason = f"the server at {address} has no namespace {client.namespace!r}"
            raise InvalidInput(reason=f"{reason}: set TEMPORAL_NAMESPACE") from error
        if error.status is not RPCStatusCode.PERMISSION_DENIED:
            raise


def runtime() -> Runtime:
    """Return a runtime whose log goes where Python's goes, never to standard output."""
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"))
    quiet = TelemetryFilter(core_level="WARN", other_level="ERROR")
    logs = LoggingConfig(filter=quiet, forwarding=forwarding)
    return Runtime(telemetry=TelemetryConfig(logging=logs))


def _why(error: BaseException) -> str:
    if isinstance(error, RPCError):
        return error.status.name
    said = _SAID.findall(str(error))
    return str(said[-1]) if said else _one_line(error)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
