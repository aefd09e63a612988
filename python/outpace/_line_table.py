# SPDX-License-Identifier: MIT
"""The table of lines, as line_profiler prints it, and the file that its viewer reads. For use inside a program only:
``outpace lines`` makes its own.
"""

from __future__ import annotations

import inspect
import linecache
import os
import pickle
import sys
from dataclasses import dataclass, field
from typing import TextIO

Place = tuple[str, int, str]  # file, first line, qualified name
Line = tuple[int, int, int]  # line, hits, time in units

WIDTHS = (6, 9, 12, 8, 8)  # line, hits, time, per hit, percent


@dataclass
class LineStats:
    """What was counted: for each function its lines, by number. ``unit``: the seconds of one unit of time."""

    timings: dict[Place, list[Line]] = field(default_factory=dict)
    unit: float = 1e-9

    def print(self, stream: TextIO | None = None, output_unit: float | None = None, stripzeros: bool = False) -> None:
        """Writes the table. ``output_unit``: seconds; ``stripzeros``: without functions that never ran."""
        stream = sys.stdout if stream is None else stream
        shown = self.unit if output_unit is None else output_unit
        stream.write(f"Timer unit: {shown:g} s\n\n")
        for place, lines in sorted(self.timings.items()):
            if lines or not stripzeros:
                show_function(stream, place, lines, self.unit, shown)

    def to_file(self, path: str | os.PathLike[str]) -> None:
        """Writes what ``python -m line_profiler FILE`` reads: a pickle of its own class, which need not be installed."""
        # PROTO 2, the class, the arguments as a pickle of their own without its head and end, REDUCE, STOP.
        arguments = pickle.dumps((self.timings, self.unit), 2)[2:-1]
        with open(path, "wb") as file:
            file.write(b"\x80\x02cline_profiler._line_profiler\nLineStats\n" + arguments + b"R.")


def source_block(path: str, first: int, last: int) -> list[str]:
    """The lines of the function that begins at `first`, and at least those up to `last`."""
    linecache.checkcache(path)
    lines = linecache.getlines(path)[first - 1 :]
    try:
        block = inspect.getblock(lines)
    except (IndentationError, SyntaxError):  # the file was changed meanwhile
        block = []
    return block if len(block) >= last - first + 1 else lines[: last - first + 1]


def fit(number: float, width: int) -> str:
    text = f"{number:5.1f}"
    return text if len(text) <= width else f"{number:5.3g}"


def show_function(stream: TextIO, place: Place, lines: list[Line], unit: float, shown: float) -> None:
    path, start, name = place
    total = sum(time for _, _, time in lines)
    first = min([start, *(line for line, _, _ in lines)])
    last = max([first, *(line for line, _, _ in lines)])
    source = source_block(path, first, last)
    stream.write(f"Total time: {total * unit:g} s\n")
    if source:
        stream.write(f"File: {path}\nFunction: {name} at line {start}\n\n")
    else:
        stream.write(f"\nCould not find file {path}\nThe lines of {name} at line {start} stand without their text.\n\n")
        source = [""] * (last - first + 1)
    heads = ("Line #", "Hits", "Time", "Per Hit", "% Time")
    head = " ".join(f"{text:>{width}}" for text, width in zip(heads, WIDTHS)) + "  Line Contents"
    stream.write(f"{head}\n{'=' * len(head)}\n")
    counted = {line: (hits, time) for line, hits, time in lines}
    for number, text in enumerate(source, first):
        cells = [str(number), "", "", "", ""]
        if number in counted:
            hits, time = counted[number]
            scaled = time * unit / shown
            cells[1] = str(hits) if len(str(hits)) <= WIDTHS[1] else f"{hits:g}"
            cells[2] = fit(scaled, WIDTHS[2])
            cells[3] = fit(scaled / hits, WIDTHS[3]) if hits else ""
            cells[4] = fit(100 * time / total, WIDTHS[4]) if total else ""
        row = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS))
        line = text.rstrip("\r\n")
        stream.write(f"{row}  {line}\n")
    stream.write("\n")
