# SPDX-License-Identifier: MIT
"""What a traced process leaves, whichever way it ends or begins others: each call that had returned, once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import segment_reader
import tracing

# What ends how: the exit code, or minus the signal; and what is open then.
ENDS = {
    "normal": (0, []),
    "sys_exit": (3, []),
    "os_exit": (4, ["os_exit", "<built-in method posix._exit>"]),
    "uncaught": (1, []),
    "abort": (-6, ["abort", "<built-in method posix.abort>"]),
    "killed": (-9, ["killed", "<built-in method posix.kill>"]),
    "terminated": (-15, ["terminated", "<built-in method posix.kill>"]),
    "crashed": (-11, ["crashed", "string_at"]),
    "executed": (0, ["executed", "<built-in method posix.execv>"]),
}
FORKS = ("forked", "fork_in_thread", "forked_and_left", "fork_of_fork", "subprocesses")
KILLS = {"calls,builtins": 200, "counts,builtins": 50, "lines": 50}
METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(scope="module", params=tracing.FOUND, ids=[each.version for each in tracing.FOUND])
def place(request: pytest.FixtureRequest) -> Iterator[tracing.Place]:
    with tracing.placed(request.param) as there:
        yield there


def run(place: tracing.Place, name: str, *what: str) -> object:
    (place.folder / name).mkdir()
    done = place.run("traced_ends", place.agents, str(place.inside / name), *what)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_ends(place: tracing.Place) -> None:
    told = run(place, "ends", *ENDS)
    assert told == {name: code for name, (code, _open) in ENDS.items()}
    for name, (_code, still_open) in ENDS.items():
        (segment,) = segment_reader.read_all(place.folder / "ends" / name)
        assert segment.lost == (0, 0, 0, 0)
        assert segment.modes == segment_reader.MODES["calls"] | segment_reader.MODES["builtins"]
        more = name == "uncaught"
        counts = {each: segment.calls(each) for each in ("work", "leaf", "raises", "deep")}
        assert counts == {"work": 1, "leaf": 100, "raises": 10 + more, "deep": 501}, name
        assert sum(edge.calls for edge in segment.edges if (edge.caller, edge.callee[-5:]) == ("work", ".len>")) == 30
        assert segment.sum("raises", "exceptions") == 10 + more
        assert segment.sum("leaf", "exceptions") == segment.sum("leaf", "resumes") == 0
        assert segment.sum("deep", "nested") == 500
        # Nothing that differs by process: its address is in cProfile's name of it.
        assert segment.calls("<built-in method __new__ of type objects>") >= 1
        assert not [each.name for each in segment.functions.values() if "0x" in each.name]
        assert segment.calls("numbers") - segment.sum("numbers", "resumes") == 1
        assert segment.calls("numbers") in (20, 21)  # by the version, close() enters it
        (thread,) = segment.threads.values()
        assert thread.is_main and thread.name == "MainThread" and thread.open == still_open, (name, thread)
        assert segment.calls(name) == (0 if still_open else 1)
        for edge in segment.edges:
            assert edge.own <= edge.total and edge.outer_total <= edge.total and edge.recursive <= edge.nested, edge


def test_threads_that_run_at_the_end(place: tracing.Place) -> None:
    assert run(place, "threads", "threads_at_exit") == {"threads_at_exit": 5}
    (segment,) = segment_reader.read_all(place.folder / "threads/threads_at_exit")
    by_thread = [edge.calls for edge in segment.edges if edge.callee == "leaf"]
    assert by_thread == [100, 100, 100]
    assert len({edge.thread for edge in segment.edges if edge.callee == "leaf"}) == 3
    assert len(segment.threads) == 4 and sum(thread.is_main for thread in segment.threads.values()) == 1
    for thread in segment.threads.values():
        if not thread.is_main:
            assert thread.open[-1] == "<built-in method time.sleep>" and thread.name.startswith("Thread-")


def test_forks(place: tracing.Place) -> None:
    assert run(place, "forks", *FORKS) == dict.fromkeys(FORKS, 0)
    found = {name: segment_reader.read_all(place.folder / "forks" / name) for name in FORKS}
    for name, segments in found.items():
        assert all(segment.lost == (0, 0, 0, 0) for segment in segments), name
        pids = {segment.pid for segment in segments}
        children = [segment for segment in segments if segment.parent in pids]
        leaves = {
            "forked": [7, 25],
            "fork_in_thread": [7, 25],
            "forked_and_left": [1, 5],
            "fork_of_fork": [0, 5, 5],
            "subprocesses": [1, 2],
        }[name]
        assert sorted(segment.calls("leaf") for segment in segments) == leaves, name
        assert len(children) == len(leaves) - 1
        for child in children:
            # What was open at the fork is no call of the child.
            for inherited in (name, "Thread.run", "run"):
                assert child.calls(inherited) == 0, (name, inherited)
    (parent,) = [segment for segment in found["forked"] if segment.calls("leaf") == 7]
    assert parent.calls("forks") == parent.calls("<built-in method posix.fork>") == 1
    assert sorted(segment.calls("forks") for segment in found["fork_of_fork"]) == [0, 1, 1]
    (left,) = [segment for segment in found["forked_and_left"] if segment.calls("leaf") == 5]
    assert left.threads[0].open == []


def test_functions_that_a_child_meets_first(place: tracing.Place) -> None:
    assert run(place, "lines", "fork_of_lines") == {"fork_of_lines": 0}
    segments = segment_reader.read_all(place.folder / "lines/fork_of_lines")
    told = sorted(sorted((name, hits) for (name, _line), hits in each.lines.items()) for each in segments)
    assert told == [[("of_the_child", 1)] * 2] * 2 + [[("of_the_parent", 1)] * 3]


def test_fork_beside_threads(place: tracing.Place) -> None:
    assert run(place, "beside", "fork_beside_threads") == {"fork_beside_threads": 0}
    segments = segment_reader.read_all(place.folder / "beside/fork_beside_threads")
    assert sorted(segment.calls("leaf") for segment in segments) == [10] + [50] * 10
    (parent,) = [segment for segment in segments if segment.calls("leaf") == 10]
    assert all(segment.calls("leaf_of_threads") == 0 for segment in segments if segment is not parent)
    assert sum(edge.callee == "leaf_of_threads" and edge.calls > 0 for edge in parent.edges) == 3


def test_long_names_are_cut_between_characters(place: tracing.Place) -> None:
    run(place, "long", "long_names")
    (segment,) = segment_reader.read_all(place.folder / "long/long_names")
    names = [each.name for each in segment.functions.values() if each.name.startswith("aé")]
    assert names == ["a" + 2047 * "é"]
    assert {thread.name for thread in segment.threads.values()} == {"MainThread", "a" + 31 * "é"}


def test_suspended_time(place: tracing.Place) -> None:
    run(place, "suspended", "suspends")
    (segment,) = segment_reader.read_all(place.folder / "suspended/suspends")
    nap = segment.sum("naps", "total")
    suspended = segment.sum("numbers", "suspended")
    assert nap <= suspended <= 1.2 * nap, (nap, suspended)
    assert segment.sum("numbers", "total") < nap // 4


@pytest.mark.parametrize("modes", KILLS)
def test_kills(place: tracing.Place, modes: str) -> None:
    """SIGKILL at many moments, from the very begin on: the program itself counts the calls that returned to it."""
    name = "kills-" + modes.replace(",", "-")
    told = run(place, name, "kills", modes, str(KILLS[modes]))
    assert isinstance(told, list) and len(told) == KILLS[modes]
    counted = 0
    for number, returned in enumerate(told):
        segments = segment_reader.read_all(place.folder / name / str(number))
        assert len(segments) <= 1
        if not segments:
            assert returned == [0, 0, 0, 0]
            continue
        (segment,) = segments
        if modes == "lines":
            found = [hits for _place, hits in sorted(segment.lines.items())[1:]]  # without `while`, which is once
        else:
            found = [segment.calls(each) for each in ("leaf", "raises", "numbers", "<built-in method builtins.len>")]
        for seen, calls in zip(returned, found):
            assert seen <= calls <= seen + 1, (number, returned, found)
        assert len(found) >= sum(seen > 0 for seen in returned)
        assert (place.folder / name / str(number) / f"{segment.pid}-0.segment").stat().st_size < 1 << 20
        assert segment.lost == (0, 0, 0, 0)
        counted += returned[0] > 0
        for thread in segment.threads.values():
            assert len(thread.open) <= 3
    assert counted > KILLS[modes] // 4


@pytest.mark.parametrize("method", METHODS)
def test_multiprocessing(place: tracing.Place, method: str) -> None:
    folder = place.folder / f"pool-{method}"
    folder.mkdir()
    site = place.folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text((tracing.HERE / "programs/traced_site.py").read_text())
    more = {
        "PYTHONPATH": f"{place.inside / 'site'}:{place.inside}",
        "ORACLE_AGENTS": place.agents,
        "ORACLE_FOLDER": str(place.inside / folder.name),
    }
    done = place.run("traced_pool", method, **more)
    if "no semaphores here" in done.stdout:
        pytest.skip("no semaphores here")
    assert (done.returncode, done.stdout, done.stderr) == (0, "190\n", ""), done
    segments = segment_reader.read_all(folder)
    assert all(segment.lost == (0, 0, 0, 0) for segment in segments)
    assert sum(segment.calls("work") for segment in segments) == 20
    assert sum(segment.calls("leaf") for segment in segments) == 190
    workers = [segment for segment in segments if segment.calls("work")]
    assert 1 <= len(workers) <= 2
    assert all(segment.calls("main") == 0 for segment in workers)


def test_the_program_behaves_the_same(place: tracing.Place) -> None:
    (place.folder / "same").mkdir()
    place.judge("traced_same", 30, str(place.inside / "same"))
