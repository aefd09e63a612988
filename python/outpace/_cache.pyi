# SPDX-License-Identifier: MIT
"""Caches of what functions return, and of keys and values. An extension module; ext/cache has its source."""

from collections.abc import Callable, Coroutine, Generator, Hashable, Iterator
from functools import _CacheInfo
from types import CodeType, FrameType, GenericAlias, TracebackType
from typing import Any, Concatenate, Final, Generic, Literal, ParamSpec, TypeVar, final, overload

from _typeshed import structseq
from typing_extensions import Self, disjoint_base

from outpace._tier import Tier, TierStats

_Parameters = ParamSpec("_Parameters")
_Rest = ParamSpec("_Rest")
_Instance = TypeVar("_Instance")
_Result = TypeVar("_Result", covariant=True)
_Value = TypeVar("_Value")
_Key = TypeVar("_Key")
_Default = TypeVar("_Default")
_Raised = TypeVar("_Raised", bound=BaseException)

@final
class CacheStats(structseq[Any], tuple[int, int, int, int, int, int, float, int, int, int, int]):
    """What a cache did since it was made or cleared."""

    __match_args__: Final = (
        "hits",
        "misses",
        "evictions",
        "expiries",
        "loads",
        "load_errors",
        "load_time",
        "waits",
        "loading",
        "currsize",
        "weight",
    )
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def evictions(self) -> int:
        """Entries that gave way to others."""

    @property
    def expiries(self) -> int: ...
    @property
    def loads(self) -> int:
        """Calls of the function."""

    @property
    def load_errors(self) -> int: ...
    @property
    def load_time(self) -> float:
        """Seconds in the function."""

    @property
    def waits(self) -> int:
        """Calls that waited for the load of another."""

    @property
    def loading(self) -> int:
        """Loads under way."""

    @property
    def currsize(self) -> int: ...
    @property
    def weight(self) -> int: ...

@final
class CachedCoroutine(Coroutine[Any, Any, _Result]):
    """What a call of a cached ``async def`` gives. It looks the key up when it is first awaited."""

    __name__: str
    __qualname__: str
    @property
    def cr_await(self) -> Any:
        """What is awaited, or None."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame that waits for a load, or None."""

    @property
    def cr_code(self) -> CodeType | None:
        """The code of that frame, or None."""

    @property
    def cr_origin(self) -> None:
        """None: where it was made is not recorded."""

    @property
    def cr_running(self) -> bool:
        """Whether it is being run."""

    @property
    def cr_suspended(self) -> bool:
        """Whether it waits."""

    @property
    def cr_state(self) -> str:
        """What inspect.getcoroutinestate tells."""

    def __await__(self) -> Generator[Any, None, _Result]: ...
    def send(self, value: Any, /) -> Any: ...
    @overload
    def throw(self, typ: type[BaseException], val: object = None, traceback: TracebackType | None = None, /) -> Any: ...
    @overload
    def throw(self, typ: BaseException, val: None = None, traceback: TracebackType | None = None, /) -> Any: ...
    def close(self) -> None: ...

def exception_for_thread(exception: _Raised, /) -> _Raised | None:
    """What another thread may raise for the exception: itself, or without a GIL one like it, or None."""

# What outpace._loads knows of a CachedCoroutine that found nothing: ext/cache/missed.h.
@final
class MissedCall:
    def flight(self) -> object | None: ...
    def take_off(self, flight: object, /) -> object | None: ...
    def land(self, flight: object, /) -> None: ...
    def look(self) -> tuple[Any] | None: ...
    def begin(self) -> None: ...
    def call(self) -> Coroutine[Any, Any, Any]: ...
    def keep(self, value: Any, /) -> Any: ...
    def fail(self, error: BaseException, /) -> None: ...
    def drop(self) -> None: ...
    def give(self, value: Any, /) -> Any: ...
    def count_wait(self) -> None: ...

@final
class Loaded:
    """What a load returns where its result has a time to live of its own, in seconds."""

    def __new__(cls, value: Any, ttl: float | None = None) -> Self: ...

# What the decorators put there.
class _Decorated(Generic[_Parameters, _Result]):
    __name__: str
    __qualname__: str
    @property
    def __wrapped__(self) -> Callable[_Parameters, _Result]: ...
    def cache_parameters(self) -> dict[str, Any]:
        """maxsize, typed, and what else the decorator was given."""

# Where a call gives a coroutine, it is the coroutine's value that is kept: hence the overloads.
class _Cached(_Decorated[_Parameters, _Result]):
    def cache_info(self) -> _CacheInfo:
        """Hits, misses, maxsize and currsize, as functools has them."""

    def cache_clear(self) -> None:
        """Forgets all results, those of running calls too, and sets the statistics to zero."""

    def cache_invalidate(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> bool:
        """Forgets the result of that call, of a running one too. Whether there was one."""

    def cache_contains(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> bool:
        """Whether the result of that call is kept."""

    @overload
    def cache_peek(
        self: _Cached[_Parameters, Coroutine[Any, Any, _Value]], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Value:
        """The result of that call as it is kept, and no hit is counted. KeyError where none is."""

    @overload
    def cache_peek(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...
    @overload
    def cache_put(
        self: _Cached[_Parameters, Coroutine[Any, Any, _Value]],
        value: _Value,
        /,
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> None:
        """Makes `value` the result of that call."""

    @overload
    def cache_put(
        self,
        value: _Result,  # type: ignore[misc]
        /,
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> None: ...
    def cache_stats(self) -> CacheStats:
        """What the cache did since it was made or cleared."""

    # These two where tier= was given.
    @property
    def tier(self) -> Tier: ...
    def tier_stats(self) -> TierStats:
        """What this process asked of the tier and got, since the function was decorated."""

@final
class CachedFunction(_Cached[_Parameters, _Result]):
    """A function with a cache of what it returned. Its attributes are those of the function, which is ``__wrapped__``."""

    def __new__(
        cls,
        function: Callable[_Parameters, _Result],
        *,
        maxsize: int | None = 128,
        typed: bool = False,
        key: Callable[..., Hashable] | None = None,
        ttl: float | None = None,
        jitter: float | None = None,
        stale: float | None = None,
        max_bytes: int | None = None,
        weigh: Callable[[Any], int] | None = None,
        policy: str = "lru",
        cache_exceptions: tuple[tuple[type[Exception], float | None], ...] | None = None,
        copy: Callable[[Any], Any] | None = None,
        once: bool = False,
        coroutine: bool = False,
        skip_self: bool = False,
        timer: Callable[[], float] | None = None,
        info_type: type[_CacheInfo],
    ) -> Self: ...
    def __set_name__(self, owner: type[Any], name: str, /) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Self: ...
    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> _OfClass[_Parameters, _Result]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None, /) -> _OfInstance[_Parameters, _Result]: ...

# A CachedFunction as a class shows it: bound where its first parameter is a class, as @classmethod above it makes it.
class _OfClass(_Cached[_Parameters, _Result]):
    @overload
    def __call__(
        self: _OfClass[Concatenate[type[Any], _Rest], _Result], *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> _Result: ...
    @overload
    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...

# A CachedFunction as an instance shows it: a bound method, or with @staticmethod above it the function. The attributes of a
# bound method are the function's, so those of them that take a call's arguments take the instance, too.
class _OfInstance(_Cached[_Parameters, _Result]):
    @overload
    def __call__(self: _OfInstance[Concatenate[Any, _Rest], _Result], *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...
    @overload
    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...

@final
class CachedMethod(_Decorated[Concatenate[_Instance, _Rest], _Result], Generic[_Instance, _Rest, _Result]):
    """A method of which each instance keeps its own results."""

    def __new__(cls, function: Callable[Concatenate[_Instance, _Rest], _Result], /, **options: Any) -> Self: ...
    def __set_name__(self, owner: type[Any], name: str, /) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Self: ...
    def __call__(self, instance: _Instance, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, instance: _Instance, owner: type[Any] | None = None, /) -> _OwnCache[_Rest, _Result]: ...
    def cache_clear(self) -> None:
        """Forgets the results of all instances, and sets their statistics to zero."""

# A CachedMethod as an instance shows it.
class _OwnCache(_Cached[_Rest, _Result]):
    def __call__(self, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...

@disjoint_base
class Mapping(Generic[_Key, _Value]):
    """The part of outpace.Cache that is in C."""

    def __new__(cls, *args: Any, **keywords: Any) -> Self: ...
    def __init__(
        self,
        maxsize: int | None = None,
        *,
        ttl: float | None = None,
        jitter: float | None = None,
        max_bytes: int | None = None,
        weigh: Callable[[_Value], int] | None = None,
        policy: Literal["lru", "s3fifo"] = "lru",
        timer: Callable[[], float] | None = None,
    ) -> None: ...
    @property
    def maxsize(self) -> int | None:
        """The most entries, or None."""

    @property
    def ttl(self) -> float | None:
        """Seconds that an entry lives, or None."""

    @property
    def jitter(self) -> float | None:
        """Up to so many seconds of ttl are taken off an entry, or None."""

    @property
    def max_bytes(self) -> int | None:
        """The most that all values may weigh, or None."""

    @property
    def weigh(self) -> Callable[[_Value], int] | None:
        """What gives the weight of a value, or None."""

    @property
    def policy(self) -> Literal["lru", "s3fifo"]: ...
    @property
    def timer(self) -> Callable[[], float] | None:
        """What gives the seconds, or None for the kernel's monotonic clock."""

    @property
    def currsize(self) -> int:
        """What all values weigh, or how many there are."""

    def __getitem__(self, key: _Key, /) -> _Value: ...
    def __setitem__(self, key: _Key, value: _Value, /) -> None: ...
    def __delitem__(self, key: _Key, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_Key]: ...
    @overload
    def get(self, key: _Key, default: None = None) -> _Value | None:
        """The value for the key, which counts as a use; the default where there is none that is alive."""

    @overload
    def get(self, key: _Key, default: _Value) -> _Value: ...
    @overload
    def get(self, key: _Key, default: _Default) -> _Value | _Default: ...
    def set(self, key: _Key, value: _Value, ttl: float | None = None) -> None:
        """As cache[key] = value; it lives for ttl seconds, where they are given."""

    # A loader of whatever type first, so that an untyped one is taken for a plain function.
    @overload
    def get_or_load(self, key: _Key, loader: Callable[[_Key], _Value]) -> _Value:
        """The value for the key. Where it is absent, loader(key) is called, and its result kept: once, whatever the number of
        threads that ask meanwhile. With an ``async def`` loader it gives an awaitable.
        """

    @overload
    def get_or_load(self, key: _Key, loader: Callable[[_Key], Coroutine[Any, Any, _Value]]) -> CachedCoroutine[_Value]: ...
    def peek(self, key: _Key, /) -> _Value:
        """The value for the key. It counts neither as a use nor in the statistics. KeyError if absent."""

    @overload
    def pop(self, key: _Key) -> _Value:
        """Removes the key and gives its value; where it is absent the default, or KeyError without one."""

    @overload
    def pop(self, key: _Key, default: _Value) -> _Value: ...
    @overload
    def pop(self, key: _Key, default: _Default) -> _Value | _Default: ...
    def popitem(self) -> tuple[_Key, _Value]:
        """Removes an entry, of a bounded cache the one least recently used, and gives (key, value)."""

    @overload
    def setdefault(self: Mapping[_Key, _Value | None], key: _Key, default: None = None) -> _Value | None:
        """The value for the key, which is set to the default first where it is absent: in one step."""

    @overload
    def setdefault(self, key: _Key, default: _Value) -> _Value: ...
    def clear(self) -> None:
        """Removes all entries. The statistics go on. Loads that are under way will not be kept."""

    def expire(self) -> None:
        """Removes what has expired now, to have its memory back."""

    def stats(self) -> CacheStats:
        """What the cache did so far."""

    def _pairs(self) -> list[Any]: ...
    def _times(self) -> list[Any]: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
