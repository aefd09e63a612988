# SPDX-License-Identifier: MIT
"""The second tier of a cache: what is found in a server that anybody may write to, and what is refused."""

from __future__ import annotations

import shutil

import pytest
from tier_places import Server, Start, Worker, alone, key_of, server, space, start

__all__ = ["alone", "server", "space", "start"]  # fixtures
pytest.importorskip("redis", reason="redis-py is not installed: run tools/setup.sh")
pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server: run tools/setup.sh")


# ---- a hostile server ---------------------------------------------------------------------------------------------------

NAMES = ["hits", "misses", "writes", "errors", "skipped", "lock_waits", "overruns", "lost", "unreadable", "unfit"]
GENERATION = b"0123456789abcdef"
HEAD = b"1j" + b"f" * 16


def planted(generation: bytes) -> dict[str, bytes]:
    import pickle

    return {
        "nothing of ours": b"hello",
        "a pickle": pickle.dumps({"of": 1}),
        "a pickle in our form": HEAD + generation + pickle.dumps({"of": 1}),
        "a pickle under its own name": b"1x" + HEAD[2:] + generation + pickle.dumps({"of": 1}),
        "no UTF-8": HEAD + generation + b'"\xff\xfe"',
        "cut short": HEAD + generation[:-1],
        "nothing": HEAD + generation,
        "half a text": HEAD + generation + b'{"of": ',
        "deep": HEAD + generation + b"[" * 100_000,
        "a huge number": HEAD + generation + b"9" * 100_000,
        "more than may be": HEAD + generation + b'"' + b"x" * 1_000_000 + b'"',
    }


@pytest.mark.parametrize("what", planted(GENERATION))
def test_what_is_no_value_is_none(server: Server, alone: Worker, what: str) -> None:
    alone.ask("load(0), load.cache_invalidate(1), ran.clear()")
    generation = server.raw.get(key_of("alone", "load", "gen"))
    assert isinstance(generation, bytes)
    server.raw.set(key_of("alone", "load", "[1]"), planted(generation)[what])
    line = "before = load.tier_stats(); load(1); after = load.tier_stats()"
    assert alone.ask(line) is None
    assert alone.ask("load(1), ran") == ({"of": 1, "by": alone.pid}, [1])
    changes = alone.ask("[after[at] - before[at] for at in range(10)]")
    assert dict(zip(NAMES, changes)) == dict.fromkeys(NAMES, 0) | {"misses": 1, "writes": 1, "unreadable": 2}
    found = server.raw.get(key_of("alone", "load", "[1]"))  # it was replaced
    assert isinstance(found, bytes) and found.endswith(b'{"of":1,"by":%d}' % alone.pid)


@pytest.mark.parametrize("part", ["value", "lock", "generation"])
def test_a_key_of_another_type_is_replaced(server: Server, alone: Worker, part: str) -> None:
    alone.ask("load.cache_clear(), ran.clear()")
    value, generation = key_of("alone", "load", "[1]"), key_of("alone", "load", "gen")
    keys = {"value": value, "generation": generation, "lock": value.replace(":1:", ":!1:")}
    server.raw.delete(value)
    server.raw.rpush(keys[part], "a", "list")
    assert alone.ask("load(1), load(1), ran") == ({"of": 1, "by": alone.pid},) * 2 + ([1],)
    assert server.raw.type(value) == server.raw.type(generation) == b"string"
    assert not server.raw.exists(keys["lock"])


def test_a_lock_without_an_end_is_nobodys(server: Server, alone: Worker) -> None:
    alone.ask("load.cache_clear(), ran.clear()")
    server.raw.set("alone:!1:program.load:[1]", "mine")
    assert alone.ask("load(1), ran") == ({"of": 1, "by": alone.pid}, [1])
    assert server.raw.exists(key_of("alone", "load", "[1]"))


def test_pickle_is_used_where_the_program_says_so(server: Server, start: Start) -> None:
    options = "{'serializer': __import__('pickle')}"
    one, two = start(server, options), start(server, options)
    one.ask("give = {(1, 2): {3}}")
    one.ask("wide(1)")
    assert two.ask("wide(1), ran") == ({(1, 2): {3}}, [])
    # What is no value of pickle's is none, either.
    three = start(server)
    assert three.ask("load(1), stats(load, 'unreadable')")[1] == {"unreadable": 0}


def test_bytes_are_bytes(server: Server, start: Start, space: str) -> None:
    one, two = start(server, "{'serializer': 'bytes'}"), start(server, "{'serializer': 'bytes'}")
    one.ask("give = bytes(range(256))")
    one.ask("wide(1)")
    assert two.ask("wide(1), ran") == (bytes(range(256)), [])
    assert two.ask("load(1)['of'], stats(load, 'unfit')") == (1, {"unfit": 1})


@pytest.mark.parametrize("value", ["(1, 2)", "{1: 2}", "{1, 2}", "[1, (2,)]", "'\\ud800'", "b'bytes'", "'x' * 200_000", "len"])
def test_what_would_not_come_back_as_it_was_stays_here(server: Server, alone: Worker, value: str) -> None:
    alone.ask(f"wide.cache_clear(), ran.clear(), told.clear(), tier._warned.clear(), globals().update(give={value})")
    assert alone.ask("before = wide.tier_stats()") is None
    assert alone.ask("wide(1) is give and wide(1) is give, ran") == (True, [1])
    assert alone.ask("wide(2) is give, ran") == (True, [1, 2])
    assert alone.ask("[wide.tier_stats()[at] - before[at] for at in range(10)]")[NAMES.index("unfit")] == 2
    assert not server.raw.exists(key_of("alone", "wide", "[1]"))
    (warning,) = alone.ask("told")
    assert warning.startswith("RuntimeWarning: outpace: a result of program.wide stays out of the cache's second tier: ")


# ---- what is refused ----------------------------------------------------------------------------------------------------


def test_a_client_is_one_tier(server: Server, start: Start, space: str) -> None:
    one = start(server)
    one.ask("one = outpace.lru_cache(tier=raw)(load.__wrapped__)")
    one.ask("two = outpace.ttl_cache(5, tier=raw)(wide.__wrapped__)")
    assert one.ask("one.tier is two.tier, one.tier.prefix, one(space)['of'] == space") == (True, "outpace:1:", True)


CLOSURES = """
def times(n):
    def f(x):
        return n * x
    return f
"""


@pytest.mark.parametrize(
    "line, error",
    [
        ("load([])", "TypeError: load(): argument 1: unhashable type: 'list'"),
        ("load(object())", "TypeError: load(): argument 1, of type object, cannot stand in the key of a tier"),
        ("load(unit=frozenset())", "TypeError: load(): argument 'unit', of type frozenset, cannot stand in the key of a tier"),
        ("load((1, (2, int)))", "TypeError: load(): argument 1, of type type, cannot stand in"),
        ("outpace.lru_cache(tier=5)(load.__wrapped__)", "TypeError: lru_cache: tier is a client of redis-py or valkey-py"),
        ("outpace.Tier(server.RedisCluster)", "TypeError: Tier: tier is a client of redis-py or valkey-py (Redis, Valkey,"),
        ("outpace.ttl_cache(1, tier='x')(load.__wrapped__)", "TypeError: ttl_cache: tier is a client of redis-py"),
        ("outpace.lru_cache(tier=tier)(later.__wrapped__)", "TypeError: lru_cache: an async def takes a tier whose client is of"),
        ("outpace.lru_cache(tier=tier_later)(load.__wrapped__)", "TypeError: lru_cache: a client of asyncio serves async def"),
        (
            "outpace.Tier(__import__('redis.asyncio.sentinel').asyncio.sentinel.Sentinel([('127.0.0.1', 1)]).master_for('x'))",
            "TypeError: Tier: the clients of asyncio's Sentinel are of one loop",
        ),
        ("outpace.lru_cache(tier=tier, per_instance=True)", "ValueError: lru_cache: with per_instance each instance has a cache"),
        ("outpace.lru_cache(tier=tier)(lambda: 1)", "ValueError: lru_cache: <lambda> does not tell which function it is"),
        ("outpace.Tier(raw, namespace='')", "ValueError: Tier: namespace is of 1 to 200 printable characters"),
        ("outpace.Tier(raw, namespace=b'x')", "TypeError: Tier: namespace is a str, and this one is of type bytes"),
        ("outpace.Tier(raw, version='a:b')", "ValueError: Tier: version is of letters, digits and ._- only"),
        ("outpace.Tier(raw, version=1.5)", "TypeError: Tier: version is an int or a str"),
        ("outpace.Tier(raw, serializer='pickle')", 'TypeError: Tier: serializer is "json", "bytes", or an object with'),
        ("outpace.Tier(raw, ttl=0)", "ValueError: Tier: ttl is from 0.001 to 1000000000 seconds, not 0"),
        ("outpace.Tier(raw, ttl=float('nan'))", "ValueError: Tier: ttl is from 0.001"),
        ("outpace.Tier(raw, timeout='1')", "TypeError: Tier: timeout is a number of seconds"),
        ("outpace.Tier(raw, lock_seconds=-1)", "ValueError: Tier: lock_seconds is from 0.001"),
        ("outpace.Tier(raw, max_value_bytes=0)", "ValueError: Tier: max_value_bytes is from 1"),
        ("outpace.Tier(raw, tracking=1)", "TypeError: Tier: tracking is True or False"),
        ("outpace.Tier(raw, name='a:b')", "ValueError: Tier: name has no colon"),
    ],
)
def test_what_is_refused(alone: Worker, line: str, error: str) -> None:
    assert str(alone.ask(line)).startswith(error)


def test_a_closure_has_no_name_but_one_that_is_given(alone: Worker) -> None:
    alone.ask(f"exec({CLOSURES!r}, globals())")
    assert str(alone.ask("outpace.lru_cache(tier=tier)(times(2))")).startswith("ValueError: lru_cache: times.<locals>.f does not")
    alone.ask("made = outpace.lru_cache(tier=outpace.Tier(raw, namespace='alone', name='twice'))(times(2))")
    assert alone.ask("made(4), raw.exists('alone:1:twice:[4]')") == (8, 1)
    other = "outpace.lru_cache(tier=made.tier)(wide.__wrapped__)"
    assert alone.ask(other) == "ValueError: lru_cache: the Tier with name='twice' belongs to another function"
    assert alone.ask("made.tier.close()") is None
