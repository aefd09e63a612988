# SPDX-License-Identifier: MIT
"""The start-up hook: what a program notices of it, when it begins to trace, and what it chooses for lines."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

FAKE = """
import json, os, sys
failure = os.environ.get("FAKE_FAILURE")
def told(**facts):
    with open(os.path.join(os.environ["OUTPACE_TRACE"], "told"), "a") as file:
        file.write(json.dumps(facts) + "\\n")
class LineProfiler:
    def add_code(self, code):
        told(code=code.co_name)
    def select(self, items):
        told(select=list(items))
def start(folder, modes):
    if failure:
        raise eval(failure)
    told(folder=folder, modes=modes)
    return LineProfiler() if modes == "lines" else None
"""
SEEN = "import sys; print(sorted(sys.modules)); print(sys.path[1:]); print(len(sys.meta_path))"


class Hooked:
    """A folder with a program, and a Python that finds the hook first."""

    def __init__(self, root: Path, agents: Path, folder: Path) -> None:
        self.start = root / "python/outpace/_start"
        self.folder = folder
        self.traces = folder / "traces"
        self.traces.mkdir(mode=0o700)
        self.agents = agents
        (folder / "fake.py").write_text(FAKE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self, *words: str | Path, hooked: bool = True, traced: bool = True, options: Sequence[str] = (), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {key: text for key, text in os.environ.items() if not key.startswith(("OUTPACE", "PYTHON"))}
        if hooked:
            environment["PYTHONPATH"] = f"{self.start}:{self.folder}"
        else:
            environment["PYTHONPATH"] = str(self.folder)
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if traced:
            environment["OUTPACE_TRACE"] = str(self.traces)
            environment["OUTPACE_TRACE_AGENT"] = f"{self.folder}/none:{self.agents}"
            environment["FAKE_AGENT"] = str(self.folder / "fake.py")
        environment.update(variables)
        command = [sys.executable, *options, *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=self.folder)

    def told(self) -> list[dict[str, Any]]:
        path = self.traces / "told"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def selected(self) -> set[tuple[str, str]]:
        return {(file, start) for each in self.told() for file, start in each.get("select", [])}


@pytest.fixture(scope="module")
def agents(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agents")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    include = [f"-I{path}" for path in dict.fromkeys(map(sysconfig.get_path, ("include", "platinclude")))]
    command = ["cc", "-shared", "-fPIC", *include, str(root / "tests/python/fake_agent.c")]
    done = subprocess.run([*command, "-o", str(folder / f"_agent{suffix}")], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the fake agent cannot be built: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.fixture
def hooked(root: Path, agents: Path, tmp_path: Path) -> Hooked:
    return Hooked(root, agents, tmp_path)


# --- what a program notices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
def test_nothing_is_left_behind(hooked: Hooked, traced: bool) -> None:
    bare = hooked.run("-c", SEEN, hooked=False, traced=False)
    with_hook = hooked.run("-c", SEEN, traced=traced)
    assert bare.returncode == 0
    modules, *others = with_hook.stdout.splitlines()
    assert others == bare.stdout.splitlines()[1:]
    added = set(ast.literal_eval(modules)) - set(ast.literal_eval(bare.stdout.splitlines()[0]))
    # The fake agent itself needs json.
    assert not added if not traced else not {"sitecustomize", "importlib", "typing", "outpace._agent"} & added


@pytest.mark.parametrize(
    "text",
    [
        "print('the next one')",
        "import nosuchmodule",
        "raise ImportError('x', name='sitecustomize')",
        "raise ValueError('wrong')",
        "syntax error",
        "print(__name__, __file__, __spec__.name)",
    ],
)
def test_the_next_sitecustomize_behaves_as_without_the_hook(hooked: Hooked, text: str) -> None:
    hooked.write("sitecustomize.py", text)
    program = "import sys; print('sitecustomize' in sys.modules, sys.modules.get('sitecustomize'))"
    bare = hooked.run("-c", program, hooked=False, traced=False)
    assert bare.stdout or bare.stderr
    for traced in (False, True):
        done = hooked.run("-c", program, traced=traced)
        assert (done.returncode, done.stdout, done.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    assert [each["modes"] for each in hooked.told()] == ["calls,builtins"]


# --- when it traces -------------------------------------------------------------------------------------------------


def test_the_agent_is_asked(hooked: Hooked) -> None:
    done = hooked.run("-c", "import sys; print([n for n in sys.modules if 'outpace' in n])", OUTPACE_TRACE_MODES="counts")
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert hooked.told() == [{"folder": str(hooked.traces), "modes": "counts"}]


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_options_that_turn_it_off_are_obeyed(hooked: Hooked, option: str) -> None:
    assert hooked.run("-c", "print(1)", options=[option]).stdout == "1\n"
    assert hooked.told() == []


def test_a_child_of_somebody_else_is_left_out(hooked: Hooked) -> None:
    hooked.run("-c", "pass", OUTPACE_TRACE_PARENT="1")
    assert hooked.told() == []
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])"
    hooked.run("-c", program, OUTPACE_TRACE_PARENT=str(os.getpid()))
    assert len(hooked.told()) == 1


def test_children_are_traced_too(hooked: Hooked) -> None:
    hooked.run("-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])")
    assert len(hooked.told()) == 2


def reasons(hooked: Hooked) -> dict[str, str]:
    return {path.suffix: path.read_text() for path in hooked.traces.iterdir() if path.stem.isdigit()}


def test_without_an_agent_the_program_runs_on(hooked: Hooked) -> None:
    done = hooked.run("-c", "print('ran')", OUTPACE_TRACE_AGENT=str(hooked.folder))
    assert (done.stdout, done.stderr) == ("ran\n", "")
    version = f"CPython {sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
    assert reasons(hooked) == {".noagent": f"{version}\n{sys.executable}\n"}


@pytest.mark.parametrize("failure", ["RuntimeError('the id 2 is taken')", "ValueError('the id 2 is taken')"])
def test_what_the_agent_says_is_left_for_the_command_line(hooked: Hooked, failure: str) -> None:
    done = hooked.run("-c", "print('ran')", FAKE_FAILURE=failure)
    assert (done.stdout, done.stderr) == ("ran\n", "")
    assert reasons(hooked) == {".error": "the id 2 is taken\n"}


def test_an_agent_that_cannot_be_loaded_is_said(hooked: Hooked) -> None:
    done = hooked.run("-c", "print('ran')", FAKE_AGENT="/nosuch")
    assert (done.stdout, done.stderr) == ("ran\n", "")
    assert reasons(hooked) == {".error": "the tracer cannot be loaded: FAKE_AGENT names no file\n"}


def test_a_folder_that_cannot_be_written_is_said_once(hooked: Hooked) -> None:
    done = hooked.run("-c", "print('ran')", FAKE_FAILURE="PermissionError(13, 'Permission denied')")
    assert done.stdout == "ran\n"
    assert done.stderr.startswith("outpace: process ") and done.stderr.endswith(" is not traced: Permission denied\n")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_gone_is_not_worth_a_word(hooked: Hooked) -> None:
    done = hooked.run("-c", "print('ran')", FAKE_FAILURE="FileNotFoundError(2, 'No such file')")
    assert (done.stdout, done.stderr) == ("ran\n", "")


# --- lines ----------------------------------------------------------------------------------------------------------

MARKED = """
import functools
@profile
def function(): pass
class Base:
    @profile
    def method(self): pass
    @profile
    @classmethod
    def of_class(cls): pass
    @profile
    @staticmethod
    def static(): pass
    @profile
    @property
    def prop(self): return 1
    @prop.setter
    def prop(self, value): pass
    @profile
    @functools.cached_property
    def cached(self): return 1
class Other: pass
@profile
class Whole:
    other = Other
    def one(self): pass
    class Inner:
        def two(self): pass
partial = profile(functools.partial(Base.method))
@profile
@functools.lru_cache
def kept(): pass
assert profile(function) is function and profile(3) == 3 and profile(len) is len
print(type(profile(function)), function.__qualname__, Base().cached, Base().prop)
"""


def test_profile_marks_code_and_gives_back_what_it_got(hooked: Hooked) -> None:
    program = hooked.write("app.py", MARKED)
    done = hooked.run(program, OUTPACE_TRACE_MODES="lines")
    assert (done.stdout, done.stderr) == ("<class 'function'> function 1 1\n", "")
    marked = [each["code"] for each in hooked.told() if "code" in each]
    assert sorted(set(marked)) == ["cached", "function", "kept", "method", "of_class", "one", "prop", "static", "two"]


def test_profile_is_there_where_lines_cannot_be_traced(hooked: Hooked) -> None:
    program = hooked.write("app.py", MARKED)
    done = hooked.run(program, OUTPACE_TRACE_MODES="lines", FAKE_FAILURE="RuntimeError('taken')")
    assert done.stderr == "" and done.returncode == 0
    assert hooked.run("-c", "profile", OUTPACE_TRACE_MODES="calls").returncode == 1


def select(hooked: Hooked, *items: str, program: str = "pass") -> set[tuple[str, str]]:
    """What is chosen for a script in folder app, which lies beside the package pkg."""
    hooked.write("pkg/__init__.py", "raise SystemExit('imported')")
    hooked.write("pkg/sub/__init__.py", "")
    hooked.write("pkg/sub/deep.py", "")
    hooked.write("later/late.py", "")
    hooked.write("app/beside.py", "")
    script = hooked.write("app/script.py", program)
    done = hooked.run(script, OUTPACE_TRACE_MODES="lines", OUTPACE_TRACE_SELECT="\n".join(items))
    assert (done.returncode, done.stderr) == (0, "")
    return hooked.selected()


def test_modules_are_found_without_being_imported(hooked: Hooked) -> None:
    place = hooked.folder
    chosen = select(hooked, "module pkg.sub.deep", "module pkg.sub", "module beside", "module nosuch.module")
    assert chosen == {(f"{place}/pkg/sub/deep.py", ""), (f"{place}/pkg/sub/", ""), (f"{place}/app/beside.py", "")}


def test_functions_are_chosen_by_name(hooked: Hooked) -> None:
    place = hooked.folder
    chosen = select(hooked, "function pkg.sub.deep:Page.render", "function __main__:main", "module pkg.sub.deep.Page")
    assert chosen == {
        (f"{place}/pkg/sub/deep.py", "Page.render"),
        (f"{place}/app/script.py", "main"),
        (f"{place}/pkg/sub/deep.py", "Page"),
    }


def test_files_are_chosen_behind_links_too(hooked: Hooked) -> None:
    (hooked.folder / "link").symlink_to(hooked.folder / "app")
    chosen = select(hooked, f"file {hooked.folder}/link/beside.py")
    assert chosen == {(f"{hooked.folder}/link/beside.py", ""), (f"{hooked.folder}/app/beside.py", "")}


@pytest.mark.parametrize(
    "item", ["module script", "function script:main", "function __main__:main", "file {app}/", "file {app}/script.py"]
)
def test_a_script_is_chosen_under_the_name_that_was_typed(hooked: Hooked, item: str) -> None:
    script = hooked.write("app/script.py", "import sys; print(sys._getframe().f_code.co_filename)")
    hooked.write("app/sub/other.py", "")
    typed = Path("app/sub/../script.py")
    item = item.format(app=script.parent)
    done = hooked.run(typed, OUTPACE_TRACE_MODES="lines", OUTPACE_TRACE_SELECT=item)
    start = "main" if item.endswith(":main") else ""
    assert done.stderr == "" and (done.stdout.strip(), start) in hooked.selected()
    assert done.stdout.strip().endswith("/app/sub/../script.py")


def test_main_of_a_module_is_that_module(hooked: Hooked) -> None:
    hooked.write("tool.py", "print('ran')")
    done = hooked.run("-m", "tool", options=["-Wd"], OUTPACE_TRACE_MODES="lines", OUTPACE_TRACE_SELECT="function __main__:main")
    assert done.stdout == "ran\n"
    assert hooked.selected() == {(f"{hooked.folder}/tool.py", "main")}


def test_a_module_that_is_found_later_is_chosen_then(hooked: Hooked) -> None:
    program = f"""
import sys
print(len(sys.meta_path))
sys.path.append({str(hooked.folder / "later")!r})
import late
print(len(sys.meta_path))
"""
    assert select(hooked, "module late", program=program) == {(f"{hooked.folder}/later/late.py", "")}


def test_a_module_that_another_finder_finds_is_chosen_too(hooked: Hooked) -> None:
    hooked.write("later/late.py", "")
    program = f"""
import sys
from importlib.machinery import PathFinder
class Own:  # as pytest's for tests: first, and finds
    asked = []
    def find_spec(self, name, path=None, target=None):
        self.asked.append(name)
        return PathFinder.find_spec(name, path) if name.startswith("late") else None
sys.meta_path.insert(0, Own())
sys.path.append({str(hooked.folder / "later")!r})
try:
    import nosuchmodule
except ImportError:
    pass
import late
print(Own.asked, len(sys.meta_path))
"""
    traced = hooked.run("-c", program, OUTPACE_TRACE_MODES="lines", OUTPACE_TRACE_SELECT="module late")
    assert hooked.selected() == {(f"{hooked.folder}/later/late.py", "")}
    assert (traced.stdout, traced.stderr) == (hooked.run("-c", program, hooked=False, traced=False).stdout, "")
    assert traced.stdout.startswith("['nosuchmodule', 'late'] ")


def test_children_are_told_what_was_found(hooked: Hooked) -> None:
    program = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'], cwd='/')"
    select(hooked, "module beside", "module nosuch", program=program)
    chosen = [each["select"] for each in hooked.told() if "select" in each]
    assert len(chosen) == 2 and chosen[0] == chosen[1]
