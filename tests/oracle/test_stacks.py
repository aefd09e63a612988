# SPDX-License-Identifier: MIT
"""No stack that cannot be, on any version: programs whose paths are known by construction."""

from __future__ import annotations

import os

import judge
import pytest
import recorder
from interpreters import Interpreter

SECONDS = 1.0
# 100,000/s is asked, but a busy machine of one or two cores gives what it can.
FEWEST = 1000
# For the long run: so many samples a version, spread over the programs.
WANTED = int(os.environ.get("OUTPACE_ORACLE_SAMPLES", "0")) // len(judge.PROGRAMS)


def check(name: str, interpreter: Interpreter, recording: recorder.Recording, verdict: judge.Verdict) -> None:
    counters = recording.counters
    told = f"{name} on {interpreter.version}: {verdict.wrong} impossible of {verdict.samples}; {recording.note()}"
    assert verdict.wrong == 0, f"{told}\n{verdict.examples()}"
    assert verdict.samples >= FEWEST, told
    assert counters["lost"] == 0, told
    if interpreter.minor < 11:
        # Frames are heap objects there and take several reads: what does not verify is labelled. Half must.
        assert sum(verdict.labelled.values()) <= verdict.samples / 2, f"{told}\n{verdict.labelled}"
        return
    for label in judge.LABELLED:
        if label == "<gone>" and judge.PROGRAMS[name].gone:
            continue
        assert verdict.labelled[label] <= judge.allowed(0.001, verdict.samples), f"{label}: {told}"
    assert counters["given_up"] <= judge.allowed(0.001, verdict.samples), told


@pytest.mark.parametrize("name", judge.PROGRAMS)
def test_attached(interpreter: Interpreter, name: str) -> None:
    total = judge.Verdict()
    with recorder.placed(interpreter, name) as (_folder, command):
        while True:
            with recorder.running(command) as target:
                recording = recorder.attach(target.pid, 20.0 if WANTED else SECONDS)
            verdict = judge.judge(name, recording.stacks)
            check(name, interpreter, recording, verdict)
            total.add(verdict)
            if total.samples - sum(total.labelled.values()) >= WANTED:
                break
    if WANTED:
        print(f"{name} on {interpreter.version}: {total.wrong} impossible of {total.samples}, "
              f"95 % bound {judge.upper_95(total.wrong):.1f}")


@pytest.mark.parametrize("name", ["chains", "generators"])
def test_launched(interpreter: Interpreter, name: str) -> None:
    with recorder.placed(interpreter, name) as (_folder, command):
        recording = recorder.launched([*command, "0.8"])
    verdict = judge.judge(name, recording.stacks, launched=True)
    assert verdict.outside < verdict.samples
    # An interpreter that starts up may leave a stack unread, so the small counts of this run are not judged.
    assert verdict.wrong == 0, verdict.examples()
    assert verdict.samples - verdict.outside >= FEWEST / 2, recording.note()


def test_made_code_has_its_names(interpreter: Interpreter) -> None:
    """Every name right or <gone>; and a function that lives for 4 ms is nearly always named."""
    recording = recorder.attached(interpreter, "made", SECONDS)
    verdict = judge.judge("made", recording.stacks)
    assert verdict.wrong == 0, verdict.examples()
    named = {frame.name for stack in recording.stacks for frame in stack.frames if frame.name.startswith("made_")}
    assert len(named) >= 5, f"{verdict.labelled} of {verdict.samples}; {recording.note()}"


def test_names_of_all_widths(interpreter: Interpreter) -> None:
    recording = recorder.attached(interpreter, "names", 0.5)
    names = {frame.name for stack in recording.stacks for frame in stack.frames}
    files = {frame.base for stack in recording.stacks for frame in stack.frames}
    assert names == {"<module>", "begin", "main", "数える", "функция", "größe", "𠀀"}
    assert files == {"oracle_target.py", "naïve_数_𠀀.py"}


def test_threads_have_their_names(interpreter: Interpreter) -> None:
    recording = recorder.attached(interpreter, "threads", SECONDS)
    by_thread: dict[str, int] = {}
    for stack in recording.stacks:
        by_thread[stack.thread] = by_thread.get(stack.thread, 0) + stack.count
    total = sum(by_thread.values())
    named = sum(count for name, count in by_thread.items() if name[:7] in ("comes-a", "comes-b", "stays-b", "MainThr"))
    assert {name[:7] for name in by_thread} >= {"comes-a", "comes-b", "stays-b"}, recording.note()
    # A thread that ends before its name was read has none.
    assert named >= 0.9 * total, f"{sorted(by_thread)[:20]}; {recording.note()}"


def test_all_5000_frames(interpreter: Interpreter) -> None:
    recording = recorder.attached(interpreter, "deep", SECONDS, 1000)
    at_bottom = sum(stack.count for stack in recording.stacks if stack.names()[-1:] in (("leaf_a",), ("leaf_b",)))
    whole = sum(
        stack.count
        for stack in recording.stacks
        if stack.names()[-1:] in (("leaf_a",), ("leaf_b",)) and len(stack.frames) == len(judge.ROOT) + judge.DEPTH + 1
    )
    assert at_bottom == whole
    assert whole >= 20, recording.note()
