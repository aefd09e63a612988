# SPDX-License-Identifier: MIT
"""Where one Python is measured: a folder that it sees, with copies of all that is needed, and the runs in it.

Copies, because a Python in a root of its own sees no other folder, and because a build in the middle of a run would change
what is measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from entries import STATM
from interpreters import Interpreter
from machine import ROOT, target_pin
from peers import install

HERE = Path(__file__).resolve().parent
PATIENCE = 600.0    # seconds for one part
KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
DRIVER = ("cases.py", "clockwork.py", "driver.py", "entries.py", "libraries.py", "traces.py")


class Stage:
    def __init__(self, python: Interpreter, build: Path, peers: Sequence[str]) -> None:
        self.python = python
        self.peers, self.missing = install(python, "cache", peers)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.folder = Path(tempfile.mkdtemp(prefix="outpace-bench-", dir=python.scratch))
        try:
            self.fill(build)
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

    def fill(self, build: Path) -> None:
        for name in DRIVER:
            shutil.copy(HERE / name, self.folder)
        shutil.copytree(ROOT / "python/outpace", self.folder / "package/outpace",
                        ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        for module in sorted(build.glob("agents/_cache.*.so")):
            shutil.copy(module, self.folder / "package/outpace")

    def run(self, part: str, seed: int = 0, pinned: bool = True, **settings: Any) -> dict[str, Any]:
        """What the part answers. Raises RuntimeError with the last that it said where it fails."""
        out = self.folder / "out.json"
        out.unlink(missing_ok=True)
        asked = {"part": part, "out": self.inside(out), **settings,
                 "path": [self.inside(self.folder / "package"), self.inside(self.peers)]}
        command = [*(target_pin() if pinned else ()), *self.python.command, self.inside(self.folder / "driver.py"),
                   json.dumps(asked)]
        if part == "memory":
            command = ["sh", "-c", f'exec {STATM}</proc/self/statm; exec "$@"', "sh", *command]
        environment = {**self.environment, "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"took longer than {PATIENCE:.0f} s") from None
        if done.returncode or not out.exists():
            raise RuntimeError(f"exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        told = json.loads(out.read_text(encoding="utf-8"))
        assert isinstance(told, dict)
        return told
