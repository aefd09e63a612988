# SPDX-License-Identifier: MIT
"""What each program's stacks can be, and the count of those that cannot.

A stack that says of itself that it is not whole or not proven (<unproven>, <unreadable>, <truncated>, <gone>) is
counted apart. Every other one must be legal, from its root on.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LABELLED = ("<unproven>", "<unreadable>", "<truncated>", "<gone>")
PASSING = ("<GC>", "<native>", "<idle>")  # true of any stack: taken out before judging
FRAME = re.compile(r"(.*) \((.*?)(?::(\d+))?\)")
PROCESS = re.compile(r"process (\d+) ?(.*)")
THREAD = re.compile(r"thread (.*) \((\d+)\)")
ROOT = ("<module>", "begin", "main")
DEPTH = 5000  # of deep.py


@dataclass(frozen=True)
class Frame:
    name: str  # the last part of a qualified one
    file: str
    line: int

    @property
    def base(self) -> str:
        return self.file.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Stack:
    pid: int
    command: str
    thread: str
    frames: tuple[Frame, ...]
    labels: frozenset[str]
    count: int

    def names(self) -> tuple[str, ...]:
        return tuple(frame.name for frame in self.frames)


def parse(line: str) -> Stack:
    text, _, count = line.rpartition(" ")
    pid, command, thread = 0, "", ""
    frames: list[Frame] = []
    labels: set[str] = set()
    for part in text.split(";"):
        if match := PROCESS.fullmatch(part):
            pid, command = int(match[1]), match[2]
        elif match := THREAD.fullmatch(part):
            thread = match[1]
        elif part in LABELLED or part in PASSING:
            labels.add(part)
        elif match := FRAME.fullmatch(part):
            # A frame whose line is not known has none; then only the file is there.
            frames.append(Frame(match[1].rsplit(".", 1)[-1], match[2], int(match[3] or 0)))
        else:
            frames.append(Frame(part, "", 0))
    return Stack(pid, command, thread, tuple(frames), frozenset(labels), int(count))


def read(path: Path) -> list[Stack]:
    return [parse(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


Rule = Callable[[Stack, tuple[str, ...]], bool]


def prefixes(*paths: str) -> Rule:
    """Legal is each of these paths below main ("caller middle leaf"), and the beginnings of them."""
    legal = {()}
    for path in paths:
        words = tuple(path.split())
        legal |= {words[:length] for length in range(len(words) + 1)}
    return lambda _stack, below: below in legal


def chain_paths() -> list[str]:
    return [
        " ".join([f"{side}{number}" for number in range(first, 13)] + [f"leaf_{side}"])
        for side in "ab"
        for first in (1, 8, 11, 12)
    ]


def deep(_stack: Stack, below: tuple[str, ...]) -> bool:
    downs = below[:-1] if below and below[-1] in ("leaf_a", "leaf_b") else below
    at_bottom = len(downs) < len(below)
    return set(downs) <= {"down"} and (len(downs) == DEPTH if at_bottom else len(downs) <= DEPTH)


def mutual(_stack: Stack, below: tuple[str, ...]) -> bool:
    return len(below) <= 40 and all(name == ("even", "odd")[depth % 2] for depth, name in enumerate(below))


def fib(_stack: Stack, below: tuple[str, ...]) -> bool:
    return len(below) <= 18 and set(below) <= {"fib"}


def threads(stack: Stack, below: tuple[str, ...]) -> bool:
    side = {"comes-a": "a", "comes-b": "b", "stays-b": "b"}.get(stack.thread[:7], "")
    if stack.thread == "MainThread":
        return below == ()
    # A thread that has hardly begun or has ended its Python has no frame.
    whole = [(f"work_{each}", f"leaf_{each}") for each in (side or "ab")]
    return any(below == path[: len(below)] for path in whole)


def expressions(stack: Stack, below: tuple[str, ...]) -> bool:
    if below == ("by_function", "<genexpr>"):  # it is being made, and not yet on the line of its body
        return stack.frames[-1].line != stack.frames[-2].line + 1
    by_c = [f"{caller} <genexpr>" for caller in ("by_sum", "by_list", "by_join", "by_any")]
    return prefixes(*by_c, "by_call <genexpr> add", "by_function consume <genexpr>")(stack, below)


def made(stack: Stack, below: tuple[str, ...]) -> bool:
    """main;one;<module> made_K_N.py;... or main;one;made_K_N;leaf_K, with a line that only kind K has."""
    if below[:1] != ("one",):
        return below == ()
    rest = stack.frames[len(ROOT) + 1 :]
    if not rest:
        return True
    first = rest[0]
    file = re.fullmatch(r"made_(\d)_(\d+)\.py", first.base)
    if not file or len(rest) > 2:
        return False
    kind, stem = int(file[1]), first.base[:-3]
    if int(file[2]) % 10 != kind or (first.line and not 10 * kind < first.line <= 10 * kind + 5):
        return False
    if first.name == "<module>":
        return len(rest) == 1
    return first.name == stem and (len(rest) == 1 or rest[1].name == f"leaf_{kind}")


@dataclass(frozen=True)
class Program:
    rule: Rule
    foreign: bool = False  # frames of the standard library may stand between; they are left out
    threaded: bool = False  # threads other than the main one have no main at their root
    gone: bool = False  # its code dies young: <gone> is right there
    rename: str = ""  # it is run under this file name


PROGRAMS: dict[str, Program] = {
    "chains": Program(prefixes(*chain_paths())),
    "shared": Program(
        prefixes(
            "caller_a middle leaf_a", "caller_b middle leaf_b", "far_a caller_a middle leaf_a", "far_b caller_b middle leaf_b"
        )
    ),
    "polymorphic": Program(prefixes("caller_a middle leaf_a", "caller_b middle leaf_b")),
    "generators": Program(
        prefixes("next_a gen_a leaf_a", "next_b gen_b leaf_b", "loop_a outer_a gen_a leaf_a", "loop_b outer_b gen_b leaf_b")
    ),
    "awaits": Program(prefixes("drive_a outer_a inner_a __await__ leaf_a", "drive_b outer_b inner_b __await__ leaf_b")),
    "pingpong": Program(prefixes("ping take_ping hit_ping", "pong take_pong hit_pong", "match"), foreign=True),
    "callbacks": Program(
        prefixes("by_sorted key leaf_key", "by_map mapped leaf_map", "by_reduce fold", "by_sub swap"), foreign=True
    ),
    "expressions": Program(expressions),
    "classes": Program(
        prefixes("make_a __init__ fill_a", "make_b __init__ fill_b", "make_b value get_b", "make_c __init__ __init__ fill_a")
    ),
    "deep": Program(deep),
    "mutual": Program(mutual),
    "fib": Program(fib),
    "threads": Program(threads, foreign=True, threaded=True),
    "made": Program(made, foreign=True, gone=True),
    "names": Program(prefixes("数える функция größe", "𠀀 größe"), rename="naïve_数_𠀀.py"),
}


@dataclass
class Verdict:
    samples: int = 0
    labelled: Counter[str] = field(default_factory=Counter)
    outside: int = 0  # start and end of a program that was launched
    impossible: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> int:
        return sum(self.impossible.values())

    @property
    def accepted(self) -> int:
        return self.samples - sum(self.labelled.values())

    def add(self, other: Verdict) -> None:
        self.samples += other.samples
        self.labelled += other.labelled
        self.outside += other.outside
        self.impossible += other.impossible

    def examples(self) -> str:
        return "\n".join(f"{count} x {text}" for text, count in self.impossible.most_common(5))


def _is_outside(own: tuple[str, ...]) -> bool:
    """Before main or after it: imports and what begin() does."""
    return "main" not in own and set(own) <= {"<module>", "begin", "pin"}


def is_legal(program: Program, file: str, stack: Stack) -> bool:
    files = (file, "oracle_target.py")
    own = tuple(frame.name for frame in stack.frames if frame.base in files)
    if len(own) != len(stack.frames) and not program.foreign:
        return False
    if program.threaded and stack.thread != "MainThread" and own[:1] != ROOT[:1]:
        # It may be in threading only. Under another thread's name its own functions tell.
        return program.rule(stack, own)
    # A stack may end at any frame that was alive: what is above it was just being entered or left.
    return own == ROOT[: len(own)] or (own[: len(ROOT)] == ROOT and program.rule(stack, own[len(ROOT) :]))


def shorten(stack: Stack) -> str:
    words = [f"{frame.name}:{frame.line}" if frame.line else f"{frame.name} ({frame.base})" for frame in stack.frames]
    if len(words) > 24:
        words = words[:12] + [f"... {len(words) - 24} more"] + words[-12:]
    return f"[{stack.thread}] " + ";".join(words + sorted(stack.labels))


def judge(name: str, stacks: Sequence[Stack], launched: bool = False) -> Verdict:
    program = PROGRAMS[name]
    file = program.rename or f"{name}.py"
    verdict = Verdict()
    for stack in stacks:
        verdict.samples += stack.count
        label = next((each for each in LABELLED if each in stack.labels), None)
        if label:
            verdict.labelled[label] += stack.count
        elif launched and _is_outside(tuple(frame.name for frame in stack.frames if frame.base in (file, "oracle_target.py"))):
            verdict.outside += stack.count
        elif not is_legal(program, file, stack):
            verdict.impossible[shorten(stack)] += stack.count
    return verdict


def upper_95(count: int) -> float:
    """The one-sided 95 % bound of a Poisson mean of which count were seen; 3.0 for none (the rule of three)."""
    low, high = float(count), count + 4.0 * math.sqrt(count + 1.0) + 4.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.exp(-middle + k * math.log(middle) - math.lgamma(k + 1)) for k in range(count + 1)) if middle else 1.0
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def impossible_share(minor: int) -> float:
    """The bar of the tests. The aim is none on any version, and million.py counts how far from it we are
    (docs/measured.md); a busy machine, on which the target is put off its core in mid-read, must not exceed this."""
    return 0.001 if minor < 11 else 0.00005


def allowed(share: float, samples: int) -> float:
    """How many of so many may be, if at most that share truly is: three standard deviations of chance."""
    mean = share * samples
    return mean + 3.0 * math.sqrt(mean) + 1.0
