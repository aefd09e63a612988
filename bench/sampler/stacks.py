# SPDX-License-Identifier: MIT
"""What the tools wrote, read back as counts of stacks; and the judge that says which stacks cannot have existed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

Stacks = Counter[tuple[str, ...]]       # function names, root first

# Labels of a stack that says itself that it is not whole. <native> and <GC> take nothing away.
DEGRADED = {"<unproven>", "<unreadable>", "<truncated>", "<gone>", "INVALID", ":INVALID:"}
CHAIN = ("a", "b", "c", "leaf")


def read_collapsed(path: Path, tool: str) -> Stacks:
    """`function (file:line);... count`, or `tid:N;file:function:line;... count` of 3.15's sampler."""
    stacks: Stacks = Counter()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        text, _, count = line.rpartition(" ")
        if not count.isdigit():
            continue
        frames = text.split(";")
        if tool == "sampler315":
            names = [frame.split(":")[-2] if frame.count(":") >= 2 else frame for frame in frames if not frame.startswith("tid:")]
        else:
            names = [re.sub(r" \([^()]*\)$", "", frame) for frame in frames if not re.match(r"(process|thread) ", frame)]
        stacks[tuple(names)] += int(count)
    return stacks


class Mojo:
    """Austin's binary format, versions 1 to 4, as far as stacks go: https://p403n1x87.github.io/austin/ documents it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 3
        if data[:3] != b"MOJ":
            raise ValueError("not a MOJO file")
        self.version = self.number()
        self.strings: dict[int, str] = {1: "?"}
        self.frames: dict[int, str] = {}

    def number(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        value, shift, sign = byte & 0x3F, 6, -1 if byte & 0x40 else 1
        while byte & 0x80:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
        return sign * value

    def text(self) -> str:
        end = self.data.index(0, self.at)
        value = self.data[self.at:end].decode("utf-8", "replace")
        self.at = end + 1
        return value

    def frame(self) -> None:
        key, _file, scope = self.number(), self.number(), self.number()
        for _ in range(4 if self.version >= 2 else 1):      # line, line end, column, column end
            self.number()
        self.frames[key] = self.strings.get(scope, "?")

    def samples(self) -> Stacks:
        """A stack counts when its metric comes; one without frames is a thread of which nothing could be read."""
        stacks: Stacks = Counter()
        current: list[str] = []
        while self.at < len(self.data):
            event = self.data[self.at]
            self.at += 1
            try:
                if event == 1:
                    self.text(), self.text()
                elif event == 2:
                    self.number()
                    if self.version >= 3:
                        self.number()
                    self.text()
                    current = []
                elif event == 3:
                    self.frame()
                elif event == 4:
                    current.append("INVALID")
                elif event == 5:
                    current.append(self.frames.get(self.number(), "INVALID"))
                elif event == 6:
                    self.text()
                elif event in (9, 10):
                    self.number()
                    if event == 9 and current:
                        stacks[tuple(current)] += 1
                elif event == 11:
                    key = self.number()
                    self.strings[key] = self.text()
                elif event == 12:
                    self.number()
                elif event not in (0, 7, 8):
                    raise ValueError(f"event {event} at {self.at}")
            except (IndexError, ValueError) as error:
                if self.at >= len(self.data) - 64:      # cut off at the end
                    break
                raise ValueError(f"torn MOJO file: {error}") from error
        return stacks


def read_mojo(path: Path) -> Stacks:
    return Mojo(path.read_bytes()).samples()


@dataclass
class Verdict:
    samples: int = 0
    whole: int = 0          # from the root, and possible
    impossible: int = 0     # and no label says so
    labelled: int = 0       # says itself that it is not whole
    rootless: int = 0       # possible, begins in the middle, without a label
    example: str = ""


def upper_bound_text(samples: int) -> str:
    """95 % upper bound of a share that was not seen once in so many samples: the rule of three."""
    return f"{300 / samples:.2g} %" if samples else "no samples"


def possible(names: list[str], workload: str) -> bool:
    if not names:
        return True
    side = names[0].partition("_")[0]
    rest = [name.partition("_")[2] for name in names]
    if any(name.partition("_")[0] != side for name in names):
        return False
    if workload == "chains":
        first = CHAIN.index(rest[0])
        return tuple(rest) == CHAIN[first:first + len(rest)]
    return all(name == "down" for name in rest[:-1])


def brief(stack: tuple[str, ...]) -> str:
    """Repeats told once; the innermost of what remains."""
    runs = [(name, len(list(group))) for name, group in groupby(stack)]
    return ";".join(name if length == 1 else f"{name} x{length}" for name, length in runs[-8:])


def judge(stacks: Stacks, workload: str) -> Verdict:
    """Of the workloads `chains` and `deep`, whose frames tell which chain they belong to."""
    verdict = Verdict()
    for stack, count in stacks.items():
        verdict.samples += count
        sided = [name for name in stack if name.startswith(("left_", "right_"))]
        first = sided[0].partition("_")[2] if sided else ""
        root = "<module>" in stack[:2]
        if DEGRADED.intersection(stack):
            verdict.labelled += count
        elif not possible(sided, workload) or (root and workload == "chains" and first not in ("", "a")):
            verdict.impossible += count
            verdict.example = verdict.example or brief(stack)
        elif root:
            verdict.whole += count
        else:
            verdict.rootless += count
    return verdict
