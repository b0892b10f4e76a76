from google.protobuf import any_pb2 as _any_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_LONG: _ClassVar[Side]
    SIDE_SHORT: _ClassVar[Side]
    SIDE_FLAT: _ClassVar[Side]

class ExecutionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXECUTION_UNSPECIFIED: _ClassVar[ExecutionType]
    EXECUTION_MARKET: _ClassVar[ExecutionType]
    EXECUTION_LIMIT: _ClassVar[ExecutionType]
    EXECUTION_BRACKET: _ClassVar[ExecutionType]
    EXECUTION_LIMIT_CANCEL: _ClassVar[ExecutionType]

class PatternType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PATTERN_UNSPECIFIED: _ClassVar[PatternType]
    PATTERN_SPRING: _ClassVar[PatternType]
    PATTERN_AR: _ClassVar[PatternType]
    PATTERN_SOS: _ClassVar[PatternType]
    PATTERN_LPS: _ClassVar[PatternType]

class OrderSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_ORGANIC: _ClassVar[OrderSource]
    SOURCE_ELIMINATION_FLAT: _ClassVar[OrderSource]
    SOURCE_DEPRECATION_FLAT: _ClassVar[OrderSource]
    SOURCE_PRICE_FILLED_ELIMINATION_FLAT: _ClassVar[OrderSource]
    SOURCE_MAX_ORDERS_CLOSE: _ClassVar[OrderSource]
    SOURCE_LIMIT_UNFILLED: _ClassVar[OrderSource]
    SOURCE_LIMIT_FILLED: _ClassVar[OrderSource]
    SOURCE_LIMIT_CANCELLED: _ClassVar[OrderSource]
    SOURCE_BRACKET_UNFILLED: _ClassVar[OrderSource]
    SOURCE_BRACKET_FILLED: _ClassVar[OrderSource]
    SOURCE_BRACKET_CANCELLED: _ClassVar[OrderSource]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_FSYNC: _ClassVar[Durability]
    DURABILITY_RELAXED: _ClassVar[Durability]
    DURABILITY_MEMORY: _ClassVar[Durability]

class OnFlip(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_FLIP_CLOSE: _ClassVar[OnFlip]
    ON_FLIP_REVERSE: _ClassVar[OnFlip]

class OnLimit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_LIMIT_REFUSE: _ClassVar[OnLimit]
    ON_LIMIT_CLOSE: _ClassVar[OnLimit]

class ChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_UNSPECIFIED: _ClassVar[ChangeKind]
    CHANGE_SAVED: _ClassVar[ChangeKind]
    CHANGE_REMOVED: _ClassVar[ChangeKind]
    CHANGE_CLEARED: _ClassVar[ChangeKind]
    CHANGE_CAMPAIGN_SAVED: _ClassVar[ChangeKind]
    CHANGE_CAMPAIGN_REMOVED: _ClassVar[ChangeKind]
    CHANGE_MARKED: _ClassVar[ChangeKind]

class CampaignState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMPAIGN_STATE_UNSPECIFIED: _ClassVar[CampaignState]
    CAMPAIGN_FORMING: _ClassVar[CampaignState]
    CAMPAIGN_ACTIVE: _ClassVar[CampaignState]
    CAMPAIGN_DORMANT: _ClassVar[CampaignState]
    CAMPAIGN_COMPLETED: _ClassVar[CampaignState]
    CAMPAIGN_FAILED: _ClassVar[CampaignState]

class ExitReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXIT_UNKNOWN: _ClassVar[ExitReason]
    EXIT_TARGET_HIT: _ClassVar[ExitReason]
    EXIT_STOP_OUT: _ClassVar[ExitReason]
    EXIT_TIME_EXIT: _ClassVar[ExitReason]
    EXIT_PHASE_E: _ClassVar[ExitReason]
    EXIT_MANUAL_EXIT: _ClassVar[ExitReason]

class VolumeLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VOLUME_UNKNOWN: _ClassVar[VolumeLevel]
    VOLUME_LOW: _ClassVar[VolumeLevel]
    VOLUME_NORMAL: _ClassVar[VolumeLevel]
    VOLUME_HIGH: _ClassVar[VolumeLevel]
SIDE_UNSPECIFIED: Side
SIDE_LONG: Side
SIDE_SHORT: Side
SIDE_FLAT: Side
EXECUTION_UNSPECIFIED: ExecutionType
EXECUTION_MARKET: ExecutionType
EXECUTION_LIMIT: ExecutionType
EXECUTION_BRACKET: ExecutionType
EXECUTION_LIMIT_CANCEL: ExecutionType
PATTERN_UNSPECIFIED: PatternType
PATTERN_SPRING: PatternType
PATTERN_AR: PatternType
PATTERN_SOS: PatternType
PATTERN_LPS: PatternType
SOURCE_ORGANIC: OrderSource
SOURCE_ELIMINATION_FLAT: OrderSource
SOURCE_DEPRECATION_FLAT: OrderSource
SOURCE_PRICE_FILLED_ELIMINATION_FLAT: OrderSource
SOURCE_MAX_ORDERS_CLOSE: OrderSource
SOURCE_LIMIT_UNFILLED: OrderSource
SOURCE_LIMIT_FILLED: OrderSource
SOURCE_LIMIT_CANCELLED: OrderSource
SOURCE_BRACKET_UNFILLED: OrderSource
SOURCE_BRACKET_FILLED: OrderSource
SOURCE_BRACKET_CANCELLED: OrderSource
DURABILITY_UNSPECIFIED: Durability
DURABILITY_FSYNC: Durability
DURABILITY_RELAXED: Durability
DURABILITY_MEMORY: Durability
ON_FLIP_CLOSE: OnFlip
ON_FLIP_REVERSE: OnFlip
ON_LIMIT_REFUSE: OnLimit
ON_LIMIT_CLOSE: OnLimit
CHANGE_UNSPECIFIED: ChangeKind
CHANGE_SAVED: ChangeKind
CHANGE_REMOVED: ChangeKind
CHANGE_CLEARED: ChangeKind
CHANGE_CAMPAIGN_SAVED: ChangeKind
CHANGE_CAMPAIGN_REMOVED: ChangeKind
CHANGE_MARKED: ChangeKind
CAMPAIGN_STATE_UNSPECIFIED: CampaignState
CAMPAIGN_FORMING: CampaignState
CAMPAIGN_ACTIVE: CampaignState
CAMPAIGN_DORMANT: CampaignState
CAMPAIGN_COMPLETED: CampaignState
CAMPAIGN_FAILED: CampaignState
EXIT_UNKNOWN: ExitReason
EXIT_TARGET_HIT: ExitReason
EXIT_STOP_OUT: ExitReason
EXIT_TIME_EXIT: ExitReason
EXIT_PHASE_E: ExitReason
EXIT_MANUAL_EXIT: ExitReason
VOLUME_UNKNOWN: VolumeLevel
VOLUME_LOW: VolumeLevel
VOLUME_NORMAL: VolumeLevel
VOLUME_HIGH: VolumeLevel

class PriceSource(_message.Message):
    __slots__ = ("source", "timespan_ms", "open", "close", "vwap", "high", "low", "start_ms", "websocket", "lag_ms", "bid", "ask", "extra")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TIMESPAN_MS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    VWAP_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    WEBSOCKET_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    source: str
    timespan_ms: int
    open: str
    close: str
    vwap: str
    high: str
    low: str
    start_ms: int
    websocket: bool
    lag_ms: int
    bid: str
    ask: str
    extra: str
    def __init__(self, source: _Optional[str] = ..., timespan_ms: _Optional[int] = ..., open: _Optional[str] = ..., close: _Optional[str] = ..., vwap: _Optional[str] = ..., high: _Optional[str] = ..., low: _Optional[str] = ..., start_ms: _Optional[int] = ..., websocket: _Optional[bool] = ..., lag_ms: _Optional[int] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., extra: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_uuid", "type", "leverage", "quantity", "value", "price", "bid", "ask", "slippage", "quote_usd_rate", "usd_base_rate", "limit_price", "stop_loss", "take_profit", "execution_type", "source", "processed_ms", "price_sources", "extra")
    ORDER_UUID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    SLIPPAGE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_USD_RATE_FIELD_NUMBER: _ClassVar[int]
    USD_BASE_RATE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    STOP_LOSS_FIELD_NUMBER: _ClassVar[int]
    TAKE_PROFIT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_MS_FIELD_NUMBER: _ClassVar[int]
    PRICE_SOURCES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    order_uuid: str
    type: Side
    leverage: str
    quantity: str
    value: str
    price: str
    bid: str
    ask: str
    slippage: str
    quote_usd_rate: str
    usd_base_rate: str
    limit_price: str
    stop_loss: str
    take_profit: str
    execution_type: ExecutionType
    source: OrderSource
    processed_ms: int
    price_sources: _containers.RepeatedCompositeFieldContainer[PriceSource]
    extra: str
    def __init__(self, order_uuid: _Optional[str] = ..., type: _Optional[_Union[Side, str]] = ..., leverage: _Optional[str] = ..., quantity: _Optional[str] = ..., value: _Optional[str] = ..., price: _Optional[str] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., slippage: _Optional[str] = ..., quote_usd_rate: _Optional[str] = ..., usd_base_rate: _Optional[str] = ..., limit_price: _Optional[str] = ..., stop_loss: _Optional[str] = ..., take_profit: _Optional[str] = ..., execution_type: _Optional[_Union[ExecutionType, str]] = ..., source: _Optional[_Union[OrderSource, str]] = ..., processed_ms: _Optional[int] = ..., price_sources: _Optional[_Iterable[_Union[PriceSource, _Mapping]]] = ..., extra: _Optional[str] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "trade_pair", "side", "open_ms", "close_ms", "orders", "account_size", "quantity", "net_quantity", "net_leverage", "net_value", "average_entry_price", "cumulative_entry_value", "realized_pnl", "unrealized_pnl", "current_return", "return_at_close", "stop_loss", "exit_price", "campaign_id", "pattern_type", "signal_id", "timeframe", "version", "revision", "updated_ms", "extra")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    OPEN_MS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_MS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    NET_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    NET_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    NET_VALUE_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ENTRY_PRICE_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_ENTRY_VALUE_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    UNREALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    CURRENT_RETURN_FIELD_NUMBER: _ClassVar[int]
    RETURN_AT_CLOSE_FIELD_NUMBER: _ClassVar[int]
    STOP_LOSS_FIELD_NUMBER: _ClassVar[int]
    EXIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_MS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    trade_pair: str
    side: Side
    open_ms: int
    close_ms: int
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    account_size: str
    quantity: str
    net_quantity: str
    net_leverage: str
    net_value: str
    average_entry_price: str
    cumulative_entry_value: str
    realized_pnl: str
    unrealized_pnl: str
    current_return: str
    return_at_close: str
    stop_loss: str
    exit_price: str
    campaign_id: str
    pattern_type: PatternType
    signal_id: str
    timeframe: str
    version: int
    revision: int
    updated_ms: int
    extra: str
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., trade_pair: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., open_ms: _Optional[int] = ..., close_ms: _Optional[int] = ..., orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., account_size: _Optional[str] = ..., quantity: _Optional[str] = ..., net_quantity: _Optional[str] = ..., net_leverage: _Optional[str] = ..., net_value: _Optional[str] = ..., average_entry_price: _Optional[str] = ..., cumulative_entry_value: _Optional[str] = ..., realized_pnl: _Optional[str] = ..., unrealized_pnl: _Optional[str] = ..., current_return: _Optional[str] = ..., return_at_close: _Optional[str] = ..., stop_loss: _Optional[str] = ..., exit_price: _Optional[str] = ..., campaign_id: _Optional[str] = ..., pattern_type: _Optional[_Union[PatternType, str]] = ..., signal_id: _Optional[str] = ..., timeframe: _Optional[str] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ..., updated_ms: _Optional[int] = ..., extra: _Optional[str] = ...) -> None: ...

class RpcStatus(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...

class ErrorInfo(_message.Message):
    __slots__ = ("reason", "domain", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    reason: str
    domain: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, reason: _Optional[str] = ..., domain: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("code", "message", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SaveRequest(_message.Message):
    __slots__ = ("position", "request_id", "expected_version", "replace_open")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLACE_OPEN_FIELD_NUMBER: _ClassVar[int]
    position: Position
    request_id: str
    expected_version: int
    replace_open: bool
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ..., replace_open: _Optional[bool] = ...) -> None: ...

class SaveReply(_message.Message):
    __slots__ = ("revision", "version", "replaced_uuid", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLACED_UUID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    version: int
    replaced_uuid: str
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., version: _Optional[int] = ..., replaced_uuid: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class SaveItem(_message.Message):
    __slots__ = ("position", "expected_version", "replace_open")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLACE_OPEN_FIELD_NUMBER: _ClassVar[int]
    position: Position
    expected_version: int
    replace_open: bool
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., expected_version: _Optional[int] = ..., replace_open: _Optional[bool] = ...) -> None: ...

class SaveStreamRequest(_message.Message):
    __slots__ = ("saves",)
    SAVES_FIELD_NUMBER: _ClassVar[int]
    saves: _containers.RepeatedCompositeFieldContainer[SaveRequest]
    def __init__(self, saves: _Optional[_Iterable[_Union[SaveRequest, _Mapping]]] = ...) -> None: ...

class SaveStreamReply(_message.Message):
    __slots__ = ("outcomes", "revision")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[SaveOutcome]
    revision: int
    def __init__(self, outcomes: _Optional[_Iterable[_Union[SaveOutcome, _Mapping]]] = ..., revision: _Optional[int] = ...) -> None: ...

class SaveManyRequest(_message.Message):
    __slots__ = ("items", "request_id", "all_or_nothing", "dry_run")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_OR_NOTHING_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[SaveItem]
    request_id: str
    all_or_nothing: bool
    dry_run: bool
    def __init__(self, items: _Optional[_Iterable[_Union[SaveItem, _Mapping]]] = ..., request_id: _Optional[str] = ..., all_or_nothing: _Optional[bool] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class SaveOutcome(_message.Message):
    __slots__ = ("saved", "refused", "revision")
    SAVED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    saved: SaveReply
    refused: Refusal
    revision: int
    def __init__(self, saved: _Optional[_Union[SaveReply, _Mapping]] = ..., refused: _Optional[_Union[Refusal, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class SaveManyReply(_message.Message):
    __slots__ = ("revision", "outcomes", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    outcomes: _containers.RepeatedCompositeFieldContainer[SaveOutcome]
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[SaveOutcome, _Mapping]]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("hotkey", "position_uuid")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ...) -> None: ...

class GetOpenRequest(_message.Message):
    __slots__ = ("hotkey", "trade_pair")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    trade_pair: str
    def __init__(self, hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ...) -> None: ...

class PositionReply(_message.Message):
    __slots__ = ("revision", "position")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    position: Position
    def __init__(self, revision: _Optional[int] = ..., position: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class ListOpenRequest(_message.Message):
    __slots__ = ("hotkey",)
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    def __init__(self, hotkey: _Optional[str] = ...) -> None: ...

class ListOpenReply(_message.Message):
    __slots__ = ("revision", "positions")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, revision: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("hotkeys", "open_only", "opened_after_ms", "page_size", "page_token")
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    OPENED_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    hotkeys: _containers.RepeatedScalarFieldContainer[str]
    open_only: bool
    opened_after_ms: int
    page_size: int
    page_token: str
    def __init__(self, hotkeys: _Optional[_Iterable[str]] = ..., open_only: _Optional[bool] = ..., opened_after_ms: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class HotkeyPositions(_message.Message):
    __slots__ = ("hotkey", "positions")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, hotkey: _Optional[str] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class ListReply(_message.Message):
    __slots__ = ("revision", "hotkeys", "next_page_token")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    hotkeys: _containers.RepeatedCompositeFieldContainer[HotkeyPositions]
    next_page_token: str
    def __init__(self, revision: _Optional[int] = ..., hotkeys: _Optional[_Iterable[_Union[HotkeyPositions, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListHotkeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HotkeyCounts(_message.Message):
    __slots__ = ("hotkey", "positions", "open_positions")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    positions: int
    open_positions: int
    def __init__(self, hotkey: _Optional[str] = ..., positions: _Optional[int] = ..., open_positions: _Optional[int] = ...) -> None: ...

class ListHotkeysReply(_message.Message):
    __slots__ = ("revision", "hotkeys")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    hotkeys: _containers.RepeatedCompositeFieldContainer[HotkeyCounts]
    def __init__(self, revision: _Optional[int] = ..., hotkeys: _Optional[_Iterable[_Union[HotkeyCounts, _Mapping]]] = ...) -> None: ...

class StreamBookRequest(_message.Message):
    __slots__ = ("open_only",)
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    open_only: bool
    def __init__(self, open_only: _Optional[bool] = ...) -> None: ...

class BookFrame(_message.Message):
    __slots__ = ("revision", "total", "positions")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    total: int
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    def __init__(self, revision: _Optional[int] = ..., total: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "request_id", "expected_version")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    request_id: str
    expected_version: int
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class DeleteReply(_message.Message):
    __slots__ = ("revision", "existed", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    existed: bool
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., existed: _Optional[bool] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class PlaceOrderRequest(_message.Message):
    __slots__ = ("hotkey", "trade_pair", "order", "request_id", "account_size", "on_flip", "on_limit", "portfolio_leverage_max")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    ON_FLIP_FIELD_NUMBER: _ClassVar[int]
    ON_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_LEVERAGE_MAX_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    trade_pair: str
    order: Order
    request_id: str
    account_size: str
    on_flip: OnFlip
    on_limit: OnLimit
    portfolio_leverage_max: str
    def __init__(self, hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., order: _Optional[_Union[Order, _Mapping]] = ..., request_id: _Optional[str] = ..., account_size: _Optional[str] = ..., on_flip: _Optional[_Union[OnFlip, str]] = ..., on_limit: _Optional[_Union[OnLimit, str]] = ..., portfolio_leverage_max: _Optional[str] = ...) -> None: ...

class PlaceOrderReply(_message.Message):
    __slots__ = ("revision", "position", "closed", "durability", "repeated")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    position: Position
    closed: Position
    durability: Durability
    repeated: bool
    def __init__(self, revision: _Optional[int] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., closed: _Optional[_Union[Position, _Mapping]] = ..., durability: _Optional[_Union[Durability, str]] = ..., repeated: _Optional[bool] = ...) -> None: ...

class ClosePositionRequest(_message.Message):
    __slots__ = ("hotkey", "trade_pair", "position_uuid", "price", "at_ms", "source", "request_id")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    trade_pair: str
    position_uuid: str
    price: str
    at_ms: int
    source: OrderSource
    request_id: str
    def __init__(self, hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., position_uuid: _Optional[str] = ..., price: _Optional[str] = ..., at_ms: _Optional[int] = ..., source: _Optional[_Union[OrderSource, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExposureRequest(_message.Message):
    __slots__ = ("hotkey",)
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    def __init__(self, hotkey: _Optional[str] = ...) -> None: ...

class PairExposure(_message.Message):
    __slots__ = ("trade_pair", "category", "net_leverage", "multiplier", "leverage")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    NET_LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    category: str
    net_leverage: str
    multiplier: str
    leverage: str
    def __init__(self, trade_pair: _Optional[str] = ..., category: _Optional[str] = ..., net_leverage: _Optional[str] = ..., multiplier: _Optional[str] = ..., leverage: _Optional[str] = ...) -> None: ...

class ExposureReply(_message.Message):
    __slots__ = ("revision", "leverage", "pairs", "categories")
    class CategoriesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    leverage: str
    pairs: _containers.RepeatedCompositeFieldContainer[PairExposure]
    categories: _containers.ScalarMap[str, str]
    def __init__(self, revision: _Optional[int] = ..., leverage: _Optional[str] = ..., pairs: _Optional[_Iterable[_Union[PairExposure, _Mapping]]] = ..., categories: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PairPrice(_message.Message):
    __slots__ = ("trade_pair", "price")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    price: str
    def __init__(self, trade_pair: _Optional[str] = ..., price: _Optional[str] = ...) -> None: ...

class CloseAllRequest(_message.Message):
    __slots__ = ("pairs", "at_ms", "source", "request_id")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[PairPrice]
    at_ms: int
    source: OrderSource
    request_id: str
    def __init__(self, pairs: _Optional[_Iterable[_Union[PairPrice, _Mapping]]] = ..., at_ms: _Optional[int] = ..., source: _Optional[_Union[OrderSource, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PositionName(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "trade_pair")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    trade_pair: str
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., trade_pair: _Optional[str] = ...) -> None: ...

class CloseAllReply(_message.Message):
    __slots__ = ("revision", "closed", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    closed: _containers.RepeatedCompositeFieldContainer[PositionName]
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., closed: _Optional[_Iterable[_Union[PositionName, _Mapping]]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class OrderSpanRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OrderSpanReply(_message.Message):
    __slots__ = ("revision", "first_ms", "last_ms")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    FIRST_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_MS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    first_ms: int
    last_ms: int
    def __init__(self, revision: _Optional[int] = ..., first_ms: _Optional[int] = ..., last_ms: _Optional[int] = ...) -> None: ...

class TradePair(_message.Message):
    __slots__ = ("trade_pair", "category", "leverage_min", "leverage_max", "multiplier", "lot_size", "spread_rate")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_MIN_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_MAX_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    LOT_SIZE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_RATE_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    category: str
    leverage_min: str
    leverage_max: str
    multiplier: str
    lot_size: str
    spread_rate: str
    def __init__(self, trade_pair: _Optional[str] = ..., category: _Optional[str] = ..., leverage_min: _Optional[str] = ..., leverage_max: _Optional[str] = ..., multiplier: _Optional[str] = ..., lot_size: _Optional[str] = ..., spread_rate: _Optional[str] = ...) -> None: ...

class ListPairsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPairsReply(_message.Message):
    __slots__ = ("pairs",)
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[TradePair]
    def __init__(self, pairs: _Optional[_Iterable[_Union[TradePair, _Mapping]]] = ...) -> None: ...

class SplitRequest(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "request_id")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    request_id: str
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SplitOutcome(_message.Message):
    __slots__ = ("hotkey", "position_uuid", "parts", "kept", "closed_by_flat", "closed_by_net", "return_before", "return_after", "refused")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_FLAT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_NET_FIELD_NUMBER: _ClassVar[int]
    RETURN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    RETURN_AFTER_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    position_uuid: str
    parts: _containers.RepeatedScalarFieldContainer[str]
    kept: _containers.RepeatedScalarFieldContainer[str]
    closed_by_flat: int
    closed_by_net: int
    return_before: str
    return_after: str
    refused: Refusal
    def __init__(self, hotkey: _Optional[str] = ..., position_uuid: _Optional[str] = ..., parts: _Optional[_Iterable[str]] = ..., kept: _Optional[_Iterable[str]] = ..., closed_by_flat: _Optional[int] = ..., closed_by_net: _Optional[int] = ..., return_before: _Optional[str] = ..., return_after: _Optional[str] = ..., refused: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class SplitReply(_message.Message):
    __slots__ = ("revision", "split", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    split: SplitOutcome
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., split: _Optional[_Union[SplitOutcome, _Mapping]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class SplitAllRequest(_message.Message):
    __slots__ = ("dry_run",)
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    def __init__(self, dry_run: _Optional[bool] = ...) -> None: ...

class SplitAllFrame(_message.Message):
    __slots__ = ("revision", "total", "done", "splits")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    total: int
    done: int
    splits: _containers.RepeatedCompositeFieldContainer[SplitOutcome]
    def __init__(self, revision: _Optional[int] = ..., total: _Optional[int] = ..., done: _Optional[int] = ..., splits: _Optional[_Iterable[_Union[SplitOutcome, _Mapping]]] = ...) -> None: ...

class SplitStatsRequest(_message.Message):
    __slots__ = ("hotkey",)
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    def __init__(self, hotkey: _Optional[str] = ...) -> None: ...

class SplitStatsReply(_message.Message):
    __slots__ = ("positions", "parts", "closed_by_flat", "closed_by_net", "return_before", "return_after")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_FLAT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_NET_FIELD_NUMBER: _ClassVar[int]
    RETURN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    RETURN_AFTER_FIELD_NUMBER: _ClassVar[int]
    positions: int
    parts: int
    closed_by_flat: int
    closed_by_net: int
    return_before: str
    return_after: str
    def __init__(self, positions: _Optional[int] = ..., parts: _Optional[int] = ..., closed_by_flat: _Optional[int] = ..., closed_by_net: _Optional[int] = ..., return_before: _Optional[str] = ..., return_after: _Optional[str] = ...) -> None: ...

class ClearRequest(_message.Message):
    __slots__ = ("hotkey", "every_hotkey", "expected_count", "request_id", "expected_campaigns")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    EVERY_HOTKEY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    every_hotkey: bool
    expected_count: int
    request_id: str
    expected_campaigns: int
    def __init__(self, hotkey: _Optional[str] = ..., every_hotkey: _Optional[bool] = ..., expected_count: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_campaigns: _Optional[int] = ...) -> None: ...

class ClearReply(_message.Message):
    __slots__ = ("revision", "removed", "durability", "removed_campaigns")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    REMOVED_CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    removed: int
    durability: Durability
    removed_campaigns: int
    def __init__(self, revision: _Optional[int] = ..., removed: _Optional[int] = ..., durability: _Optional[_Union[Durability, str]] = ..., removed_campaigns: _Optional[int] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("revision", "server_version", "book_id", "state", "durability", "positions", "open_positions", "hotkeys", "quarantined", "digest", "started_ms", "now_ms", "queue_depth", "data_dir", "settings", "telemetry", "leader", "lag_ms", "campaigns", "live_campaigns", "marks")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class TelemetryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOK_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    NOW_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    DATA_DIR_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    LIVE_CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    server_version: str
    book_id: str
    state: str
    durability: Durability
    positions: int
    open_positions: int
    hotkeys: int
    quarantined: int
    digest: str
    started_ms: int
    now_ms: int
    queue_depth: int
    data_dir: str
    settings: _containers.ScalarMap[str, str]
    telemetry: _containers.ScalarMap[str, float]
    leader: str
    lag_ms: float
    campaigns: int
    live_campaigns: int
    marks: int
    def __init__(self, revision: _Optional[int] = ..., server_version: _Optional[str] = ..., book_id: _Optional[str] = ..., state: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ..., positions: _Optional[int] = ..., open_positions: _Optional[int] = ..., hotkeys: _Optional[int] = ..., quarantined: _Optional[int] = ..., digest: _Optional[str] = ..., started_ms: _Optional[int] = ..., now_ms: _Optional[int] = ..., queue_depth: _Optional[int] = ..., data_dir: _Optional[str] = ..., settings: _Optional[_Mapping[str, str]] = ..., telemetry: _Optional[_Mapping[str, float]] = ..., leader: _Optional[str] = ..., lag_ms: _Optional[float] = ..., campaigns: _Optional[int] = ..., live_campaigns: _Optional[int] = ..., marks: _Optional[int] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyReply(_message.Message):
    __slots__ = ("revision", "ok", "problems", "problem_count", "digest", "positions", "open_positions", "changes_checked")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_CHECKED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    ok: bool
    problems: _containers.RepeatedScalarFieldContainer[str]
    problem_count: int
    digest: str
    positions: int
    open_positions: int
    changes_checked: int
    def __init__(self, revision: _Optional[int] = ..., ok: _Optional[bool] = ..., problems: _Optional[_Iterable[str]] = ..., problem_count: _Optional[int] = ..., digest: _Optional[str] = ..., positions: _Optional[int] = ..., open_positions: _Optional[int] = ..., changes_checked: _Optional[int] = ...) -> None: ...

class RebuildRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RebuildReply(_message.Message):
    __slots__ = ("revision", "positions", "open_positions", "changed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    positions: int
    open_positions: int
    changed: bool
    def __init__(self, revision: _Optional[int] = ..., positions: _Optional[int] = ..., open_positions: _Optional[int] = ..., changed: _Optional[bool] = ...) -> None: ...

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadReply(_message.Message):
    __slots__ = ("revision", "positions", "open_positions", "quarantined", "changed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    OPEN_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    positions: int
    open_positions: int
    quarantined: int
    changed: bool
    def __init__(self, revision: _Optional[int] = ..., positions: _Optional[int] = ..., open_positions: _Optional[int] = ..., quarantined: _Optional[int] = ..., changed: _Optional[bool] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BackupFrame(_message.Message):
    __slots__ = ("revision", "total_bytes", "data", "sha256")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    revision: int
    total_bytes: int
    data: bytes
    sha256: str
    def __init__(self, revision: _Optional[int] = ..., total_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., sha256: _Optional[str] = ...) -> None: ...

class DigestsRequest(_message.Message):
    __slots__ = ("open_only", "hotkeys")
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    open_only: bool
    hotkeys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, open_only: _Optional[bool] = ..., hotkeys: _Optional[_Iterable[str]] = ...) -> None: ...

class HotkeyDigest(_message.Message):
    __slots__ = ("hotkey", "digest", "positions")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    digest: str
    positions: int
    def __init__(self, hotkey: _Optional[str] = ..., digest: _Optional[str] = ..., positions: _Optional[int] = ...) -> None: ...

class DigestsReply(_message.Message):
    __slots__ = ("revision", "hotkeys")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    hotkeys: _containers.RepeatedCompositeFieldContainer[HotkeyDigest]
    def __init__(self, revision: _Optional[int] = ..., hotkeys: _Optional[_Iterable[_Union[HotkeyDigest, _Mapping]]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("from_revision", "mark", "hotkeys", "open_only", "with_snapshot", "heartbeat_ms", "gather_ms")
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    OPEN_ONLY_FIELD_NUMBER: _ClassVar[int]
    WITH_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    GATHER_MS_FIELD_NUMBER: _ClassVar[int]
    from_revision: int
    mark: str
    hotkeys: _containers.RepeatedScalarFieldContainer[str]
    open_only: bool
    with_snapshot: bool
    heartbeat_ms: int
    gather_ms: int
    def __init__(self, from_revision: _Optional[int] = ..., mark: _Optional[str] = ..., hotkeys: _Optional[_Iterable[str]] = ..., open_only: _Optional[bool] = ..., with_snapshot: _Optional[bool] = ..., heartbeat_ms: _Optional[int] = ..., gather_ms: _Optional[int] = ...) -> None: ...

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
    kind: ChangeKind
    position_uuid: str
    hotkey: str
    position: Position
    was_open: bool
    campaign: Campaign
    price_mark: Mark
    campaign_id: str
    def __init__(self, revision: _Optional[int] = ..., kind: _Optional[_Union[ChangeKind, str]] = ..., position_uuid: _Optional[str] = ..., hotkey: _Optional[str] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., was_open: _Optional[bool] = ..., campaign: _Optional[_Union[Campaign, _Mapping]] = ..., price_mark: _Optional[_Union[Mark, _Mapping]] = ..., campaign_id: _Optional[str] = ...) -> None: ...

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
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    is_last: bool
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    marks: _containers.RepeatedCompositeFieldContainer[Mark]
    beside: int
    def __init__(self, total: _Optional[int] = ..., first: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., is_last: _Optional[bool] = ..., campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ..., marks: _Optional[_Iterable[_Union[Mark, _Mapping]]] = ..., beside: _Optional[int] = ...) -> None: ...

class ListChangedRequest(_message.Message):
    __slots__ = ("since_revision", "open_too", "hotkeys", "mark")
    SINCE_REVISION_FIELD_NUMBER: _ClassVar[int]
    OPEN_TOO_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    since_revision: int
    open_too: bool
    hotkeys: _containers.RepeatedScalarFieldContainer[str]
    mark: str
    def __init__(self, since_revision: _Optional[int] = ..., open_too: _Optional[bool] = ..., hotkeys: _Optional[_Iterable[str]] = ..., mark: _Optional[str] = ...) -> None: ...

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
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    removed: _containers.RepeatedScalarFieldContainer[str]
    mark: str
    def __init__(self, revision: _Optional[int] = ..., is_whole: _Optional[bool] = ..., total: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ..., mark: _Optional[str] = ...) -> None: ...

class Pattern(_message.Message):
    __slots__ = ("signal_id", "type", "at_ms", "price", "support", "resistance", "volume_ratio", "extra")
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    RESISTANCE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_RATIO_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    signal_id: str
    type: PatternType
    at_ms: int
    price: str
    support: str
    resistance: str
    volume_ratio: str
    extra: str
    def __init__(self, signal_id: _Optional[str] = ..., type: _Optional[_Union[PatternType, str]] = ..., at_ms: _Optional[int] = ..., price: _Optional[str] = ..., support: _Optional[str] = ..., resistance: _Optional[str] = ..., volume_ratio: _Optional[str] = ..., extra: _Optional[str] = ...) -> None: ...

class Campaign(_message.Message):
    __slots__ = ("campaign_id", "hotkey", "trade_pair", "range_id", "state", "phase", "timeframe", "started_ms", "last_pattern_ms", "last_activity_ms", "deadline_ms", "patterns", "pattern_count", "support", "resistance", "account_size", "risk_limit", "allocation", "exit_price", "ended_ms", "exit_reason", "failure_reason", "range_bar", "created", "version", "revision", "updated_ms")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    RANGE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_PATTERN_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_MS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    PATTERN_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    RESISTANCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    RISK_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_FIELD_NUMBER: _ClassVar[int]
    EXIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    ENDED_MS_FIELD_NUMBER: _ClassVar[int]
    EXIT_REASON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    RANGE_BAR_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UPDATED_MS_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    hotkey: str
    trade_pair: str
    range_id: str
    state: CampaignState
    phase: str
    timeframe: str
    started_ms: int
    last_pattern_ms: int
    last_activity_ms: int
    deadline_ms: int
    patterns: _containers.RepeatedCompositeFieldContainer[Pattern]
    pattern_count: int
    support: str
    resistance: str
    account_size: str
    risk_limit: str
    allocation: str
    exit_price: str
    ended_ms: int
    exit_reason: ExitReason
    failure_reason: str
    range_bar: int
    created: int
    version: int
    revision: int
    updated_ms: int
    def __init__(self, campaign_id: _Optional[str] = ..., hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., range_id: _Optional[str] = ..., state: _Optional[_Union[CampaignState, str]] = ..., phase: _Optional[str] = ..., timeframe: _Optional[str] = ..., started_ms: _Optional[int] = ..., last_pattern_ms: _Optional[int] = ..., last_activity_ms: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., patterns: _Optional[_Iterable[_Union[Pattern, _Mapping]]] = ..., pattern_count: _Optional[int] = ..., support: _Optional[str] = ..., resistance: _Optional[str] = ..., account_size: _Optional[str] = ..., risk_limit: _Optional[str] = ..., allocation: _Optional[str] = ..., exit_price: _Optional[str] = ..., ended_ms: _Optional[int] = ..., exit_reason: _Optional[_Union[ExitReason, str]] = ..., failure_reason: _Optional[str] = ..., range_bar: _Optional[int] = ..., created: _Optional[int] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ..., updated_ms: _Optional[int] = ...) -> None: ...

class AddPatternRequest(_message.Message):
    __slots__ = ("hotkey", "trade_pair", "range_id", "timeframe", "pattern", "account_size", "request_id", "expected_version")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    RANGE_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    trade_pair: str
    range_id: str
    timeframe: str
    pattern: Pattern
    account_size: str
    request_id: str
    expected_version: int
    def __init__(self, hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., range_id: _Optional[str] = ..., timeframe: _Optional[str] = ..., pattern: _Optional[_Union[Pattern, _Mapping]] = ..., account_size: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class AddPatternReply(_message.Message):
    __slots__ = ("revision", "campaign", "created", "repeated", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaign: Campaign
    created: bool
    repeated: bool
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., campaign: _Optional[_Union[Campaign, _Mapping]] = ..., created: _Optional[bool] = ..., repeated: _Optional[bool] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class AddPatternsRequest(_message.Message):
    __slots__ = ("patterns", "request_id")
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    patterns: _containers.RepeatedCompositeFieldContainer[AddPatternRequest]
    request_id: str
    def __init__(self, patterns: _Optional[_Iterable[_Union[AddPatternRequest, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PatternOutcome(_message.Message):
    __slots__ = ("campaign_id", "version", "created", "repeated", "refused")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    version: int
    created: bool
    repeated: bool
    refused: Refusal
    def __init__(self, campaign_id: _Optional[str] = ..., version: _Optional[int] = ..., created: _Optional[bool] = ..., repeated: _Optional[bool] = ..., refused: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class AddPatternsReply(_message.Message):
    __slots__ = ("revision", "outcomes", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    outcomes: _containers.RepeatedCompositeFieldContainer[PatternOutcome]
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., outcomes: _Optional[_Iterable[_Union[PatternOutcome, _Mapping]]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class CreateCampaignRequest(_message.Message):
    __slots__ = ("campaign_id", "hotkey", "trade_pair", "range_id", "timeframe", "started_ms", "support", "resistance", "account_size", "risk_limit", "allocation", "request_id")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    RANGE_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    RESISTANCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SIZE_FIELD_NUMBER: _ClassVar[int]
    RISK_LIMIT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    hotkey: str
    trade_pair: str
    range_id: str
    timeframe: str
    started_ms: int
    support: str
    resistance: str
    account_size: str
    risk_limit: str
    allocation: str
    request_id: str
    def __init__(self, campaign_id: _Optional[str] = ..., hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., range_id: _Optional[str] = ..., timeframe: _Optional[str] = ..., started_ms: _Optional[int] = ..., support: _Optional[str] = ..., resistance: _Optional[str] = ..., account_size: _Optional[str] = ..., risk_limit: _Optional[str] = ..., allocation: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CampaignReply(_message.Message):
    __slots__ = ("revision", "campaign", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaign: Campaign
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., campaign: _Optional[_Union[Campaign, _Mapping]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class GetCampaignRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class ListCampaignsRequest(_message.Message):
    __slots__ = ("states", "live_only", "hotkey", "trade_pair", "page_size", "page_token")
    STATES_FIELD_NUMBER: _ClassVar[int]
    LIVE_ONLY_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[CampaignState]
    live_only: bool
    hotkey: str
    trade_pair: str
    page_size: int
    page_token: str
    def __init__(self, states: _Optional[_Iterable[_Union[CampaignState, str]]] = ..., live_only: _Optional[bool] = ..., hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCampaignsReply(_message.Message):
    __slots__ = ("revision", "campaigns", "next_page_token")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    next_page_token: str
    def __init__(self, revision: _Optional[int] = ..., campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TransitionCampaignRequest(_message.Message):
    __slots__ = ("campaign_id", "to", "request_id", "expected_version")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    to: CampaignState
    request_id: str
    expected_version: int
    def __init__(self, campaign_id: _Optional[str] = ..., to: _Optional[_Union[CampaignState, str]] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class CompleteCampaignRequest(_message.Message):
    __slots__ = ("campaign_id", "exit_price", "reason", "at_ms", "request_id", "expected_version")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    EXIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    exit_price: str
    reason: ExitReason
    at_ms: int
    request_id: str
    expected_version: int
    def __init__(self, campaign_id: _Optional[str] = ..., exit_price: _Optional[str] = ..., reason: _Optional[_Union[ExitReason, str]] = ..., at_ms: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class FailCampaignRequest(_message.Message):
    __slots__ = ("campaign_id", "reason", "at_ms", "request_id", "expected_version")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    reason: str
    at_ms: int
    request_id: str
    expected_version: int
    def __init__(self, campaign_id: _Optional[str] = ..., reason: _Optional[str] = ..., at_ms: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class DeleteCampaignRequest(_message.Message):
    __slots__ = ("campaign_id", "request_id", "expected_version")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    request_id: str
    expected_version: int
    def __init__(self, campaign_id: _Optional[str] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class AddLegRequest(_message.Message):
    __slots__ = ("campaign_id", "position_uuid", "pattern_type", "signal_id", "timeframe", "side", "entry", "shares", "stop", "opened_ms", "request_id", "expected_version", "extra")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    PATTERN_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    OPENED_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    position_uuid: str
    pattern_type: PatternType
    signal_id: str
    timeframe: str
    side: Side
    entry: str
    shares: str
    stop: str
    opened_ms: int
    request_id: str
    expected_version: int
    extra: str
    def __init__(self, campaign_id: _Optional[str] = ..., position_uuid: _Optional[str] = ..., pattern_type: _Optional[_Union[PatternType, str]] = ..., signal_id: _Optional[str] = ..., timeframe: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., entry: _Optional[str] = ..., shares: _Optional[str] = ..., stop: _Optional[str] = ..., opened_ms: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ..., extra: _Optional[str] = ...) -> None: ...

class CloseLegRequest(_message.Message):
    __slots__ = ("campaign_id", "position_uuid", "exit_price", "closed_ms", "request_id", "expected_version")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_UUID_FIELD_NUMBER: _ClassVar[int]
    EXIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    CLOSED_MS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    position_uuid: str
    exit_price: str
    closed_ms: int
    request_id: str
    expected_version: int
    def __init__(self, campaign_id: _Optional[str] = ..., position_uuid: _Optional[str] = ..., exit_price: _Optional[str] = ..., closed_ms: _Optional[int] = ..., request_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class LegReply(_message.Message):
    __slots__ = ("revision", "leg", "campaign_version", "totals", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LEG_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    leg: Position
    campaign_version: int
    totals: CampaignTotals
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., leg: _Optional[_Union[Position, _Mapping]] = ..., campaign_version: _Optional[int] = ..., totals: _Optional[_Union[CampaignTotals, _Mapping]] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class CampaignTotals(_message.Message):
    __slots__ = ("campaign_id", "total_shares", "weighted_avg_entry", "total_risk", "total_pnl", "open_pnl", "realized_pnl", "open_count", "closed_count", "mark", "marked_ms")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SHARES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTED_AVG_ENTRY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RISK_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PNL_FIELD_NUMBER: _ClassVar[int]
    OPEN_PNL_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    OPEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    MARKED_MS_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    total_shares: str
    weighted_avg_entry: str
    total_risk: str
    total_pnl: str
    open_pnl: str
    realized_pnl: str
    open_count: int
    closed_count: int
    mark: str
    marked_ms: int
    def __init__(self, campaign_id: _Optional[str] = ..., total_shares: _Optional[str] = ..., weighted_avg_entry: _Optional[str] = ..., total_risk: _Optional[str] = ..., total_pnl: _Optional[str] = ..., open_pnl: _Optional[str] = ..., realized_pnl: _Optional[str] = ..., open_count: _Optional[int] = ..., closed_count: _Optional[int] = ..., mark: _Optional[str] = ..., marked_ms: _Optional[int] = ...) -> None: ...

class CampaignPositionsRequest(_message.Message):
    __slots__ = ("campaign_id", "include_closed", "page_size", "page_token")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CLOSED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    include_closed: bool
    page_size: int
    page_token: str
    def __init__(self, campaign_id: _Optional[str] = ..., include_closed: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class CampaignPositionsReply(_message.Message):
    __slots__ = ("revision", "totals", "positions", "next_page_token", "campaign_version")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_VERSION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    totals: CampaignTotals
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    next_page_token: str
    campaign_version: int
    def __init__(self, revision: _Optional[int] = ..., totals: _Optional[_Union[CampaignTotals, _Mapping]] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., campaign_version: _Optional[int] = ...) -> None: ...

class CampaignStatisticsRequest(_message.Message):
    __slots__ = ("hotkey", "trade_pair")
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    hotkey: str
    trade_pair: str
    def __init__(self, hotkey: _Optional[str] = ..., trade_pair: _Optional[str] = ...) -> None: ...

class CampaignStatisticsReply(_message.Message):
    __slots__ = ("revision", "total", "by_state", "by_exit_reason", "won", "lost", "even", "success_rate", "win_rate", "total_result", "mean_result", "median_result", "best_result", "worst_result")
    class ByStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ByExitReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BY_STATE_FIELD_NUMBER: _ClassVar[int]
    BY_EXIT_REASON_FIELD_NUMBER: _ClassVar[int]
    WON_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    EVEN_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    WIN_RATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_RESULT_FIELD_NUMBER: _ClassVar[int]
    MEAN_RESULT_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_RESULT_FIELD_NUMBER: _ClassVar[int]
    BEST_RESULT_FIELD_NUMBER: _ClassVar[int]
    WORST_RESULT_FIELD_NUMBER: _ClassVar[int]
    revision: int
    total: int
    by_state: _containers.ScalarMap[str, int]
    by_exit_reason: _containers.ScalarMap[str, int]
    won: int
    lost: int
    even: int
    success_rate: str
    win_rate: str
    total_result: str
    mean_result: str
    median_result: str
    best_result: str
    worst_result: str
    def __init__(self, revision: _Optional[int] = ..., total: _Optional[int] = ..., by_state: _Optional[_Mapping[str, int]] = ..., by_exit_reason: _Optional[_Mapping[str, int]] = ..., won: _Optional[int] = ..., lost: _Optional[int] = ..., even: _Optional[int] = ..., success_rate: _Optional[str] = ..., win_rate: _Optional[str] = ..., total_result: _Optional[str] = ..., mean_result: _Optional[str] = ..., median_result: _Optional[str] = ..., best_result: _Optional[str] = ..., worst_result: _Optional[str] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("campaign_ids", "hotkeys", "trade_pairs", "from_revision", "mark")
    CAMPAIGN_IDS_FIELD_NUMBER: _ClassVar[int]
    HOTKEYS_FIELD_NUMBER: _ClassVar[int]
    TRADE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    FROM_REVISION_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    campaign_ids: _containers.RepeatedScalarFieldContainer[str]
    hotkeys: _containers.RepeatedScalarFieldContainer[str]
    trade_pairs: _containers.RepeatedScalarFieldContainer[str]
    from_revision: int
    mark: str
    def __init__(self, campaign_ids: _Optional[_Iterable[str]] = ..., hotkeys: _Optional[_Iterable[str]] = ..., trade_pairs: _Optional[_Iterable[str]] = ..., from_revision: _Optional[int] = ..., mark: _Optional[str] = ...) -> None: ...

class CampaignUpdated(_message.Message):
    __slots__ = ("campaign", "totals")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    totals: CampaignTotals
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ..., totals: _Optional[_Union[CampaignTotals, _Mapping]] = ...) -> None: ...

class Alert(_message.Message):
    __slots__ = ("revision", "hotkey", "campaign_id", "level", "risk", "limit", "at_ms")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOTKEY_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    hotkey: str
    campaign_id: str
    level: str
    risk: str
    limit: str
    at_ms: int
    def __init__(self, revision: _Optional[int] = ..., hotkey: _Optional[str] = ..., campaign_id: _Optional[str] = ..., level: _Optional[str] = ..., risk: _Optional[str] = ..., limit: _Optional[str] = ..., at_ms: _Optional[int] = ...) -> None: ...

class FollowFrame(_message.Message):
    __slots__ = ("revision", "is_reload", "campaigns", "removed", "marks", "alerts", "is_last", "mark")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    IS_RELOAD_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    revision: int
    is_reload: bool
    campaigns: _containers.RepeatedCompositeFieldContainer[CampaignUpdated]
    removed: _containers.RepeatedScalarFieldContainer[str]
    marks: _containers.RepeatedCompositeFieldContainer[Mark]
    alerts: _containers.RepeatedCompositeFieldContainer[Alert]
    is_last: bool
    mark: str
    def __init__(self, revision: _Optional[int] = ..., is_reload: _Optional[bool] = ..., campaigns: _Optional[_Iterable[_Union[CampaignUpdated, _Mapping]]] = ..., removed: _Optional[_Iterable[str]] = ..., marks: _Optional[_Iterable[_Union[Mark, _Mapping]]] = ..., alerts: _Optional[_Iterable[_Union[Alert, _Mapping]]] = ..., is_last: _Optional[bool] = ..., mark: _Optional[str] = ...) -> None: ...

class Mark(_message.Message):
    __slots__ = ("trade_pair", "price", "at_ms", "bars", "volumes", "volume_sum", "last_volume", "revision")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    VOLUME_SUM_FIELD_NUMBER: _ClassVar[int]
    LAST_VOLUME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    price: str
    at_ms: int
    bars: int
    volumes: _containers.RepeatedScalarFieldContainer[str]
    volume_sum: str
    last_volume: str
    revision: int
    def __init__(self, trade_pair: _Optional[str] = ..., price: _Optional[str] = ..., at_ms: _Optional[int] = ..., bars: _Optional[int] = ..., volumes: _Optional[_Iterable[str]] = ..., volume_sum: _Optional[str] = ..., last_volume: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class Bar(_message.Message):
    __slots__ = ("trade_pair", "at_ms", "close", "volume")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    at_ms: int
    close: str
    volume: str
    def __init__(self, trade_pair: _Optional[str] = ..., at_ms: _Optional[int] = ..., close: _Optional[str] = ..., volume: _Optional[str] = ...) -> None: ...

class PushBarsRequest(_message.Message):
    __slots__ = ("bars", "request_id")
    BARS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    bars: _containers.RepeatedCompositeFieldContainer[Bar]
    request_id: str
    def __init__(self, bars: _Optional[_Iterable[_Union[Bar, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class PushBarsReply(_message.Message):
    __slots__ = ("revision", "accepted", "stale", "durability")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    revision: int
    accepted: int
    stale: int
    durability: Durability
    def __init__(self, revision: _Optional[int] = ..., accepted: _Optional[int] = ..., stale: _Optional[int] = ..., durability: _Optional[_Union[Durability, str]] = ...) -> None: ...

class GetMarketRequest(_message.Message):
    __slots__ = ("trade_pairs", "campaign_id")
    TRADE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    trade_pairs: _containers.RepeatedScalarFieldContainer[str]
    campaign_id: str
    def __init__(self, trade_pairs: _Optional[_Iterable[str]] = ..., campaign_id: _Optional[str] = ...) -> None: ...

class PairMarket(_message.Message):
    __slots__ = ("trade_pair", "price", "at_ms", "age_ms", "is_fresh", "average_volume", "last_volume", "bars", "is_ready", "volume_level")
    TRADE_PAIR_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    IS_FRESH_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_VOLUME_FIELD_NUMBER: _ClassVar[int]
    LAST_VOLUME_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    IS_READY_FIELD_NUMBER: _ClassVar[int]
    VOLUME_LEVEL_FIELD_NUMBER: _ClassVar[int]
    trade_pair: str
    price: str
    at_ms: int
    age_ms: int
    is_fresh: bool
    average_volume: str
    last_volume: str
    bars: int
    is_ready: bool
    volume_level: VolumeLevel
    def __init__(self, trade_pair: _Optional[str] = ..., price: _Optional[str] = ..., at_ms: _Optional[int] = ..., age_ms: _Optional[int] = ..., is_fresh: _Optional[bool] = ..., average_volume: _Optional[str] = ..., last_volume: _Optional[str] = ..., bars: _Optional[int] = ..., is_ready: _Optional[bool] = ..., volume_level: _Optional[_Union[VolumeLevel, str]] = ...) -> None: ...

class GetMarketReply(_message.Message):
    __slots__ = ("revision", "generation", "step_ms", "pairs")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STEP_MS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    generation: int
    step_ms: int
    pairs: _containers.RepeatedCompositeFieldContainer[PairMarket]
    def __init__(self, revision: _Optional[int] = ..., generation: _Optional[int] = ..., step_ms: _Optional[int] = ..., pairs: _Optional[_Iterable[_Union[PairMarket, _Mapping]]] = ...) -> None: ...

class AdvanceRequest(_message.Message):
    __slots__ = ("to_ms",)
    TO_MS_FIELD_NUMBER: _ClassVar[int]
    to_ms: int
    def __init__(self, to_ms: _Optional[int] = ...) -> None: ...

class WaitForGenerationRequest(_message.Message):
    __slots__ = ("generation",)
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    generation: int
    def __init__(self, generation: _Optional[int] = ...) -> None: ...

class GenerationReply(_message.Message):
    __slots__ = ("generation", "step_ms", "fresh")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STEP_MS_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    generation: int
    step_ms: int
    fresh: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, generation: _Optional[int] = ..., step_ms: _Optional[int] = ..., fresh: _Optional[_Iterable[str]] = ...) -> None: ...
