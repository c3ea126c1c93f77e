"""The client for asyncio."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from ratchet_py.push.client import PushClient, Pushed

__all__ = ["AsyncPushClient"]

_Result = TypeVar("_Result")


class AsyncPushClient:
    """Pushes events to a server's topics, from a program of asyncio.

    As the events of one client go over one connection, one after another, one thread of its own
    does it: the event loop never waits, and everything is as with
    :class:`~ratchet_py.push.PushClient`. Who has much to push puts many events into one call.

    Example:
        ::

            async with AsyncPushClient("http://127.0.0.1:9200/publish", token="...") as client:
                await client.push("kittens", {"title": "Look!"})

    Args:
        url: As for :class:`~ratchet_py.push.PushClient`, and so are the others.
        token: What lets us in, or
        secret: what both sides know, to sign each push with.
        timeout: Seconds for connecting, and for each wait for the server.
        attempts: How often to try in all, if a push has certainly not arrived.
        context: For ``https``: whom to trust, if not whom Python trusts.

    Raises:
        ValueError: The URL is none, or there is not one of token and secret.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        secret: str | None = None,
        timeout: float = 15.0,
        attempts: int = 3,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._client = PushClient(url, token, secret, timeout, attempts, context)
        self._thread = ThreadPoolExecutor(1, "ratchet_py.push")

    async def push(
        self,
        topic: str,
        event: Any,
        exclude: Sequence[str] = (),
        eligible: Sequence[str] = (),
        path: str | None = None,
    ) -> Pushed[int]:
        """As :meth:`PushClient.push <ratchet_py.push.PushClient.push>`.

        Cancelled before its turn has come, it sends nothing; later it may.
        """
        return await self._run(self._client.push, topic, event, exclude, eligible, path)

    async def pushAll(self, events: Iterable[Mapping[str, Any]]) -> Pushed[list[int]]:
        """As :meth:`PushClient.pushAll <ratchet_py.push.PushClient.pushAll>`."""
        return await self._run(self._client.pushAll, events)

    async def close(self) -> None:
        """Wait for what is being pushed, and close the connection for good."""
        await self._run(self._client.close)
        self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, function: Callable[..., _Result], *args: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
