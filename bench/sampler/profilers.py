# SPDX-License-Identifier: MIT
"""The profilers that are compared: how each is started, and what it wrote and said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from interpreters import Interpreter
from machine import cache_folder, loader, unstable
from stacks import Stacks, read_collapsed, read_mojo

PEERS = ("py-spy==0.4.3", "austin-dist==4.0.0")
PATIENCE = 60.0     # how long a tool may take to write its file after it was told to stop


class Tool:
    """One profiler. `settle` is how long it takes from its start until it samples for certain."""

    key = ""
    name = ""
    settle = 0.2
    ending = ".out"
    version_arguments: tuple[str, ...] = ("--version",)

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.command = command
        self.environment = {**os.environ, **(environment or {})}

    def record(self, pid: int, hz: float, out: Path) -> list[str]:
        raise NotImplementedError

    def dump(self, pid: int) -> list[str]:
        raise NotImplementedError

    def version(self) -> list[str]:
        return [*self.command, *self.version_arguments]

    def stacks(self, out: Path) -> Stacks:
        raise NotImplementedError

    def window(self, text: str) -> float | None:
        """Seconds that it says it sampled."""
        return None

    def missed(self, text: str) -> int | None:
        """Samples that it says it tried and could not take."""
        return None

    def said_version(self) -> str:
        done = subprocess.run(self.version(), capture_output=True, text=True, env=self.environment)
        return (done.stdout or done.stderr).strip().splitlines()[0]


class Outpace(Tool):
    key, name, ending = "outpace", "Outpace", ".outpace"

    def record(self, pid: int, hz: float, out: Path) -> list[str]:
        return [*self.command, "record", "-r", f"{hz:g}", "-o", str(out), "-p", str(pid)]

    def dump(self, pid: int) -> list[str]:
        return [*self.command, "dump", "-p", str(pid)]

    def stacks(self, out: Path) -> Stacks:
        text = out.with_suffix(".collapsed.txt")
        subprocess.run([*self.command, "report", str(out), "-f", "collapsed", "-o", str(text)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return read_collapsed(text, self.key)

    def window(self, text: str) -> float | None:
        found = re.search(r"samples in ([\d.]+) s", text)
        return float(found[1]) if found else None

    def missed(self, text: str) -> int | None:
        found = re.search(r"given up (\d+), lost (\d+)", text)
        return int(found[1]) + int(found[2]) if found else None


class PySpy(Tool):
    key, name, ending = "pyspy", "py-spy", ".txt"

    def record(self, pid: int, hz: float, out: Path) -> list[str]:
        return [*self.command, "record", "-r", f"{hz:.0f}", "-f", "raw", "-o", str(out), "-p", str(pid)]

    def dump(self, pid: int) -> list[str]:
        return [*self.command, "dump", "-p", str(pid)]

    def stacks(self, out: Path) -> Stacks:
        return read_collapsed(out, self.key)

    def missed(self, text: str) -> int | None:
        found = re.search(r"Errors: (\d+)", text)
        return int(found[1]) if found else None


class Austin(Tool):
    key, name, ending = "austin", "Austin", ".mojo"

    def record(self, pid: int, hz: float, out: Path) -> list[str]:
        return [*self.command, "-i", f"{max(1, round(1e6 / hz))}us", "-o", str(out), "-p", str(pid)]

    def dump(self, pid: int) -> list[str]:
        return [*self.command, "-w", str(pid)]

    def stacks(self, out: Path) -> Stacks:
        return read_mojo(out)

    def window(self, text: str) -> float | None:
        found = re.search(r"Total duration[ .]*([\d.]+)s", plain(text))
        return float(found[1]) if found else None

    def missed(self, text: str) -> int | None:
        found = re.search(r"Error rate[ .]*(\d+)/\d+", plain(text))
        return int(found[1]) if found else None


class Sampler315(Tool):
    """CPython 3.15's own. All threads, as the others do; its fastest format, rendered afterwards."""

    key, name, ending, settle = "sampler315", "3.15's sampler", ".bin", 1.0
    version_arguments = ("--help",)

    def record(self, pid: int, hz: float, out: Path) -> list[str]:
        return [*self.command, "attach", "-a", "-r", f"{hz:.0f}", "--binary", "-o", str(out), str(pid)]

    def dump(self, pid: int) -> list[str]:
        return [*self.command, "dump", "-a", str(pid)]

    def stacks(self, out: Path) -> Stacks:
        text = out.with_suffix(".txt")
        done = subprocess.run([*self.command, "replay", "--collapsed", "-o", str(text), str(out)], env=self.environment,
                              capture_output=True, text=True)
        if not text.exists():
            if "0 samples" in done.stdout + done.stderr or out.stat().st_size < 200:
                return Stacks()
            raise RuntimeError(f"replay: {done.stderr.strip() or done.stdout.strip()}")
        return read_collapsed(text, self.key)

    def window(self, text: str) -> float | None:
        found = re.search(r"Captured [\d,]+ samples in ([\d.]+) seconds", text)
        return float(found[1]) if found else None

    def missed(self, text: str) -> int | None:
        captured = re.search(r"Captured ([\d,]+) samples", text)
        rate = re.search(r"Error rate: ([\d.]+)", text)
        if not captured or not rate:
            return None
        return round(int(captured[1].replace(",", "")) * float(rate[1]) / 100)

    def said_version(self) -> str:
        code = "import platform; print('profiling.sampling of', platform.python_version())"
        done = subprocess.run([*self.command[:-2], "-c", code], capture_output=True, text=True, env=self.environment)
        return done.stdout.strip()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def works(tool: Tool) -> bool:
    try:
        done = subprocess.run(tool.version(), capture_output=True, env=tool.environment, timeout=20)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install_peers() -> Path:
    """Into a virtual environment in the cache folder, once."""
    folder = cache_folder() / "peers"
    marker = folder / "installed"
    wanted = "\n".join(PEERS)
    if marker.exists() and marker.read_text() == wanted:
        return folder / "bin"
    print(f"bench: installing {' and '.join(PEERS)} into {folder}", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    for peer in PEERS:      # one that cannot be had does not stop the other
        done = subprocess.run([str(folder / "bin/pip"), "install", "-qq", "--disable-pip-version-check", peer],
                              capture_output=True, text=True)
        if done.returncode:
            print(f"bench: {peer} could not be installed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    if all((folder / "bin" / name).exists() for name in ("py-spy", "austin")):
        marker.write_text(wanted)
    return folder / "bin"


def find_peers(python315: Interpreter | None) -> tuple[list[Tool], list[str]]:
    """The peers that start here, and why the others are left out."""
    tools: list[Tool] = []
    left_out: list[str] = []
    try:
        folder = install_peers()
    except (OSError, subprocess.CalledProcessError) as error:
        return [], [f"no peer could be installed: {error}"]
    pyspy = PySpy([str(folder / "py-spy")])
    if works(pyspy):
        tools.append(pyspy)
    else:
        left_out.append("py-spy does not start here")
    austin = Austin([str(folder / "austin")])
    root = unstable()
    if not works(austin) and root is not None:      # made for a newer C library than Debian 12 has
        austin = Austin([*loader(root), str(folder / "austin")])
    if works(austin):
        tools.append(austin)
    else:
        left_out.append("Austin does not start here (it wants glibc 2.38, or Debian unstable unpacked by tools/unstable.sh)")
    if python315 is None:
        left_out.append("3.15's sampler: no python3.15 (tools/unstable.sh unpacks one, as root)")
    else:
        sampler = Sampler315([*python315.command, "-m", "profiling.sampling"])
        if python315.command[0] == "chroot" and root is not None:
            # From outside of the chroot: it wants /proc and the target's files under the names that it sees there.
            command = [*loader(root), f"{root}/usr/bin/python3.15", "-m", "profiling.sampling"]
            sampler = Sampler315(command, {"PYTHONHOME": f"{root}/usr"})
        if works(sampler):
            tools.append(sampler)
        else:
            left_out.append("3.15's sampler does not start here")
    return tools, left_out


@dataclass
class Outcome:
    """How one recording went."""

    cpu: float          # seconds of processor time, from start to end
    peak: int           # bytes of resident memory
    elapsed: float      # seconds, from start to end
    finish: float       # seconds, from being told to stop to the end
    code: int
    text: str           # what it printed
    size: int           # bytes of its file


class Recording:
    """A tool at work on a process. Only `stop` ends it, by its id."""

    def __init__(self, tool: Tool, pid: int, hz: float, out: Path) -> None:
        self.tool, self.out, self.started = tool, out, time.monotonic_ns()
        self.log = out.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(tool.record(pid, hz, out), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=tool.environment, start_new_session=True)
        self.peak = 0
        self.done: tuple[int, float] | None = None

    def look(self) -> None:
        """The kernel's rusage of a child counts its parent's memory from before exec; so its own high-water mark is read."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith("VmHWM:"):
                        self.peak = max(self.peak, int(line.split()[1]) * 1024)
                        return
        except OSError:
            pass

    def cpu(self) -> float:
        """Seconds of processor time until now, of all its threads."""
        total = 0
        try:
            for task in os.scandir(f"/proc/{self.process.pid}/task"):
                with open(f"{task.path}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except (OSError, IndexError):
            pass
        return total / 1e9

    def ended(self) -> bool:
        if self.done is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.done = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
                self.process.returncode = self.done[0]
        return self.done is not None

    def stop(self) -> Outcome:
        told = time.monotonic_ns()
        if not self.ended():
            self.process.send_signal(signal.SIGINT)
        while not self.ended():
            self.look()
            if time.monotonic_ns() - told > PATIENCE * 1e9:
                self.process.kill()
            time.sleep(0.001)
        now = time.monotonic_ns()
        assert self.done is not None
        size = self.out.stat().st_size if self.out.exists() else 0
        return Outcome(self.done[1], self.peak, (now - self.started) / 1e9, (now - told) / 1e9, self.done[0],
                       self.log.read_text(encoding="utf-8", errors="replace"), size)
