# SPDX-License-Identifier: MIT
"""The package, the agents and programs of the oracle, at places that an interpreter sees: some look into a root of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import interpreters
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("OUTPACE_BUILD", ROOT / "build"))
OLDEST = 10


@dataclass(frozen=True)
class Place:
    """Where an interpreter finds things, under its own names for them; `outside` is `folder` under ours."""

    interpreter: interpreters.Interpreter
    package: Path
    agents: Path
    oracle: Path
    folder: Path
    outside: Path
    preloaded: str = ""  # the libraries of sanitizers that the agents need

    def run(self, *words: str, input: str | None = None, timeout: float = 300, **more: str) -> subprocess.CompletedProcess[str]:
        """Python with these words, in `folder`. Variables of ours and of Python that are set here do not count."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("OUTPACE_", "PYTHON", "LINE_"))}
        environment |= {"PYTHONPATH": str(self.package), "OUTPACE_TRACE_AGENT": str(self.agents), **more}
        if self.preloaded:
            environment |= {"LD_PRELOAD": self.preloaded, "PYTHONMALLOC": "malloc"}
            environment["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99:allocator_may_return_null=1"
            environment["UBSAN_OPTIONS"] = "halt_on_error=1:exitcode=99:print_stacktrace=1"
        # A chroot begins in its root: so Python itself changes the folder, before it reads its own options.
        command = [*self.interpreter.command, *words]
        if self.interpreter.root != Path("/"):
            python = self.interpreter.command[-1]
            line = 'cd "$0" && exec "$@"'
            command = [*self.interpreter.command[:-1], "/bin/sh", "-c", line, str(self.folder), python, *words]
        return subprocess.run(
            command, env=environment, cwd=self.outside, input=input, capture_output=True, text=True, timeout=timeout
        )


def sanitizers_of(agents: Path) -> str:
    """The libraries of the sanitizers that the agents were linked with, as LD_PRELOAD wants them."""
    told = subprocess.run(["ldd", *sorted(agents.glob("*.so"))[:1]], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in told.splitlines()]
    return ":".join(words[2] for words in lines if words[0].startswith(("libasan", "libubsan")) and len(words) > 2)


@contextmanager
def for_caches(interpreter: interpreters.Interpreter) -> Iterator[Place]:
    """As `of`; under the address sanitizer the module of the caches is sanitized, for the Pythons that make asan names."""
    if os.environ.get("OUTPACE_SANITIZER") != "address":
        with of(interpreter) as place:
            yield place
        return
    if interpreter.root != Path("/"):
        pytest.skip("the sanitizer's runtime is not in there")
    sanitized = BUILD / "agents-address"
    if not list(sanitized.glob(f"_cache.cpython-3{interpreter.minor}-*.so")):
        pytest.skip(f"no sanitized module for {interpreter.version}")
    with of(interpreter, sanitized) as place:
        yield replace(place, preloaded=sanitizers_of(sanitized))


@contextmanager
def of(interpreter: interpreters.Interpreter, agents: Path = BUILD / "agents") -> Iterator[Place]:
    """Skips what is older than the tracer, and what has no agent."""
    if interpreter.minor < OLDEST:
        pytest.skip(f"the tracer is for 3.{OLDEST} and newer")
    if not list(agents.glob(f"_agent.cpython-3{interpreter.minor}-*.so")):
        pytest.skip(f"no agent for {interpreter.version}: run make agents")
    with tempfile.TemporaryDirectory(dir=interpreter.scratch) as scratch:
        folder = Path(scratch) / "here"
        folder.mkdir()
        if interpreter.root == Path("/"):
            yield Place(interpreter, ROOT / "python", agents, ROOT / "tests/oracle", folder, folder)
            return
        for source, name in ((ROOT / "python/outpace", "python/outpace"), (agents, "agents")):
            shutil.copytree(source, Path(scratch) / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests/oracle", Path(scratch) / "oracle", ignore=shutil.ignore_patterns("__pycache__"))
        inside = Path("/") / Path(scratch).relative_to(interpreter.root)
        yield Place(interpreter, inside / "python", inside / "agents", inside / "oracle", inside / "here", folder)
