# SPDX-License-Identifier: MIT
"""outpace.LineProfiler: hits and times of lines, with the face of line_profiler.LineProfiler."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Mapping
from types import CodeType, TracebackType
from typing import Any, ParamSpec, TextIO, TypeVar

from outpace import _agents
from outpace._line_table import LineStats, Place
from outpace._marking import codes_of
from outpace._stepping import Gate, Thing

try:
    from outpace._agent import LineProfiler as _LineProfiler
except ImportError as error:
    raise _agents.missing("outpace.LineProfiler", error) from error

Result = TypeVar("Result")
Self = TypeVar("Self", bound="LineProfiler")
Parameters = ParamSpec("Parameters")


class LineProfiler:
    """LineProfiler(*functions)

    Counts how often each line of chosen functions runs, and how long, in all threads, while it is enabled. The time of a
    line includes what it calls, but for calls that lead into the same function again, whose lines have it. A line that is
    suspended in ``await`` or ``yield`` costs nothing meanwhile. Other code runs at full speed on CPython 3.12 and newer.

    A function may be anything that has one inside: a method, a property, a partial object, a class for all that it
    defines. As a decorator it chooses the function, and is on while that runs.

    Methods are named as line_profiler names them, so that ``line_profiler.LineProfiler`` can be replaced by it.
    """

    def __init__(self, *functions: object) -> None:
        self._profiler = _LineProfiler()
        self._gate = Gate(self._profiler)
        self._codes: dict[int, CodeType] = {}  # by identity: equal code of two places is two functions
        self.functions: list[object] = []
        for function in functions:
            self.add_function(function)

    # --- what is profiled ---

    def add_function(self, function: object) -> int:
        """Chooses a function, or all of a class. Gives how many were new. Raises TypeError where there is no code."""
        codes = codes_of(function)
        if not codes:
            raise TypeError(f"{function!r} has no Python code of its own")
        self.functions.append(function)
        return sum(self.add_code(code) for code in codes)

    add_callable = add_class = add_function

    def add_module(self, module: types.ModuleType) -> int:
        """Chooses all functions and classes that a module defines. Gives how many functions were new."""
        return sum(
            self.add_function(value)
            for value in list(vars(module).values())
            if getattr(value, "__module__", None) == module.__name__ and codes_of(value)
        )

    def add_code(self, code: CodeType) -> bool:
        """Chooses a code object. Gives whether it was new."""
        if id(code) in self._codes:
            return False
        self._profiler.add_code(code)
        self._codes[id(code)] = code
        return True

    # --- running ---

    def enable(self) -> None:
        """Starts counting. Raises ValueError where other tools hold all ids of ``sys.monitoring``, which it names."""
        self._profiler.enable()

    def disable(self) -> None:
        """Stops counting."""
        self._profiler.disable()

    def enable_by_count(self) -> None:
        """Starts counting; as often as this was called, ``disable_by_count`` is needed to stop."""
        with self._gate.lock:
            if self._gate.wanted == 0:
                self._profiler.enable()
            self._gate.wanted += 1

    def disable_by_count(self) -> None:
        with self._gate.lock:
            if self._gate.wanted > 0:
                self._gate.wanted -= 1
                if self._gate.wanted == 0:
                    self._profiler.disable()

    def __enter__(self: Self) -> Self:
        self.enable_by_count()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.disable_by_count()

    def __call__(self, function: Thing) -> Thing:
        """Chooses a function and gives one that has the profiler on while it runs; ``async def`` and generators too."""
        self.add_function(function)
        return self._gate.wrap(function)

    wrap_callable = __call__

    def run(self: Self, cmd: str | CodeType) -> Self:
        """Executes ``cmd`` in the module ``__main__`` while counting."""
        import __main__

        names = __main__.__dict__
        return self.runctx(cmd, names, names)

    def runctx(self: Self, cmd: str | CodeType, globals: dict[str, Any], locals: Mapping[str, object] | None) -> Self:
        """Executes ``cmd`` with these names while counting."""
        with self:
            exec(cmd, globals, locals)
        return self

    def runcall(self, func: Callable[Parameters, Result], /, *args: Parameters.args, **kw: Parameters.kwargs) -> Result:
        """Calls ``func`` while counting, and gives its result. It is not chosen by that."""
        with self:
            return func(*args, **kw)

    # --- results ---

    def get_stats(self) -> LineStats:
        """What was counted so far. Functions of the same file, line and name are summed; times are nanoseconds."""
        timings: dict[Place, dict[int, tuple[int, int]]] = {}
        for code in self._codes.values():
            name = getattr(code, "co_qualname", code.co_name)  # since 3.11
            timings.setdefault((code.co_filename, code.co_firstlineno, name), {})
        for file, first, name, lines in self._profiler.results():
            known = timings.setdefault((file, first, name), {})
            for line, hits, time in lines:
                before = known.get(line, (0, 0))
                known[line] = before[0] + hits, before[1] + time
        return LineStats({place: [(line, *lines[line]) for line in sorted(lines)] for place, lines in timings.items()})

    def print_stats(self, stream: TextIO | None = None, output_unit: float | None = None, stripzeros: bool = False) -> None:
        """Prints the table that line_profiler prints, by default to standard output and in nanoseconds.

        ``output_unit``: seconds, as 1e-6 for microseconds; ``stripzeros`` leaves out functions that never ran.
        """
        self.get_stats().print(stream, output_unit, stripzeros)

    def dump_stats(self, filename: str | os.PathLike[str]) -> None:
        """Writes a file that ``python -m line_profiler FILE`` shows. Raises OSError."""
        self.get_stats().to_file(filename)
