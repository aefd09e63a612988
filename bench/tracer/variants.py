# SPDX-License-Identifier: MIT
"""What a workload is run under. driver.py, which runs inside of the measured interpreter, knows how."""

from __future__ import annotations

from dataclasses import dataclass

PEERS = ("line_profiler==5.1.0", "yappi==1.7.6", "viztracer==1.1.1")
NEW = (3, 12)       # the first with sys.monitoring
LEAVING = "with RETURN, YIELD, RESUME, UNWIND, which close a line"


@dataclass(frozen=True)
class Variant:
    key: str
    title: str
    kind: str                   # what it does: those of one kind are compared
    aim: str | None = None      # a key of aims.AIMS
    floor: tuple[str, ...] = ()     # the variants that nothing of its kind can be cheaper than: the first that was run
    slow: bool = False          # 10 times and more: one round of the workload tells enough
    oldest: tuple[int, int] = (3, 10)
    package: str | None = None  # of the peer

    @property
    def ours(self) -> bool:
        return self.key.startswith("outpace")


CALLS, PYTHON, COUNTS = "calls", "calls of Python functions only", "counts of calls"
HOTTEST, ALL = "lines of the hottest function", "lines of all functions"

VARIANTS = (
    Variant("cprofile", "cProfile", CALLS),
    Variant("yappi-wall", "yappi, wall", CALLS, slow=True, package="yappi"),
    Variant("yappi-cpu", "yappi, cpu", CALLS, slow=True, package="yappi"),
    Variant("viztracer", "viztracer", CALLS, package="viztracer"),
    Variant("outpace", "**Outpace**, Profiler", CALLS, "calls", ("floor",)),
    Variant("outpace-trace", "**Outpace**, as `outpace trace` starts it", CALLS, "calls", ("floor",)),
    Variant("outpace-command", "**Outpace**, `outpace trace -- python FILE`", CALLS, "calls", ("floor",)),
    Variant("floor", "floor", CALLS),
    Variant("cprofile-python", "cProfile, builtins=False", PYTHON),
    Variant("viztracer-python", "viztracer, ignore_c_function", PYTHON, package="viztracer"),
    Variant("outpace-python", "**Outpace**, builtins=False", PYTHON, None, ("floor-python", "floor")),
    Variant("floor-python", "floor", PYTHON, oldest=NEW),
    Variant("outpace-counts", "**Outpace**, `--counts`", COUNTS, "counts", ("floor-counts", "floor")),
    Variant("floor-counts", "floor", COUNTS, oldest=NEW),
    Variant("floor-start", "floor, PY_START only", COUNTS, oldest=NEW),
    Variant("line_profiler-hottest", "line_profiler, `@profile`", HOTTEST, slow=True, package="line_profiler"),
    Variant("line_profiler-bare-hottest", "line_profiler, add_function", HOTTEST, slow=True, package="line_profiler"),
    Variant("outpace-hottest", "**Outpace**, LineProfiler", HOTTEST, "hottest", ("floor-leaving-hottest", "floor-hottest")),
    Variant("outpace-lines-hottest", "**Outpace**, as `outpace lines` starts it", HOTTEST, "hottest",
            ("floor-leaving-hottest", "floor-hottest")),
    Variant("floor-leaving-hottest", f"floor, {LEAVING}", HOTTEST, oldest=NEW),
    Variant("floor-hottest", "floor, LINE only", HOTTEST),
    Variant("line_profiler-all", "line_profiler, `@profile`", ALL, slow=True, package="line_profiler"),
    Variant("line_profiler-bare-all", "line_profiler, add_function", ALL, slow=True, package="line_profiler"),
    Variant("outpace-all", "**Outpace**, LineProfiler", ALL, "all", ("floor-leaving-all", "floor-all")),
    Variant("outpace-lines-all", "**Outpace**, as `outpace lines` starts it", ALL, "all", ("floor-leaving-all", "floor-all")),
    Variant("floor-leaving-all", f"floor, {LEAVING}", ALL, oldest=NEW),
    Variant("floor-all", "floor, LINE only", ALL),
)
KINDS = (CALLS, PYTHON, COUNTS, HOTTEST, ALL)
