# SPDX-License-Identifier: MIT
"""python -m outpace.trace: cProfile's command line, and a program that does not notice it."""

from __future__ import annotations

import pstats
import zipfile
from collections.abc import Iterator

import interpreters
import places
import pytest
from places import Place

SEEN = """
import os, sys
__test_only__ = 1
def show(value):
    return type(value).__name__ if "Loader" in type(value).__name__ or "importer" in type(value).__name__ else repr(value)
spec = __spec__ and (__spec__.name, __spec__.origin, __spec__.parent)
print(sys.argv, sys.path, spec)
for name, value in sorted(globals().copy().items()):
    if name not in ("__spec__", "show", "spec"):
        print(name, show(value))
print(sys.modules["__main__"].__dict__ is globals(), sys._getframe().f_code.co_filename)
"""
# What a program does, its options of Python; each ends in a way of its own.
ENDINGS = {
    "seen": SEEN,
    "code": "import sys; print('x'); sys.exit(3)",
    "text": "import sys; sys.exit('good bye')",
    "none": "import sys; print('x', file=sys.stderr); sys.exit(None)",
    "raises": "def f():\n    raise ValueError('no')\ntry:\n    f()\nexcept ValueError as e:\n    raise KeyError(1) from e",
    "own hook": "import sys\nsys.excepthook = lambda t, e, tb: print('mine', t, tb.tb_lineno, tb.tb_next)\n1 / 0",
    "syntax": "def f(:\n    pass",
    "indent": "if 1:\npass",
    "future": "import __future__\nprint(f'{(lambda: 1).__annotations__}')\ndef f(x: nope): pass",
    "interrupt": "raise KeyboardInterrupt",
    "signal": "import os, signal; print('x', flush=True); os.kill(os.getpid(), signal.SIGTERM)",
    "abrupt": "import os; print('x', flush=True); os._exit(9)",
    "thread": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()\nprint('x')",
    "exit function": "import atexit, sys\natexit.register(print, 'at exit')\nprint('x')\nsys.exit(4)",
    "closed": "import sys; print('x'); sys.stdout.close()",
    "pickle": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)",
    "import": "import __main__\nx = 1\nprint(__main__.x)",
    "fork": "import os, sys\nif os.fork() == 0:\n    print('child', flush=True); sys.exit(5)\n"
    "print(os.waitstatus_to_exitcode(os.wait()[1]))",
    "spawn": "import multiprocessing as m\ndef f(x): return x + 1\n"
    "if __name__ == '__main__':\n    with m.get_context('spawn').Pool(1) as p: print(p.map(f, [1, 2]))",
    "warns": "import warnings\nwarnings.warn('old', DeprecationWarning)\nassert (1, 'x')",
}


@pytest.fixture
def place(interpreter: interpreters.Interpreter) -> Iterator[Place]:
    with places.of(interpreter) as found:
        yield found


@pytest.mark.parametrize(
    "words",
    [[], ["-h"], ["-s", "demo", "x.py"], ["-x", "x.py"], ["-o"], ["--sort"], ["--outfile"], ["-s", "x", "-m"], ["-mtimeit"]],
    ids=" ".join,
)
def test_same_usage_and_errors_as_cprofile(place: Place, words: list[str]) -> None:
    theirs = place.run("-m", "cProfile", *words)
    ours = place.run("-m", "outpace.trace", *words)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode,
        theirs.stdout.replace("cProfile.py", "outpace.trace"),
        theirs.stderr.replace("cProfile.py", "outpace.trace"),
    )


def same(place: Place, *words: str) -> None:
    plain = place.run(*words)
    traced = place.run("-m", "outpace.trace", "-o", "out.pstats", *words)
    assert (traced.returncode, traced.stdout, traced.stderr) == (plain.returncode, plain.stdout, plain.stderr), traced.stderr


@pytest.mark.parametrize("name", ENDINGS)
def test_the_program_does_not_notice(place: Place, name: str) -> None:
    (place.outside / "program.py").write_text(ENDINGS[name])
    same(place, "program.py", "word", "-o", "-m")
    if name not in ("syntax", "indent", "signal", "abrupt"):
        stats = pstats.Stats(str(place.outside / "out.pstats"))
        assert stats.total_calls > 0  # type: ignore[attr-defined]
        assert any("program.py" in file for file, _, _ in stats.stats)  # type: ignore[attr-defined]


def test_modules_packages_folders_archives_and_links(place: Place) -> None:
    folder = place.outside
    (folder / "sub/package/inner").mkdir(parents=True)
    for name in ("module.py", "sub/script.py", "sub/package/__main__.py", "sub/package/inner/deep.py"):
        (folder / name).write_text(SEEN)
    (folder / "sub/package/__init__.py").write_text("import sys; print('package', sys.argv)")
    (folder / "sub/package/inner/__init__.py").write_text("")
    (folder / "link.py").symlink_to("sub/script.py")
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", SEEN)
    for words in (
        ["sub/script.py"],
        ["./sub/script.py"],
        [f"{place.folder}/sub/script.py"],
        ["link.py"],
        ["sub/package"],
        ["archive.zip", "x"],
        ["-m", "module", "x", "-m"],
        ["-m", "sub.package"],
        ["-m", "sub.package.inner.deep"],
    ):
        same(place, *words)
    isolated = ["-P"] if place.interpreter.minor >= 11 else []
    plain = place.run(*isolated, "module.py")
    traced = place.run(*isolated, "-m", "outpace.trace", "-o", "out", "module.py")
    assert (traced.stdout, traced.returncode) == (plain.stdout, 0)


def test_what_cannot_be_started_is_said(place: Place) -> None:
    (place.outside / "empty").mkdir()
    (place.outside / "raises.py").write_text("import gone")
    for words, told in (
        (["nosuch.py"], "error: the script 'nosuch.py' does not exist\nhint: check its name and the current folder\n"),
        (["empty"], "error: the folder 'empty' has no __main__.py\nhint: name a script in it\n"),
        (
            ["-m", "no.such"],
            "error: there is no module named no.such\nhint: check its name, the current folder and PYTHONPATH\n",
        ),
        (["-m", "empty"], "error: 'empty' is a package and has no empty.__main__\nhint: name a module of it\n"),
        (["-o", "gone/x", "raises.py"], f"error: '{place.folder}/gone/x' cannot be written: No such file or directory\n"),
    ):
        done = place.run("-m", "outpace.trace", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(told)
    done = place.run("-m", "outpace.trace", "-m", "raises")
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'gone'\n")


def test_the_table_follows_the_last_byte(place: Place) -> None:
    (place.outside / "program.py").write_text(
        "import atexit, threading, time\ndef work():\n    time.sleep(0.1); print('thread')\n"
        "def last():\n    print('last')\natexit.register(last)\nthreading.Thread(target=work).start()\nprint('main')\n"
    )
    done = place.run("-m", "outpace.trace", "-s", "ncalls", "program.py")
    assert done.returncode == 0, done.stderr
    before, _, table = done.stdout.partition(" function calls")
    assert before.split("\n")[:3] == ["main", "thread", "last"]
    assert "Ordered by: call count" in table
    assert "program.py:2(work)" in table


def test_a_reader_that_goes_is_no_error(place: Place) -> None:
    (place.outside / "program.py").write_text("import sys\nprint('x')\nsys.exit(3)")
    script = (
        "import subprocess, sys\np = subprocess.Popen([sys.executable, '-m', 'outpace.trace', 'program.py'],"
        " stdout=subprocess.PIPE, stderr=subprocess.PIPE)\np.stdout.close()\nprint(p.stderr.read(), p.wait())"
    )
    plain = script.replace("'-m', 'outpace.trace', ", "").replace("print('x')", "")
    done, bare = place.run("-c", script), place.run("-c", plain)
    assert done.returncode == bare.returncode == 0
    assert "_trace_command" not in done.stdout


def test_default_order_is_that_of_cprofile(place: Place) -> None:
    (place.outside / "program.py").write_text("len([])")
    orders = []
    for module in ("cProfile", "outpace.trace"):
        done = place.run("-m", module, "program.py")
        orders.append([line for line in done.stdout.splitlines() if "Ordered by" in line])
    assert orders[0] == orders[1]
