# SPDX-License-Identifier: MIT
"""outpace.profile: marks functions whose lines are of interest, and may stay in the code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # a program that is not profiled pays for no import
    from typing import TypeVar

    from outpace._line_profiler import LineProfiler

    Thing = TypeVar("Thing")

SWITCHES = ("OUTPACE_LINES", "LINE_PROFILE")
OFF = ("", "0", "false", "no", "off")


def wanted() -> bool:
    return any(os.environ.get(name, "").strip().lower() not in OFF for name in SWITCHES)


class Marker:
    """``@outpace.profile`` marks a function, or all functions of a class, for line profiling. What it is given it gives
    back, unchanged and as fast as before.

    It does nothing unless line profiling is on:

    - under ``outpace lines`` (or another tool that put a ``profile`` into builtins), which then gets the mark;
    - where the environment has ``LINE_PROFILE=1`` or ``OUTPACE_LINES=1``: at the end of the program the table is printed
      to standard output, and ``profile_output.lprof``, for ``python -m line_profiler``, is written into the folder where
      the program began;
    - after ``outpace.profile.enable()``, which does the same for what is marked from then on.

    Marks methods, static and class methods, properties, partial objects, cached properties and wrapped functions by the
    code inside. Raises TypeError for what has none, where it is on. Without an agent for this Python it warns and does
    nothing.
    """

    def __init__(self) -> None:
        self._profiler: LineProfiler | None = None
        self._enabled: bool | None = None  # None: as the environment says
        self._output = ""

    @property
    def enabled(self) -> bool:
        return wanted() if self._enabled is None else self._enabled

    def __call__(self, function: Thing) -> Thing:
        builtin = vars(sys.modules["builtins"]).get("profile")
        if builtin is not None and builtin is not self:
            marked: Thing = builtin(function)
            return marked
        if self.enabled:
            profiler = self._start()
            if profiler is not None:
                profiler.add_function(function)
        return function

    def enable(self, output_prefix: str = "profile_output") -> None:
        """Switches marks on. ``output_prefix``: the file's path without its ``.lprof``."""
        self._enabled = True
        self._output = os.path.abspath(output_prefix)

    def disable(self) -> None:
        """Switches marks off, and stops counting. What was counted is told at the end."""
        self._enabled = False
        if self._profiler is not None:
            self._profiler.disable()

    def show(self) -> None:
        """Prints the table and writes the file, as is done at the end of the program."""
        profiler = self._profiler
        if profiler is None:
            return
        path = self._output + ".lprof"
        profiler.disable()
        stats = profiler.get_stats()
        try:
            stats.print(output_unit=1e-6)
            sys.stdout.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more
        try:
            stats.to_file(path)
        except OSError as error:
            print(f"error: '{path}' cannot be written: {error.strerror}", file=sys.stderr)
            print("hint: outpace.profile.enable(output_prefix=...) chooses another place", file=sys.stderr)

    def _start(self) -> LineProfiler | None:
        try:
            if self._profiler is None:
                from outpace._line_profiler import LineProfiler

                self._profiler = self._tell_at_exit(LineProfiler())
            self._profiler.enable()
        except (ImportError, RuntimeError, ValueError) as error:
            import warnings

            warnings.warn(f"no lines are profiled: {error}", RuntimeWarning, stacklevel=3)
            self._enabled = False
            return None
        return self._profiler

    def _tell_at_exit(self, profiler: LineProfiler) -> LineProfiler:
        import atexit

        self._output = self._output or os.path.abspath("profile_output")
        pid = os.getpid()
        atexit.register(lambda: self.show() if os.getpid() == pid else None)
        return profiler


profile = Marker()
