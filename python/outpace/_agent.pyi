# SPDX-License-Identifier: MIT
"""The tracer inside a Python program: exact calls and lines. An extension module; ext/agent has its source."""

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any, Final, Literal, final, overload

from _typeshed import StrOrBytesPath, structseq
from typing_extensions import disjoint_base

@final
class profiler_subentry(structseq[Any], tuple[CodeType | str, int, int, float, float]):
    """What one function called: entries are counted by who called them. Seconds."""

    __match_args__: Final = ("code", "callcount", "reccallcount", "totaltime", "inlinetime")
    @property
    def code(self) -> CodeType | str: ...
    @property
    def callcount(self) -> int: ...
    @property
    def reccallcount(self) -> int: ...
    @property
    def totaltime(self) -> float: ...
    @property
    def inlinetime(self) -> float: ...

@final
class profiler_entry(structseq[Any], tuple[CodeType | str, int, int, float, float, list[profiler_subentry] | None]):
    """One function: a code object, or the name of a function that is not written in Python. Seconds."""

    __match_args__: Final = ("code", "callcount", "reccallcount", "totaltime", "inlinetime", "calls")
    @property
    def code(self) -> CodeType | str: ...
    @property
    def callcount(self) -> int: ...
    @property
    def reccallcount(self) -> int: ...
    @property
    def totaltime(self) -> float: ...
    @property
    def inlinetime(self) -> float: ...
    @property
    def calls(self) -> list[profiler_subentry] | None: ...

@disjoint_base
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
        """Begins to count. ValueError where other tools hold all that it could use."""

    def disable(self) -> None:
        """Stops counting; what was running is closed at this moment."""

    def clear(self) -> None:
        """Forgets what was counted."""

    def getstats(self) -> list[profiler_entry]:
        """What was counted up to now, a function an entry."""

@disjoint_base
class LineProfiler:
    """Counts and times each line of chosen functions."""

    def add_code(self, code: CodeType, /) -> None:
        """Chooses one function, by its code."""

    def select(self, choices: Iterable[tuple[str, str]], /) -> None:
        """Chooses functions that are not known yet, when they are first called: by (file, start of the qualified name).

        A file that ends in "/" is each one below that folder; an empty name is each function of the file.
        """

    def await_choices(self, path: StrOrBytesPath, /) -> None:
        """Selects what the lines of a file name, once it is there: a qualified name, a tab, a file. Once a process."""

    def enable(self) -> None:
        """Begins to count, in all threads."""

    def disable(self) -> None:
        """Stops counting."""

    def results(self) -> list[tuple[str, int, str, list[tuple[int, int, int]]]]:
        """A function an entry: file, first line, qualified name, and (line, hits, nanoseconds) for each line that ran."""

@overload
def start(folder: StrOrBytesPath, modes: Literal["lines"], /) -> LineProfiler: ...
@overload
def start(folder: StrOrBytesPath, modes: str, /) -> LineProfiler | None:
    """Begins to trace this process, to its end, into a new segment in ``folder``.

    ``modes`` is one of calls, counts and lines, and builtins behind a comma. For lines the profiler is returned whose
    functions are to be chosen. Raises OSError where the segment can't be made, ValueError where another tool is in the
    way, and RuntimeError the second time.
    """
