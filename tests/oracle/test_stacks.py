# SPDX-License-Identifier: MIT
"""No stack that cannot be, on any version: programs whose paths are known by construction."""

from __future__ import annotations

import os
from collections import Counter

import judge
import pytest
import recorder
from interpreters import Interpreter

SECONDS, LONG_SECONDS = 0.8, 20.0
# 100,000/s is asked, but a busy machine of one or two cores, or a sanitizer, gives what it can.
FEWEST, FEWEST_OBJECTS = 1000, 100
# For the long run: so many samples a version, spread over the programs.
WANTED = int(os.environ.get("OUTPACE_ORACLE_SAMPLES", "0")) // len(judge.PROGRAMS)


def check(name: str, interpreter: Interpreter, recording: recorder.Recording, verdict: judge.Verdict) -> None:
    counters = recording.counters
    told = f"{name} on {interpreter.version}: {verdict.wrong} impossible of {verdict.samples}; {recording.note()}"
    share = judge.impossible_share(interpreter.minor)
    assert verdict.wrong <= judge.allowed(share, verdict.samples), f"{told}\n{verdict.examples()}"
    # 5,000 frames as heap objects are 5,000 reads.
    assert verdict.samples >= (FEWEST if interpreter.minor >= 11 else 3 if name == "deep" else FEWEST_OBJECTS), told
    assert counters["lost"] == 0, told
    if interpreter.minor < 11:
        # Frames are heap objects there and take several reads: what does not verify is labelled. Half must.
        assert sum(verdict.labelled.values()) <= verdict.samples / 2, f"{told}\n{verdict.labelled}"
        return
    for label in judge.LABELLED:
        if (label == "<gone>" and judge.PROGRAMS[name].gone) or (label == "<truncated>" and name == "deep"):
            continue
        assert verdict.labelled[label] <= judge.allowed(0.001, verdict.samples), f"{label}: {told}"
    assert counters["given_up"] <= judge.allowed(0.001, verdict.samples), told


def check_made(_interpreter: Interpreter, stacks: list[judge.Stack]) -> None:
    """A function that lives for 4 ms is named, at least now and then."""
    named = {frame.name for stack in stacks for frame in stack.frames if frame.name.startswith("made_")}
    assert len(named) >= 5


def check_names(_interpreter: Interpreter, stacks: list[judge.Stack]) -> None:
    whole = [stack for stack in stacks if not stack.labels & set(judge.LABELLED)]
    names = {frame.name for stack in whole for frame in stack.frames}
    assert names == {"<module>", "begin", "main", "数える", "функция", "größe", "𠀀"}
    assert {frame.base for stack in whole for frame in stack.frames} == {"oracle_target.py", "naïve_数_𠀀.py"}


def check_threads(_interpreter: Interpreter, stacks: list[judge.Stack]) -> None:
    """Each kind of thread is there under its name; only one that ended before its name was read has none."""
    by_kind = Counter[str]()
    for stack in stacks:
        by_kind[stack.thread[:7]] += stack.count
    kinds = ("comes-a", "comes-b", "stays-b")
    assert all(by_kind[kind] for kind in kinds), by_kind
    assert sum(by_kind[kind] for kind in (*kinds, "MainThr")) >= 0.9 * sum(by_kind.values()), by_kind


def check_deep(interpreter: Interpreter, stacks: list[judge.Stack]) -> None:
    """All 5,000 frames. On 3.11+ mostly, as the program is nearly always at the bottom; before, a walk of as many heap
    objects is rarely over before they change: how many are whole there is chance (docs/measured.md)."""
    if interpreter.minor < 11:
        return
    whole = sum(
        stack.count
        for stack in stacks
        if stack.names()[-1:] in (("leaf_a",), ("leaf_b",)) and len(stack.frames) == len(judge.ROOT) + judge.DEPTH + 1
    )
    assert whole >= sum(stack.count for stack in stacks) / 4


MORE = {"made": check_made, "names": check_names, "threads": check_threads, "deep": check_deep}


@pytest.mark.parametrize("name", judge.PROGRAMS)
def test_attached(interpreter: Interpreter, name: str) -> None:
    total = judge.Verdict()
    with recorder.placed(interpreter, name) as (_folder, command):
        while True:
            with recorder.running(command) as target:
                recording = recorder.attach(target.pid, LONG_SECONDS if WANTED else SECONDS)
            verdict = judge.judge(name, recording.stacks)
            check(name, interpreter, recording, verdict)
            if name in MORE:
                MORE[name](interpreter, recording.stacks)
            total.add(verdict)
            if total.accepted >= WANTED:
                break
    if WANTED:
        print(
            f"{name} on {interpreter.version}: {total.wrong} impossible of {total.accepted}, "
            f"95 % bound {judge.upper_95(total.wrong):.1f}"
        )


@pytest.mark.parametrize("name", ["chains", "generators"])
def test_launched(interpreter: Interpreter, name: str) -> None:
    with recorder.placed(interpreter, name) as (_folder, command):
        recording = recorder.launched([*command, "0.6"])
    verdict = judge.judge(name, recording.stacks, launched=True)
    # How many are labelled is not judged here: an interpreter that starts up may leave a stack unread.
    share = judge.impossible_share(interpreter.minor)
    assert verdict.wrong <= judge.allowed(share, verdict.samples), verdict.examples()
    assert verdict.samples - verdict.outside >= (FEWEST if interpreter.minor >= 11 else FEWEST_OBJECTS) / 2, recording.note()
