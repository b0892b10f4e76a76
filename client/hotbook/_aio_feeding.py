"""How a replica for asyncio is fed: by one task of its own. `_feeding.py` is the twin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from hotbook._aio_transport import Transport
from hotbook._reads import Reads


class Fed(Reads):
    _transport: Transport

    def _prepare(self, follow: Callable[[], Coroutine[None, None, None]]) -> None:
        self._transport = Transport(self._target)
        self._news = asyncio.Event()
        self._follow_on = follow
        self._task: asyncio.Task[None] | None = None

    async def _begin(self) -> None:
        self._task = asyncio.create_task(self._follow_on(), name="hotbook-replica")

    async def _end(self) -> None:
        self._tell()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._transport.close()

    def _tell(self) -> None:
        """Something has happened: whoever waits may look."""
        self._news.set()
        self._news = asyncio.Event()

    async def _wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Waits for a condition, looked at whenever something happens. Returns whether it holds."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    await self._news.wait()
        except TimeoutError:
            return is_so()
        return True
