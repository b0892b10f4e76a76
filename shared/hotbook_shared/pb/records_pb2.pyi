from hotbook_shared.pb import hotbook_pb2 as _hotbook_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PositionHeader(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "trade_pair", "open_ms", "close_ms", "net_leverage", "campaign_id", "version", "revision")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    OPEN_MS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_MS_FIELD_NUMBER: _ClassVar[int]
    NET_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    trade_pair: str
    open_ms: int
    close_ms: int
    net_leverage: str
    campaign_id: str
    version: int
    revision: int
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., trade_pair: _Optional[str] = ..., open_ms: _Optional[int] = ..., close_ms: _Optional[int] = ..., net_leverage: _Optional[str] = ..., campaign_id: _Optional[str] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class PositionTail(_message.Message):
    __slots__ = ("version", "revision", "updated_ms")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_MS_FIELD_NUMBER: _ClassVar[int]
    version: int
    revision: int
    updated_ms: int
    def __init__(self, version: _Optional[int] = ..., revision: _Optional[int] = ..., updated_ms: _Optional[int] = ...) -> None: ...

class NestedHeader(_message.Message):
    __slots__ = ("inner",)
    class PriceSource(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Order(_message.Message):
        __slots__ = ("price_sources",)
        PRICE_SOURCES_FIELD_NUMBER: _ClassVar[int]
        price_sources: _containers.RepeatedCompositeFieldContainer[NestedHeader.PriceSource]
        def __init__(self, price_sources: _Optional[_Iterable[_Union[NestedHeader.PriceSource, _Mapping]]] = ...) -> None: ...
    class Position(_message.Message):
        __slots__ = ("orders",)
        ORDERS_FIELD_NUMBER: _ClassVar[int]
        orders: _containers.RepeatedCompositeFieldContainer[NestedHeader.Order]
        def __init__(self, orders: _Optional[_Iterable[_Union[NestedHeader.Order, _Mapping]]] = ...) -> None: ...
    class Inner(_message.Message):
        __slots__ = ("position",)
        POSITION_FIELD_NUMBER: _ClassVar[int]
        position: NestedHeader.Position
        def __init__(self, position: _Optional[_Union[NestedHeader.Position, _Mapping]] = ...) -> None: ...
    INNER_FIELD_NUMBER: _ClassVar[int]
    inner: NestedHeader.Inner
    def __init__(self, inner: _Optional[_Union[NestedHeader.Inner, _Mapping]] = ...) -> None: ...

class PositionParts(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, orders: _Optional[_Iterable[bytes]] = ...) -> None: ...

class OrderTail(_message.Message):
    __slots__ = ("price_sources", "extra")
    PRICE_SOURCES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    price_sources: _containers.RepeatedScalarFieldContainer[bytes]
    extra: str
    def __init__(self, price_sources: _Optional[_Iterable[bytes]] = ..., extra: _Optional[str] = ...) -> None: ...

class PositionReply(_message.Message):
    __slots__ = ("revision", "position")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    position: bytes
    def __init__(self, revision: _Optional[int] = ..., position: _Optional[bytes] = ...) -> None: ...

class ListOpenReply(_message.Message):
    __slots__ = ("revision", "positions")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, revision: _Optional[int] = ..., positions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class HotkeyPositions(_message.Message):
    __slots__ = ("hotkey", "positions")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, hotkey: _Optional[str] = ..., positions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ListReply(_message.Message):
    __slots__ = ("revision", "hotkeys", "next_page_token")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    hotkeys: _containers.RepeatedCompositeFieldContainer[HotkeyPositions]
    next_page_token: str
    def __init__(self, revision: _Optional[int] = ..., hotkeys: _Optional[_Iterable[_Union[HotkeyPositions, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class BookFrame(_message.Message):
    __slots__ = ("revision", "total", "positions")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    total: int
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, revision: _Optional[int] = ..., total: _Optional[int] = ..., positions: _Optional[_Iterable[bytes]] = ...) -> None: ...

class PlaceOrderReply(_message.Message):
    __slots__ = ("revision", "position", "closed", "durability", "repeated")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    position: bytes
    closed: bytes
    durability: _hotbook_pb2.Durability
    repeated: bool
    def __init__(self, revision: _Optional[int] = ..., position: _Optional[bytes] = ..., closed: _Optional[bytes] = ..., durability: _Optional[_Union[_hotbook_pb2.Durability, str]] = ..., repeated: _Optional[bool] = ...) -> None: ...

class OrdersOnly(_message.Message):
    __slots__ = ("orders",)
    class Order(_message.Message):
        __slots__ = ("type", "processed_ms")
        TYPE_FIELD_NUMBER: _ClassVar[int]
        PROCESSED_MS_FIELD_NUMBER: _ClassVar[int]
        type: _hotbook_pb2.Side
        processed_ms: int
        def __init__(self, type: _Optional[_Union[_hotbook_pb2.Side, str]] = ..., processed_ms: _Optional[int] = ...) -> None: ...
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[OrdersOnly.Order]
    def __init__(self, orders: _Optional[_Iterable[_Union[OrdersOnly.Order, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("revision", "kind", "position_uuid", "hotkey", "position", "was_open", "campaign", "price_mark", "campaign_id")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WAS_OPEN_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    PRICE_MARK_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    revision: int
    kind: _hotbook_pb2.ChangeKind
    position_uuid: str
    hotkey: str
    position: bytes
    was_open: bool
    campaign: bytes
    price_mark: bytes
    campaign_id: str
    def __init__(self, revision: _Optional[int] = ..., kind: _Optional[_Union[_hotbook_pb2.ChangeKind, str]] = ..., position_uuid: _Optional[str] = ..., hotkey: _Optional[str] = ..., position: _Optional[bytes] = ..., was_open: _Optional[bool] = ..., campaign: _Optional[bytes] = ..., price_mark: _Optional[bytes] = ..., campaign_id: _Optional[str] = ...) -> None: ...

class WatchFrame(_message.Message):
    __slots__ = ("revision", "mark", "as_of_ms", "is_newest", "changes", "snapshot", "digest", "lag_ms")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    IS_NEWEST_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    mark: str
    as_of_ms: int
    is_newest: bool
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    snapshot: SnapshotPart
    digest: str
    lag_ms: int
    def __init__(self, revision: _Optional[int] = ..., mark: _Optional[str] = ..., as_of_ms: _Optional[int] = ..., is_newest: _Optional[bool] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., snapshot: _Optional[_Union[SnapshotPart, _Mapping]] = ..., digest: _Optional[str] = ..., lag_ms: _Optional[int] = ...) -> None: ...

class SnapshotPart(_message.Message):
    __slots__ = ("total", "first", "positions", "is_last", "campaigns", "marks", "beside")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    BESIDE_FIELD_NUMBER: _ClassVar[int]
    total: int
    first: int
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    is_last: bool
    campaigns: _containers.RepeatedScalarFieldContainer[bytes]
    marks: _containers.RepeatedScalarFieldContainer[bytes]
    beside: int
    def __init__(self, total: _Optional[int] = ..., first: _Optional[int] = ..., positions: _Optional[_Iterable[bytes]] = ..., is_last: _Optional[bool] = ..., campaigns: _Optional[_Iterable[bytes]] = ..., marks: _Optional[_Iterable[bytes]] = ..., beside: _Optional[int] = ...) -> None: ...

class ChangedFrame(_message.Message):
    __slots__ = ("revision", "is_whole", "total", "positions", "removed", "mark")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    IS_WHOLE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    revision: int
    is_whole: bool
    total: int
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    removed: _containers.RepeatedScalarFieldContainer[str]
    mark: str
    def __init__(self, revision: _Optional[int] = ..., is_whole: _Optional[bool] = ..., total: _Optional[int] = ..., positions: _Optional[_Iterable[bytes]] = ..., removed: _Optional[_Iterable[str]] = ..., mark: _Optional[str] = ...) -> None: ...

class CampaignHeader(_message.Message):
    __slots__ = ("campaign_id", "hotkey", "trade_pair", "range_id", "state", "timeframe", "started_ms", "last_pattern_ms", "deadline_ms", "pattern_count", "account_size", "risk_limit", "range_bar", "created", "patterns_size", "version", "revision")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    RANGE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_PATTERN_MS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    PATTERN_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    RISK_LIMIT_FIELD_NUMBER: _ClassVar[int]
    RANGE_BAR_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_SIZE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    hotkey: str
    trade_pair: str
    range_id: str
    state: _hotbook_pb2.CampaignState
    timeframe: str
    started_ms: int
    last_pattern_ms: int
    deadline_ms: int
    pattern_count: int
    account_size: str
    risk_limit: str
    range_bar: int
    created: int
    patterns_size: int
    version: int
    revision: int
    def __init__(self, campaign_id: _Optional[str] = ..., hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., range_id: _Optional[str] = ..., state: _Optional[_Union[_hotbook_pb2.CampaignState, str]] = ..., timeframe: _Optional[str] = ..., started_ms: _Optional[int] = ..., last_pattern_ms: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., pattern_count: _Optional[int] = ..., account_size: _Optional[str] = ..., risk_limit: _Optional[str] = ..., range_bar: _Optional[int] = ..., created: _Optional[int] = ..., patterns_size: _Optional[int] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class LegFigures(_message.Message):
    __slots__ = ("side", "quantity", "net_quantity", "average_entry_price", "realized_pnl", "stop_loss")
    SIDE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    NET_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ENTRY_PRICE_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    STOP_LOSS_FIELD_NUMBER: _ClassVar[int]
    side: _hotbook_pb2.Side
    quantity: str
    net_quantity: str
    average_entry_price: str
    realized_pnl: str
    stop_loss: str
    def __init__(self, side: _Optional[_Union[_hotbook_pb2.Side, str]] = ..., quantity: _Optional[str] = ..., net_quantity: _Optional[str] = ..., average_entry_price: _Optional[str] = ..., realized_pnl: _Optional[str] = ..., stop_loss: _Optional[str] = ...) -> None: ...

class MarkHeader(_message.Message):
    __slots__ = ("trade_pair", "price", "at_ms", "bars", "revision")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    price: str
    at_ms: int
    bars: int
    revision: int
    def __init__(self, trade_pair: _Optional[str] = ..., price: _Optional[str] = ..., at_ms: _Optional[int] = ..., bars: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class CampaignReply(_message.Message):
    __slots__ = ("revision", "campaign", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaign: bytes
    durability: _hotbook_pb2.Durability
    def __init__(self, revision: _Optional[int] = ..., campaign: _Optional[bytes] = ..., durability: _Optional[_Union[_hotbook_pb2.Durability, str]] = ...) -> None: ...

class ListCampaignsReply(_message.Message):
    __slots__ = ("revision", "campaigns", "next_page_token")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaigns: _containers.RepeatedScalarFieldContainer[bytes]
    next_page_token: str
    def __init__(self, revision: _Optional[int] = ..., campaigns: _Optional[_Iterable[bytes]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AddPatternReply(_message.Message):
    __slots__ = ("revision", "campaign", "created", "repeated", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaign: bytes
    created: bool
    repeated: bool
    durability: _hotbook_pb2.Durability
    def __init__(self, revision: _Optional[int] = ..., campaign: _Optional[bytes] = ..., created: _Optional[bool] = ..., repeated: _Optional[bool] = ..., durability: _Optional[_Union[_hotbook_pb2.Durability, str]] = ...) -> None: ...

class CampaignPositionsReply(_message.Message):
    __slots__ = ("revision", "totals", "positions", "next_page_token", "campaign_version")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_VERSION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    totals: _hotbook_pb2.CampaignTotals
    positions: _containers.RepeatedScalarFieldContainer[bytes]
    next_page_token: str
    campaign_version: int
    def __init__(self, revision: _Optional[int] = ..., totals: _Optional[_Union[_hotbook_pb2.CampaignTotals, _Mapping]] = ..., positions: _Optional[_Iterable[bytes]] = ..., next_page_token: _Optional[str] = ..., campaign_version: _Optional[int] = ...) -> None: ...

class LegReply(_message.Message):
    __slots__ = ("revision", "leg", "campaign_version", "totals", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LEG_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    leg: bytes
    campaign_version: int
    totals: _hotbook_pb2.CampaignTotals
    durability: _hotbook_pb2.Durability
    def __init__(self, revision: _Optional[int] = ..., leg: _Optional[bytes] = ..., campaign_version: _Optional[int] = ..., totals: _Optional[_Union[_hotbook_pb2.CampaignTotals, _Mapping]] = ..., durability: _Optional[_Union[_hotbook_pb2.Durability, str]] = ...) -> None: ...
