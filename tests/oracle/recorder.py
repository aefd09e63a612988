# SPDX-License-Identifier: MIT
"""Starts a program with a known profile, records it with the tool under test, and reads what was written."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import judge
from interpreters import Interpreter

HERE = Path(__file__).resolve().parent
OUTPACE = os.environ.get("OUTPACE_EXECUTABLE") or str(HERE.parents[1] / "build/outpace")
START_SECONDS = 30.0
TOOL_SECONDS = 120.0
_cpus = sorted(os.sched_getaffinity(0))
# On one core torn reads vanish by accident, so target and tool are kept apart where there are two.
TOOL_CPU, TARGET_CPU = (_cpus[0], _cpus[1]) if len(_cpus) > 1 else (None, None)


@dataclass
class Recording:
    stacks: list[judge.Stack]
    summary: dict[str, Any]
    told: str  # the tool's own words
    waited: float = 0.0  # the share of the time that the target was runnable and did not run
    slices: int = 0  # how often the target was given the processor

    @property
    def counters(self) -> dict[str, int]:
        return self.summary["counters"]

    def own_ns(self, function: str) -> int:
        return sum(each["own_ns"] for each in self.summary["functions"] if each["function"].rsplit(".", 1)[-1] == function)

    def note(self) -> str:
        counters = ", ".join(f"{name} {value}" for name, value in self.counters.items())
        return f"{counters}; target kept waiting {100 * self.waited:.0f} % of the time"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    kept |= {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    if TARGET_CPU is not None:
        kept["ORACLE_CPU"] = str(TARGET_CPU)
    return kept


@contextlib.contextmanager
def placed(interpreter: Interpreter, name: str) -> Iterator[tuple[Path, list[str]]]:
    """The program in a folder that the interpreter sees; gives that folder and the command."""
    with tempfile.TemporaryDirectory(prefix="outpace-oracle-", dir=interpreter.scratch) as folder:
        for path in (HERE / "programs").glob("*.py"):
            shutil.copy(path, folder)
        script = Path(folder) / f"{name}.py"
        program = judge.PROGRAMS.get(name)
        if program and program.rename:
            script = script.rename(Path(folder) / program.rename)
        seen = "/" + str(script.relative_to(interpreter.root))
        yield Path(folder), [*interpreter.command, seen]


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The program from its word "ready" on. Its whole process group is ended at the end."""
    target = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(), start_new_session=True
    )
    try:
        assert target.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(target.stdout, selectors.EVENT_READ)
            if not selector.select(START_SECONDS):
                raise TimeoutError(f"{command}: does not get ready")
        if target.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{command}: did not start")
        time.sleep(0.02)
        yield target
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(target.pid, signal.SIGKILL)
        target.wait()
        if target.stdout:
            target.stdout.close()


def _pin_tool() -> None:
    if TOOL_CPU is not None:
        os.sched_setaffinity(0, {TOOL_CPU})


def tool(arguments: list[str], pin: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [OUTPACE, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env=environment(),
        timeout=TOOL_SECONDS,
        preexec_fn=_pin_tool if pin else None,
    )
    if done.returncode != 0:
        raise RuntimeError(f"outpace {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return done


def _scheduled(pid: int) -> tuple[int, int]:
    """Nanoseconds waited for a processor, and time slices, of the main thread."""
    try:
        words = Path(f"/proc/{pid}/schedstat").read_text().split()
    except OSError:
        return 0, 0
    return int(words[1]), int(words[2])


def _rendered(profile: Path, folder: Path, told: str) -> Recording:
    collapsed, summary = folder / "out.txt", folder / "out.json"
    tool(["report", "-t", "-f", "collapsed", "-o", str(collapsed), str(profile)])
    tool(["report", "-f", "json", "-o", str(summary), str(profile)])
    return Recording(judge.read(collapsed), json.loads(summary.read_text(encoding="utf-8")), told)


def attach(pid: int, seconds: float, rate: int = 100_000, *options: str) -> Recording:
    with tempfile.TemporaryDirectory(prefix="outpace-oracle-") as scratch:
        folder = Path(scratch)
        profile = folder / "out.outpace"
        waited, slices = _scheduled(pid)
        begun = time.monotonic()
        done = tool(["record", "-o", str(profile), "-r", str(rate), "-d", str(seconds), *options, "-p", str(pid)])
        elapsed = time.monotonic() - begun
        recording = _rendered(profile, folder, done.stderr)
        waited_now, slices_now = _scheduled(pid)
        recording.waited = min(1.0, (waited_now - waited) / 1e9 / elapsed)
        recording.slices = slices_now - slices
        return recording


def attached(interpreter: Interpreter, name: str, seconds: float, rate: int = 100_000, *options: str) -> Recording:
    with placed(interpreter, name) as (_folder, command), running(command) as target:
        return attach(target.pid, seconds, rate, *options)


def launched(command: list[str], rate: int = 100_000, *options: str) -> Recording:
    with tempfile.TemporaryDirectory(prefix="outpace-oracle-") as scratch:
        folder = Path(scratch)
        profile = folder / "out.outpace"
        done = tool(["record", "-o", str(profile), "-r", str(rate), *options, "--", *command])
        return _rendered(profile, folder, done.stderr)
