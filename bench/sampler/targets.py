# SPDX-License-Identifier: MIT
"""A watched program: started on its own processor, spoken to over pipes, ended with its runner."""

from __future__ import annotations

import contextlib
import subprocess
from types import TracebackType

from interpreters import Interpreter
from machine import target_pin


class Target:
    """It dies of itself when stdin ends; `spin` is bounded in time, so nothing outlives a killed runner for long."""

    def __init__(self, python: Interpreter, workload: str, threads: int = 1) -> None:
        command = [*target_pin(), *python.command, python.workloads, workload, str(threads)]
        # A session of its own: Ctrl-C is for the runner, which then closes it.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)
        if self.answer() != "ready":
            self.close()
            raise RuntimeError(f"the workload {workload} did not start on {python.label}")

    @property
    def pid(self) -> int:
        return self.process.pid     # taskset and chroot replace themselves

    def say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def work(self, units: int) -> int:
        """Elapsed nanoseconds."""
        self.say(f"work {units}")
        return int(self.answer())

    def units_for(self, seconds: float) -> int:
        """How many units take that long; the first ones warm it up."""
        units = 1
        while True:
            elapsed = self.work(units) / 1e9
            if elapsed > 0.1:
                elapsed = self.work(units) / 1e9
                return max(1, round(units * seconds / elapsed))
            units *= 2

    def stack(self) -> tuple[int, int]:
        """Where its deepest stack lies in its memory: address and bytes. For the workload fib, from Python 3.11 on."""
        self.say("stack")
        start, size = self.answer().split()
        return int(start), int(size)

    def spin(self, seconds: float) -> None:
        """Begins; `answer` waits for its end."""
        self.say(f"spin {seconds}")

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self.process.wait(timeout=0.3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
