"""A real server for your own tests: in memory, on a free port, in a process of its own.

    from hotbook.testing import server

    def test_mine():
        with server() as target, hotbook.connect(target) as book:
            ...

Needs the `server` extra: pip install 'hotbook[server]'.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def server(**settings: object) -> Iterator[str]:
    """Starts a server, gives its target, and stops it at the end. Settings by their names."""
    chosen = {
        "listen": "127.0.0.1:0",
        "metrics_listen": "off",
        "web_listen": "off",
        "durability": "memory",
        "log_level": "warning",
        **settings,
    }
    if "data_dir" in chosen:
        chosen["data_dir"] = Path(str(chosen["data_dir"])).absolute()
    env = {k: v for k, v in os.environ.items() if not k.upper().startswith("HOTBOOK_")}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    command = [sys.executable, "-m", "hotbook_server", *flags]
    with (
        tempfile.TemporaryDirectory(prefix="hotbook-") as folder,  # no hotbook.toml, no old data
        subprocess.Popen(  # noqa: S603
            command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
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
