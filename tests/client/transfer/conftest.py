"""What tests of moving data stand on: a folder of their own, and a book that holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hotbook


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "validation"


@pytest.fixture(scope="module")
def shared(shared_target: str) -> Iterator[hotbook.Client]:
    with hotbook.connect(shared_target) as client:
        yield client


@pytest.fixture
def book(shared: hotbook.Client) -> hotbook.Client:
    """A book that holds nothing."""
    shared.clear(expected_count=shared.status().positions)
    return shared
