# SPDX-License-Identifier: MIT
"""`outpace trace` and `outpace lines` on real programs: they behave as without it, and every process is counted."""

from __future__ import annotations

import json
import os
import pstats
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

# Another Python than that of the tests, for one that has an agent in the build's folder agents.
PYTHON = os.environ.get("OUTPACE_TEST_PYTHON", sys.executable)
VERSION = subprocess.run(
    [PYTHON, "-c", "import sys; print('%d.%d%s' % (*sys.version_info[:2], sys.abiflags))"], capture_output=True, text=True
).stdout.strip()


class Traced:
    """A folder with programs, and the command line."""

    def __init__(self, outpace: str, folder: Path) -> None:
        self.outpace = outpace
        self.folder = folder
        self.environment = {key: text for key, text in os.environ.items() if not key.startswith(("OUTPACE", "PYTHON"))}
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self.environment["TMPDIR"] = str(folder)
        self.environment.pop("XDG_RUNTIME_DIR", None)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def python(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, *map(str, words)], env=self.environment, capture_output=True, text=True, cwd=self.folder, timeout=60
        )

    def run(self, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.outpace, *map(str, words)],
            env=self.environment | {"OUTPACE_PYTHON": PYTHON} | variables,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=120,
        )

    def trace(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Into the file out, in pstats' format."""
        done = self.run("trace", "-o", "out", *words)
        assert not [path.name for path in self.folder.iterdir() if path.name.startswith("outpace-")]
        return done

    def calls(self) -> dict[str, int]:
        """The entries of each function, by its name."""
        stats: Any = pstats.Stats(str(self.folder / "out"))
        return {name: row[1] for (_file, _line, name), row in stats.stats.items()}


@pytest.fixture
def traced(outpace: str, build: Path, tmp_path: Path) -> Traced:
    if not list(build.glob("*/_agent*.so")):
        pytest.skip("the agent is not built")
    return Traced(outpace, tmp_path)


WORK = """
def work():
    return 1
"""


# --- it behaves as without -------------------------------------------------------------------------------------------


ENDS = {
    "end": ("work()", 0),
    "exit": ("work(); import sys; sys.exit(3)", 3),
    "text": ("work(); import sys; sys.exit('so')", 1),
    "error": ("work(); raise ValueError('so')", 1),
    "at once": ("work(); import os; os._exit(4)", 4),
    "terminated": ("work(); import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "killed": ("work(); import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "aborted": ("work(); import os; os.abort()", -signal.SIGABRT),
    "interrupted": ("work(); import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_the_program_is_repeated_and_nothing_is_lost(traced: Traced, name: str) -> None:
    text, code = ENDS[name]
    app = traced.write("app.py", WORK + text)
    bare = traced.python(app)
    done = traced.trace(app)
    assert (bare.returncode, done.returncode) == (code, code)
    assert done.stdout == bare.stdout
    assert done.stderr == bare.stderr + "outpace: wrote out\n"
    assert traced.calls()["work"] == 1


def test_the_table_follows_the_last_byte(traced: Traced) -> None:
    app = traced.write("app.py", WORK + "import sys; work(); sys.stdout.write('no end of line'); sys.stdout.flush()")
    done = traced.run("trace", app)
    assert done.stdout.startswith("no end of lineCalls by own time")
    assert done.stderr == ""


def test_input_and_arguments_pass_through(traced: Traced) -> None:
    app = traced.write("app.py", "import sys; print(sys.argv[1:], sys.stdin.read(), sys.argv[0], __file__, __name__)")
    command = [traced.outpace, "trace", "-o", "out", "app.py", "-o", "x", "--help"]
    environment = traced.environment | {"OUTPACE_PYTHON": PYTHON}
    done = subprocess.run(command, env=environment, input="in", capture_output=True, text=True, cwd=traced.folder, timeout=60)
    assert done.stdout == f"['-o', 'x', '--help'] in app.py {app} __main__\n"


NOTICES = """
import os, sys, threading, builtins
print([name for name in sys.modules if "outpace" in name or name in ("sitecustomize", "importlib.machinery")])
print([place for place in sys.path if "_start" in place], hasattr(builtins, "profile"))
print(threading.enumerate(), len(os.listdir("/proc/self/task")))
"""


def test_the_program_notices_nothing(traced: Traced) -> None:
    app = traced.write("app.py", NOTICES)
    bare = traced.python(app).stdout
    assert bare.startswith("[]\n[] False\n")
    place = bare.index("<_Main")
    assert traced.trace(app).stdout[:place] == bare[:place]


def test_classes_of_main_are_pickled(traced: Traced) -> None:
    text = "import pickle\nclass Thing: pass\nprint(type(pickle.loads(pickle.dumps(Thing()))) is Thing)\n"
    assert traced.trace(traced.write("app.py", text)).stdout == "True\n"


def test_a_sitecustomize_of_the_program_is_kept(traced: Traced) -> None:
    traced.write("site/sitecustomize.py", "import builtins; builtins.customized = True")
    app = traced.write("app.py", "import sys; print(customized, sys.modules['sitecustomize'].__file__)")
    traced.environment["PYTHONPATH"] = str(traced.folder / "site")
    assert traced.trace(app).stdout == f"True {traced.folder}/site/sitecustomize.py\n"


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_options_that_shut_it_out_are_obeyed(traced: Traced, option: str) -> None:
    app = traced.write("app.py", "print('ran')")
    done = traced.trace("--", PYTHON, option, app)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith("error: nothing was traced\nhint: the program ran no Python, or one that was told")
    assert not (traced.folder / "out").exists()


def test_ctrl_c_reaches_the_program_once(traced: Traced) -> None:
    text = """
import time
def wait():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("caught")
wait()
"""
    app = traced.write("app.py", text)
    command = [traced.outpace, "trace", "-o", "out", str(app)]
    environment = traced.environment | {"OUTPACE_PYTHON": PYTHON}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=traced.folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "caught\n"
    assert process.returncode == 0
    assert traced.calls()["wait"] == 1


# --- ways to run a program -------------------------------------------------------------------------------------------


def test_a_module_is_run_as_main(traced: Traced) -> None:
    traced.write("pkg/__init__.py", "")
    traced.write("pkg/__main__.py", WORK + "import sys; print(__name__, sys.argv[1:], work())")
    done = traced.trace("-m", "pkg", "-o", "x")
    assert done.stdout == "__main__ ['-o', 'x'] 1\n"
    assert traced.calls()["work"] == 1


def test_a_script_of_an_environment_is_traced(traced: Traced) -> None:
    tool = traced.write("tool", f"#!{PYTHON}\n{WORK}print(work())\n")
    tool.chmod(0o755)
    assert traced.trace("--", tool).stdout == "1\n"
    assert traced.calls()["work"] == 1


# --- other processes -------------------------------------------------------------------------------------------------

CHILD = """
import subprocess, sys
for _ in range(3):
    subprocess.run([sys.executable, "-c", "def work(): pass\\nwork()"], check=True)
"""
FORK = """
import os
work()
for _ in range(3):
    if os.fork() == 0:
        work()
        os._exit(0)
    os.wait()
"""
POOL = """
import multiprocessing, sys
def task(number):
    return work() + number
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(sum(pool.map(task, range(10))))
"""
EXEC = """
import os, sys
work()
if len(sys.argv) == 1:
    os.execv(sys.executable, [sys.executable, __file__, "again"])
"""


def test_children_are_counted(traced: Traced) -> None:
    assert traced.trace(traced.write("app.py", CHILD)).returncode == 0
    assert traced.calls()["work"] == 3


def test_forks_are_counted(traced: Traced) -> None:
    assert traced.trace(traced.write("app.py", WORK + FORK)).returncode == 0
    assert traced.calls()["work"] == 4


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_are_counted(traced: Traced, method: str) -> None:
    done = traced.trace(traced.write("app.py", WORK + POOL), method)
    assert (done.returncode, done.stdout) == (0, "55\n")
    assert traced.calls()["work"] == 10


def test_what_ran_before_an_exec_is_counted(traced: Traced) -> None:
    assert traced.trace(traced.write("app.py", WORK + EXEC)).returncode == 0
    assert traced.calls()["work"] == 2


def test_children_can_be_left_out(traced: Traced) -> None:
    for text in (CHILD + "work()", FORK):
        app = traced.write("app.py", WORK + text)
        assert traced.trace("--no-children", app).returncode == 0
        assert traced.calls()["work"] == 1


def test_functions_in_c_can_be_left_out(traced: Traced) -> None:
    app = traced.write("app.py", WORK + "print(len([work()]))")
    traced.trace(app)
    assert "<built-in method builtins.len>" in traced.calls()
    traced.trace("--no-builtins", app)
    assert "<built-in method builtins.len>" not in traced.calls() and traced.calls()["work"] == 1


# --- what stands in the way -------------------------------------------------------------------------------------------


@pytest.fixture
def installed(traced: Traced, root: Path) -> Path:
    """The executable and its package as an installer lays them out, without an agent."""
    (traced.folder / "env/bin").mkdir(parents=True)
    shutil.copy(traced.outpace, traced.folder / "env/bin/outpace")
    package = traced.folder / "env/lib/python3.12/site-packages/outpace"
    shutil.copytree(root / "python/outpace", package, ignore=shutil.ignore_patterns("__pycache__"))
    traced.outpace = str(traced.folder / "env/bin/outpace")
    return package


def test_a_python_without_an_agent_runs_on(traced: Traced, installed: Path) -> None:
    """OP_NOT_TRACED: said, with what can be done."""
    app = traced.write("app.py", "print('ran')")
    done = traced.run("trace", app)
    assert (done.returncode, done.stdout) == (3, "ran\n")
    assert done.stderr.startswith(f"error: no tracer is built for CPython {VERSION} (/")
    assert done.stderr.splitlines()[1].startswith("hint: sample it")
    assert traced.run("trace", traced.write("fails.py", "raise SystemExit(5)")).returncode == 5


def test_an_installed_package_is_found(traced: Traced, installed: Path, build: Path) -> None:
    for agent in build.glob("*/_agent*.so"):
        shutil.copy(agent, installed)
    traced.write("app.py", WORK + "work()")
    assert traced.run("trace", "-o", "out", "app.py").returncode == 0
    assert traced.calls()["work"] == 1


def test_a_package_elsewhere_is_told(traced: Traced, installed: Path) -> None:
    """As `python -m outpace` does."""
    moved = installed.rename(traced.folder / "moved")
    app = traced.write("app.py", "print('ran')")
    done = traced.run("trace", app)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the Python package that belongs to ")
    done = traced.run("trace", app, OUTPACE_PACKAGE=str(moved))
    assert done.stdout == "ran\n" and "no tracer is built" in done.stderr


def test_a_tool_in_the_way_is_named(traced: Traced) -> None:
    if VERSION in ("3.10", "3.11"):
        pytest.skip("ids of tools came with 3.12")
    traced.write("site/sitecustomize.py", "import sys\nfor id in (2, 3, 4): sys.monitoring.use_tool_id(id, 'cuckoo')")
    traced.environment["PYTHONPATH"] = str(traced.folder / "site")
    done = traced.run("trace", traced.write("app.py", "print('ran')"))
    assert (done.returncode, done.stdout) == (3, "ran\n")
    assert "cuckoo" in done.stderr.splitlines()[0] and done.stderr.splitlines()[1].startswith("hint: ")


def test_other_interpreters_of_a_process_are_named(traced: Traced) -> None:
    text = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
work()
interpreters.run_string(interpreters.create(), "def work(): pass\\nwork()")
"""
    done = traced.trace(traced.write("app.py", WORK + text))
    assert traced.calls()["work"] == 1
    assert "outpace: processes that were not traced: 1 (only its main interpreter was)\n" in done.stderr


DROPS = """
import os, subprocess, sys
work()
subprocess.run([sys.executable, "-c", "print('ran')"], user=65534, check=True)
"""


def test_a_process_that_dropped_its_rights_says_so(traced: Traced) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can drop rights")
    python = next((each for each in (PYTHON, "/usr/bin/python3") if may_be_run_by_others(each)), None)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        traced.folder = Path(name)
        traced.folder.chmod(0o755)
        app = traced.write("app.py", WORK + DROPS)
        done = traced.trace("--python", python, app) if python is not None else None
        if done is None or "no tracer is built" in done.stderr:
            pytest.skip("no Python that others can run has a tracer")
        assert done.stdout == "ran\n"
        assert done.stderr.count(" is not traced: Permission denied\n") == 1
        assert traced.calls()["work"] == 1


def may_be_run_by_others(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, cwd="/", user=65534).returncode == 0
    except OSError:
        return False


# --- the other faces --------------------------------------------------------------------------------------------------


def test_json_is_all_of_stdout_after_the_program(traced: Traced) -> None:
    app = traced.write("app.py", WORK + "work()")
    told = json.loads(traced.run("trace", "--json", app).stdout)
    assert told["format"] == "outpace-summary"


BUSY = """
import time
def leaf():
    for _ in range(1000):
        pass
def half():
    leaf()
    leaf()
def main():
    end = time.perf_counter() + 0.5
    count = 0
    while time.perf_counter() < end or count < 100:
        half()
        leaf()
        count += 1
    return count
print(main())
"""


def test_counts_are_exact_and_times_sampled(traced: Traced) -> None:
    done = traced.trace("--counts", traced.write("app.py", BUSY))
    count = int(done.stdout)
    assert (traced.calls()["leaf"], traced.calls()["half"], traced.calls()["main"]) == (3 * count, count, 1)
    stats: Any = pstats.Stats(str(traced.folder / "out"))
    rows = {name: (own, total, callers) for (_, _, name), (_, _, own, total, callers) in stats.stats.items()}
    assert 0.4 < rows["leaf"][0] <= rows["main"][1] < 5
    assert {name for _, _, name in rows["leaf"][2]} == {"half", "main"}


def test_the_hottest_functions_are_found(traced: Traced) -> None:
    app = traced.write("app.py", BUSY.replace("0.5", "2"))
    done = traced.run("lines", "--hot", "-d", "0.5", "-v", app)
    assert "Function: leaf at line 3" in done.stdout
    assert sorted(os.listdir(traced.folder)) == ["app.py", "app.py.lprof"]


def test_a_program_too_short_for_hot_is_told(traced: Traced) -> None:
    done = traced.run("lines", "--hot", "-v", traced.write("app.py", WORK + "work()"))
    assert done.stderr.startswith("error: nothing was traced\nhint: it ended before its hottest functions were known")


def test_run_traces_too(traced: Traced) -> None:
    app = traced.write("app.py", WORK + "work()\nprint('ran')")
    done = traced.run("run", "--trace", "-o", "x.outpace", app)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "Calls by own time: " in done.stderr
    assert "Calls by own time: " in traced.run("report", "x.outpace").stdout


def test_a_child_whose_folder_is_gone(traced: Traced) -> None:
    """It asks for the module again, as nothing was found before; nothing of that may be seen."""
    traced.write("task.py", WORK + "work()")
    text = "import os, subprocess, sys\nhere = os.getcwd()\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\n"
    for words in ("'-c', 'pass'", "here + '/task.py'"):
        app = traced.write("app.py", text + f"sys.exit(subprocess.call([sys.executable, {words}]))")
        done = traced.run("lines", "-p", "app.py,absent", "-o", "out", app)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_a_child_that_is_left_out_may_say_profile(traced: Traced) -> None:
    text = "import subprocess, sys\n@profile\ndef work():\n    pass\nwork()\n"
    app = traced.write("app.py", text + "sys.argv[1:] or sys.exit(subprocess.call([sys.executable, __file__, 'again']))")
    done = traced.run("lines", "-v", "--no-children", app)
    assert done.returncode == 0, done.stderr
    assert "     4         1" in done.stdout


def test_lines_of_children_are_one_table(traced: Traced) -> None:
    traced.write("shared.py", WORK)
    app = traced.write("app.py", "from shared import work\n" + POOL)
    for method in ("fork", "spawn"):
        done = traced.run("lines", "-v", "-p", "shared", app, method)
        assert done.returncode == 0
        assert "Function: work at line 2" in done.stdout
        assert "     3        10" in done.stdout


HOOKED = """
import sys
def f(): pass
f()
sys.setprofile(sys.getprofile())
f()
sys.setprofile(None)
f()
"""


@pytest.mark.skipif(VERSION not in ("3.10", "3.11"), reason="sys.monitoring has no hook that a program could take")
def test_a_thread_whose_hook_the_program_takes_is_said(traced: Traced) -> None:
    done = traced.trace("-s", "ncalls", "-v", "--", PYTHON, traced.write("app.py", HOOKED))
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("app.py:3(f)")] == ["2"], done.stdout
    assert "threads counted in part, as the program set the profile hook for itself: 1" in done.stderr
