"""A server on a disk whose syncs fail once a file tells them to: test_disk.py starts it.

python -m tests.crash.faulty_server DATA_DIR TRIGGER
"""

from __future__ import annotations

import sys
from pathlib import Path

import apsw
import uvloop

from hotbook_server.config import load_settings
from hotbook_server.server import Server, serve


class FaultyVfs(apsw.VFS):
    """The real disk; while `trigger` exists, `fault` is what its syncs or its writes end in."""

    def __init__(self, name: str, trigger: Path, *, on: str = "sync", is_default: bool = False):
        self.name = name
        self.trigger = trigger
        self.on = on
        self.faults = 0
        super().__init__(name, "unix", is_default)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FaultyFile:  # noqa: N802
        return FaultyFile(self, name, flags)

    def fail(self, on: str, result: int) -> None:
        if self.on == on and self.trigger.exists():
            self.faults += 1
            error = apsw.exception_for(result)
            error.args = (f"the {on} was made to fail",)
            raise error


class FaultyFile(apsw.VFSFile):
    def __init__(
        self, vfs: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        self._vfs = vfs

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.fail("sync", apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.fail("write", apsw.SQLITE_FULL)
        super().xWrite(data, offset)

    def excepthook(self, *_: object) -> bool:
        """The failures are meant: SQLite has them already, nobody else needs to be told."""
        return True


def announce(server: Server) -> None:
    print(server.address, flush=True)


def main(data_dir: Path, trigger: Path) -> int:
    vfs = FaultyVfs("faulty", trigger, is_default=True)
    settings = load_settings(
        data_dir=data_dir, listen="127.0.0.1:0", metrics_listen="off", web_listen="off"
    )
    try:
        return uvloop.run(serve(settings, announce))
    finally:
        vfs.unregister()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
