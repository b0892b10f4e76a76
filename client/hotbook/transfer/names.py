"""Names of files and folders: an id made safe to stand in a path. Two ids never share a name."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

NAME_MAX_BYTES = 255
_DIGEST_MARK = "%sha256-"  # no escape begins like this
_SKIPPED = ".swp"  # by the original, which takes it for an editor's file


def escaped(text: str) -> str:
    """The id itself, where it can be a file's name; else with what is unsafe in it escaped."""
    name = "".join(quote(c, safe="") if c in "/%\0" else c for c in text)
    if name.startswith("."):
        name = "%2E" + name[1:]
    if name.endswith(_SKIPPED):
        name = name[: -len(_SKIPPED)] + "%2E" + _SKIPPED[1:]
    if len(name.encode()) <= NAME_MAX_BYTES:
        return name
    mark = _DIGEST_MARK + hashlib.sha256(text.encode()).hexdigest()
    kept = name.encode()[: NAME_MAX_BYTES - len(mark)]
    return kept.decode(errors="ignore") + mark


def is_name_of(name: str, text: str) -> bool:
    """Whether a name, or a path below the folder, stands for an id: raw, as the original wrote it,
    or escaped, as we do."""
    return name in (text, escaped(text))


def printable(path: str) -> str:
    """A path as a text that every terminal and every JSON can take."""
    return path.encode(errors="backslashreplace").decode()
