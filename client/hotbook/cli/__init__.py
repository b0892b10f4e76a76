"""The command line of operators. Every command is a few lines over the client."""

from __future__ import annotations

import sys


def main() -> None:
    """The `hotbook` command."""
    try:
        from hotbook.cli.app import hotbook
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        print("hotbook: the command line needs two more packages: pip install 'hotbook[cli]'",
              file=sys.stderr)  # fmt: skip
        sys.exit(1)
    hotbook()
