# SPDX-License-Identifier: MIT
"""Runs one workload under one profiler, in the interpreter that is measured, and writes what it took. Python 3.10+, alone.

    python driver.py '{"variant": ..., "workload": FILE, "rounds": N, "out": FILE, "peers": FOLDER, "outpace": FOLDER,
                       "floor": FOLDER, "scratch": FOLDER}'
    python driver.py --build-floor FOLDER       compiles floor.c, which lies beside this file, into FOLDER

`out` gets {"cpu": seconds of processor time from before the profiler is turned on until after it is off again,
"counted": calls or hits that it tells of the hottest function, "expected": how many there were} or {"reason": why not}.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from types import FunctionType

CALL, LINE = 0, 2       # PyTrace_CALL, PyTrace_LINE
OLD = sys.version_info < (3, 12)


class Unavailable(Exception):
    """Why a variant cannot be run here."""


class Work:
    """A workload: what it is made of, and which function of it is called most."""

    def __init__(self, path):
        spec = importlib.util.spec_from_file_location("workload", path)
        self.module = importlib.util.module_from_spec(spec)
        sys.modules["workload"] = self.module
        spec.loader.exec_module(self.module)
        self.path = path
        self.run = self.module.run

    @property
    def hottest(self):
        found = self.module
        for name in self.module.HOTTEST.split("."):
            found = getattr(found, name)
        return found

    def places(self):
        """All functions that are written in it, methods included, each as (the module or class, its name in there)."""
        classes = [each for each in vars(self.module).values() if isinstance(each, type) and each.__module__ == "workload"]
        for owner in [self.module, *classes]:
            for name, value in list(vars(owner).items()):
                if isinstance(value, FunctionType) and value.__module__ == "workload":
                    yield owner, name

    def chosen(self, everything):
        hottest = self.hottest
        return [place for place in self.places() if everything or getattr(*place) is hottest]

    def codes(self, everything):
        return [getattr(*place).__code__ for place in self.chosen(everything)]

    def marked_line(self):
        with open(self.path, encoding="utf-8") as file:
            lines = [number for number, line in enumerate(file, 1) if line.rstrip().endswith("# hits")]
        assert len(lines) == 1, self.path
        return lines[0]


# ---- each profiler: how it is turned on, how off, and what it counted of the hottest function (None: not asked) -----------


def bare(work, given):
    return lambda: None, lambda: None, lambda: None


def entries(profiler, work):
    code = work.hottest.__code__
    return sum(entry.callcount for entry in profiler.getstats() if entry.code is code)


def cprofile(work, given, **settings):
    import cProfile

    profiler = cProfile.Profile(**settings)
    return profiler.enable, profiler.disable, lambda: entries(profiler, work)


def yappi(work, given, clock):
    sys.path.insert(0, given["peers"])
    import yappi

    yappi.set_clock_type(clock)
    return lambda: yappi.start(builtins=True), yappi.stop, lambda: None


def viztracer(work, given, ignore_c):
    sys.path.insert(0, given["peers"])
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0, ignore_c_function=ignore_c)
    return tracer.start, tracer.stop, lambda: None


def line_profiler(work, given, everything, decorate):
    """Either as `@profile` and kernprof use it, which wraps each function, or turned on once over all."""
    sys.path.insert(0, given["peers"])
    from line_profiler import LineProfiler

    profiler = LineProfiler()
    for owner, name in work.chosen(everything):
        if decorate:
            setattr(owner, name, profiler(getattr(owner, name)))
        else:
            profiler.add_function(getattr(owner, name))
    work.run = work.module.run

    def counted():
        marked = work.marked_line()
        return sum(hits for lines in profiler.get_stats().timings.values() for line, hits, _ in lines if line == marked)

    if decorate:
        return lambda: None, lambda: None, counted
    return profiler.enable_by_count, profiler.disable_by_count, counted


def outpace(given):
    """The package, and its agent, which an installation lays beside it."""
    sys.path.insert(0, given["outpace"])
    import outpace as package

    if importlib.util.find_spec("outpace._agent") is None:
        raise Unavailable(f"no agent is built for Python {sys.version_info[0]}.{sys.version_info[1]}")
    from outpace import _agent as agent

    return package, agent


def wanted(module, name):
    try:
        return getattr(module, name)
    except AttributeError:
        raise Unavailable(f"{module.__name__} has no {name}") from None


def outpace_profiler(work, given, **settings):
    package, agent = outpace(given)
    kind = getattr(package, "Profiler", None) or wanted(agent, "Profiler")
    profiler = kind(**settings)
    return profiler.enable, profiler.disable, lambda: entries(profiler, work)


def outpace_start(work, given, modes):
    """What `outpace trace` does in a program, which stops it at its end only."""
    start = wanted(outpace(given)[1], "start")
    return lambda: start(given["scratch"], modes), lambda: None, lambda: None


def hits_of(profiler, work):
    marked = work.marked_line()
    return sum(hits for *_, lines in profiler.results() for line, hits, _ in lines if line == marked)


def outpace_lines(work, given, everything):
    profiler = wanted(outpace(given)[1], "LineProfiler")()
    for code in work.codes(everything):
        profiler.add_code(code)
    return profiler.enable, profiler.disable, lambda: hits_of(profiler, work)


def outpace_start_lines(work, given, everything):
    """What `outpace lines` does in a program."""
    start = wanted(outpace(given)[1], "start")
    profiler = None

    def choose():
        nonlocal profiler
        profiler = start(given["scratch"], "lines")
        for code in work.codes(everything):
            profiler.add_code(code)

    return choose, lambda: None, lambda: hits_of(profiler, work)


def floor_module(given):
    sys.path.insert(0, given["floor"])
    try:
        import outpace_floor
    except ImportError as error:
        raise Unavailable(f"the floor is not built: {error}") from None
    return outpace_floor


def checked(count):
    if not count:
        raise RuntimeError("the callback was not called")
    return None


def floor_calls(work, given, events):
    module = floor_module(given)
    if OLD:
        return lambda: module.set_profile(True), lambda: module.set_profile(False), lambda: checked(module.count(CALL))
    monitoring, tool = sys.monitoring, 4
    monitoring.use_tool_id(tool, "floor")
    callback, mask = module.Empty(), 0
    for name in events.split():
        event = getattr(monitoring.events, name)
        monitoring.register_callback(tool, event, callback)
        # What a C function returns comes with its call, and cannot be asked for alone.
        mask |= 0 if name.startswith("C_") else event
    return (lambda: monitoring.set_events(tool, mask), lambda: monitoring.set_events(tool, 0),
            lambda: checked(callback.count))


def floor_lines(work, given, everything, leaving=False):
    module = floor_module(given)
    if OLD:
        return lambda: module.set_trace(True), lambda: module.set_trace(False), lambda: checked(module.count(LINE))
    monitoring, tool = sys.monitoring, 4
    monitoring.use_tool_id(tool, "floor")
    callback, other, events = module.Empty(), module.Empty(), monitoring.events
    monitoring.register_callback(tool, events.LINE, callback)
    near, everywhere = events.LINE, 0
    if leaving:
        near |= events.PY_RETURN | events.PY_YIELD | events.PY_RESUME
        everywhere = events.PY_UNWIND       # which no code can have for itself
        for event in (events.PY_RETURN, events.PY_YIELD, events.PY_RESUME, events.PY_UNWIND):
            monitoring.register_callback(tool, event, other)
    codes = work.codes(everything)

    def set_all(near, everywhere):
        monitoring.set_events(tool, everywhere)
        for code in codes:
            monitoring.set_local_events(tool, code, near)

    return lambda: set_all(near, everywhere), lambda: set_all(0, 0), lambda: checked(callback.count)


PY = "PY_START PY_RETURN PY_RESUME PY_YIELD PY_UNWIND PY_THROW"
VARIANTS = {
    "bare": (bare, {}),
    "cprofile": (cprofile, {}),
    "cprofile-python": (cprofile, {"builtins": False}),
    "yappi-wall": (yappi, {"clock": "wall"}),
    "yappi-cpu": (yappi, {"clock": "cpu"}),
    "viztracer": (viztracer, {"ignore_c": False}),
    "viztracer-python": (viztracer, {"ignore_c": True}),
    "line_profiler-hottest": (line_profiler, {"everything": False, "decorate": True}),
    "line_profiler-all": (line_profiler, {"everything": True, "decorate": True}),
    "line_profiler-bare-hottest": (line_profiler, {"everything": False, "decorate": False}),
    "line_profiler-bare-all": (line_profiler, {"everything": True, "decorate": False}),
    "outpace": (outpace_profiler, {}),
    "outpace-python": (outpace_profiler, {"builtins": False}),
    "outpace-trace": (outpace_start, {"modes": "calls,builtins"}),
    "outpace-counts": (outpace_start, {"modes": "counts,builtins"}),
    "outpace-hottest": (outpace_lines, {"everything": False}),
    "outpace-all": (outpace_lines, {"everything": True}),
    "outpace-lines-hottest": (outpace_start_lines, {"everything": False}),
    "outpace-lines-all": (outpace_start_lines, {"everything": True}),
    "floor-start": (floor_calls, {"events": "PY_START"}),
    "floor-counts": (floor_calls, {"events": "PY_START PY_RESUME PY_THROW CALL"}),
    "floor-python": (floor_calls, {"events": PY}),
    "floor": (floor_calls, {"events": PY + " CALL C_RETURN C_RAISE"}),
    "floor-hottest": (floor_lines, {"everything": False}),
    "floor-all": (floor_lines, {"everything": True}),
    "floor-leaving-hottest": (floor_lines, {"everything": False, "leaving": True}),
    "floor-leaving-all": (floor_lines, {"everything": True, "leaving": True}),
}


def measure(given):
    make, settings = VARIANTS[given["variant"]]
    work, rounds = Work(given["workload"]), given["rounds"]
    try:
        start, stop, counted = make(work, given, **settings)
    except (ImportError, Unavailable) as error:
        return {"reason": str(error)}
    begin = time.process_time()
    start()
    work.run(rounds)
    stop()
    cpu = time.process_time() - begin
    each = work.module.HITS if given["variant"].endswith(("-hottest", "-all")) else work.module.CALLS
    return {"cpu": cpu, "counted": counted(), "expected": each * rounds}


def build_floor(folder):
    import subprocess
    import sysconfig

    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "floor.c")
    out = os.path.join(folder, "outpace_floor" + importlib.machinery.EXTENSION_SUFFIXES[0])
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-I", sysconfig.get_paths()["include"], "-o", out, source], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--build-floor":
        build_floor(sys.argv[2])
    else:
        request = json.loads(sys.argv[1])
        result = measure(request)
        with open(request["out"], "w", encoding="utf-8") as file:
            json.dump(result, file)
