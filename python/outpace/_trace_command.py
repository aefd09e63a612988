# SPDX-License-Identifier: MIT
"""``python -m outpace.trace``: the command line of ``python -m cProfile``, for a program that does not notice.

The program's module is the real ``__main__``, so that its classes can be pickled and multiprocessing finds it in a new
process; sys.argv and sys.path are what Python itself would give it; the exit code is its own, and so are a traceback and
death by Ctrl-C. The table is printed when all is over: behind what threads and atexit functions print.
"""

from __future__ import annotations

import _thread
import atexit
import importlib.machinery
import importlib.util
import io
import os
import sys
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

from outpace._profiler import Profiler

USAGE = "outpace.trace [-o output_file_path] [-s sort] [-m module | scriptfile] [arg] ..."
NAME = "outpace.trace"


class Stop(Exception):
    """The program cannot be started. What happened, what to do."""


def fail(what: str, hint: str) -> NoReturn:
    print(f"error: {what}\nhint: {hint}", file=sys.stderr)
    sys.exit(2)


# --- what is run ----------------------------------------------------------------------------------------------------


def new_main(**names: Any) -> ModuleType:
    """A module ``__main__`` as Python makes one, in its place."""
    module = ModuleType("__main__")
    space = vars(module)
    space["__builtins__"] = sys.modules["builtins"]
    if sys.version_info < (3, 14):
        space["__annotations__"] = {}
    if sys.version_info < (3, 15):
        space["__cached__"] = None
    space.update(names)
    sys.modules["__main__"] = module
    return module


def first_on_path(folder: str | None) -> None:
    """`python -m` put the current folder first, unless it was told to put nothing; None takes that away."""
    if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
        return
    sys.path[:1] = [] if folder is None else [folder]


def load_script(path: str) -> tuple[CodeType, ModuleType]:
    full = os.path.join(os.getcwd(), path)  # as Python does: "./script.py" keeps its dot
    if os.path.isdir(full) or importlib.machinery.PathFinder.find_spec("__main__", [full]):
        spec = importlib.machinery.PathFinder.find_spec("__main__", [full])
        if spec is None or spec.loader is None:
            raise Stop(f"the folder '{path}' has no __main__.py", "name a script in it")
        first_on_path(full)
        code = spec.loader.get_code("__main__")  # type: ignore[attr-defined]
        return code, new_main(**names_of(spec))
    try:
        with io.open_code(full) as file:
            text = file.read()
    except FileNotFoundError:
        raise Stop(f"the script '{path}' does not exist", "check its name and the current folder") from None
    except OSError as error:
        raise Stop(f"the script '{path}' cannot be read: {error.strerror}", "check its permissions") from None
    first_on_path(os.path.dirname(os.path.realpath(full)))
    loader = importlib.machinery.SourceFileLoader("__main__", full)
    return compile_source(text, full), new_main(__file__=full, __loader__=loader)


def compile_source(text: bytes, path: str) -> CodeType:
    # From 3.15 on the name of the module chooses among filters for warnings.
    more: dict[str, Any] = {"module": "__main__"} if sys.version_info >= (3, 15) else {}
    code = compile(text, path, "exec", dont_inherit=True, **more)
    assert isinstance(code, CodeType)
    return code


def names_of(spec: importlib.machinery.ModuleSpec) -> dict[str, Any]:
    names = {"__file__": spec.origin, "__loader__": spec.loader, "__package__": spec.parent, "__spec__": spec}
    if sys.version_info < (3, 15):
        names["__cached__"] = spec.cached
    return names


def load_module(name: str) -> tuple[CodeType, ModuleType]:
    sys.argv[0] = "-m"
    spec = find_module(name)
    if spec is not None and spec.submodule_search_locations is not None:
        inner = find_module(name + ".__main__")
        if inner is None:
            raise Stop(f"'{name}' is a package and has no {name}.__main__", "name a module of it")
        spec = inner
    if spec is None:
        raise Stop(f"there is no module named {name}", "check its name, the current folder and PYTHONPATH")
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code is not None else None
    if code is None:
        raise Stop(f"the module {name} is not written in Python", "name another one")
    sys.argv[0] = spec.origin or name
    return code, new_main(**names_of(spec))


def find_module(name: str) -> importlib.machinery.ModuleSpec | None:
    """Imports the packages that it lies in, as ``python -m`` does: what their code raises is passed on."""
    if name.startswith("."):
        raise Stop(f"the module name '{name}' is relative", "give its full name")
    parent = name.rpartition(".")[0]
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (parent == error.name or parent.startswith(error.name + ".")):
            return None
        raise
    except ValueError:  # it is loaded, and by something that left it no spec
        return None


# --- running it -----------------------------------------------------------------------------------------------------


def strip(trace: TracebackType | None) -> TracebackType | None:
    """What of a traceback lies inside the program."""
    rest = at = trace
    while at is not None:
        if at.tb_frame.f_code.co_filename == __file__:
            rest = at.tb_next
        at = at.tb_next
    return rest


def hide_in_tracebacks() -> None:
    """The program's own hook, or Python's, then shows what it would without us."""
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        trace = strip(trace)
        error.__traceback__ = trace
        shown(kind, error, trace)

    sys.excepthook = hook


class Report:
    """Tells the results of this process, and of none that it forks, when Python ends."""

    def __init__(self, profiler: Profiler, outfile: str | None, sort: Any) -> None:
        self.profiler = profiler
        self.outfile = outfile
        self.sort = sort
        self.pid = os.getpid()

    def __call__(self) -> None:
        if os.getpid() != self.pid:
            return
        self.profiler.disable()
        if self.outfile is not None:
            try:
                self.profiler.dump_stats(self.outfile)
            except OSError as error:
                print(f"error: '{self.outfile}' cannot be written: {error.strerror}", file=sys.stderr)
                print("hint: name another file with -o", file=sys.stderr)
            return
        if sys.stdout is None or sys.stdout.closed:
            sys.stdout = sys.__stdout__
        if sys.stdout is None or sys.stdout.closed:
            return
        try:
            self.profiler.print_stats(self.sort)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nobody reads: no word about it, and none when Python flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def check_outfile(path: str) -> None:
    """Before the program runs, for hours perhaps."""
    there = os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
        if not there:
            os.unlink(path)
    except OSError as error:
        fail(f"'{path}' cannot be written: {error.strerror}", "name another file with -o")


def execute(code: CodeType, main: ModuleType, profiler: Profiler) -> None:
    names = vars(main)
    modules = sys.modules
    own = _thread.get_ident()
    alone = True
    try:
        profiler.enable()
        # From here to disable() no call, as it would be counted: hence the table of threading instead of its functions.
        try:
            exec(code, names)
        finally:
            if "threading" in modules:
                for ident in modules["threading"]._active:
                    alone = alone and ident == own
            if alone:
                profiler.disable()
    except SystemExit:
        raise
    except BaseException:
        hide_in_tracebacks()
        raise


def main() -> None:
    """Takes cProfile's command line from sys.argv, runs the program, and ends as that does."""
    import pstats
    from optparse import OptionParser

    parser = OptionParser(usage=USAGE, prog=NAME)
    parser.allow_interspersed_args = False
    parser.add_option("-o", "--outfile", dest="outfile", help="Save stats to <outfile>", default=None)
    parser.add_option(
        "-s",
        "--sort",
        dest="sort",
        help="Sort order when printing to stdout, based on pstats.Stats class",
        default=2 if sys.version_info >= (3, 11) else -1,
        choices=sorted(pstats.Stats.sort_arg_dict_default),
    )
    parser.add_option("-m", dest="module", action="store_true", help="Profile a library module", default=False)
    if not sys.argv[1:]:
        parser.print_usage()
        sys.exit(2)
    options, words = parser.parse_args()
    if not words:
        parser.print_usage()
        sys.exit(2)
    # The program may change the folder.
    outfile = os.path.abspath(options.outfile) if options.outfile is not None else None
    if outfile is not None:
        check_outfile(outfile)
    sys.argv[:] = words
    try:
        code, module = load_module(words[0]) if options.module else load_script(words[0])
    except Stop as stop:
        fail(*stop.args)
    except BaseException:
        hide_in_tracebacks()
        raise
    try:
        profiler = Profiler()
        profiler.enable()
        profiler.disable()
        profiler.clear()
    except (RuntimeError, ValueError) as error:
        fail(str(error), "run the program without the other tool")
    atexit.register(Report(profiler, outfile, options.sort))  # the first to be registered is the last to be called
    execute(code, module, profiler)
