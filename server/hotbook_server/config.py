"""Settings: one frozen model, filled from flags, then HOTBOOK_* variables, then hotbook.toml.

The names are the same in all three: `queue_depth_max`, HOTBOOK_QUEUE_DEPTH_MAX and
--queue-depth-max. A flag wins over a variable, a variable over the file.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from hotbook_shared.address import is_address
from hotbook_shared.model import Durability

_MIB = 1024 * 1024

OTHER_VARIABLES = {"HOTBOOK_TARGET", "HOTBOOK_OUTPUT", "HOTBOOK_TIMEOUT_S", "HOTBOOK_CONFIG"}
"""Variables of the command line, which share the prefix."""


class BadSettings(Exception):
    """A setting that cannot be used; the message is one line that names it and where it is set."""


class Settings(BaseSettings):
    """Everything that can be set. A field's description is its help text and its documentation."""

    model_config = SettingsConfigDict(
        env_prefix="HOTBOOK_", frozen=True, extra="forbid", allow_inf_nan=False
    )
    config_file: ClassVar[Path] = Path("hotbook.toml")

    listen: str = Field(
        "127.0.0.1:50700", description="Address of the gRPC server; port 0: any free one."
    )
    data_dir: Path = Field(
        Path("hotbook-data"), description="Folder of the store; made if missing."
    )
    durability: Durability = Field(
        Durability.FSYNC,
        description="fsync: on disk before the answer. relaxed: on disk within a second. "
        "memory: nothing on disk.",
    )
    follow: str | None = Field(
        None, description="Follow the server at this HOST:PORT: serve its book, take no writes."
    )
    metrics_listen: str = Field(
        "127.0.0.1:50701", description="Address of the Prometheus endpoint; off: none."
    )

    message_max_bytes: int = Field(
        4 * _MIB, ge=1024, le=2**31 - 1, description="Largest message taken."
    )
    concurrent_calls_max: int = Field(
        2_000, ge=1, le=2**31 - 1, description="Calls under way at once."
    )
    queue_depth_max: int = Field(10_000, ge=1, description="Writes waiting for the journal.")
    queue_max_bytes: int = Field(256 * _MIB, ge=1024, description="Bytes of the writes waiting.")
    batch_max: int = Field(1_000, ge=1, description="Most writes in one commit.")
    batch_wait_ms: float = Field(
        10.0, ge=0, le=1_000, description="Most that a commit waits while other writes keep coming."
    )
    orders_max: int = Field(5_000, ge=1, description="Most orders in one position.")
    items_max: int = Field(10_000, ge=1, description="Most positions in one SaveMany.")
    position_orders_max: int = Field(
        100, ge=1, description="Most orders that PlaceOrder lets a position have."
    )
    portfolio_leverage_max: Decimal = Field(
        Decimal(10), ge=0, description="Cap of a hotkey's leverage over all pairs, for PlaceOrder."
    )
    order_cooldown_ms: int = Field(
        0, ge=0, description="Least time between a hotkey's orders on a pair, for PlaceOrder."
    )
    pairs_file: Path | None = Field(
        None, description="Registry of trade pairs (TOML), in place of the package's own."
    )
    split_on_load: bool = Field(
        False, description="Split, at each start, the positions whose orders go on after a close."
    )
    hotkeys_max: int = Field(10_000, ge=1, description="Most hotkeys in one List.")
    page_size_default: int = Field(500, ge=1, description="Positions a page, where none is asked.")
    page_size_max: int = Field(5_000, ge=1, description="Most positions a page.")
    listings_max: int = Field(200, ge=1, description="Paged listings kept at once.")
    listing_ttl_s: float = Field(60.0, gt=0, description="How long an unread listing is kept.")
    stream_window: int = Field(256, ge=1, description="Unanswered saves in one SaveStream.")
    call_timeout_s: float = Field(
        30.0, gt=0, description="Deadline of a call that has none; most that a stream may stall."
    )
    drain_s: float = Field(10.0, ge=0, description="How long a stop waits for calls to end.")

    web_listen: str = Field(
        "127.0.0.1:50702", description="Address of the REST and WebSocket server; off: none."
    )
    campaign_window_hours: float = Field(
        48.0, gt=0, le=100_000, description="A pattern joins a campaign so long from its start."
    )
    campaign_gap_hours: float = Field(
        48.0, gt=0, le=100_000, description="And so long from its last pattern."
    )
    campaign_patterns_min: int = Field(
        2, ge=1, description="With so many patterns a campaign becomes ACTIVE."
    )
    campaign_expiry_hours: float = Field(
        72.0, gt=0, le=100_000, description="FORMING and ACTIVE fail strictly after it, from start."
    )
    campaigns_live_max: int = Field(
        3, ge=1, description="Most live campaigns of a hotkey at once; longer timeframes apart."
    )
    campaign_long_window_hours: float = Field(
        240.0, gt=0, le=100_000, description="The window of timeframes longer than an hour."
    )
    campaign_long_gap_hours: float = Field(120.0, gt=0, le=100_000, description="Their gap.")
    campaign_long_patterns_min: int = Field(2, ge=1, description="Their least patterns.")
    campaign_long_expiry_hours: float = Field(360.0, gt=0, le=100_000, description="Their expiry.")
    campaigns_long_live_max: int = Field(
        5, ge=1, description="Their most live campaigns, beside the others."
    )
    campaign_patterns_max: int = Field(
        500, ge=1, le=10_000, description="Most patterns in one campaign."
    )
    campaign_risk_percent: Decimal = Field(
        Decimal(5), ge=0, le=100, description="Most of its account that a campaign may risk."
    )
    heat_percent: Decimal = Field(
        Decimal(10), ge=0, le=100, description="Most that all of a hotkey's campaigns may risk."
    )
    alert_warning_percent: Decimal = Field(
        Decimal(80), gt=0, le=100, description="Of a limit of risk: from here on WARNING."
    )
    alert_critical_percent: Decimal = Field(
        Decimal(95), gt=0, le=100, description="And from here on CRITICAL."
    )
    alert_pause_s: float = Field(
        300.0, ge=0, description="One limit raises the same alert no more often than this."
    )
    market_clock: Literal["live", "manual"] = Field(
        "live", description="manual: time is what Advance and events say, for replays."
    )
    market_step_ms: int = Field(
        60_000, ge=1, le=86_400_000, description="How long a step of the market is."
    )
    volume_window: int = Field(
        20, ge=1, le=1_000, description="Bars that the average volume is made of."
    )
    volume_low_below: Decimal = Field(
        Decimal("0.8"), ge=0, description="Volume is low strictly below this share of the average."
    )
    volume_high_from: Decimal = Field(
        Decimal("1.5"), gt=0, description="And high from this share on."
    )
    requests_kept_max: int = Field(1_000_000, ge=1, description="Request ids remembered.")
    requests_kept_hours: float = Field(
        24.0, gt=0, description="How long a request id is remembered."
    )
    changes_kept_max: int = Field(
        100_000, ge=1, le=2**62, description="Newest changes kept in the journal."
    )
    feed_changes_max: int = Field(
        20_000, ge=1, description="Newest changes kept in memory for watchers."
    )
    feed_max_bytes: int = Field(64 * _MIB, ge=1024, description="Most bytes of those.")
    closed_in_memory_max: int | None = Field(
        None,
        ge=0,
        description="Closed positions held in memory whole; the least recently used of the others "
        "are read from disk. None: all.",
    )
    watchers_max: int = Field(1_000, ge=1, description="Watchers at once.")
    watch_frame_ms: float = Field(
        5.0, ge=0, le=60_000, description="Least time between two frames to a watcher."
    )
    watch_frames_per_s_max: float = Field(
        2_000.0, gt=0, description="Frames a second, at most, that all watchers are woken for."
    )
    watch_heartbeat_ms: int = Field(
        250, ge=10, le=60_000, description="A watcher hears from the server at least so often."
    )
    disk_free_min_bytes: int = Field(
        32 * _MIB, ge=0, description="Writes are refused while the disk has less room than this."
    )
    telemetry_names_max: int = Field(
        10_000, ge=1, description="Metrics kept; the stalest goes first."
    )
    slow_call_ms: float = Field(1_000.0, gt=0, description="Calls slower than this are logged.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level logged."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="auto: text on a terminal, JSON lines elsewhere."
    )
    reflection: bool = Field(True, description="Serve the protos to tools such as grpcurl.")

    @field_validator("listen", "follow")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not is_address(value):
            raise ValueError("must be HOST:PORT")
        return value

    @field_validator("follow", "pairs_file", "closed_in_memory_max", mode="before")
    @classmethod
    def _may_be_empty(cls, value: Any) -> Any:
        return None if value in ("", "None") else value

    @field_validator("closed_in_memory_max")
    @classmethod
    def _has_a_disk(cls, value: int | None, info: ValidationInfo) -> int | None:
        """What is not in memory is read from a store, and what watchers are owed from its changes;
        so both must be there."""
        known = info.data
        if value is None:
            return None
        if known.get("follow") is not None:
            raise ValueError("a server that follows another has no store to read from")
        if known.get("durability") is Durability.MEMORY:
            raise ValueError("durability memory has no store to read from")
        if known.get("changes_kept_max", 0) < known.get("feed_changes_max", 0):
            raise ValueError("changes_kept_max must not be below feed_changes_max with it")
        return value

    @field_validator("metrics_listen", "web_listen")
    @classmethod
    def _is_address_or_off(cls, value: str) -> str:
        if value != "off" and not is_address(value):
            raise ValueError("must be HOST:PORT, or off")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - we read no .env
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor secrets folders
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, cls.config_file)
        return init_settings, env_settings, toml

    @functools.cached_property
    def as_mapping(self) -> Mapping[str, str]:
        """Every setting as text, made once for each instance and safe to hand out: read only."""
        return MappingProxyType({name: str(value) for name, value in self.model_dump().items()})

    def __copy__(self) -> Self:
        """A copy, with a mapping of its own."""
        copy = super().__copy__()
        copy.__dict__.pop("as_mapping", None)
        return copy

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.__copy__()  # every value is immutable

    @property
    def on_disk(self) -> bool:
        return self.durability is not Durability.MEMORY


INJECTED = ("HOTBOOK_PORT", "HOTBOOK_SERVICE_")
"""What Kubernetes sets in every pod beside a service that is called hotbook."""


def load_settings(config_file: Path | None = None, **flags: Any) -> Settings:
    """The settings in force. Raises BadSettings, in one line, for the first that is wrong."""
    if config_file is not None and not config_file.is_file():
        raise BadSettings(f"there is no settings file {config_file}")
    unknown = [
        name for name in os.environ
        if name.upper().startswith("HOTBOOK_")
        and name[8:].lower() not in Settings.model_fields
        and not name.upper().startswith(INJECTED)
        and name not in OTHER_VARIABLES
    ]  # fmt: skip
    if unknown:
        raise BadSettings(f"there is no setting behind the variable {unknown[0]}")

    file = config_file or Settings.config_file

    class FromFile(Settings):
        config_file: ClassVar[Path] = file

    try:
        return FromFile(**flags)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        origin = _origin(name, flags, file)
        if first["type"] == "extra_forbidden":
            raise BadSettings(f"there is no setting {name} ({origin})") from None
        reason = first["msg"].removeprefix("Value error, ")
        raise BadSettings(f"setting {name} ({origin}): {reason}, got {first['input']!r}") from None
    except (SettingsError, ValueError) as error:
        raise BadSettings(f"{file}: {error}") from None


def _origin(name: str, flags: Mapping[str, Any], file: Path) -> str:
    """Where a setting was set: the flag, the variable, or the file."""
    if name in flags:
        return "--" + name.replace("_", "-")
    variables = (known for known in os.environ if known.lower() == f"hotbook_{name}")
    return next(variables, str(file))
