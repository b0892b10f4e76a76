"""hotbook for asyncio: the same calls with the same answers and errors, awaited.

    from hotbook import aio

    async with aio.connect("127.0.0.1:50700") as book:
        position = await book.open_position(hotkey, "BTCUSD")
        async for position in book.book():
            ...

    async with aio.Replica("127.0.0.1:50700") as replica:
        position = replica.open_position(hotkey, "BTCUSD")

A client belongs to the event loop of its first call, and serves any number of its tasks. It has no
loop and no thread of its own. A task that is cancelled ends its call at once; a write may have
happened then.
"""

from hotbook._aio_client import Client, connect
from hotbook._aio_replica import Replica

__all__ = ["Client", "Replica", "connect"]
