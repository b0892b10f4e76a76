"""A relay between client and server: it may stop reading, keep replies to itself, or cut."""

from __future__ import annotations

import contextlib
import socket
import threading

HELD_BYTES = 64 * 1024
"""About how much of what the server sends a relay takes that does not read."""


class Relay:
    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._server = host, int(port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.keep_replies = threading.Event()
        """Set: what the server sends goes nowhere."""
        self.reads = threading.Event()
        """Not set: nothing more is read from the server, which has to wait."""
        self.reads.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket()
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_BYTES)
                far.connect(self._server)
                self._open += [near, far]
                for pump in (self._pump_requests, self._pump_replies):
                    threading.Thread(target=pump, args=(near, far), daemon=True).start()

    def _pump_requests(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(HELD_BYTES):
                far.sendall(data)

    def _pump_replies(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while self.reads.wait() and (data := far.recv(HELD_BYTES)):
                if not self.keep_replies.is_set():
                    near.sendall(data)

    def cut(self) -> None:
        """Ends all connections; new ones are served in full."""
        ended, self._open = self._open, []
        self.reads.set()
        for connection in ended:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.keep_replies.clear()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
