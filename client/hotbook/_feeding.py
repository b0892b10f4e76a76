"""How a blocking replica is fed: by one thread of its own. `_aio_feeding.py` is the twin."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hotbook._reads import Reads
from hotbook._transport import Transport


class Fed(Reads):
    _transport: Transport

    def _prepare(self, follow: Callable[[], None]) -> None:
        self._transport = Transport(self._target)
        self._news = threading.Condition()
        self._thread = threading.Thread(target=follow, name="hotbook-replica", daemon=True)

    def _begin(self) -> None:
        self._thread.start()

    def _end(self) -> None:
        self._tell()
        self._transport.close()
        if self._thread.is_alive():
            self._thread.join()

    def _tell(self) -> None:
        """Something has happened: whoever waits may look."""
        with self._news:
            self._news.notify_all()

    def _wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Waits for a condition, looked at whenever something happens. Returns whether it holds."""
        with self._news:
            return self._news.wait_for(is_so, timeout_s)
