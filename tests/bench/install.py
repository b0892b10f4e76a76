"""Installs the peers: Debian's redis-server, and the pinned wheels for PostgreSQL and the clients.

The wheels go beside the tests' own packages, from a lock of their own: a later `scripts/setup`
neither needs nor removes them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

LOCK = Path(__file__).parent.parent.parent / "requirements-bench.lock"


def install() -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    if not shutil.which("redis-server"):
        _install_redis()
    click.echo("the peers are installed")


def _install_redis() -> None:
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "redis-server"]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise click.ClickException(
            f"redis-server is still missing. Install it, on Debian as root: {' '.join(command)}"
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=env, check=True)
