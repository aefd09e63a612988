# SPDX-License-Identifier: MIT
"""The second tier of the caches of coroutines, with redis-py's asyncio: the same as test_cache_tier.py, and loops."""

from __future__ import annotations

import shutil
import signal

import pytest
from tier_places import Server, Start, own_server, server, space, start, until

__all__ = ["own_server", "server", "space", "start"]  # fixtures
pytest.importorskip("redis", reason="redis-py is not installed: run tools/setup.sh")
pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server: run tools/setup.sh")


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_what_one_process_loaded_the_other_reads(server: Server, start: Start, library: str) -> None:
    pytest.importorskip(library)
    one, two = start(server, library=library), start(server, library=library)
    assert one.ask("wait(later(1)), wait(later(1))") == ({"of": 1, "by": one.pid},) * 2
    assert two.ask("wait(later(1)), wait(later(1)), ran") == ({"of": 1, "by": one.pid},) * 2 + ([],)
    assert one.ask("stats(later, 'hits', 'misses', 'writes')") == {"hits": 0, "misses": 1, "writes": 1}
    assert two.ask("stats(later, 'hits', 'misses', 'writes')") == {"hits": 1, "misses": 0, "writes": 0}


def test_many_at_a_time(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    for worker in (one, two):
        worker.ask("async def all(): return await asyncio.gather(*[later(x % 30) for x in range(300)])")
        worker.say("[each['of'] for each in wait(all())] == [x % 30 for x in range(300)]")
    assert one.hear() is two.hear() is True
    line = "stats(later, 'errors', 'skipped', 'overruns', 'lost', 'unreadable')"
    assert [*one.ask(line).values(), *two.ask(line).values()] == [0] * 10
    assert sorted(one.ask("ran") + two.ask("ran")) == [*range(30)]
    assert len(server.raw.client_list()) < 100  # not a connection a task


def test_of_all_processes_one_loads(server: Server, start: Start, space: str) -> None:
    workers = [start(server) for _ in range(3)]
    for worker in workers:
        worker.ask("wait(later(0))")
        worker.say("wait(slow_later(7))")
    assert server.raw.blpop([space + ".began"], 30)
    before = server.calls("getrange")
    until(lambda: server.calls("getrange") > before + 12)
    server.raw.rpush(space + ".go", "on")
    answers = [worker.hear() for worker in workers]
    assert len({str(answer) for answer in answers}) == 1 and answers[0]["of"] == 7
    assert sum(worker.ask("ran.count(7)") for worker in workers) == 1
    assert sum(worker.ask("stats(slow_later, 'lock_waits')['lock_waits']") for worker in workers) == 2


@pytest.mark.parametrize("how", ["fail", "cancel"])
def test_a_load_that_ends_badly_leaves_its_lock(server: Server, start: Start, space: str, how: str) -> None:
    one, two = start(server, "{'lock_seconds': 300.0}"), start(server, "{'lock_seconds': 300.0}")
    if how == "fail":
        one.say("wait(slow_later(7))")
    else:
        one.say("wait(asyncio.wait_for(slow_later(7), 0.5))")
    assert server.raw.blpop([space + ".began"], 30)
    two.say("wait(slow_later(7))")
    if how == "fail":
        server.raw.rpush(space + ".go", "fail")
        assert one.hear() == "KeyError: 7"
    else:
        assert str(one.hear()).startswith("TimeoutError")
    assert server.raw.blpop([space + ".began"], 30)  # the other's turn, and 300 seconds have not passed
    server.raw.rpush(space + ".go", "on")
    assert two.hear() == {"of": 7, "by": two.pid}


def test_who_waits_may_be_cancelled(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.say("wait(slow_later(7))")
    assert server.raw.blpop([space + ".began"], 30)
    assert str(two.ask("wait(asyncio.wait_for(slow_later(7), 0.2))")).startswith("TimeoutError")
    server.raw.rpush(space + ".go", "on")
    assert one.hear() == {"of": 7, "by": one.pid}
    assert two.ask("wait(slow_later(7))") == {"of": 7, "by": one.pid}
    assert one.ask("stats(slow_later, 'writes', 'lost')") == {"writes": 1, "lost": 0}


@pytest.mark.parametrize(
    "change, kept", [("cache_invalidate(1)", None), ("cache_clear()", None), ("cache_put({'of': 'put'}, 1)", {"of": "put"})]
)
def test_changes_are_heard_by_others_and_seen_here_at_once(
    server: Server, start: Start, change: str, kept: dict[str, object] | None
) -> None:
    one, two = start(server), start(server)
    one.ask("wait(later(1)), ran.clear()")
    two.ask("wait(later(1)), ran.clear()")
    # No loop runs while the change is made, and the call that follows waits for it, on whatever loop.
    expected = kept or {"of": 1, "by": one.pid}
    assert one.ask(f"later.{change}, wait(later(1)), ran")[1:] == (expected, [] if kept else [1])
    two.until(f"wait(later(1)) == {expected}")
    assert two.ask("ran") == []
    assert one.ask("wait(tier_later.drain())") is None
    assert two.ask("wait(later(1))") == expected


def test_a_change_wins_over_a_load_of_another_process(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.say("wait(slow_later(7))")
    assert server.raw.blpop([space + ".began"], 30)
    two.ask("slow_later.cache_invalidate(7), wait(tier_later.drain())")
    server.raw.rpush(space + ".go", "on", "on")
    assert one.hear() == {"of": 7, "by": one.pid}
    assert one.ask("stats(slow_later, 'lost'), slow_later.cache_contains(7)") == ({"lost": 1}, False)


def test_loops_have_connections_of_their_own(server: Server, start: Start) -> None:
    one = start(server)
    one.ask("wait(later(0))")
    assert one.ask("[asyncio.run(later(x))['of'] for x in range(5)], ran") == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    one.ask("async def all(n): return await asyncio.gather(*[later(x) for x in range(n)])")
    one.ask("from concurrent.futures import ThreadPoolExecutor")
    one.ask("def run(n): return len(asyncio.run(all(n)))")
    line = "pool = ThreadPoolExecutor(4); answers = list(pool.map(run, [100] * 4)); pool.shutdown()"
    assert one.ask(line) is None
    assert one.ask("answers, sorted(ran), stats(later, 'errors', 'lost')") == ([100] * 4, [*range(100)], {"errors": 0, "lost": 0})
    # The loops that ended have closed theirs: what is left is of the loop that goes on, the listener, and the two clients.
    until(lambda: len(server.raw.client_list()) < 12)


BLOCKED = """
async def blocked():
    raw.set(space + ".blocked", 1)
    for _ in range(3000):
        if not later.cache_contains(1):
            break
        time.sleep(0.01)
    return later.cache_contains(1)
"""


def test_a_blocked_loop_hears_nevertheless(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.ask("wait(later(1))")
    key = f"{space}.later:1:program.later:[1]"
    assert two.ask("wait(later(1)), later.cache_contains(1)")[1] is True
    two.ask(f"exec({BLOCKED!r}, globals())")
    two.say("wait(blocked())")
    until(lambda: server.raw.exists(space + ".blocked"))
    server.raw.delete(key)
    assert two.hear() is False  # all that while, the loop did nothing else


def test_a_server_that_stops_and_goes_on(own_server: Server, start: Start) -> None:
    one = start(own_server, "{'timeout': 0.2}")
    one.ask("wait(later(1))")
    one.ask("async def all(n): return await asyncio.gather(*[later(x) for x in range(n)])")
    own_server.signal(signal.SIGSTOP)
    try:
        assert one.ask("[each['of'] for each in wait(all(50))] == [*range(50)]") is True
        found = one.ask("stats(later, 'errors', 'skipped')")
        assert found["errors"] + found["skipped"] == 49 and found["errors"] <= 12  # as many as there are connections, and some
        assert one.ask("later.cache_invalidate(1), wait(tier_later.drain()), len(tier_later.owed)")[1:] == (None, 1)
    finally:
        own_server.signal(signal.SIGCONT)
    one.until("stats(later, 'listening')['listening'] and not tier_later.owed")
    one.ask("before = stats(later, 'writes')['writes']")
    one.until("wait(later(time.monotonic())) and stats(later, 'writes')['writes'] > before")


def test_closed_it_is_a_local_cache(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    two.ask("wait(later(1))")
    assert one.ask("wait(later(2)), wait(tier_later.aclose())")[1] is None
    assert one.ask("wait(later(1))['by'], wait(later(1))['by'], later.cache_info().hits") == (one.pid, one.pid, 1)
    assert one.ask("later.cache_invalidate(1), later.cache_put(3, 1), wait(later(1))") == (True, None, 3)
    until(lambda: one.ask("[each.name for each in threading.enumerate()]").count("outpace-tier") == 0)


def test_what_was_invalidated_last_reaches_the_server(server: Server, start: Start, space: str) -> None:
    """The program ends at once after it."""
    one = start(server)
    one.ask("wait(later(1)), wait(later(2))")
    assert server.raw.exists(f"{space}.later:1:program.later:[1]")
    one.ask("import atexit; atexit.register(later.cache_invalidate, 2)")
    one.ask("wait = loop.run_until_complete; main.__globals__.update(tier_later=tier) or later.cache_invalidate(1)")
    one.end()
    assert not server.raw.exists(f"{space}.later:1:program.later:[1]")
