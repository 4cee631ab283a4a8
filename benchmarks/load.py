"""A small HTTP/1.1 load generator: keep-alive connections, one request at a time on each, over loopback."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """The result of one run: answers per second, and times to answer in milliseconds."""

    rate: float
    p50: float
    p99: float
    slowest: float
    failures: int


class _Caller(asyncio.Protocol):
    def __init__(self, requests: Sequence[bytes], offset: int, until: float, times: list[float]) -> None:
        self.requests, self.number, self.until, self.times = requests, offset, until, times
        self.failures, self.buffer, self.expected = 0, b"", 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.started = time.perf_counter()
        if self.started > self.until:
            self.transport.close()
            return
        self.transport.write(self.requests[self.number % len(self.requests)])  # type: ignore[attr-defined]
        self.number += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.expected:
            head, separator, _ = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            lower = head.lower()
            start = lower.index(b"content-length:") + 15
            length = int(lower[start:].split(b"\r\n", 1)[0])
            self.expected = len(head) + 4 + length
        if len(self.buffer) >= self.expected:
            self.times.append(time.perf_counter() - self.started)
            self.failures += not self.buffer.startswith(b"HTTP/1.1 2")
            self.buffer, self.expected = b"", 0
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)


def request(path: str, *, token: str | None = None, method: str = "GET") -> bytes:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    length = "" if method == "GET" else "Content-Length: 0\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{length}\r\n".encode()


def load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Sends the requests in turn on every connection for `seconds` seconds. Each connection starts with another one."""
    return asyncio.run(_load(port, requests, connections, seconds))


async def _load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    times: list[float] = []
    started = time.perf_counter()
    step = max(1, len(requests) // connections)
    callers = [
        (
            await asyncio.get_running_loop().create_connection(
                lambda number=number: _Caller(requests, number * step, started + seconds, times), "127.0.0.1", port
            )
        )[1]
        for number in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(caller.done for caller in callers)), seconds + 30)
    elapsed = time.perf_counter() - started
    times.sort()
    return Load(
        rate=len(times) / elapsed,
        p50=times[len(times) // 2] * 1000,
        p99=times[len(times) * 99 // 100] * 1000,
        slowest=times[-1] * 1000,
        failures=sum(caller.failures for caller in callers),
    )
