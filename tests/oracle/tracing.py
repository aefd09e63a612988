# SPDX-License-Identifier: MIT
"""The programs for the exact tracer, placed with the agent where an interpreter sees both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import interpreters
import places
import pytest
from interpreters import Interpreter

HERE = Path(__file__).resolve().parent
AGENTS = Path(os.environ.get("OUTPACE_BUILD") or HERE.parents[1] / "build") / "agents"
OLDEST = 10
FOUND = [each for each in interpreters.find() if each.minor >= OLDEST]
PEERS = ("greenlet", "coverage")
SECONDS = 120
SANITIZED = os.environ.get("OUTPACE_SANITIZER") == "address"


@dataclass(frozen=True)
class Place:
    interpreter: Interpreter
    folder: Path  # as we see it
    inside: Path  # as the interpreter does
    peers: bool

    @property
    def agents(self) -> str:
        return str(self.inside / "agents")

    def command(self, program: str, *arguments: str) -> list[str]:
        return [*self.interpreter.command, str(self.inside / f"{program}.py"), *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "OUTPACE_"))}
        kept |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
        if self.peers:
            kept["PYTHONPATH"] = str(self.inside / "peers")
        if SANITIZED:
            # The interpreter is not built with it, so its runtime must be there first. Programs here end by signals.
            options = "detect_leaks=0:handle_segv=0:handle_abort=0:quarantine_size_mb=1"
            kept["ASAN_OPTIONS"] = f"{kept.get('ASAN_OPTIONS', '')}:{options}"
            kept |= {"LD_PRELOAD": places.sanitizers_of(self.folder / "agents"), "PYTHONMALLOC": "malloc"}
        return kept | more

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(program, *arguments),
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def judge(self, program: str, least: int, *arguments: str) -> None:
        """Runs a program of cases; fails with what is wrong."""
        done = self.run(program, self.agents, *arguments)
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        told: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
        wrong = [f"--- {name}\n{text}" for name, text in told.items() if text]
        assert not wrong, f"{len(wrong)} of {len(told)} are wrong\n" + "\n".join(wrong) + f"\n{done.stderr}"
        assert len(told) >= least, sorted(told)
        assert not done.stderr, done.stderr


def agents_folder() -> Path:
    if not AGENTS.is_dir():
        pytest.skip("there are no agents: run make agents")
    return AGENTS


@cache
def peers_of(minor: int) -> Path | None:
    """Libraries that the tracer is tried with, of binary wheels; None where they cannot be had."""
    folder = interpreters.unstable_root().parent / f"peers-3.{minor}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--python-version", f"3.{minor}", "--implementation", "cp", "--target", str(partial), *PEERS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        return None
    with contextlib.suppress(OSError):  # another run was faster
        partial.rename(folder)
    return folder if folder.is_dir() else None


@contextlib.contextmanager
def placed(interpreter: Interpreter) -> Iterator[Place]:
    agents = agents_folder()
    if SANITIZED and interpreter.root != Path("/"):
        pytest.skip("the sanitizer's runtime is not in there")
    peers = peers_of(interpreter.minor)
    with tempfile.TemporaryDirectory(prefix="outpace-traced-", dir=interpreter.scratch) as scratch:
        folder = Path(scratch)
        for path in (HERE / "programs").glob("traced*.py"):
            shutil.copy(path, folder)
        if interpreter.root == Path("/"):
            (folder / "agents").symlink_to(agents)
            if peers:
                (folder / "peers").symlink_to(peers)
        else:
            shutil.copytree(agents, folder / "agents")
            if peers:
                shutil.copytree(peers, folder / "peers")
        yield Place(interpreter, folder, Path("/") / folder.relative_to(interpreter.root), peers is not None)
