# SPDX-License-Identifier: MIT
"""outpace.Profiler: exact counts and times of calls, with the face of cProfile.Profile.

The C type underneath keeps a stack for each thread; here its results become the dictionary that pstats reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, TracebackType
from typing import Any, ParamSpec, TypeVar

from outpace import _agents
from outpace._stepping import Gate, Thing

try:
    from outpace._agent import Profiler as _Profiler
except ImportError as error:
    raise _agents.missing("outpace.Profiler", error) from error

Result = TypeVar("Result")
Self = TypeVar("Self", bound="Profiler")
Parameters = ParamSpec("Parameters")

Label = tuple[str, int, str]  # file, first line, name; a C function has "~", 0, its description
Times = tuple[int, int, float, float]  # calls, of them not recursive, own seconds, seconds with what it called
Entry = tuple[int, int, float, float, dict[Label, Times]]  # not recursive, all, own, with callees, by caller


def label(code: CodeType | str) -> Label:
    """How pstats names a function."""
    if isinstance(code, str):
        return "~", 0, code  # sorts behind all files
    return code.co_filename, code.co_firstlineno, code.co_name


class Profiler(_Profiler):
    """Profiler(timer=None, timeunit=0.0, subcalls=True, builtins=True)

    Counts and times all calls between ``enable()`` and ``disable()``, in all threads: what ``cProfile.Profile`` does and
    is called with, and ``pstats.Stats(profiler)`` reads. It differs where that one is wrong: each thread has a stack of
    its own, functions of the same name on the same line are summed and not lost, and exceptions, ``close()`` of a
    generator and exits unbalance nothing.

    ``timer`` is a callable that gives the time; what it gives counts as seconds where it is a float and as ``timeunit``
    seconds where it is an integer. Without one the processor's counter is read, in steps of about a nanosecond.
    ``subcalls=False`` does not tell callers apart, ``builtins=False`` leaves out functions written in C.

    As a decorator, ``@Profiler()`` is on while the function runs. Of coroutines and generators, plain and asynchronous,
    it counts the steps, and nothing while they are suspended. The function has the profiler as its ``profiler``.

    ``enable()`` raises ValueError where other tools hold all of ``sys.monitoring``'s ids (CPython 3.12 and newer; it
    names them).
    """

    stats: dict[Label, Entry]
    _gate: Gate | None = None

    def print_stats(self, sort: Any = -1) -> None:
        """Prints the table that pstats makes to standard output, times in seconds.

        ``sort`` is a key of ``pstats.Stats.sort_stats``, or a tuple of such keys.
        """
        import pstats

        keys = sort if isinstance(sort, tuple) else (sort,)
        stats: pstats.Stats = pstats.Stats(self)  # type: ignore[arg-type]
        stats.strip_dirs().sort_stats(*keys).print_stats()

    def dump_stats(self, file: str | os.PathLike[str]) -> None:
        """Stops profiling and writes ``stats`` to a file that ``pstats.Stats(file)`` reads. Raises OSError."""
        import marshal

        self.create_stats()
        with open(file, "wb") as written:
            marshal.dump(self.stats, written)

    def create_stats(self) -> None:
        """Stops profiling and fills ``stats``."""
        self.disable()
        self.snapshot_stats()

    def snapshot_stats(self) -> None:
        """Fills ``stats`` and goes on. Functions that have not returned yet count without the call that runs."""
        entries = self.getstats()
        stats: dict[Label, Entry] = {}
        for entry in entries:
            key = label(entry.code)
            figures = entry.callcount - entry.reccallcount, entry.callcount, entry.inlinetime, entry.totaltime
            if key in stats:  # two lambdas on a line
                known = stats[key]
                stats[key] = (*_sum(known[:4], figures), known[4])
            else:
                stats[key] = (*figures, {})
        for entry in entries:
            caller = label(entry.code)
            for call in entry.calls or ():
                callee = stats.get(label(call.code))
                if callee is not None:
                    figures = call.callcount, call.callcount - call.reccallcount, call.inlinetime, call.totaltime
                    by_caller = callee[4]
                    by_caller[caller] = _sum(by_caller[caller], figures) if caller in by_caller else figures
        self.stats = stats

    def run(self: Self, cmd: str | CodeType) -> Self:
        """Executes ``cmd`` in the module ``__main__`` and profiles that."""
        import __main__

        names = __main__.__dict__
        return self.runctx(cmd, names, names)

    def runctx(self: Self, cmd: str | CodeType, globals: dict[str, Any], locals: Mapping[str, object] | None) -> Self:
        """Executes ``cmd`` with these names and profiles that. What it raises is passed on."""
        self.enable()
        try:
            exec(cmd, globals, locals)
        finally:
            self.disable()
        return self

    def runcall(self, func: Callable[Parameters, Result], /, *args: Parameters.args, **kw: Parameters.kwargs) -> Result:
        """Calls ``func``, profiles that, and gives its result."""
        self.enable()
        try:
            return func(*args, **kw)
        finally:
            self.disable()

    def __enter__(self: Self) -> Self:
        self.enable()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.disable()

    def __call__(self, function: Thing) -> Thing:
        """Decorates a function, also ``async def`` and generators, a method of any kind, or all methods of a class.

        Raises TypeError for what is no function and holds none.
        """
        if self._gate is None:
            self._gate = Gate(self)
        wrapped = self._gate.wrap(function)
        if isinstance(wrapped, FunctionType):
            vars(wrapped)["profiler"] = self
        return wrapped


def _sum(one: Times, other: Times) -> Times:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]
