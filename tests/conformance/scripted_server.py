"""A server that answers as a test says: what a real one would only do on a bad day."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import Message

from hotbook import HotbookError
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import error_metadata, error_to_status

Reply = Message | HotbookError | threading.Event | Callable[[bytes], Message]
"""A message, or how to make it of the request; an error that ends the call; or something to wait
for before what comes next."""

_METHODS = {
    f"/{service.full_name}/{method.name}": method
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class ScriptedServer(grpc.GenericRpcHandler):
    """Answers the calls of each method with the next of its scripts; the last one stays."""

    def __init__(self) -> None:
        self.target = ""
        self.seen: dict[str, list[bytes]] = {}
        """The requests of each method, as they came."""
        self.come, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        """One for each call that came, and for each that ended, however it did."""
        self._scripts: dict[str, list[tuple[Reply, ...]]] = {}
        self._every: tuple[Reply, ...] = ()

    def answers(self, method: str, *scripts: Reply | tuple[Reply, ...]) -> None:
        """One script for each call: what it is told, in order."""
        self._scripts[method] = [one if isinstance(one, tuple) else (one,) for one in scripts]
        self.seen[method] = []

    def answers_all(self, reply: Reply) -> None:
        """One answer to whatever is called."""
        self._every = (reply,)
        self._scripts.clear()
        self.seen.clear()

    def service(self, call: Any) -> Any:
        method = _METHODS[call.method]
        is_many = method.client_streaming
        if not method.server_streaming:
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: next(self._told(method.name, [request], context))
            )
        make = grpc.stream_stream_rpc_method_handler if is_many else _unary_stream
        return make(
            lambda asked, context: self._told(method.name, asked if is_many else [asked], context)
        )

    def _told(self, name: str, requests: Any, context: Any) -> Iterator[bytes]:
        context.add_callback(self.ended.release)
        seen = self.seen.setdefault(name, [])
        scripts = self._scripts.get(name, [self._every])
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        asked = iter(requests)
        request = next(asked, b"")
        seen.append(request)
        self.come.release()
        for reply in script:
            if isinstance(reply, threading.Event):
                assert reply.wait(60)
            elif isinstance(reply, HotbookError):
                status, message, details = error_to_status(reply)
                context.set_trailing_metadata(error_metadata(details))
                context.abort(status, message)
            else:
                made = reply if isinstance(reply, Message) else reply(request)
                yield made.SerializeToString()


_unary_stream: Callable[..., Any] = grpc.unary_stream_rpc_method_handler


@contextlib.contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    with ThreadPoolExecutor(32) as pool:
        server = grpc.server(pool, handlers=[made])
        port = server.add_insecure_port("127.0.0.1:0")
        made.target = f"127.0.0.1:{port}"
        server.start()
        try:
            yield made
        finally:
            server.stop(0).wait(10)
