# SPDX-License-Identifier: MIT
"""The types of the caches, as programs see them. mypy and pyright check this file: what is asserted is so, and what is marked
as an error is one. It also runs, for what is said here about types has to be so of the values.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Hashable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

import outpace

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value, _type):
        return value


T = TypeVar("T")

# ---- functions keep their signature ------------------------------------------------------------------------------------


@outpace.lru_cache
def bare(a: int, b: str = "") -> float:
    return float(a)


@outpace.lru_cache()
def called(a: int, *, b: str) -> list[str]:
    return [b] * a


@outpace.lru_cache(maxsize=None, typed=True, ttl=5.0, jitter=1.0, policy="s3fifo", max_bytes=10**6, weigh=len, once=True)
def full(a: int, /) -> bytes:
    return bytes(a)


@outpace.lru_cache(100, key=str.casefold, copy=True, cache_exceptions={KeyError: 3.0, ValueError: None})
def keyed(a: str) -> list[str]:
    return [a]


@outpace.cache
def unbounded(*parts: str, **named: int) -> int:
    return len(parts) + sum(named.values())


@outpace.ttl_cache(60, stale=10, cache_exceptions=(KeyError, OSError))
def expiring(a: int) -> dict[str, int]:
    return {"a": a}


@outpace.lru_cache
def anything(text: str) -> Any:
    return json.loads(text)


@outpace.lru_cache
def same(value: T) -> T:
    return value


def plain(a: int) -> str:
    return str(a)


@outpace.cache
class Point:
    def __init__(self, x: int, y: int = 0) -> None:
        self.x = x


def functions() -> None:
    assert_type(bare(1), float)
    assert_type(bare(a=1, b="x"), float)
    assert_type(called(1, b="x"), list[str])
    assert_type(full(1), bytes)
    assert_type(keyed("x"), list[str])
    assert_type(unbounded("x", "y", z=3), int)
    assert_type(expiring(1), dict[str, int])
    assert_type(anything("3"), Any)
    assert_type(same("x"), str)
    assert_type(same(3), int)
    assert_type(outpace.lru_cache(plain)(3), str)
    assert_type(outpace.lru_cache(10)(plain)(3), str)
    assert_type(outpace.ttl_cache(10)(plain)(3), str)
    assert_type(Point(1, y=2).x, int)
    assert_type(bare.__wrapped__(3), float)
    assert_type(bare.__name__, str)


def wrong_arguments() -> None:
    bare("1")  # type: ignore[arg-type]
    bare()  # type: ignore[call-arg]
    bare(1, c=2)  # type: ignore[call-arg]
    called(1, "x")  # type: ignore[call-arg]
    full(a=1)  # type: ignore[call-arg]
    unbounded(1)  # type: ignore[arg-type]
    expiring(None)  # type: ignore[arg-type]
    Point("1")  # type: ignore[arg-type]


def wrong_options() -> None:
    outpace.lru_cache("100")  # type: ignore[call-overload]
    outpace.lru_cache(policy="fifo")  # type: ignore[call-overload]
    outpace.lru_cache(ttl="5")  # type: ignore[call-overload]
    outpace.lru_cache(stale=5)  # type: ignore[call-overload]
    outpace.lru_cache(cache_exceptions=KeyError("x"))  # type: ignore[call-overload]
    outpace.ttl_cache()  # type: ignore[call-overload]
    outpace.ttl_cache(5, once=True)  # type: ignore[call-overload]
    outpace.ttl_cache(plain)  # type: ignore[call-overload]
    outpace.cache(3)  # type: ignore[arg-type]


# ---- what is kept, and the statistics -----------------------------------------------------------------------------------


def control() -> None:
    bare(1)
    assert_type(bare.cache_info().hits, int)
    assert_type(bare.cache_stats().load_time, float)
    assert_type(bare.cache_parameters(), dict[str, Any])
    assert_type(bare.cache_contains(1), bool)
    assert_type(bare.cache_peek(a=1) if bare.cache_contains(a=1) else 0.5, float)
    bare.cache_put(2.5, 1, b="x")
    assert_type(bare.cache_peek(1, b="x"), float)
    assert_type(bare.cache_invalidate(1, b="x"), bool)
    bare.cache_clear()
    anything.cache_put({}, "{}")


def wrong_control() -> None:
    bare.cache_put("2.5", 1)  # type: ignore[arg-type]
    bare.cache_put(2.5, "1")  # type: ignore[arg-type]
    bare.cache_contains("1")  # type: ignore[arg-type]
    bare.cache_peek()  # type: ignore[call-arg]
    bare.cache_invalidate(1, c=3)  # type: ignore[call-arg]
    bare.cache_nothing()  # type: ignore[attr-defined]


# ---- coroutines ---------------------------------------------------------------------------------------------------------


@outpace.lru_cache
async def fetch(url: str, *, limit: int = 1) -> bytes:
    await asyncio.sleep(0)
    return url.encode()[:limit]


@outpace.ttl_cache(30, stale=10)
async def refreshed(url: str) -> list[str]:
    return [url]


async def coroutines() -> None:
    assert_type(await fetch("x", limit=3), bytes)
    assert_type(await refreshed("x"), list[str])
    assert_type(await asyncio.create_task(fetch("x")), bytes)
    first, second = await asyncio.gather(fetch("x"), refreshed("y"))
    assert_type(first, bytes)
    assert_type(second, list[str])
    assert_type(fetch.cache_peek("x"), bytes)
    fetch.cache_put(b"", "y")
    assert_type(fetch.cache_invalidate("x", limit=3), bool)


async def wrong_coroutines() -> None:
    await fetch(3)  # type: ignore[arg-type]
    await fetch("x", 3)  # type: ignore[call-arg]
    fetch.cache_put("text", "x")  # type: ignore[call-overload]
    fetch.cache_peek(3)  # type: ignore[call-overload]


# ---- methods ------------------------------------------------------------------------------------------------------------


class Shop:
    @outpace.lru_cache
    def price(self, article: str, *, currency: str = "EUR") -> float:
        return float(len(article))

    @outpace.ttl_cache(60)
    async def stock(self, article: str) -> int:
        return len(article)

    @classmethod
    @outpace.lru_cache(maxsize=None)
    def of(cls, name: str) -> list[str]:
        return [name]

    @staticmethod
    @outpace.cache
    def tax(country: str) -> float:
        return 0.2

    @property
    @outpace.cache
    def name(self) -> str:
        return "shop"

    @outpace.lru_cache(maxsize=10, per_instance=True)
    def orders(self, year: int) -> list[int]:
        return [year]

    @outpace.ttl_cache(60, per_instance=True)
    async def visits(self, year: int) -> int:
        return year


class Branch(Shop):
    pass


async def methods() -> None:
    shop = Branch()
    assert_type(shop.price("x", currency="USD"), float)
    assert_type(Shop.price(shop, "x"), float)
    assert_type(shop.price.cache_info().hits, int)
    assert_type(Shop.price.cache_peek(shop, "x"), float)
    assert_type(Shop.price.cache_invalidate(shop, "x"), bool)
    assert_type(await shop.stock("x"), int)
    assert_type(Shop.of("x"), list[str])
    assert_type(shop.of("x"), list[str])
    assert_type(Shop.tax("x"), float)
    assert_type(shop.tax("x"), float)
    assert_type(shop.name, str)
    assert_type(shop.orders(3), list[int])
    assert_type(Shop.orders(shop, 3), list[int])
    assert_type(shop.orders.cache_peek(3), list[int])
    assert_type(shop.orders.cache_invalidate(3), bool)
    assert_type(await shop.visits(3), int)
    assert_type(shop.visits.cache_peek(3), int)


async def wrong_methods(shop: Shop) -> None:
    shop.price(3)  # type: ignore[call-overload]
    shop.price("x", "EUR")  # type: ignore[call-overload]
    Shop.price(shop, 3)  # type: ignore[call-overload]
    await shop.stock()  # type: ignore[call-overload]
    Shop.of(3)  # type: ignore[call-overload]
    Shop.tax(3)  # type: ignore[call-overload]
    shop.orders("x")  # type: ignore[arg-type]
    shop.orders.cache_put(["x"], 3)  # type: ignore[list-item]
    Shop.orders(3)  # type: ignore[arg-type, call-arg]


# ---- caches of keys and values ------------------------------------------------------------------------------------------


def length(word: str) -> int:
    return len(word)


async def slow_length(word: str) -> int:
    return len(word)


async def mappings() -> None:
    words: outpace.Cache[str, int] = outpace.Cache(100, ttl=5, jitter=1, max_bytes=10**6, weigh=lambda n: n, policy="s3fifo")
    words["x"] = 1
    words.set("y", 2, ttl=3.5)
    assert_type(words["x"], int)
    assert_type(words.get("x"), int | None)
    assert_type(words.get("x", 0), int)
    assert_type(words.get("x", "none"), int | str)
    assert_type(words.peek("x"), int)
    assert_type(words.get_or_load("xyz", length), int)
    assert_type(await words.get_or_load("xyzz", slow_length), int)
    assert_type(words.pop("x"), int)
    assert_type(words.pop("x", None), int | None)
    assert_type(words.setdefault("x", 3), int)
    assert_type([*words], list[str])
    assert_type(dict(words.items()), dict[str, int])
    assert_type(words.stats().hits, int)
    assert_type(words.currsize, int)
    as_mapping: MutableMapping[str, int] = words
    assert_type(len(as_mapping), int)

    short = outpace.TTLCache[str, bytes](ttl_seconds=300, maxsize=None)
    short.set("k", b"v")
    assert_type(short.get("k"), bytes | None)


async def wrong_mappings(words: outpace.Cache[str, int]) -> None:
    words[3] = 1  # type: ignore[index]
    words["x"] = "1"  # type: ignore[assignment]
    words.set("x", "1")  # type: ignore[arg-type]
    words.get_or_load("x", str.upper)  # type: ignore[arg-type]
    outpace.Cache("100")  # type: ignore[arg-type]
    outpace.Cache(policy="fifo")  # type: ignore[arg-type]
    outpace.TTLCache()  # type: ignore[call-arg]


# ---- a second tier: these types need a server to run ---------------------------------------------------------------------


def tiers(client: Any) -> None:
    shop = outpace.Tier(client, namespace="shop", version=3, ttl=3600)

    @outpace.lru_cache(maxsize=10_000, tier=shop)
    def price(article: str) -> float:
        return float(len(article))

    assert_type(price("x"), float)
    assert_type(price.tier_stats().hits, int)
    assert_type(price.tier, outpace.Tier)
    price(3)  # type: ignore[arg-type]


# ---- what takes a decorator, or a decorated function ---------------------------------------------------------------------


def apply(function: Callable[[int], str]) -> str:
    return function(3)


def passed_on() -> None:
    assert_type(apply(outpace.lru_cache(plain)), str)
    hashable: Hashable = bare
    assert_type(hash(hashable), int)


if __name__ == "__main__":
    functions()
    control()
    passed_on()
    asyncio.run(coroutines())
    asyncio.run(methods())
    asyncio.run(mappings())
