# SPDX-License-Identifier: MIT
"""Caches of what functions return, and of keys and values. An extension module; ext/cache has its source."""

from collections.abc import Callable, Coroutine, Generator, Hashable
from functools import _CacheInfo
from types import TracebackType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, final, overload

from _typeshed import structseq
from typing_extensions import Self

_Parameters = ParamSpec("_Parameters")
_Rest = ParamSpec("_Rest")
_Instance = TypeVar("_Instance")
_Result = TypeVar("_Result", covariant=True)
_Value = TypeVar("_Value")

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

    def __await__(self) -> Generator[Any, None, _Result]: ...
    def send(self, value: Any, /) -> Any: ...
    @overload
    def throw(self, typ: type[BaseException], val: BaseException | object = None, tb: TracebackType | None = None, /) -> Any: ...
    @overload
    def throw(self, typ: BaseException, val: None = None, tb: TracebackType | None = None, /) -> Any: ...
    def close(self) -> None: ...

@final
class Loaded:
    """What a load returns where its result has a time to live of its own, in seconds."""

    def __new__(cls, value: Any, ttl: float | None = None) -> Self: ...

# Where a call gives a coroutine, it is the coroutine's value that is kept: hence the overloads.
class _Cached(Generic[_Parameters, _Result]):
    __name__: str
    __qualname__: str
    @property
    def __wrapped__(self) -> Callable[_Parameters, _Result]: ...
    def cache_info(self) -> _CacheInfo:
        """Hits, misses, maxsize and currsize, as functools has them."""

    def cache_clear(self) -> None:
        """Forgets all results, those of running calls too, and sets the statistics to zero."""

    def cache_parameters(self) -> dict[str, Any]:
        """maxsize, typed, and what else the decorator was given."""

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
    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> _OfClass[_Parameters, _Result]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[_Instance, _Rest], _Result], instance: _Instance, owner: type[Any] | None = None, /
    ) -> _OfInstance[_Instance, _Rest, _Result]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[type[_Instance], _Rest], _Result], instance: _Instance, owner: type[Any] | None = None, /
    ) -> _OfInstance[type[_Instance], _Rest, _Result]: ...

# A CachedFunction as a class shows it: the same, but bound where the function's first parameter is a class (@classmethod).
class _OfClass(_Cached[_Parameters, _Result]):
    @overload
    def __call__(
        self: _OfClass[Concatenate[type[_Instance], _Rest], _Result], *args: _Rest.args, **kwargs: _Rest.kwargs
    ) -> _Result: ...
    @overload
    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result: ...

# A CachedFunction as an instance shows it: a bound method, whose attributes are the function's. So those of them that take
# a call's arguments take the instance, too.
class _OfInstance(_Cached[Concatenate[_Instance, _Rest], _Result]):
    __self__: _Instance
    def __call__(self, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...

# A function of which each instance has a cache: in a class, and on an instance.
@final
class CachedMethod(Generic[_Instance, _Rest, _Result]):
    __name__: str
    __qualname__: str
    @property
    def __wrapped__(self) -> Callable[Concatenate[_Instance, _Rest], _Result]: ...
    def __call__(self, instance: _Instance, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...
    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, instance: _Instance, owner: type[Any] | None = None, /) -> _OwnCache[_Rest, _Result]: ...

class _OwnCache(_Cached[_Rest, _Result]):
    def __call__(self, *args: _Rest.args, **kwargs: _Rest.kwargs) -> _Result: ...
