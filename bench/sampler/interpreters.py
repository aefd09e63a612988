# SPDX-License-Identifier: MIT
"""The interpreters that are watched."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from machine import unstable, version_of

HERE = Path(__file__).resolve().parent


@dataclass
class Interpreter:
    label: str                      # "3.13.0"
    command: list[str]              # starts it
    workloads: str                  # the path of workloads.py as it sees it
    folder: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)   # where it was copied to


def main_interpreter(wanted: str | None) -> Interpreter:
    """The one that all tools but 3.15's sampler can watch: the newest of 3.13 to 3.11 that is found."""
    candidates = [wanted] if wanted else []
    if not wanted:
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        for minor in ("3.13", "3.12", "3.11"):
            candidates += [str(path) for path in sorted(pyenv.glob(minor + ".*/bin/python3"), reverse=True)]
            candidates += [path for path in [shutil.which("python" + minor)] if path]
        candidates.append(sys.executable)
    for path in candidates:
        if version := version_of([path]):
            return Interpreter(version, [path], str(HERE / "workloads.py"))
    raise SystemExit(f"error: {wanted} is not a Python that starts\nhint: name one with --python")


def interpreter_315() -> Interpreter | None:
    """On PATH, or in Debian unstable, into which the workloads are copied for the time of the run."""
    if (path := shutil.which("python3.15")) and (version := version_of([path])):
        return Interpreter(version, [path], str(HERE / "workloads.py"))
    root = unstable()
    if root is None or os.geteuid() != 0:
        return None
    command = ["chroot", str(root), "/usr/bin/python3.15"]
    version = version_of(command)
    if version is None:
        return None
    folder = tempfile.TemporaryDirectory(prefix="outpace-bench-", dir=root / "tmp")
    shutil.copy(HERE / "workloads.py", folder.name)
    inside = "/" + str(Path(folder.name).relative_to(root)) + "/workloads.py"
    return Interpreter(version, command, inside, folder)
