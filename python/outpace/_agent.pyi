# SPDX-License-Identifier: MIT
"""The tracer inside a Python program: exact calls and lines. An extension module; ext/agent has its source."""

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Literal, NamedTuple, overload

class profiler_subentry(NamedTuple):
    """What one function called: entries are counted by who called them."""

    code: CodeType | str
    callcount: int
    reccallcount: int
    totaltime: float
    inlinetime: float

class profiler_entry(NamedTuple):
    """One function: a code object, or the name of a function that is not written in Python."""

    code: CodeType | str
    callcount: int
    reccallcount: int
    totaltime: float
    inlinetime: float
    calls: list[profiler_subentry] | None

class Profiler:
    """Counts and times calls while it is enabled, as ``_lsprof.Profiler`` does, which it can stand in for.

    ``timer`` gives the time, in units of ``timeunit`` seconds where it gives whole numbers; without one the clock is
    the best that the machine has. ``subcalls`` keeps who called whom, ``builtins`` counts functions not written in
    Python too.
    """

    def __init__(
        self,
        timer: Callable[[], float] | None = None,
        timeunit: float = 0.0,
        subcalls: bool = True,
        builtins: bool = True,
    ) -> None: ...
    def enable(self, subcalls: bool = True, builtins: bool = True) -> None:
        """Begins to count. ValueError or RuntimeError where another profiler stands in the way: its name is told."""

    def disable(self) -> None:
        """Stops counting; what was running is closed at this moment."""

    def clear(self) -> None:
        """Forgets what was counted."""

    def getstats(self) -> list[profiler_entry]:
        """What was counted up to now, a function an entry."""

class LineProfiler:
    """Counts and times each line of chosen functions."""

    def add_code(self, code: CodeType) -> None:
        """Chooses one function, by its code."""

    def select(self, items: Iterable[tuple[str, str]]) -> None:
        """Chooses functions that are not known yet, when they are first called: by (file, start of the qualified name).

        A file that ends in "/" is each one below that folder; an empty name is each function of the file.
        """

    def enable(self) -> None:
        """Begins to count; calls nest, and each needs its disable."""

    def disable(self) -> None:
        """Stops counting."""

    def results(self) -> list[tuple[str, int, str, list[tuple[int, int, int]]]]:
        """A function an entry: file, first line, qualified name, and (line, hits, nanoseconds) for each line that ran."""

@overload
def start(folder: str, modes: Literal["lines"]) -> LineProfiler: ...
@overload
def start(folder: str, modes: str) -> LineProfiler | None:
    """Begins to trace this process and its children into segments below ``folder``.

    ``modes`` is a list parted by commas of calls, counts, lines, builtins. For lines the profiler is returned whose
    functions are to be chosen. Raises OSError where the segment can't be made, and RuntimeError where another tool
    stands in the way.
    """
