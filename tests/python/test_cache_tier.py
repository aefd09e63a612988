# SPDX-License-Identifier: MIT
"""The second tier of a cache: processes that share a real Redis server. All tests skip where there is none."""

from __future__ import annotations

import shutil
import signal

import pytest
from tier_places import Server, Start, key_of, own_server, server, space, start, until

__all__ = ["own_server", "server", "space", "start"]  # fixtures
pytest.importorskip("redis", reason="redis-py is not installed: run tools/setup.sh")
pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server: run tools/setup.sh")


# ---- two processes, one cache -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_what_one_process_loaded_the_other_reads(server: Server, start: Start, library: str) -> None:
    pytest.importorskip(library)
    one, two = start(server, library=library), start(server, library=library)
    assert one.ask("load(1)") == {"of": 1, "by": one.pid}
    assert two.ask("load(1)") == {"of": 1, "by": one.pid}
    assert two.ask("load(1), load(1), ran") == ({"of": 1, "by": one.pid},) * 2 + ([],)
    assert two.ask("stats(load, 'hits', 'misses', 'writes')") == {"hits": 1, "misses": 0, "writes": 0}
    assert one.ask("stats(load, 'hits', 'misses', 'writes')") == {"hits": 0, "misses": 1, "writes": 1}


def test_what_a_process_wrote_itself_it_need_not_read(server: Server, start: Start) -> None:
    one = start(server)
    for _ in range(20):
        one.ask("[load(x) for x in range(10)]")
    assert one.ask("len(ran), load.cache_info().hits, stats(load, 'hits', 'misses')") == (10, 190, {"hits": 0, "misses": 10})


def test_of_all_processes_one_loads(server: Server, start: Start, space: str) -> None:
    workers = [start(server) for _ in range(4)]
    for worker in workers:
        worker.ask("load(0)")  # all are up, and listen
        worker.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    # The others have looked for the value again and again, and found the lock.
    before = server.calls("getrange")
    until(lambda: server.calls("getrange") > before + 12)
    server.raw.rpush(space + ".go", "on")
    answers = [worker.hear() for worker in workers]
    assert len({str(answer) for answer in answers}) == 1 and answers[0]["of"] == 7
    assert sum(worker.ask("ran.count(7)") for worker in workers) == 1
    assert sum(worker.ask("stats(slow, 'lock_waits')['lock_waits']") for worker in workers) == 3
    assert server.raw.llen(space + ".began") == 0 and not list(server.raw.scan_iter(f"{space}*:!1:*"))


def test_one_whose_load_failed_leaves_it_to_the_next(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    two.say("slow(7)")
    before = server.calls("getrange")
    until(lambda: server.calls("getrange") > before + 2)
    server.raw.rpush(space + ".go", "fail", "on")
    assert one.hear() == "KeyError: 7"
    assert two.hear() == {"of": 7, "by": two.pid}
    assert server.raw.get(key_of(space, "slow", "[7]")) is not None  # the value, and never the exception


def test_the_lock_of_a_process_that_died_comes_to_an_end(server: Server, start: Start, space: str) -> None:
    one, two = start(server, "{'lock_seconds': 2.0}"), start(server, "{'lock_seconds': 2.0}")
    one.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    one.kill()
    server.raw.rpush(space + ".go", "on")
    assert two.ask("slow(7)") == {"of": 7, "by": two.pid}
    assert two.ask("stats(slow, 'lock_waits', 'writes')") == {"lock_waits": 1, "writes": 1}


def test_who_waited_long_enough_loads_beside_the_first(server: Server, start: Start, space: str) -> None:
    one, two = start(server, "{'lock_seconds': 60.0}"), start(server, "{'lock_seconds': 0.2}")
    one.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    two.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    server.raw.rpush(space + ".go", "on", "on")
    assert two.hear() == {"of": 7, "by": two.pid}
    assert one.hear() == {"of": 7, "by": one.pid}
    assert two.ask("stats(slow, 'overruns', 'writes')") == {"overruns": 1, "writes": 0}


def test_a_lock_lives_as_long_as_the_load(server: Server, start: Start, space: str) -> None:
    one = start(server, "{'lock_seconds': 3.0}")
    one.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    before = server.calls("pexpire")
    until(lambda: server.calls("pexpire") > before + 4)  # of which there are three in the time of a lock
    server.raw.rpush(space + ".go", "on")
    assert one.hear() == {"of": 7, "by": one.pid}
    assert one.ask("stats(slow, 'writes', 'lost')") == {"writes": 1, "lost": 0}


TOUCHED = """
from outpace._tier_wire import Line
ask, lock, touched = Line.ask, f"{space}:!1:program.load:[7]", []

async def asking(self, *commands):
    if commands[0] == ("MULTI",) and len(touched) < 3:
        touched.append(raw.pexpire(lock, 100_000))
    return await ask(self, *commands)

Line.ask = asking
"""


def test_a_lock_that_is_renewed_while_its_result_is_stored_is_not_lost(server: Server, start: Start) -> None:
    one = start(server)
    one.ask(f"exec({TOUCHED!r}, globals())")
    assert one.ask("load(7)['of'], stats(load, 'writes', 'lost'), touched") == (7, {"writes": 1, "lost": 0}, [1, 1, 1])
    assert one.ask("raw.exists(lock)") == 0


def test_a_call_of_its_own_key_does_not_wait_for_itself(server: Server, start: Start) -> None:
    one = start(server, "{'lock_seconds': 300.0}")
    assert one.ask("again(5), ran, stats(again, 'lock_waits', 'writes')") == ({"of": 5}, [5, 5], {"lock_waits": 0, "writes": 1})


def test_a_value_expires(server: Server, start: Start, space: str) -> None:
    one, two = start(server, "{'ttl': 0.3}"), start(server, "{'ttl': 0.3}")
    one.ask("load(1)")
    assert 0 < server.raw.pttl(key_of(space, "load", "[1]")) <= 300
    until(lambda: not server.raw.exists(key_of(space, "load", "[1]")))
    assert two.ask("load(1)")["by"] == two.pid
    # The copy lived no longer than the original.
    assert one.ask("load(1)")["by"] in (one.pid, two.pid) and one.ask("load.cache_info().misses") == 2


def test_the_caches_own_ttl_holds_for_the_tier(server: Server, start: Start, space: str) -> None:
    one = start(server, cache="{'ttl': 50.0, 'jitter': 10.0}")
    one.ask("[load(x) for x in range(20)]")
    lives = {server.raw.pttl(key_of(space, "load", f"[{x}]")) for x in range(20)}
    assert min(lives) > 39_000 and max(lives) <= 50_000 and len(lives) > 3


# ---- changes ------------------------------------------------------------------------------------------------------------


def test_what_one_invalidates_the_others_drop(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.ask("load(1), load(2)")
    two.ask("load(1), load(2)")
    assert two.ask("load.cache_contains(1), load.cache_contains(2)") == (True, True)
    assert one.ask("load.cache_invalidate(1)") is True
    assert one.ask("load.cache_contains(1)") is False
    two.until("not load.cache_contains(1)")
    assert two.ask("load.cache_contains(2)") is True
    assert two.ask("load(1)") == {"of": 1, "by": two.pid}
    assert two.ask("stats(load, 'invalidations')") == {"invalidations": 1}
    assert one.ask("load.cache_invalidate(3)") is False


def test_what_only_others_have_is_invalidated_too(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    two.ask("load(1)")
    assert one.ask("load.cache_invalidate(1)") is True
    two.until("not load.cache_contains(1)")


def test_a_copy_of_what_the_server_lost_is_dropped_too(server: Server, start: Start) -> None:
    """A value that does not fit the tier has no key there of which the server could tell."""
    one, two = start(server), start(server)
    two.ask("give = (1, 2)")
    assert two.ask("wide(1), wide(1), ran") == ((1, 2), (1, 2), [1])
    assert one.ask("wide.cache_invalidate(1)") is False
    two.until("not wide.cache_contains(1)")


def test_a_method_with_a_key(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    for worker in (one, two):
        worker.ask("rome, oslo = Shop('rome'), Shop('oslo')")
    assert one.ask("rome.price(1), oslo.price(1)") == (["rome", 1, one.pid], ["oslo", 1, one.pid])
    assert two.ask("rome.price(1), rome.price(1), ran") == (["rome", 1, one.pid],) * 2 + ([],)
    assert server.raw.exists(key_of(space, "Shop.price", '=["rome",1]'))
    # The local copy is found by what key= gave, and the instance is not kept for that.
    two.ask("import gc, weakref")
    assert two.ask("gone = weakref.ref(rome); del rome; gc.collect()") is None
    assert two.ask("gone() is None, Shop.price.cache_info().currsize") == (True, 1)
    assert one.ask("Shop.price.cache_invalidate(rome, 1)") is True
    two.until("Shop.price.cache_info().currsize == 0")
    assert one.ask("oslo.price(1), Shop.price.cache_info().currsize") == (["oslo", 1, one.pid], 1)


def test_what_is_known_of_copies_goes_with_them(server: Server, start: Start) -> None:
    one = start(server, cache="{'maxsize': 50}")
    one.ask("from outpace import _tier_function; shop = Shop('rome')")
    one.ask("tiered = [load.cache_put.__self__, Shop.price.cache_put.__self__]")
    assert one.ask("[load.cache_put(x, x) for x in range(3000)], [shop.price(x) for x in range(1200)]")[0] == [None] * 3000
    assert one.ask("[len(each._records) for each in tiered]") == [3000, 1200]  # for a minute
    one.ask("for each in tiered: each._held = 0.0; each._sweep()")
    assert one.ask("[len(each._records) for each in tiered]") == [50, 128]
    assert one.ask("load.cache_info().currsize, load(2999), Shop.price.cache_info().currsize") == (50, 2999, 128)
    # What is still there can still be found.
    server.raw.flushdb()
    one.until("load.cache_info().currsize == Shop.price.cache_info().currsize == 0")


def test_clear_is_for_one_function_in_all_processes(server: Server, start: Start, space: str) -> None:
    one, two = start(server), start(server)
    one.ask("[load(x) for x in range(50)], wide(1)")
    two.ask("[load(x) for x in range(50)], wide(1)")
    one.ask("load.cache_clear()")
    two.until("load.cache_info().currsize == 0")
    assert two.ask("wide.cache_info().currsize") == 1
    assert two.ask("load(1)")["by"] == two.pid
    assert one.ask("load(1)")["by"] == two.pid
    assert two.ask("load(2)")["by"] == two.pid  # though the old value still lies there
    assert server.raw.exists(key_of(space, "load", "[3]"))


def test_put_is_for_all_processes(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    one.ask("load(1)")
    two.ask("load(1)")
    one.ask("load.cache_put({'of': 'put'}, 1)")
    assert one.ask("load(1)") == {"of": "put"}
    two.until("load(1) == {'of': 'put'}")
    one.ask("load.cache_put({'of': 'more'}, 9, unit='ft')")
    assert two.ask("load(9, unit='ft'), load(9)['by']") == ({"of": "more"}, two.pid)
    assert one.ask("load.cache_put((1, 2), 1), load(1)") == (None, (1, 2))  # which the tier can't have
    two.until("load(1).get('by') == os.getpid()")


@pytest.mark.parametrize("change", ["DEL", "SET", "FLUSHDB"])
def test_what_others_write_is_heard(server: Server, start: Start, space: str, change: str) -> None:
    one = start(server)
    one.ask("load(1)")
    key = key_of(space, "load", "[1]")
    if change == "SET":
        server.raw.set(key, "something")
    else:
        server.raw.execute_command(change, *([key] if change == "DEL" else []))
    one.until("not load.cache_contains(1)")
    assert one.ask("load(1), len(ran)")[1] == 2


@pytest.mark.parametrize(
    "change, kept",
    [("slow.cache_invalidate(7)", None), ("slow.cache_clear()", None), ("slow.cache_put({'of': 'put'}, 7)", {"of": "put"})],
)
def test_a_change_wins_over_a_load_of_another_process(
    server: Server, start: Start, space: str, change: str, kept: dict[str, object] | None
) -> None:
    one, two = start(server), start(server)
    one.say("slow(7)")
    assert server.raw.blpop([space + ".began"], 30)
    two.ask(change)
    server.raw.rpush(space + ".go", "on", "on")
    assert one.hear() == {"of": 7, "by": one.pid}
    assert one.ask("stats(slow, 'lost')") == {"lost": 1}
    assert one.ask("slow.cache_contains(7)") is False
    assert one.ask("slow(7)") == (kept or {"of": 7, "by": one.pid})
    assert one.ask("len(ran)") == (1 if kept else 2)


# ---- a server that fails ------------------------------------------------------------------------------------------------


def test_no_server_costs_three_calls_a_try_and_is_told_once(own_server: Server, start: Start) -> None:
    own_server.kill()
    one = start(own_server)
    assert one.ask("[load(x)['of'] for x in range(20)] == list(range(20)), len(ran)") == (True, 20)
    assert one.ask("[load(x)['of'] for x in range(20)] == list(range(20)), len(ran)") == (True, 20)  # local copies
    found = one.ask("stats(load, 'errors', 'skipped', 'hits', 'misses', 'listening')")
    assert found == {"errors": 3, "skipped": 17, "hits": 0, "misses": 0, "listening": False}
    (warning,) = one.ask("told")
    assert warning.startswith("RuntimeWarning: outpace: the cache's second tier failed (ConnectionError: ")


def test_a_server_that_does_not_answer_costs_three_timeouts(own_server: Server, start: Start) -> None:
    one = start(own_server, "{'timeout': 0.2}")
    assert one.ask("load(100)")["of"] == 100
    own_server.signal(signal.SIGSTOP)
    try:
        assert one.ask("[load(x)['of'] for x in range(50)] == list(range(50))") is True
        one.ask("load.cache_invalidate(100)")
        found = one.ask("stats(load, 'errors', 'skipped')")
        assert found["errors"] <= 4 and found["errors"] + found["skipped"] == 51
    finally:
        own_server.signal(signal.SIGCONT)
    one.until("stats(load, 'listening')['listening'] and load.cache_clear() is None and load(1) and load(1)")
    one.until("load(time.monotonic()) and stats(load, 'hits', 'writes')['writes'] > 1")


def test_a_warning_that_is_an_error_fails_no_call(own_server: Server, start: Start) -> None:
    own_server.kill()
    one = start(own_server)
    one.ask("warnings.simplefilter('error')")
    assert one.ask("load(1)['of']") == 1
    assert one.ask("stats(load, 'errors')") == {"errors": 1}


def test_a_server_that_comes_back_is_used_again(own_server: Server, start: Start) -> None:
    one, two = start(own_server), start(own_server)
    one.ask("load(1)")
    two.ask("load(1)")
    own_server.kill()
    for worker in (one, two):
        worker.until("not stats(load, 'listening')['listening']")
        assert worker.ask("load.cache_contains(1)") is False  # it may be old
        assert worker.ask("[load(x)['by'] for x in range(9)] == [os.getpid()] * 9") is True
        assert worker.ask("load.cache_contains(1)") is True  # good for as long as there is no server
    own_server.start()
    for worker in (one, two):
        worker.until("stats(load, 'listening')['listening']")
        assert worker.ask("load.cache_info().currsize") == 0  # and no longer
    assert one.ask("load(1)")["by"] == one.pid
    assert two.ask("load(1)")["by"] == one.pid
    assert one.ask("load.cache_invalidate(1)") is True
    two.until("not load.cache_contains(1)")


def test_a_removal_that_failed_is_done_later(own_server: Server, start: Start) -> None:
    one, two = start(own_server), start(own_server)
    one.ask("load(1)")
    own_server.raw.execute_command("ACL", "SETUSER", "default", "-unlink")
    assert one.ask("load.cache_invalidate(1)") is True
    assert one.ask("stats(load, 'errors')") == {"errors": 1}
    assert one.ask("load(1), len(ran)")[1] == 2  # the old value is not read, though it is there
    own_server.raw.execute_command("ACL", "SETUSER", "default", "+unlink")
    one.until("not tier.owed")  # though nobody calls
    assert two.ask("load(1)") == {"of": 1, "by": two.pid}


def test_where_changes_are_not_told_no_copy_is_kept(own_server: Server, start: Start) -> None:
    own_server.raw.execute_command("ACL", "SETUSER", "default", "-client|tracking")
    one, two = start(own_server), start(own_server)
    two.ask("load(1)")
    assert one.ask("load(1)['by'], load(1)['by'], load.cache_info().currsize") == (two.pid, two.pid, 0)
    two.ask("load.cache_put({'by': 0}, 1)")
    assert one.ask("load(1)") == {"by": 0}
    assert "does not tell of changes" in one.ask("told")[0]
    three = start(own_server, "{'tracking': False}")
    assert three.ask("load(1), load(1), load.cache_info().hits, told, tier.listening")[2:] == (1, [], False)


# What docs/caches.md says that the server's user needs.
RIGHTS = ["+get", "+getrange", "+set", "+pttl", "+pexpire", "+unlink", "+watch", "+unwatch", "+multi", "+exec", "+publish"]
RIGHTS += ["+subscribe", "+ping", "+client|id", "+client|tracking", "~app:*", "&__redis__:invalidate", "&app:*"]
RESTRICTED = """
mine = outpace.Tier(client(unix_socket_path=socket, username="app", password="secret"), namespace="app")
yours = outpace.Tier(client(unix_socket_path=socket, username="app", password="secret"), namespace="other")
mine = outpace.lru_cache(tier=mine)(load.__wrapped__)
yours = outpace.lru_cache(tier=yours)(load.__wrapped__)
"""


def test_few_rights_are_enough(own_server: Server, start: Start) -> None:
    own_server.raw.execute_command("ACL", "SETUSER", "app", "on", ">secret", *RIGHTS)
    one, two = start(own_server), start(own_server)
    for worker in (one, two):
        worker.ask(f"exec({RESTRICTED!r}, globals())")
    assert one.ask("mine(1)['by'], mine.cache_put(5, 2), mine(2)") == (one.pid, None, 5)
    assert two.ask("mine(1)['by'], mine(2), mine.cache_info().currsize") == (one.pid, 5, 2)
    assert one.ask("mine.cache_invalidate(1), told") == (True, [])
    two.until("not mine.cache_contains(1)")
    one.ask("mine.cache_clear()")
    two.until("mine.cache_info().currsize == 0")
    assert two.ask("stats(mine, 'errors', 'listening'), told") == ({"errors": 0, "listening": True}, [])
    # The keys of others are not theirs.
    assert two.ask("yours(1)['by'], yours(1)['by'], stats(yours, 'writes', 'listening')") == (
        two.pid,
        two.pid,
        {"writes": 0, "listening": False},
    )
    assert [each.split("(")[0] for each in two.ask("told")] == [
        "RuntimeWarning: outpace: the server does not tell of changes ",
        "RuntimeWarning: outpace: the cache's second tier failed ",
    ]


def test_a_server_whose_memory_is_full_is_read(own_server: Server, start: Start) -> None:
    one, two = start(own_server), start(own_server)
    one.ask("load(1)")
    own_server.raw.config_set("maxmemory", "1")
    assert two.ask("load(1)")["by"] == one.pid
    assert two.ask("load(2)")["by"] == two.pid
    assert one.ask("load.cache_invalidate(1)") is True  # for which no memory is needed
    two.until("not load.cache_contains(1)")
    own_server.raw.config_set("maxmemory", "0")


# ---- the process --------------------------------------------------------------------------------------------------------

FORKED = r"""
def forked(line):
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(here, repr(eval(line, globals())).encode())
        finally:
            os._exit(0)
    os.close(here)
    with open(there, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return eval(answer)
"""


def test_a_child_has_connections_of_its_own(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    one.ask(f"exec({FORKED!r}, globals())")
    one.ask("load(1)")
    assert one.ask("forked('load.cache_info().currsize, load(1)[\"by\"], load(2)[\"by\"] == os.getpid()')") == (0, one.pid, True)
    assert one.ask("load(1), load(2)['by'] != os.getpid(), tier.listening")[1:] == (True, True)
    two.ask("load.cache_invalidate(1)")
    one.until("not load.cache_contains(1)")
    # The child hears for itself.
    line = "load(3), raw.delete(f'{space}:1:program.load:[3]'), [time.sleep(.01) for _ in range(500) if load.cache_contains(3)]"
    assert one.ask(f"forked({line + ', load.cache_contains(3)'!r})[3]") is False


def test_threads_share_a_load(server: Server, start: Start, space: str) -> None:
    one = start(server)
    one.ask("from concurrent.futures import ThreadPoolExecutor")
    server.raw.rpush(space + ".go", "on")
    assert one.ask("pool = ThreadPoolExecutor(8); answers = list(pool.map(slow, [7] * 50)); pool.shutdown()") is None
    assert one.ask("len(answers), len(ran), all(each == answers[0] for each in answers)") == (50, 1, True)


def test_threads_at_many_keys(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    for worker in (one, two):
        worker.ask("from concurrent.futures import ThreadPoolExecutor")
        worker.say("pool = ThreadPoolExecutor(8); answers = list(pool.map(load, [*range(300)] * 3)); pool.shutdown()")
    assert one.hear() is two.hear() is None
    assert one.ask("[each['of'] for each in answers] == [*range(300)] * 3") is True
    line = "stats(load, 'errors', 'skipped', 'overruns', 'lost', 'unreadable')"
    assert [*one.ask(line).values(), *two.ask(line).values()] == [0] * 10
    assert sorted(one.ask("ran") + two.ask("ran")) == [*range(300)]


def test_closed_it_is_a_local_cache(server: Server, start: Start) -> None:
    one, two = start(server), start(server)
    two.ask("load(1)")
    one.ask("load(2)")
    one.ask("tier.close()")
    assert one.ask("load(1)['by'], load(1)['by'], load.cache_info().hits") == (one.pid, one.pid, 1)
    assert one.ask("load.cache_invalidate(1), load.cache_clear(), load.cache_put(1, 2), load(2)") == (True, None, None, 1)
    until(lambda: "outpace-tier" not in str(one.ask("[each.name for each in threading.enumerate()]")))


def test_the_listener_goes_with_the_tier(server: Server, start: Start) -> None:
    one = start(server)
    one.ask("import gc")
    line = "made = outpace.lru_cache(tier=outpace.Tier(raw, namespace=space))(load.__wrapped__)"
    one.ask(line)
    one.ask("made(5)")
    assert one.ask("[each.name for each in threading.enumerate()].count('outpace-tier')") == 1
    one.ask("del made")
    one.until("gc.collect() is None or [each.name for each in threading.enumerate()].count('outpace-tier') == 0")
