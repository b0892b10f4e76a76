"""The command line of operators. Every command is a few lines over the client."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The `hotbook` command."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it has to say, we say in our own words
    try:
        # The commands register themselves with the group.
        from hotbook.cli import (  # noqa: F401
            campaigns,
            diff,
            feed,
            frames,
            legs,
            market,
            operations,
            orders,
            positions,
            top,
            transfer,
        )
        from hotbook.cli.app import hotbook
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        print("hotbook: the command line needs two more packages: pip install 'hotbook[cli]'",
              file=sys.stderr)  # fmt: skip
        sys.exit(1)
    hotbook()
