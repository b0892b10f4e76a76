"""A real server for your own tests: in memory, on a free port, in a process of its own.

    from hotbook.testing import server

    def test_mine():
        with server() as target, hotbook.connect(target) as book:
            ...

Needs the `server` extra: pip install 'hotbook[server]'.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def server(**settings: object) -> Iterator[str]:
    """Starts a server, gives its target, and stops it at the end. Settings by their names."""
    chosen = {
        "listen": "127.0.0.1:0",
        "metrics_listen": "off",
        "durability": "memory",
        "log_level": "warning",
        **settings,
    }
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    command = [sys.executable, "-m", "hotbook_server", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            if " listens on " not in first:
                raise RuntimeError("the server did not start; its reason stands above")
            yield first.split(" listens on ")[1].split(" ")[0]
        finally:
            process.terminate()
            process.stdout.close()
            process.wait()
