# SPDX-License-Identifier: MIT
"""Begins to trace this process. Run by ``_start/sitecustomize.py``, as a file and not as a part of the package.

What it finds in the environment, set by the command line:
    OUTPACE_TRACE           the folder for what is traced, and for the reasons why something is not
    OUTPACE_TRACE_MODES     of calls, counts, lines, builtins, parted by commas
    OUTPACE_TRACE_AGENT     folders with agents, parted by colons
    OUTPACE_TRACE_SELECT    lines only, an item a line: "module NAME", "function MODULE:QUALNAME", "file PATH" and, as
                            the first process that finds a module leaves it to its children, "file PATH<tab>QUALNAME"
    OUTPACE_TRACE_HOT       lines only, a file to come: what a sampler found to be hot
    OUTPACE_TRACE_PARENT    the process whose direct child alone is traced; absent: all are

A program must not notice: only what every Python has loaded is imported (for lines, `types` too), hence the quoted
annotations: the future import is one as well.
"""

import _imp
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any, TypeVar

    from outpace._agent import LineProfiler

    Thing = TypeVar("Thing")

NAME = "outpace._agent"
SELECT = "OUTPACE_TRACE_SELECT"


def leave(folder: str, ending: str, text: str) -> None:
    """A file PID.ENDING for the command line to read; a process that can't write there says it itself."""
    path = os.path.join(folder, f"{os.getpid()}.{ending}")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return  # by the program that this process was before an exec
    except OSError as error:
        complain(error)
        return
    os.write(file, text.encode(errors="backslashreplace"))
    os.close(file)


def complain(error: "OSError") -> None:
    """One line, where the folder can't be written: privileges were dropped. Where it is gone, so is who asked."""
    if not isinstance(error, FileNotFoundError) and sys.stderr is not None:
        sys.stderr.write(f"outpace: process {os.getpid()} is not traced: {error.strerror or error}\n")


def of_interpreter() -> str:
    """What is said where another interpreter of a process begins; "" in the first."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = __import__(name)
        except ImportError:
            continue
        return "only its main interpreter was" if interpreters.get_current() != interpreters.get_main() else ""
    return ""


def load(folders: "Sequence[str]") -> "ModuleType | None":
    """The agent for this Python; None: there is none."""
    for folder in folders:
        for ending in _imp.extension_suffixes():
            path = os.path.join(folder, "_agent" + ending)
            if os.path.isfile(path):
                loader = ExtensionFileLoader(NAME, path)
                module = loader.create_module(ModuleSpec(NAME, loader, origin=path))
                loader.exec_module(module)
                return module
    return None


# --- which functions, for lines -------------------------------------------------------------------------------------


def current_folder() -> str:
    """ "" where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def search_path() -> "list[str]":
    """sys.path as the program will have it: what Python puts first for a script comes only after this hook."""
    if getattr(sys.flags, "safe_path", False):
        return sys.path
    script = sys.argv[0] if getattr(sys, "argv", None) else ""
    if script in ("", "-", "-c", "-m"):
        return [current_folder(), *sys.path]
    script = os.path.realpath(script)
    return [script if os.path.isdir(script) else os.path.dirname(script), *sys.path]


def place_of(spec: "ModuleSpec | None") -> "str | None":
    """The file of a module, or the folder of a package with a slash behind it."""
    if spec is None:
        return None
    for folder in spec.submodule_search_locations or []:
        return os.path.join(folder, "")
    return spec.origin if spec.has_location else None


def find(module: str) -> "str | None":
    """Where a module lies. No module is imported, its packages neither."""
    if module == "__main__":
        return find_main()
    path: Sequence[str] | None = search_path()
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, path) if path is not None else None
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return place_of(spec)


def script_name() -> "str | None":
    """The script as Python names it in its code: made absolute, with any `..` in it."""
    script = sys.argv[0] if getattr(sys, "argv", None) else ""
    if script in ("", "-", "-c", "-m"):
        return None
    return os.path.join(current_folder(), script[2:] if script.startswith("./") else script)


def find_main() -> "str | None":
    """Where the code of __main__ lies: of a script under the name that Python gives it, of -m the module."""
    if getattr(sys, "argv", None) and sys.argv[0] == "-m":
        words = getattr(sys, "orig_argv", [])
        for index, word in enumerate(words[:-1]):
            if word.startswith("-") and not word.startswith("--") and word.endswith("m"):
                return find(words[index + 1])
    return script_name()


def find_owner(name: str) -> "tuple[str | None, str]":
    """The place of the module, and what is left of `name`: -p takes the dotted name of a function or class, too."""
    place, rest = find(name), ""
    while place is None and "." in name:
        name, _, last = name.rpartition(".")
        place, rest = find(name), f"{last}.{rest}" if rest else last
    if place is not None and place.endswith("/") and rest:
        place += "__init__.py"
    return place, rest


class Late:
    """On sys.meta_path while modules are wanted that were not found: the program may add to its sys.path. Finds nothing."""

    def __init__(self, profiler: "LineProfiler", wanted: "dict[str, list[str]]") -> None:
        self.profiler = profiler
        self.wanted = wanted  # module: starts of names, "" for all

    def find_spec(self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None) -> "Any":
        if name in self.wanted:
            place = place_of(PathFinder.find_spec(name, path))
            if place is not None:
                select(self.profiler, [(place, start) for start in self.wanted.pop(name)])
        finders = sys.meta_path
        if self not in finders:
            return None
        index = finders.index(self)
        if not self.wanted:
            del finders[index]
            # Who searches goes on behind this place, and would not ask the one that moved up to it.
            return finders[index].find_spec(name, path, target) if index < len(finders) else None
        if index > 0:  # finders that came later, such as pytest's, would find first
            finders.insert(0, finders.pop(index))
        return None


def select(profiler: "LineProfiler", items: "list[tuple[str, str]]") -> None:
    """Chooses them by their own names and by those behind symbolic links: code may have been compiled under either.

    The script of the program has a third: what was typed.
    """
    slashes = [("/" if file.endswith("/") else "") for file, _ in items]
    real = [(os.path.realpath(file) + slash, start) for (file, start), slash in zip(items, slashes)]
    script = script_name()
    place = os.path.realpath(script) if script else ""
    typed = [(script, start) for file, start in real if script and (place.startswith(file) if file[-1] == "/" else place == file)]
    profiler.select(list(dict.fromkeys(items + real + typed)))


def choose(profiler: "LineProfiler", asked: str) -> None:
    """Chooses what OUTPACE_TRACE_SELECT says, and says it to child processes in words that need no search."""
    items: list[tuple[str, str]] = []
    late: dict[str, list[str]] = {}
    told: list[str] = []
    for line in asked.split("\n"):
        kind, _, text = line.partition(" ")
        module, start = text, ""
        place: str | None = None
        if kind == "file":
            place, _, start = text.partition("\t")
        elif kind == "function":
            module, _, start = text.partition(":")
            place = find(module)
            if place and place.endswith("/"):
                place += "__init__.py"
        elif kind == "module":
            place, start = find_owner(module)
        if place is None:
            late.setdefault(module, []).append(start)
        if place:
            items.append((place, start))
            line = f"file {place}\t{start}"
        told.append(line)
    if items:
        select(profiler, items)
        os.environ[SELECT] = "\n".join(told)
    if late:
        sys.meta_path.insert(0, Late(profiler, late))


def make_decorator(profiler: "LineProfiler") -> "Callable[[Thing], Thing]":
    """What `profile` is in builtins: marks code, and gives back what it was given."""
    place = os.path.join(os.path.dirname(__file__), "_marking.py")
    space: dict[str, Any] = {"__name__": "outpace._marking"}
    exec(SourceFileLoader("outpace._marking", place).get_code("outpace._marking"), space)  # type: ignore[arg-type]
    codes_of = space["codes_of"]

    def profile(thing: "Thing") -> "Thing":
        """Counts and times the lines of a function, or of all functions of a class."""
        for code in codes_of(thing):
            profiler.add_code(code)
        return thing

    return profile


# --- the start ------------------------------------------------------------------------------------------------------


def start() -> None:
    """Begins to trace, or leaves the reason why not."""
    folder = os.environ["OUTPACE_TRACE"]
    # A program with more rights than who started it takes no orders from its environment.
    if os.getuid() != os.geteuid() or os.getgid() != os.getegid():
        return
    modes = os.environ.get("OUTPACE_TRACE_MODES") or "calls,builtins"
    of_lines = "lines" in modes.split(",")
    if of_lines:
        import builtins

        builtins.profile = lambda thing: thing  # type: ignore[attr-defined]  # said in a process that isn't traced, too
    parent = str(os.getppid())
    if os.environ.get("OUTPACE_TRACE_PARENT", parent) != parent:
        return
    folders = os.environ.get("OUTPACE_TRACE_AGENT", "").split(":")
    profiler: LineProfiler | None = None
    try:
        agent = load([place for place in folders if place])
        if agent is None:
            name = "CPython" if sys.implementation.name == "cpython" else sys.implementation.name
            version = f"{name} {sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
            leave(folder, "noagent", f"{version}\n{sys.executable}\n")
        else:
            profiler = agent.start(folder, modes)
    except ImportError as error:
        leave(folder, "error", f"{of_interpreter() or f'the tracer cannot be loaded: {error}'}\n")
    except OSError as error:
        complain(error)
    except (RuntimeError, ValueError) as error:
        leave(folder, "error", f"{of_interpreter() or error}\n")
    if not of_lines or profiler is None:
        return
    builtins.profile = make_decorator(profiler)  # type: ignore[attr-defined]
    if os.environ.get(SELECT):
        choose(profiler, os.environ[SELECT])
    hot = os.environ.get("OUTPACE_TRACE_HOT")
    if hot:
        profiler.await_choices(hot)


start()
