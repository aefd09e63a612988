# SPDX-License-Identifier: MIT
"""What a program calls itself: outpace.Profiler, outpace.LineProfiler, outpace.profile, and the magics of IPython."""

from __future__ import annotations

import re
from collections.abc import Iterator

import interpreters
import places
import pytest
from places import Place


@pytest.fixture
def place(interpreter: interpreters.Interpreter) -> Iterator[Place]:
    with places.of(interpreter) as found:
        yield found


def run(place: Place, program: str, **variables: str) -> list[str]:
    (place.outside / "program.py").write_text(program)
    done = place.run("-X", "dev", "program.py", **variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


CALLS = """
def calls(profiler):
    profiler.create_stats()
    return {key[2]: entry[:2] for key, entry in profiler.stats.items() if key[0] == __file__}
"""


def test_importing_is_cheap_and_needs_no_agent(place: Place) -> None:
    program = """
import sys, outpace
print(sorted(n for n in sys.modules if n.startswith("outpace")))
@outpace.profile
def f(): pass
print(sorted(n for n in sys.modules if n.startswith("outpace.")), type(f).__name__, "typing" in sys.modules)
print({"Profiler", "LineProfiler", "profile"} <= set(dir(outpace)), hasattr(outpace, "nothing"))
"""
    told = run(place, program)
    assert told[0] == "['outpace', 'outpace._agents', 'outpace._version']"
    assert told[1].startswith("['outpace._agents', 'outpace._line_marker', 'outpace._version'] function")
    assert told[2] == "True False"


def test_without_an_agent_it_says_what_can_be_done(place: Place) -> None:
    program = """
import sys
sys.modules["outpace._agent"] = None
import outpace, warnings
for name in ("Profiler", "LineProfiler"):
    try:
        getattr(outpace, name)
    except ImportError as error:
        print(error)
with warnings.catch_warnings(record=True) as caught:
    @outpace.profile
    def f(): return 3
    @outpace.profile
    def g(): return 4
print(f() + g(), len(caught), str(caught[0].message)[:25], caught[0].filename == __file__)
"""
    told = run(place, program, LINE_PROFILE="1")
    version = f"CPython 3.{place.interpreter.minor}"
    assert told[0].startswith(f"outpace.Profiler needs Outpace's tracer, which is not built for {version} (")
    assert told[1] == told[3] == "hint: sampling needs no such module: outpace record -- python app.py"
    assert told[2].startswith("outpace.LineProfiler needs Outpace's tracer")
    assert told[4] == "7 1 no lines are profiled: ou True"


def test_the_profiler_has_cprofiles_face(place: Place) -> None:
    program = (
        CALLS
        + """
import pstats, io, outpace, cProfile, os
missing = [name for name in dir(cProfile.Profile) if (name[0] != '_' or name[1] == '_') and not hasattr(outpace.Profiler, name)]
print(missing)
def f(n): return n if n < 2 else f(n - 1) + f(n - 2)
p = outpace.Profiler()
print(p.runcall(f, 5), calls(p))
p.clear()
p.run("f(3)"); print(calls(p))
p = outpace.Profiler(builtins=False)
print(type(p.runctx("f(3), len([])", {"f": f}, {})).__name__, calls(p), any(key[0] == "~" for key in p.stats))
with outpace.Profiler(subcalls=False) as p:
    f(3)
print(calls(p), [entry[4] for key, entry in p.stats.items() if key[2] == "f"])
p.dump_stats("x.pstats")
print(pstats.Stats("x.pstats").stats == p.stats)
key = [key for key in p.stats if key[2] == "f"][0]
print(pstats.Stats(p, stream=io.StringIO()).add("x.pstats").stats[key][:2])  # which empties p.stats
one, other = (lambda: [f(1)]), (lambda: f(2))
p = outpace.Profiler()
p.enable(); one(); other(); p.snapshot_stats(); one(); p.disable()
print([entry[:2] for key, entry in p.stats.items() if key[2] == "<lambda>"])
p.create_stats()
print([(entry[:2], len(entry[4])) for key, entry in p.stats.items() if key[2] in ("<lambda>", "f")])
"""
    )
    assert run(place, program) == [
        "[]",
        "5 {'f': (1, 15)}",
        "{'f': (1, 5)}",
        "Profiler {'f': (1, 5)} False",
        "{'f': (1, 5)} [{}]",
        "True",
        "(2, 10)",
        "[(2, 2)]",
        "[((3, 3), 0), ((3, 5), 2)]",
    ]


def test_the_profiler_as_a_decorator(place: Place) -> None:
    program = (
        CALLS
        + """
import asyncio, inspect, outpace, threading
def leaf(): return 1
def outside(): return 2
p = outpace.Profiler()

@p
def plain(n):
    "documented"
    return leaf() + (plain(n - 1) if n else 0)
print(plain(3), plain.__doc__, plain.profiler is p, calls(p)["leaf"], calls(p)["plain"])

@outpace.Profiler()
def generator():
    try:
        got = yield leaf()
        print("got", got)
        try:
            yield 2
        except KeyError:
            yield leaf()
    finally:
        leaf()
g = generator()
print(next(g)); outside(); print(g.send(5)); outside(); print(g.throw(KeyError)); outside(); g.close()
print(inspect.isgeneratorfunction(generator), calls(generator.profiler))
g = generator(); next(g); del g
print(calls(generator.profiler)["leaf"])

@outpace.Profiler()
async def task(n):
    leaf()
    for i in range(n):
        await asyncio.sleep(0)
        leaf()
    if n == 3:
        raise ValueError(n)
    return n
async def other():
    for i in range(10):
        outside(); await asyncio.sleep(0)
async def main():
    return await asyncio.gather(task(1), other(), task(2), task(3), return_exceptions=True)
print(asyncio.run(main()), inspect.iscoroutinefunction(task))
counted = calls(task.profiler)
print(counted["leaf"], counted["task"], "outside" in counted)

@outpace.Profiler()
async def items(n):
    try:
        for i in range(n):
            try:
                await asyncio.sleep(0)
                got = yield i + leaf()
            except KeyError:
                yield "key"
    finally:
        leaf()
async def use():
    found = [x async for x in items(3)]
    outside()
    it = items(9)
    found += [await it.asend(None), await it.asend(1), await it.athrow(KeyError)]
    await it.aclose()
    return found
print(asyncio.run(use()), calls(items.profiler)["leaf"], "outside" in calls(items.profiler))

q = outpace.Profiler()
barrier = threading.Barrier(4)
@q
def work():
    barrier.wait()
    for i in range(100):
        leaf()
    barrier.wait()
threads = [threading.Thread(target=work) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(calls(q)["leaf"])
try:
    q(3)
except TypeError as error:
    print(error)
"""
    )
    told = run(place, program)
    assert told[0] == "4 documented True (4, 4) (1, 4)"
    assert told[1:5] == ["1", "got 5", "2", "1"]
    assert told[5].startswith("True ") and "'leaf': (3, 3)" in told[5] and "outside" not in told[5]
    assert told[6] == "(5, 5)"
    assert told[7] == "[1, None, 2, ValueError(3)] True"
    assert told[8].startswith("(9, 9) (") and told[8].endswith("False")
    assert told[9] == "[1, 2, 3, 1, 2, 'key'] (7, 7) False"
    assert told[10] == "(400, 400)"
    assert told[11] == "a function is needed, not int"


LINES = """
import functools, os, sys

def f(n):
    t = 0
    for i in range(n):
        t += i

    return t

class C:
    @staticmethod
    def s():
        return 1

    @classmethod
    def c(cls):
        return 2

    @property
    def p(self):
        return 3

    @functools.cached_property
    def q(self):
        return 4

    class D:
        def d(self):
            return 5

def wrapped(g):
    @functools.wraps(g)
    def wrapper(*a):
        return g(*a)
    return wrapper

@wrapped
def w():
    return 6

part = functools.partial(f, 3)
def use():
    c = C(); c.s(); c.c(); c.p; c.q; c.D().d(); w(); part(); f(10)
"""


def test_lines_in_a_program(place: Place) -> None:
    program = LINES + (
        """
import io, outpace
p = outpace.LineProfiler(f)
print(p.add_function(f), p.add_function(C), p.add_function(w), p.add_function(part))
with p:
    with p:
        use()
    use()
use()
stats = p.get_stats()
for (file, first, name), lines in sorted(stats.timings.items()):
    print(first, name.rpartition(".")[2], [(line - first, hits) for line, hits, time in lines], sum(l[2] for l in lines) > 0)
p.print_stats(output_unit=1e-3)
try:
    p.add_function(len)
except TypeError as error:
    print(error)
q = outpace.LineProfiler()
timed = q(f)
print(timed(4), q.runcall(f, 4), type(q.runctx("f(4)", {"f": f}, {})).__name__)
out = io.StringIO(); q.print_stats(out, stripzeros=True); print(out.getvalue().splitlines()[0], timed.__name__)
print([hits for line, hits, time in list(q.get_stats().timings.values())[0]])
once = q.get_stats()  # each asks for the rate of the clock, which is better known the later it is asked for
once.to_file("x.lprof")
import pickle
class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        print(module, name)
        return lambda timings, unit: (timings, unit)
with open("x.lprof", "rb") as file:
    read = Reader(file).load()
print(read == (once.timings, 1e-9), list(read[0])[0][1:])
r = outpace.LineProfiler(use)
r.print_stats(stripzeros=True)
r.print_stats()
"""
    )
    told = run(place, program)
    assert told[0] == "0 5 1 0"
    assert told[1] == "4 f [(1, 4), (2, 30), (3, 26), (5, 4)] True"
    names = [line.split()[1] for line in told[2:8]]
    assert sorted(names) == sorted(["s", "c", "p", "q", "d", "w"]) or "wrapper" in names
    text = "\n".join(told)
    assert "\nTimer unit: 0.001 s\n\nTotal time: " in text
    assert f"File: {place.folder}/program.py\nFunction: f at line 4\n\nLine #      Hits " in text
    assert re.search(r"\n     6        30  +\d+\.\d  +\d+\.\d  +\d+\.\d      for i in range\(n\):\n", text)
    assert "\n     8                                           \n     9" in text
    assert "<built-in function len> has no Python code of its own" in told
    assert "6 6 LineProfiler" in told
    assert "Timer unit: 1e-09 s f" in told
    assert "[3, 15, 12, 3]" in told
    assert "line_profiler._line_profiler LineStats" in told
    assert "True (4, 'f')" in told
    assert text.endswith("    c = C(); c.s(); c.c(); c.p; c.q; c.D().d(); w(); part(); f(10)\n") or "Total time: 0 s" in text


@pytest.mark.parametrize("kind", ["Profiler", "LineProfiler"])
def test_decorated_methods_and_classes(place: Place, kind: str) -> None:
    program = (
        CALLS
        + LINES
        + (
            """
import outpace, inspect
make = getattr(outpace, sys.argv[1])
p = make()
class E:
    @p
    @staticmethod
    def s(): return 1
    @p
    @classmethod
    def c(cls): return cls.__name__
    @p
    @property
    def r(self): return 3
    @p
    @functools.cached_property
    def q(self): return 4
    m = p(functools.partialmethod(lambda self, x: x, 5))
    @p
    async def a(self): return 6
e = E()
print(E.s(), e.s(), E.c(), e.c(), e.r, e.q, e.q, e.m(), inspect.iscoroutinefunction(e.a))
if make.__name__ == 'Profiler':
    print(sorted(calls(p).items()))
else:
    print([hits for lines in p.get_stats().timings.values() for line, hits, time in lines])
p = make()
wrapped = p(C)
c = wrapped()
print(wrapped is C, c.s(), C.c(), c.p, c.q, c.q, C.D().d())
for wrong in (3, "f"):
    try:
        p(wrong)
    except TypeError as error:
        print(error)
"""
        )
    )
    (place.outside / "program.py").write_text(program)
    done = place.run("program.py", kind)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0] == "1 1 E E 3 4 4 5 True"
    assert told[2] == "True 1 2 3 4 4 5"
    if kind == "Profiler":
        assert told[1] == str([("<lambda>", (1, 1)), ("c", (2, 2)), ("q", (1, 1)), ("r", (1, 1)), ("s", (2, 2))])
        assert told[3:] == ["a function is needed, not int", "a function is needed, not str"]
    else:
        assert told[1] == "[2, 2, 1, 1, 1]"
        assert told[3:] == ["3 has no Python code of its own", "'f' has no Python code of its own"]


MARKED = """
import outpace
f = outpace.profile(f)
C = outpace.profile(C)
print(f is part.func, type(C).__name__)
use()
print("end")
"""


def test_marks_do_nothing_unless_lines_are_on(place: Place) -> None:
    for value in ({}, {"LINE_PROFILE": "0"}, {"OUTPACE_LINES": "off"}):
        assert run(place, LINES + MARKED, **value) == ["True type", "end"]
    assert not (place.outside / "profile_output.lprof").exists()


@pytest.mark.parametrize("variable", ["LINE_PROFILE", "OUTPACE_LINES"])
def test_marks_print_a_table_at_the_end(place: Place, variable: str) -> None:
    more = "import atexit\natexit.register(print, 'exit function')\nos.chdir('/')\n"
    told = run(place, LINES + MARKED + more, **{variable: "1"})
    assert told[:5] == ["True type", "end", "exit function", "Timer unit: 1e-06 s", ""]
    assert sum(line.startswith("Function: ") for line in told) == 6
    assert (place.outside / "profile_output.lprof").read_bytes().startswith(b"\x80\x02cline_profiler._line_profiler\nLineStats\n")


def test_marks_are_switched_in_the_program(place: Place) -> None:
    more = "outpace.profile.enable(output_prefix='mine')\n@outpace.profile\ndef g():\n    return 1\ng()\n"
    more += "outpace.profile.disable()\ng()\n@outpace.profile\ndef h():\n    return 1\nh()\nprint(outpace.profile.enabled)\n"
    told = run(place, LINES + MARKED + more)
    assert told[:4] == ["True type", "end", "False", "Timer unit: 1e-06 s"]
    assert [line.split()[1] for line in told if line.startswith("Function: ")] == ["g"]
    assert any(re.match(r"\s+\d+ +1 .*return 1", line) for line in told)
    assert (place.outside / "mine.lprof").exists()


def test_marks_go_to_who_put_profile_into_builtins(place: Place) -> None:
    program = """
import builtins
builtins.profile = lambda function: print("marked", function.__name__) or function
import outpace
@outpace.profile
def f(): pass
"""
    assert run(place, program, LINE_PROFILE="1") == ["marked f"]


def test_a_forked_child_tells_nothing(place: Place) -> None:
    more = "import sys\nif os.fork() == 0:\n    sys.exit(0)\nos.wait()\n"
    told = run(place, LINES + MARKED + more, LINE_PROFILE="1")
    assert sum(line.startswith("Timer unit") for line in told) == 1


# What the magics use of IPython, where that is not installed.
SHELL = """
import contextlib, io, linecache, sys
try:
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance(colors="nocolor")
    shell.run_line_magic("load_ext", "outpace")
    run = shell.run_cell
except ImportError:
    import outpace
    class Compile:
        flags = 0
        def cache(self, text, number, raw):
            name = f"<cell {number}>"
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            return name
    class Manager:
        magics = {"line": {}, "cell": {}}
    class Shell:
        user_ns = user_global_ns = {}
        compile = Compile()
        magics_manager = Manager()
        def transform_cell(self, text):
            return text + "\\n"
        def register_magic_function(self, function, magic_kind, magic_name):
            assert magic_kind == "line_cell" and function.__doc__
            for kinds in self.magics_manager.magics.values():
                kinds[magic_name] = function
    shell = Shell()
    outpace.load_ipython_extension(shell)
    def run(text):
        first, _, rest = text.partition("\\n")
        name, _, line = first.lstrip("%").partition(" ")
        kinds = shell.magics_manager.magics
        if first.startswith("%%"):
            return kinds["cell"][name](line, rest)
        if first.startswith("%"):
            return kinds["line"][name](line)
        exec(compile(text, shell.compile.cache(text, -1, text), "exec"), shell.user_ns)
run("def f(n):\\n    t = 0\\n    for i in range(n):\\n        t += i\\n    return t\\n")
errors = io.StringIO()
with contextlib.redirect_stderr(errors):
    for text in CELLS:
        print("---", text.splitlines()[0])
        run(text)
print("#errors")
print(errors.getvalue(), end="")
"""
CELLS = [
    "%outpace -l 3 -s ncalls f(10); print('a  b')",
    "%%outpace -b\nfor i in range(3):\n    f(i)\nimport sys; sys.exit(3)",
    "%lines -f f -z f(10)",
    "%%lines -u 1e-3\ndef g(x):\n    return x\nclass A:\n    def m(self):\n        return 3\n"
    "for i in range(3):\n    g(i)\nA().m()",
    "%outpace -o x.pstats f(3)",
    "%lines -m textwrap -D x.lprof -z __import__('textwrap').dedent(' a')",
    "%outpace",
    "%outpace -x f(10)",
    "%outpace -s",
    "%outpace -s nope f(10)",
    "%outpace -l many f(10)",
    "%lines f(10)",
    "%lines -f nope f(10)",
    "%lines -f f -u none f(10)",
    "%lines -m no.such f(10)",
]
WRONG = """
error: give a statement: %outpace f(3)
error: unknown option -x
error: option -s needs a value
error: -s nope: choose from calls,
error: -l many: a number of rows is needed
error: name a function with -f, or use %%lines for the lines of a cell
error: -f nope: NameError: name 'nope' is not defined
error: -u: a number of seconds is needed, as 1e-3
error: -m no.such: No module named 'no'
"""


def test_magics(place: Place) -> None:
    (place.outside / "program.py").write_text(f"CELLS = {CELLS!r}" + SHELL)
    done = place.run("program.py", HOME=str(place.folder))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shown, _, errors = done.stdout.partition("#errors\n")
    for told, wanted in zip(errors.splitlines(), WRONG.split("\n")[1:-1], strict=True):
        assert told.startswith(wanted)
    by_cell = dict(part.split("\n", 1) for part in shown.split("--- ")[1:])
    calls = by_cell[CELLS[0]]
    assert calls.startswith("a  b\n") and "Ordered by: call count" in calls and "due to restriction <3>" in calls
    cell = by_cell["%%outpace -b"]
    assert cell.startswith("*** SystemExit: ") and re.search(r"\n +3 .*\(f\)\n", cell) and "built-in" not in cell
    lines = by_cell["%lines -f f -z f(10)"]
    assert lines.startswith("Timer unit: 1e-06 s\n") and re.search(r"\n +3 +11 .*  for i in range\(n\):\n", lines)
    own = by_cell["%%lines -u 1e-3"]
    assert own.startswith("Timer unit: 0.001 s\n") and own.count("Function: ") == 3
    assert re.search(r"\n +7 +3 .* g\(i\)\n", own) and re.search(r"\n +2 +3 .* return x\n", own)
    assert "dedent" in by_cell[CELLS[5]]
    assert {path.name for path in place.outside.glob("x.*")} == {"x.pstats", "x.lprof"}
