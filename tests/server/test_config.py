"""Settings: where they come from, how they are refused, and what may be done with them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hotbook_server.config import OTHER_VARIABLES, BadSettings, Settings, load_settings

FIELDS = sorted(Settings.model_fields)
SECONDS = sorted(
    name for name, field in Settings.model_fields.items() if field.annotation is float
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and no variable of ours around."""
    monkeypatch.chdir(tmp_path)
    for name in [*(f"HOTBOOK_{field.upper()}" for field in FIELDS), *OTHER_VARIABLES]:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


Set = Callable[..., Settings]


@pytest.fixture
def load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Loads settings from a file's text, variables and flags."""

    def loaded(toml: str = "", variables: dict[str, str] | None = None, **flags: Any) -> Settings:
        if toml:
            (folder / "hotbook.toml").write_text(toml)
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)
        return load_settings(**flags)

    return loaded


PLACES = [
    # the file, the variable, the flag      the value in force
    (None, None, None, 1000),
    (3, None, None, 3),
    (None, "2", None, 2),
    (None, None, "1", 1),
    (3, "2", None, 2),
    (3, None, "1", 1),
    (None, "2", "1", 1),
    (3, "2", "1", 1),
]


@pytest.mark.parametrize(("file", "variable", "flag", "wanted"), PLACES)
def test_precedence(
    load: Set, file: int | None, variable: str | None, flag: str | None, wanted: int
) -> None:
    """A flag wins over a variable, a variable over the file, and the file over the default."""
    settings = load(
        "" if file is None else f"batch_max = {file}\n",
        {} if variable is None else {"HOTBOOK_BATCH_MAX": variable},
        **({} if flag is None else {"batch_max": flag}),
    )

    assert settings.batch_max == wanted


def test_another_file(folder: Path) -> None:
    """--config names a settings file in place of ./hotbook.toml, which is then not read."""
    (folder / "hotbook.toml").write_text("batch_max = 1\nitems_max = 1\n")
    (folder / "mine.toml").write_text("batch_max = 2\n")

    settings = load_settings(folder / "mine.toml")

    assert (settings.batch_max, settings.items_max) == (2, 10_000)


BOUND, BOUNDED = {"closed_in_memory_max": "5"}, "setting closed_in_memory_max (--closed-in-mem"
REFUSALS = [
    # the file, the variables, the flags      what the line says
    ("", {}, {"batch_max": "0"}, ["setting batch_max (--batch-max): ", "1", "got '0'"]),
    ("", {}, {"batch_max": "many"}, ["setting batch_max (--batch-max): ", "got 'many'"]),
    ("", {}, {"batch_max": ""}, ["setting batch_max (--batch-max): ", "got ''"]),
    ("", {}, {"durability": "maybe"}, ["(--durability)", "'memory'", "got 'maybe'"]),
    ("", {}, {"log_level": "loud"}, ["(--log-level)", "'warning'", "got 'loud'"]),
    ("", {}, {"listen": "nowhere"}, ["(--listen)", "must be HOST:PORT, got 'nowhere'"]),
    ("", {}, {"listen": ":1"}, ["(--listen)", "must be HOST:PORT, got ':1'"]),
    ("", {}, {"listen": "h:65536"}, ["(--listen)", "must be HOST:PORT, got 'h:65536'"]),
    ("", {}, {"listen": "h:-1"}, ["(--listen)", "must be HOST:PORT"]),
    ("", {}, {"listen": "off"}, ["(--listen)", "must be HOST:PORT, got 'off'"]),
    ("", {}, {"metrics_listen": "no"}, ["(--metrics-listen)", "HOST:PORT", "off", "got 'no'"]),
    ("", {"HOTBOOK_BATCH_MAX": "0"}, {}, ["setting batch_max (HOTBOOK_BATCH_MAX): "]),
    ("", {"hotbook_batch_max": "0"}, {}, ["setting batch_max (hotbook_batch_max): "]),
    ("", {"HOTBOOK_REFLECTION": "maybe"}, {}, ["(HOTBOOK_REFLECTION)", "got 'maybe'"]),
    ("", {"HOTBOOK_BATCHES_MAX": "1"}, {}, ["HOTBOOK_BATCHES_MAX", "no setting"]),
    ("batch_max = 0", {}, {}, ["setting batch_max (", "hotbook.toml", "got 0"]),
    ("batches_max = 1", {}, {}, ["no setting", "batches_max", "hotbook.toml"]),
    ("[server]\nbatch_max = 1", {}, {}, ["no setting", "server", "hotbook.toml"]),
    ("batch_max = \n", {}, {}, ["hotbook.toml: ", "line 1"]),
    ("listen = 5", {}, {}, ["setting listen (", "hotbook.toml", "got 5"]),
    ("", {}, {**BOUND, "durability": "memory"}, [BOUNDED, "durability memory has no store"]),
    ("", {}, {**BOUND, "follow": "h:1"}, [BOUNDED, "follows another has no store"]),
    ("", {}, {**BOUND, "changes_kept_max": "9"}, [BOUNDED, "changes_kept_max", "got '5'"]),
    ("", {}, {"closed_in_memory_max": "-1"}, [BOUNDED, "0", "got '-1'"]),
    # What is overruled must be right as well, where it is read at all: the flag's own fault first.
    ("batch_max = 5", {"HOTBOOK_BATCH_MAX": "6"}, {"batch_max": "0"}, ["(--batch-max)"]),
]


@pytest.mark.parametrize(("toml", "variables", "flags", "words"), REFUSALS)
def test_what_is_wrong_is_told_in_one_line(
    load: Set, toml: str, variables: dict[str, str], flags: dict[str, str], words: list[str]
) -> None:
    """A bad setting is named in one line, with where it is set, what was wanted and what came."""
    with pytest.raises(BadSettings) as refused:
        load(toml, variables, **flags)

    line = str(refused.value)
    assert "\n" not in line
    assert not [word for word in words if word not in line], line


@pytest.mark.parametrize("made", ["bytes that are no text", "a folder", "nothing"])
def test_a_settings_file_that_cannot_be_read(folder: Path, made: str) -> None:
    """A settings file that is named, and cannot be read, is told in one line with its name."""
    file = folder / "mine.toml"
    if made == "a folder":
        file.mkdir()
    elif made == "bytes that are no text":
        file.write_bytes(b"\xff\xfe")

    with pytest.raises(BadSettings, match=r"mine\.toml") as refused:
        load_settings(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_times_are_finite(load: Set, name: str, value: float) -> None:
    """No duration is endless, undefined or negative: a server would trip over it while it runs."""
    with pytest.raises(BadSettings, match=name):
        load(**{name: value})


@pytest.mark.parametrize("name", ["message_max_bytes", "concurrent_calls_max", "changes_kept_max"])
def test_what_others_must_take_has_an_end(load: Set, name: str) -> None:
    """What gRPC and SQLite are told fits what they take: it fails here, not in a traceback."""
    with pytest.raises(BadSettings, match=name):
        load(**{name: 2**64})


def test_the_origin_names_the_file(folder: Path) -> None:
    """A bad line of a settings file is told with the name of that file."""
    (folder / "mine.toml").write_text("batch_max = 0\n")

    with pytest.raises(BadSettings, match=r"setting batch_max \(.*mine\.toml\): "):
        load_settings(folder / "mine.toml")


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_explains_itself(name: str) -> None:
    """Each setting has a description that ends as a sentence, and a default that is right."""
    field = Settings.model_fields[name]

    assert field.description
    assert field.description.endswith(".")
    assert not field.is_required()


def test_settings_are_frozen(load: Set) -> None:
    """Nobody changes a setting of a running server, nor adds one."""
    settings = load()

    for name in ("batch_max", "nonsense"):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(settings, name, 5)
    assert settings.batch_max == 1000


def test_the_mapping_says_every_setting_as_text(load: Set) -> None:
    """as_mapping names every setting, and reads back as the same settings."""
    settings = load(batch_max=7, durability="memory", reflection=False)

    assert sorted(settings.as_mapping) == FIELDS
    assert settings.as_mapping["batch_max"] == "7"
    assert load(**settings.as_mapping).as_mapping == settings.as_mapping


@pytest.mark.parametrize("name", ["closed_in_memory_max", "follow", "pairs_file"])
@pytest.mark.parametrize("given", ["", "None", None])
def test_what_has_no_default_may_be_left_empty(load: Set, name: str, given: str | None) -> None:
    """Nothing, in whatever way it is said, is nothing; as a bound 0 is something."""
    assert getattr(load(**{name: given}), name) is None
    assert load(closed_in_memory_max="0").closed_in_memory_max == 0


def test_the_mapping_is_made_once(load: Set) -> None:
    """S3-06: the second call costs a lookup: it gives the very same object."""
    settings = load()

    assert settings.as_mapping is settings.as_mapping


def test_the_mapping_is_read_only(load: Set) -> None:
    """S3-06's trap: what is cached is shared, so nobody may edit it and so poison the others."""
    mapping: Any = load().as_mapping

    with pytest.raises(TypeError):
        mapping["batch_max"] = "5"
    with pytest.raises(TypeError):
        del mapping["batch_max"]
    with pytest.raises(AttributeError):
        mapping.clear()


def test_each_instance_has_a_mapping_of_its_own(load: Set) -> None:
    """S3-07: two settings, two mappings, each with what its own instance says."""
    first, second = load(batch_max=1), load(batch_max=2)

    assert first.as_mapping is not second.as_mapping
    assert (first.as_mapping["batch_max"], second.as_mapping["batch_max"]) == ("1", "2")


def test_a_changed_copy_has_a_mapping_of_its_own(load: Set) -> None:
    """S3-07: a copy with another value never shows the mapping that was cached before."""
    first = load()
    assert first.as_mapping["batch_max"] == "1000"

    changed = first.model_copy(update={"batch_max": 7})

    assert changed.batch_max == 7
    assert changed.as_mapping["batch_max"] == "7"


def test_loading_touches_nothing(load: Set, folder: Path) -> None:
    """Reading settings makes no folder and no file: only a server that starts does."""
    load(data_dir=folder / "data")

    assert not list(folder.iterdir())


def test_copies_of_settings_are_whole_and_have_mappings_of_their_own(tmp_path: Path) -> None:
    """However settings are copied, the copy works, and its mapping tells its own values."""
    first = load_settings(data_dir=tmp_path)
    assert first.as_mapping["batch_max"] == "1000"

    for made in (
        copy.copy(first),
        copy.deepcopy(first),
        first.model_copy(update={"batch_max": 7}),
        first.model_copy(update={"batch_max": 7}, deep=True),
    ):
        assert made.as_mapping["batch_max"] == str(made.batch_max)
        assert made.as_mapping is made.as_mapping is not first.as_mapping
