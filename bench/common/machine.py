# SPDX-License-Identifier: MIT
"""The machine under the figures: its processors, its interpreters, the folder where peers are kept."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TOOL_CPU, TARGET_CPU = 0, 1


def cache_folder() -> Path:
    """The one of tools/unstable.sh."""
    if folder := os.environ.get("OUTPACE_CACHE"):
        return Path(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "outpace-test"
    return Path("/var/cache/outpace-test") if os.geteuid() == 0 else Path.home() / ".cache/outpace-test"


def unstable() -> Path | None:
    root = cache_folder() / "unstable"
    return root if (root / ".outpace-complete").exists() else None


def loader(root: Path) -> list[str]:
    """Starts a program with the C library of another root, from outside of it."""
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    return [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries]


def version_of(command: list[str]) -> str | None:
    try:
        done = subprocess.run([*command, "-c", "import platform; print(platform.python_version())"], capture_output=True,
                              text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def wake_percent(seconds: float) -> float:
    """What 1,000 sleeps a second cost here by themselves, in percent of a core: no profiler that sleeps can cost less."""
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)     # PR_SET_TIMERSLACK
    began, wakes = time.thread_time(), 0
    start = time.monotonic()
    while (due := start + wakes / 1000) < start + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        wakes += 1
    return 100 * (time.thread_time() - began) / (time.monotonic() - start)


def describe() -> str:
    load = os.getloadavg()[0]
    busy = "; BUSY: the figures are worth little" if load > 0.7 else ""
    return f"{model()}, {os.cpu_count()} processors, Linux {platform.release()}, load {load:.2f}{busy}"


def target_pin() -> list[str]:
    """Target and tool on different processors: on one, reads are atomic by accident and torn stacks vanish."""
    return ["taskset", "-c", str(TARGET_CPU)] if (os.cpu_count() or 1) > 1 else []
