# SPDX-License-Identifier: MIT
"""The second tier of a cache: processes that share a real Redis server. All tests skip where there is none."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tier_places import Server, Worker, until

pytest.importorskip("redis", reason="redis-py is not installed: run tools/setup.sh")
pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server: run tools/setup.sh")

SPACES = itertools.count()
Start = Callable[..., Worker]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that the test may do to what it likes."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def space() -> str:
    """A namespace of the test's own."""
    return f"test{next(SPACES)}"


def skip_without_modules(build: Path) -> None:
    if "OUTPACE_SANITIZER" in os.environ:
        pytest.skip("its modules are not for a Python without a sanitizer")
    if not (build / "agents").is_dir():
        pytest.skip("there are no extension modules: run make agents")


@pytest.fixture(scope="module")
def alone(server: Server, build: Path) -> Iterator[Worker]:
    """A process for tests that leave no traces. Its namespace is `alone`."""
    skip_without_modules(build)
    worker = Worker(server, build, "alone", "redis", "{'max_value_bytes': 100_000, 'lock_seconds': 300.0}", "{}")
    yield worker
    worker.end()


@pytest.fixture
def start(build: Path, space: str) -> Iterator[Start]:
    """Starts processes that must end well."""
    skip_without_modules(build)
    workers: list[Worker] = []

    def begin(server: Server, tier: str = "{}", cache: str = "{'maxsize': 100}", library: str = "redis") -> Worker:
        workers.append(Worker(server, build, space, library, tier, cache))
        return workers[-1]

    yield begin
    with contextlib.ExitStack() as ending:
        for worker in workers:
            ending.callback(worker.end)


def key_of(space: str, name: str, key: str) -> str:
    return f"{space}:1:program.{name}:{key}"


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
