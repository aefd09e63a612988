# SPDX-License-Identifier: MIT
"""Where the workloads of one Python run: a folder that it sees, with copies of all that is needed, and the runs in it.

Copies, because a Python in a root of its own sees no other folder, and because a build in the middle of a run would change
what is measured.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from interpreters import Interpreter
from machine import ROOT, target_pin
from peers import folder_of, install
from variants import PEERS, Variant

HERE = Path(__file__).resolve().parent
PATIENCE = 180.0    # seconds for one run
KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")


@dataclass
class Run:
    inside: float = 0.0     # seconds of processor time around the workload
    whole: float = 0.0      # of the process and its children
    reason: str = ""
    miscounted: str = ""


def constants(path: Path) -> dict[str, Any]:
    """What a workload says about itself."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


class Stage:
    def __init__(self, python: Interpreter, outpace: Path, packages: set[str]) -> None:
        self.python, self.outpace = python, outpace
        self.prefix, self.executable = list(python.command[:-1]), python.command[-1]
        self.peers, self.missing = install(python, "tracer", PEERS) if packages else (folder_of(python, "tracer"), {})
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment.update(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
        self.folder = Path(tempfile.mkdtemp(prefix="outpace-bench-", dir=python.scratch))
        try:
            self.fill()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self.folder)

    def inside(self, path: Path) -> str:
        """As the Python sees it."""
        return "/" + str(path.relative_to(self.python.root))

    def fill(self) -> None:
        for name in ("driver.py", "floor.c"):
            shutil.copy(HERE / name, self.folder)
        shutil.copytree(HERE / "workloads", self.folder / "workloads", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "python/outpace", self.folder / "package/outpace",
                        ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        for agent in sorted(self.outpace.resolve().parent.glob("agents/_agent.*.so")):
            shutil.copy(agent, self.folder / "package/outpace")
        for name in ("floor", "scratch"):
            (self.folder / name).mkdir(mode=0o700)
        command = [*self.python.command, self.inside(self.folder / "driver.py"), "--build-floor",
                   self.inside(self.folder / "floor")]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        self.no_floor = "" if done.returncode == 0 else f"floor.c could not be compiled: {last_line(done.stderr)}"

    def rounds(self, workload: str) -> int:
        return int(constants(HERE / f"workloads/{workload}.py")["ROUNDS"])

    def why_not(self, variant: Variant) -> str:
        if variant.package in self.missing:
            return self.missing[variant.package]
        if variant.key.startswith("floor"):
            return self.no_floor
        if variant.key == "outpace-command":
            if self.prefix:
                return "the command and this Python do not share a root"
            done = subprocess.run([str(self.outpace), "help", "trace"], capture_output=True) if self.outpace.exists() else None
            if done is None or done.returncode:
                return f"{self.outpace.name} has no command `trace`"
        return ""

    def run(self, variant: str, workload: str, rounds: int) -> Run:
        out = self.folder / "out.json"
        out.unlink(missing_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.folder / "scratch"))
        asked = {"variant": "bare" if variant == "outpace-command" else variant, "rounds": rounds,
                 "workload": self.inside(self.folder / f"workloads/{workload}.py"), "out": self.inside(out),
                 "peers": self.inside(self.peers), "outpace": self.inside(self.folder / "package"),
                 "floor": self.inside(self.folder / "floor"), "scratch": self.inside(scratch)}
        command = [*self.prefix, self.executable, self.inside(self.folder / "driver.py"), json.dumps(asked)]
        if variant == "outpace-command":
            command = [str(self.outpace), "trace", "-o", str(scratch / "out.outpace"), "--", *command]
        try:
            return self.watch([*target_pin(), *command], out)
        finally:
            shutil.rmtree(scratch)

    def watch(self, command: list[str], out: Path) -> Run:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                       env=self.environment, start_new_session=True)
            ended = os.pidfd_open(process.pid)
            in_time: list[int] = []
            try:
                in_time = select.select([ended], [], [], PATIENCE)[0]
            finally:
                os.close(ended)
                if not in_time:
                    os.killpg(process.pid, signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            text = errors.read().decode("utf-8", "replace")
        if not in_time:
            return Run(reason=f"took longer than {PATIENCE:.0f} s")
        if process.returncode or not out.exists():
            return Run(reason=f"exit code {process.returncode}: {last_line(text)}")
        told = json.loads(out.read_text(encoding="utf-8"))
        if "reason" in told:
            return Run(reason=told["reason"])
        run = Run(told["cpu"], usage.ru_utime + usage.ru_stime)
        if told["counted"] is not None and told["counted"] != told["expected"]:
            run.miscounted = f"counts {told['counted']:,} where there are {told['expected']:,}"
        return run


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
