"""A real server that kills itself with SIGKILL at a named step of its write path.

    python -m tests.crash.dying_server STEP COUNT --setting=value ...

The step is one of `Engine` and `SqliteJournal`; COUNT is at which passing of it the process dies.
"""

from __future__ import annotations

import os
import signal
import sys

import uvloop

from hotbook_server.config import load_settings
from hotbook_server.server import Server, serve


def main(step: str, count: int, flags: list[str]) -> None:
    settings = load_settings(None, **dict(flag.split("=", 1) for flag in flags))
    passed = 0

    def on_step(name: str) -> None:
        nonlocal passed
        if name == step:
            passed += 1
            if passed == count:
                os.kill(os.getpid(), signal.SIGKILL)

    def announce(server: Server) -> None:
        print(server.address, flush=True)

    uvloop.run(serve(settings, announce, on_step=on_step))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
