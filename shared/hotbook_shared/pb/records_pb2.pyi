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
    class Inner(_message.Message):
        __slots__ = ("position",)
        POSITION_FIELD_NUMBER: _ClassVar[int]
        position: PositionHeader
        def __init__(self, position: _Optional[_Union[PositionHeader, _Mapping]] = ...) -> None: ...
    INNER_FIELD_NUMBER: _ClassVar[int]
    inner: NestedHeader.Inner
    def __init__(self, inner: _Optional[_Union[NestedHeader.Inner, _Mapping]] = ...) -> None: ...

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
