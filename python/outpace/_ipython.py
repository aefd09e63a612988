# SPDX-License-Identifier: MIT
"""The magics of ``%load_ext outpace``: %outpace and %%outpace for calls, %lines and %%lines for lines."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any, Protocol

from outpace._line_profiler import LineProfiler
from outpace._profiler import Profiler

Magic = Callable[..., object]


class Shell(Protocol):
    """What is used of IPython's InteractiveShell."""

    user_ns: dict[str, Any]
    user_global_ns: dict[str, Any]
    compile: Any
    magics_manager: Any

    def register_magic_function(self, func: Magic, magic_kind: str, magic_name: str) -> None: ...

    def transform_cell(self, raw_cell: str) -> str: ...


class UsageError(Exception):
    """Of a magic; IPython prints its own ones without a traceback, and so do we."""


def read_options(line: str, flags: str, valued: str) -> tuple[dict[str, list[str]], str]:
    """The options that a line begins with, and the rest exactly as typed."""
    found: dict[str, list[str]] = {}
    rest = line.lstrip()
    while rest.startswith("-") and len(rest) > 1:
        word, _, after = rest.partition(" ")
        if word == "--":
            return found, after.lstrip()
        name, value = word[1], word[2:]
        if name in flags and not value:
            rest = after.lstrip()
        elif name in valued:
            if not value:
                value, _, after = after.lstrip().partition(" ")
            if not value:
                raise UsageError(f"option -{name} needs a value")
            rest = after.lstrip()
        else:
            raise UsageError(f"unknown option {word}")
        found.setdefault(name, []).append(value)
    return found, rest


class Magics:
    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.cells = 0

    def compiled(self, source: str) -> CodeType:
        """Under a name by which its lines are found later."""
        text = self.shell.transform_cell(source)
        self.cells += 1
        name = self.shell.compile.cache(text, self.cells, text)
        code = compile(text, name, "exec", flags=self.shell.compile.flags, dont_inherit=True)
        assert isinstance(code, CodeType)
        return code

    def execute(self, switch: Profiler | LineProfiler, code: CodeType) -> None:
        try:
            switch.runctx(code, self.shell.user_global_ns, self.shell.user_ns)
        except SystemExit:
            print("*** SystemExit: the statement ended the program; what ran until then is shown.")
        except KeyboardInterrupt:
            print("*** KeyboardInterrupt: what ran until then is shown.")

    def outpace(self, line: str, cell: str | None = None) -> Profiler | None:
        """Profile the calls of a statement or a cell, exactly.

        %outpace [-s KEY] [-l N] [-o FILE] [-r] [-b] STATEMENT
        %%outpace [the same options]

        -s KEY   sort by a key of pstats (default: cumulative)
        -l N     show N rows (default: 20; 0: all)
        -o FILE  write the statistics for pstats too
        -b       leave out functions written in C
        -r       give the outpace.Profiler as the result
        """
        options, statement = read_options(line, "rb", "slo")
        if cell is not None:
            statement = f"{statement}\n{cell}" if statement else cell
        if not statement.strip():
            raise UsageError("give a statement: %outpace f(3)")
        import pstats

        key, count = options.get("s", ["cumulative"])[-1], options.get("l", ["20"])[-1]
        if key not in pstats.Stats.sort_arg_dict_default:
            raise UsageError(f"-s {key}: choose from {', '.join(sorted(pstats.Stats.sort_arg_dict_default))}")
        if not count.isdecimal():
            raise UsageError(f"-l {count}: a number of rows is needed")
        profiler = Profiler(builtins="b" not in options)
        self.execute(profiler, self.compiled(statement))
        profiler.create_stats()
        stats: pstats.Stats = pstats.Stats(profiler)  # type: ignore[arg-type]
        stats.strip_dirs().sort_stats(key).print_stats(*([int(count)] if int(count) else []))
        if "o" in options:
            profiler.dump_stats(options["o"][-1])
        return profiler if "r" in options else None

    def lines(self, line: str, cell: str | None = None) -> LineProfiler | None:
        """Profile the lines of functions while a statement or a cell runs.

        %lines -f FUNCTION [-f FUNCTION ...] [-m MODULE] [-u UNIT] [-z] [-D FILE] [-r] STATEMENT
        %%lines [the same options]

        -f NAME  a function, method or class, or an expression that gives one; %%lines without -f and -m
                 profiles the cell itself and the functions that it defines
        -m NAME  all functions of an imported module
        -u UNIT  seconds of a unit of time (default: 1e-6)
        -z       leave out functions that never ran
        -D FILE  write the results for line_profiler's viewer too
        -r       give the outpace.LineProfiler as the result
        """
        options, statement = read_options(line, "rz", "fmuD")
        if cell is not None:
            statement = f"{statement}\n{cell}" if statement else cell
        if not statement.strip():
            raise UsageError("give a statement: %lines -f f f(3)")
        profiler = LineProfiler()
        for name in options.get("f", []):
            try:
                profiler.add_function(eval(name, self.shell.user_global_ns, self.shell.user_ns))
            except Exception as error:
                raise UsageError(f"-f {name}: {type(error).__name__}: {error}") from None
        for name in options.get("m", []):
            try:
                __import__(name)
            except ImportError as error:
                raise UsageError(f"-m {name}: {error}") from None
            profiler.add_module(sys.modules[name])
        try:
            unit = float(options.get("u", ["1e-6"])[-1])
        except ValueError:
            unit = 0.0
        if not unit > 0:
            raise UsageError("-u: a number of seconds is needed, as 1e-3")
        code = self.compiled(statement)
        if "f" not in options and "m" not in options:
            if cell is None:
                raise UsageError("name a function with -f, or use %%lines for the lines of a cell")
            add_all(profiler, code)
        self.execute(profiler, code)
        profiler.print_stats(output_unit=unit, stripzeros="z" in options)
        if "D" in options:
            profiler.dump_stats(options["D"][-1])
        return profiler if "r" in options else None


def add_all(profiler: LineProfiler, code: CodeType) -> None:
    """A cell and what it defines; not the bodies of classes, each of whose lines runs once."""
    class_body = "__qualname__" in code.co_names and code.co_names[:1] == ("__name__",)
    if not class_body:
        profiler.add_code(code)
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            add_all(profiler, each)


def said(magic: Magic) -> Magic:
    """Wrong use is one line, without a traceback."""

    def wrapper(line: str, cell: str | None = None) -> object:
        try:
            return magic(line, cell)
        except (UsageError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return None

    wrapper.__doc__ = magic.__doc__
    return wrapper


NAMES = ("outpace", "lines")


def load(shell: Shell) -> None:
    magics = Magics(shell)
    for name in NAMES:
        shell.register_magic_function(said(getattr(magics, name)), magic_kind="line_cell", magic_name=name)


def unload(shell: Shell) -> None:
    for kind in ("line", "cell"):
        for name in NAMES:
            shell.magics_manager.magics[kind].pop(name, None)
