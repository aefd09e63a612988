# SPDX-License-Identifier: MIT
"""The libraries, each in the cheapest form that does what the case asks. Runs in the measured interpreter: Python 3.10+, alone.

A recipe makes what a case uses: of a function, a decorated one; of `method`, an object with a method m; of `mapping`, a mapping.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

from cases import MAXSIZE

HOUR = 3600
Recipes = dict[str, Callable[[Any], Any]]


def with_method(decorate: Callable[[Any], Any], needs: Callable[[], Any] | None = None) -> Callable[[Any], Any]:
    """An object whose method m is decorated; in `cache` it has what its library wants to find there."""

    def make(function: Any) -> Any:
        def m(self: Any, a: Any) -> Any:
            return function(a)

        thing = type("Thing", (), {"m": decorate(m)})()
        if needs is not None:
            thing.cache = needs()
        return thing

    return make


def filled(cache: Any) -> Any:
    cache[1] = 2
    return cache


class Plain:
    def m(self, a: Any) -> Any:
        return a


def nothing(_library: ModuleType) -> Recipes:
    """What all else stands on: no cache at all, and a dict for a mapping."""

    def plain(function: Any) -> Any:
        return function

    return {"lru": plain, "async": plain, "method": lambda _: Plain(), "mapping": lambda _: filled({})}


def functools_recipes(library: ModuleType) -> Recipes:
    return {"lru": library.lru_cache(maxsize=MAXSIZE), "typed": library.lru_cache(maxsize=MAXSIZE, typed=True),
            "unbounded": library.cache, "method": with_method(library.lru_cache(maxsize=MAXSIZE))}


def outpace_recipes(library: ModuleType) -> Recipes:
    """Each asks for its name late: what is not there leaves an empty cell."""
    return {"lru": lambda function: library.lru_cache(maxsize=MAXSIZE)(function),
            "typed": lambda function: library.lru_cache(maxsize=MAXSIZE, typed=True)(function),
            "unbounded": lambda function: library.cache(function),
            "once": lambda function: library.lru_cache(maxsize=MAXSIZE, once=True)(function),
            "ttl": lambda function: library.ttl_cache(HOUR, maxsize=MAXSIZE)(function),
            "method": with_method(lambda method: library.lru_cache(maxsize=MAXSIZE)(method)),
            "async": lambda function: library.lru_cache(maxsize=MAXSIZE)(function),
            "mapping": lambda _: filled(library.Cache(MAXSIZE)),
            "ttl mapping": lambda _: filled(library.Cache(MAXSIZE, ttl=HOUR))}


def s3fifo_recipes(library: ModuleType) -> Recipes:
    return {"lru": lambda function: library.lru_cache(maxsize=MAXSIZE, policy="s3fifo")(function),
            "mapping": lambda _: filled(library.Cache(MAXSIZE, policy="s3fifo"))}


def cachetools_recipes(library: ModuleType) -> Recipes:
    """Without a lock, but where one load a key is asked for."""
    from threading import Condition

    typed = importlib.import_module("cachetools.keys").typedkey

    def once(function: Any) -> Any:
        return library.cached(library.LRUCache(MAXSIZE), condition=Condition())(function)

    return {"lru": lambda function: library.cached(library.LRUCache(MAXSIZE))(function),
            "typed": lambda function: library.cached(library.LRUCache(MAXSIZE), key=typed)(function),
            "unbounded": lambda function: library.cached({})(function),
            "ttl": lambda function: library.cached(library.TTLCache(MAXSIZE, HOUR))(function),
            "once": once,
            "method": with_method(library.cachedmethod(operator.attrgetter("cache")), lambda: library.LRUCache(MAXSIZE)),
            "mapping": lambda _: filled(library.LRUCache(MAXSIZE)),
            "ttl mapping": lambda _: filled(library.TTLCache(MAXSIZE, HOUR))}


def cachebox_recipes(library: ModuleType) -> Recipes:
    """Without its copies of results, and without one load a key but where that is asked for or it is of a coroutine."""

    def cached(cache: Any, lock: bool = False, **more: Any) -> Any:
        return library.cached(cache, postprocess=None, lock=lock, **more)

    return {"lru": lambda function: cached(library.LRUCache(MAXSIZE))(function),
            "typed": lambda function: cached(library.LRUCache(MAXSIZE), key_maker=library.make_typed_key)(function),
            "unbounded": lambda function: cached(library.Cache(0))(function),
            "ttl": lambda function: cached(library.TTLCache(MAXSIZE, HOUR))(function),
            "once": lambda function: cached(library.LRUCache(MAXSIZE), lock=True)(function),
            "method": with_method(cached(operator.attrgetter("cache")), lambda: library.LRUCache(MAXSIZE)),
            "async": lambda function: cached(library.LRUCache(MAXSIZE), lock=True)(function),
            "mapping": lambda _: library.LRUCache(MAXSIZE, {1: 2}),
            "ttl mapping": lambda _: library.TTLCache(MAXSIZE, HOUR, {1: 2})}


def theine_recipes(library: ModuleType) -> Recipes:
    """Without its locks, but where one load a key is asked for."""

    def memoize(ttl: timedelta | None = None, **more: Any) -> Callable[[Any], Any]:
        return lambda function: library.Memoize(MAXSIZE, ttl, **more)(function)

    return {"lru": memoize(nolock=True), "typed": memoize(typed=True, nolock=True),
            "ttl": memoize(timedelta(seconds=HOUR), nolock=True), "once": memoize(), "async": memoize(nolock=True),
            "method": with_method(memoize(nolock=True))}


def dogpile_recipes(library: ModuleType) -> Recipes:
    """In memory, where it evicts nothing. One load a key always."""
    keys = importlib.import_module("dogpile.cache.util").kwarg_function_key_generator

    def region(**more: Any) -> Callable[[Any], Any]:
        def decorate(function: Any) -> Any:
            made = library.make_region(function_key_generator=keys).configure("dogpile.cache.memory", **more)
            return made.cache_on_arguments()(function)
        return decorate

    return {"lru": region(), "unbounded": region(), "once": region(), "ttl": region(expiration_time=HOUR)}


def async_lru_recipes(library: ModuleType) -> Recipes:
    return {"async": library.alru_cache(maxsize=MAXSIZE)}


def cachetools_async_recipes(library: ModuleType) -> Recipes:
    caches = importlib.import_module("cachetools")
    return {"async": lambda function: library.cached(caches.LRUCache(MAXSIZE))(function)}


def aiocache_recipes(library: ModuleType) -> Recipes:
    """In memory, where it evicts nothing; it has no one load a key."""
    return {"async": lambda function: library.cached()(function)}


def cashews_recipes(library: ModuleType) -> Recipes:
    def decorate(function: Any) -> Any:
        cache = library.Cache()
        cache.setup("mem://", size=MAXSIZE)
        return cache(ttl=HOUR)(function)

    return {"async": decorate}


# Name of the column, module, recipes.
LIBRARIES: dict[str, tuple[str, Callable[[ModuleType], Recipes]]] = {
    "no cache": ("builtins", nothing),
    "functools": ("functools", functools_recipes),
    "outpace": ("outpace", outpace_recipes),
    "outpace, s3fifo": ("outpace", s3fifo_recipes),
    "cachetools": ("cachetools", cachetools_recipes),
    "cachebox": ("cachebox", cachebox_recipes),
    "theine": ("theine", theine_recipes),
    "dogpile.cache": ("dogpile.cache", dogpile_recipes),
    "async-lru": ("async_lru", async_lru_recipes),
    "cachetools-async": ("cachetools_async", cachetools_async_recipes),
    "aiocache": ("aiocache", aiocache_recipes),
    "cashews": ("cashews", cashews_recipes),
}


@functools.cache
def recipes_of(name: str) -> Recipes | str:
    """Why there are none, where it cannot be imported here."""
    module, make = LIBRARIES[name]
    try:
        return make(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
