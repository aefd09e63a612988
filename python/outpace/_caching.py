# SPDX-License-Identifier: MIT
"""outpace.lru_cache, outpace.cache and outpace.ttl_cache: the decorators.

Here is what they look like, what they refuse, and what makes their result look like the function. The work is done in the
extension module: by a CachedFunction for each function, or by a CachedMethod where each instance has a cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from outpace import _agents, _coroutines

try:
    from outpace._cache import CachedFunction, CachedMethod, Loaded
except ImportError as error:
    raise _agents.missing_cache(error) from error

Parameters = ParamSpec("Parameters")
Instance = TypeVar("Instance")
Result = TypeVar("Result")
Exceptions = bool | type[Exception] | tuple[type[Exception], ...] | Mapping[type[Exception], "float | None"] | None

if TYPE_CHECKING:
    from typing import TypedDict

    from typing_extensions import Unpack

    from outpace._tier_function import Tiered

    class CommonOptions(TypedDict, total=False):
        key: Callable[..., Hashable] | None
        jitter: float | None
        max_bytes: int | None
        weigh: Callable[[Any], int] | None
        policy: Literal["lru", "s3fifo"]
        cache_exceptions: Exceptions
        copy: bool | Callable[[Any], Any] | None
        timer: Callable[[], float] | None
        tier: Any

    class LruOptions(CommonOptions, total=False):
        ttl: float | None
        once: bool

    class TtlOptions(CommonOptions, total=False):
        typed: bool
        stale: float | None


class Decorator(Protocol):
    """What ``lru_cache(...)`` and ``ttl_cache(...)`` give. Each function that it is applied to gets a cache of its own."""

    def __call__(self, function: Callable[Parameters, Result], /) -> CachedFunction[Parameters, Result]: ...


class MethodDecorator(Protocol):
    """The same with ``per_instance=True``: each instance gets a cache of its own."""

    def __call__(
        self, function: Callable[Concatenate[Instance, Parameters], Result], /
    ) -> CachedMethod[Instance, Parameters, Result]: ...


@overload
def lru_cache(
    maxsize: int | None = 128, typed: bool = False, *, per_instance: Literal[False] = False, **options: Unpack[LruOptions]
) -> Decorator: ...
@overload
def lru_cache(
    maxsize: int | None = 128, typed: bool = False, *, per_instance: Literal[True], **options: Unpack[LruOptions]
) -> MethodDecorator: ...
@overload
def lru_cache(
    maxsize: Callable[Parameters, Result],
    typed: bool = False,
    *,
    per_instance: Literal[False] = False,
    **options: Unpack[LruOptions],
) -> CachedFunction[Parameters, Result]: ...
def lru_cache(
    maxsize: Any = 128,
    typed: bool = False,
    *,
    key: Callable[..., Hashable] | None = None,
    ttl: float | None = None,
    jitter: float | None = None,
    max_bytes: int | None = None,
    weigh: Callable[[Any], int] | None = None,
    policy: str = "lru",
    cache_exceptions: Exceptions = None,
    copy: bool | Callable[[Any], Any] | None = None,
    once: bool = False,
    per_instance: bool = False,
    timer: Callable[[], float] | None = None,
    tier: Any = None,
) -> Any:
    """Caches what a function returns, by its arguments: ``functools.lru_cache``, faster, and with what that one lacks.

    Use it bare or with options. ``maxsize`` is the most results that are kept, None for no bound; ``typed`` keeps 3 and
    3.0 apart. An ``async def`` may be decorated, too: its results are kept, and however many await one key, it runs once.

    ``key`` is called with a call's arguments and returns what the result is kept under. ``ttl`` is for how many seconds
    it is, less a random share of ``jitter`` seconds. ``max_bytes`` bounds what all results weigh together, each by
    ``weigh(result)``, which without one is ``sys.getsizeof``. ``policy="s3fifo"`` keeps more of what is asked for again
    where much is asked for once. ``cache_exceptions`` names exceptions that are kept as results are: a class, a tuple, or
    a dict of the seconds for each. ``copy=True`` hands out deep copies; a function makes other ones. With ``once=True``
    threads that miss one key at a time wait for one call. With ``per_instance=True`` a method has a cache an instance,
    which goes with it. ``timer`` is a clock for tests: a function that returns seconds. ``tier`` is a client of redis-py or
    valkey-py, or an ``outpace.Tier`` of one: a cache that all processes share behind this one.

    The function gets ``cache_info()``, ``cache_clear()`` and ``cache_parameters()``, as from functools, and
    ``cache_invalidate``, ``cache_contains`` and ``cache_peek``, which take a call's arguments, ``cache_put(value, ...)``,
    and ``cache_stats()``. Results are kept as they are returned: do not cache what is changed afterwards, what has side
    effects, or generators.
    """
    who, function = "lru_cache", None
    if isinstance(maxsize, int):
        maxsize = max(maxsize, 0)
    elif callable(maxsize):
        function, maxsize = maxsize, 128
        flag(who, "typed", typed)
    elif maxsize is not None:
        refuse_descriptor(who, maxsize)
        raise TypeError(f"{who}: the first argument must be an int, None, or the function to decorate, not {kind(maxsize)}")
    options: dict[str, Any] = {
        "key": key,
        "ttl": ttl,
        "jitter": jitter,
        "max_bytes": max_bytes,
        "weigh": weigh,
        "policy": policy,
        "cache_exceptions": cache_exceptions,
        "copy": copy,
        "once": once,
        "timer": timer,
        "tier": tier,
    }
    decorate = decorator(who, maxsize, typed, per_instance, options)
    return decorate if function is None else decorate(function)


def cache(function: Callable[Parameters, Result], /) -> CachedFunction[Parameters, Result]:
    """Caches what a function returns, by its arguments, without bound: ``functools.cache``, faster."""
    decorated: CachedFunction[Parameters, Result] = decorator("cache", None, False, False, {})(function)
    return decorated


@overload
def ttl_cache(
    ttl: float, maxsize: int | None = 128, *, per_instance: Literal[False] = False, **options: Unpack[TtlOptions]
) -> Decorator: ...
@overload
def ttl_cache(
    ttl: float, maxsize: int | None = 128, *, per_instance: Literal[True], **options: Unpack[TtlOptions]
) -> MethodDecorator: ...
def ttl_cache(
    ttl: float,
    maxsize: int | None = 128,
    *,
    typed: bool = False,
    stale: float | None = None,
    key: Callable[..., Hashable] | None = None,
    jitter: float | None = None,
    max_bytes: int | None = None,
    weigh: Callable[[Any], int] | None = None,
    policy: str = "lru",
    cache_exceptions: Exceptions = None,
    copy: bool | Callable[[Any], Any] | None = None,
    per_instance: bool = False,
    timer: Callable[[], float] | None = None,
    tier: Any = None,
) -> Any:
    """Caches what a function returns, by its arguments, for ``ttl`` seconds. Calls at a time for one key are one call.

    For ``stale`` seconds after that the old result is served while one call gets the new one. What runs out never is
    served otherwise. All other options are those of ``lru_cache``.
    """
    who = "ttl_cache"
    if ttl is None or callable(ttl) or isinstance(ttl, (property, classmethod)):
        raise TypeError(f"{who}: the seconds for which results are kept are needed first, as in @ttl_cache(60)")
    options: dict[str, Any] = {
        "ttl": ttl,
        "stale": stale,
        "key": key,
        "jitter": jitter,
        "max_bytes": max_bytes,
        "weigh": weigh,
        "policy": policy,
        "cache_exceptions": cache_exceptions,
        "copy": copy,
        "timer": timer,
        "tier": tier,
    }
    return decorator(who, maxsize, typed, per_instance, options, once=True)


UNSAID = {"policy": "lru", "once": False, "copy": False, "cache_exceptions": False}


def decorator(
    who: str, maxsize: Any, typed: Any, per_instance: bool, options: dict[str, Any], *, once: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """What decorates functions with these options, which are checked now."""
    told = {"maxsize": maxsize, "typed": typed}  # as it was said: functools tells None as None
    typed = bool(typed)
    told |= {name: value for name, value in options.items() if value is not None and value is not UNSAID.get(name)}
    if flag(who, "per_instance", per_instance):
        told["per_instance"] = True
    tier = options.pop("tier", None)
    taken = options | {"maxsize": maxsize, "typed": typed, "info_type": functools._CacheInfo}
    taken["once"] = flag(who, "once", options.get("once", False)) or once or tier is not None
    taken["key"] = function_or_none(who, "key", options.get("key"), "a function of a call's arguments")
    taken["copy"] = copier(who, options.get("copy"))
    taken["cache_exceptions"] = kept_exceptions(who, options.get("cache_exceptions"))
    if tier is not None and per_instance:
        raise ValueError(f"{who}: with per_instance each instance has a cache, and a tier is one for all processes")
    cached_type: Any = CachedMethod if per_instance else CachedFunction

    def made(function: Callable[..., Any], coroutine: bool) -> Any:
        return say(who, lambda: cached_type(function, coroutine=coroutine, **taken))

    def decorate(function: Callable[..., Any], /) -> Any:
        coroutine = is_coroutine_function(who, function)
        tiered = None if tier is None else attached(who, function, coroutine, tier, taken)
        wrapper = made(function if tiered is None else tiered.load, coroutine)
        functools.update_wrapper(wrapper, function)
        if coroutine:
            _coroutines.mark(wrapper, function)
        # After update_wrapper, which takes over what a cache below this one has under that name.
        wrapper.cache_parameters = told.copy
        if tiered is not None:
            tiered.bind(wrapper)
        return wrapper

    made(len, False)  # the type checks what it is given, and a wrong option is told here, where it stands
    return decorate


def attached(who: str, function: Callable[..., Any], coroutine: bool, tier: Any, taken: dict[str, Any]) -> Tiered:
    """What loads in place of `function`: from the tier where that has the result."""
    from outpace import _tier

    options = {name: taken.get(name) for name in ("key", "ttl", "jitter", "stale")}
    return _tier.attach(function, tier, who=who, coroutine=coroutine, typed=taken["typed"], **options)


# ---- options ----------------------------------------------------------------------------------------------------------


def kind(value: object) -> str:
    return repr(value) if value is None or isinstance(value, bool) else type(value).__name__


def say(who: str, make: Callable[[], Any]) -> Any:
    """What `make` gives. Where the extension module refuses an option, the error tells whose it is."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        told = TypeError if isinstance(error, TypeError) else ValueError
        raise told(f"{who}: {error}") from None


def flag(who: str, name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{who}: {name} must be True or False, not {kind(value)}")
    return value


def function_or_none(who: str, name: str, value: Any, what: str) -> Callable[..., Any] | None:
    if value is not None and not callable(value):
        raise TypeError(f"{who}: {name} must be {what}, not {kind(value)}")
    function: Callable[..., Any] | None = value
    return function


def copier(who: str, value: object) -> Callable[[Any], Any] | None:
    if value is None or value is False:
        return None
    if value is True:
        from copy import deepcopy

        return deepcopy
    return function_or_none(who, "copy", value, "True, or a function that copies a result")


def kept_exceptions(who: str, value: Any) -> tuple[tuple[type[Exception], float | None], ...] | None:
    """Pairs of a class and the seconds for which its exceptions are kept, None for those of results. A class stands before
    its bases, as the first that matches counts."""
    if value is None or value is False:
        return None
    if value is True:
        value = Exception
    seconds = value if isinstance(value, Mapping) else {}
    kept: list[tuple[type[Exception], float | None]] = []
    for each in value if isinstance(value, (Mapping, tuple, list, set, frozenset)) else (value,):
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            what = f"the class {each.__name__}" if isinstance(each, type) else f"an instance of {type(each).__name__}"
            raise TypeError(
                f"{who}: cache_exceptions must be an exception class, a tuple of them, or a dict of the seconds for each;"
                f" {what} is none"
            )
        if not issubclass(each, Exception):
            raise TypeError(f"{who}: cache_exceptions: {each.__name__} is no Exception: it ends a program, and is never kept")
        name = f"{who}: cache_exceptions: {each.__name__}"
        say(name, functools.partial(Loaded, None, seconds.get(each)))
        kept.append((each, seconds.get(each)))
    kept.sort(key=lambda pair: -len(pair[0].__mro__))  # which is longer than that of each base
    return tuple(kept) or None


# ---- functions --------------------------------------------------------------------------------------------------------


def refuse_descriptor(who: str, function: object) -> None:
    """What a class makes of a function is no function: the cache has to stand below that."""
    for refused in (property, classmethod, functools.cached_property):
        if isinstance(function, refused):
            name = refused.__name__
            hint = "which caches already" if name == "cached_property" else f"put @{name} above @{who}, so that it comes last"
            raise TypeError(f"{who}: a function to decorate is needed, not a {name}: {hint}")


def is_coroutine_function(who: str, function: Any) -> bool:
    """Whether calls of `function` give coroutines. TypeError where it can't be cached."""
    refuse_descriptor(who, function)
    if not callable(function):
        raise TypeError(f"{who}: the first argument must be callable, a function to decorate, not {kind(function)}")
    if _coroutines.are_given_by(function):
        return True
    flags = _coroutines.flags_of(function)
    if flags & (_coroutines.GENERATOR | _coroutines.ASYNC_GENERATOR):
        what = "a generator function" if flags & _coroutines.GENERATOR else "an asynchronous generator function"
        name = getattr(function, "__qualname__", None) or repr(function)
        raise TypeError(
            f"{who}: {name} is {what}: what it returns is used up by whoever goes through it first, so from a cache it would"
            " be empty the second time; return a list or a tuple"
        )
    return False
