"""An S3 of this test run's own, on a free loopback port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PATIENCE = 30.0
LOOK_SECONDS = 0.05


@contextmanager
def s3_server() -> Iterator[Mapping[str, str]]:
    """Run one, and yield the environment variables that lead clients to it."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/moto-api/", server)
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
        }
    finally:
        server.kill()
        server.wait()


def make_bucket(environment: Mapping[str, str], name: str) -> None:
    """Make a bucket, as an operator would beforehand."""
    request = urllib.request.Request(  # noqa: S310 - our own server's address
        f"{environment['AWS_ENDPOINT_URL']}/{name}",
        method="PUT",
        headers={"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/x"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE):  # noqa: S310 - as above
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE):  # noqa: S310 - as above
                return
        except (urllib.error.URLError, ConnectionError):
            assert server.poll() is None, "the S3 server ended"
            assert time.monotonic() < until
            time.sleep(LOOK_SECONDS)
