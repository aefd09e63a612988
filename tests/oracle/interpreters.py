# SPDX-License-Identifier: MIT
"""Every CPython 3.8+ that can be found: on PATH, of pyenv, and of Debian unstable as tools/unstable.sh unpacks it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

OLDEST, NEWEST = 8, 15
NAMED_SECONDS = 120   # a sanitized one is slow to start
PYTHON_NAME = re.compile(r"python3(\.\d+)?")
ASK = (
    "import sys, sysconfig, platform; print(platform.python_implementation(), platform.python_version(),"
    " sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
)


@dataclass(frozen=True)
class Interpreter:
    version: str  # "3.13.0"
    command: tuple[str, ...]
    root: Path  # of the file system that it sees

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])

    @property
    def scratch(self) -> Path:
        return self.root / "tmp"


def unstable_root() -> Path:
    """Where tools/unstable.sh puts it."""
    if cache := os.environ.get("OUTPACE_CACHE"):
        folder = Path(cache)
    elif cache := os.environ.get("XDG_CACHE_HOME"):
        folder = Path(cache) / "outpace-test"
    elif os.geteuid() == 0:
        folder = Path("/var/cache/outpace-test")
    else:
        folder = Path.home() / ".cache/outpace-test"
    return folder / "unstable"


def _candidates() -> list[tuple[tuple[str, ...], Path]]:
    found: list[tuple[tuple[str, ...], Path]] = []
    seen: set[Path] = set()

    def add(path: Path) -> None:
        real = path.resolve()
        # pyenv's shims are shell scripts that start one of its versions, and those are found below.
        if real not in seen and path.parent.name != "shims" and os.access(real, os.X_OK):
            seen.add(real)
            found.append(((str(real),), Path("/")))

    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and Path(folder).is_dir():
            for path in sorted(Path(folder).iterdir()):
                if PYTHON_NAME.fullmatch(path.name):
                    add(path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for path in sorted(pyenv.glob("versions/3.*/bin/python3")):
        add(path)
    root = unstable_root()
    if (root / ".outpace-complete").exists() and os.geteuid() == 0:
        for path in sorted(root.glob("usr/bin/python3.*")):
            if PYTHON_NAME.fullmatch(path.name):
                found.append((("chroot", str(root), f"/usr/bin/{path.name}"), root))
    return found


def _told(command: tuple[str, ...], seconds: float = 20) -> list[str]:
    """What it says of itself: implementation, version, whether it is free-threaded; empty where it does not start."""
    try:
        told = subprocess.run([*command, "-c", ASK], capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return []
    words = told.stdout.split()
    return words if told.returncode == 0 and len(words) == 3 and words[0] == "CPython" else []


def _named(path: Path) -> tuple[Interpreter, bool] | None:
    command = (str(path.absolute()),)
    words = _told(command, NAMED_SECONDS)
    return (Interpreter(words[1], command, Path("/")), words[2] == "1") if words else None


def named(path: Path) -> Interpreter | None:
    """The CPython at that path, of any kind (free-threaded, debug, sanitized); None where there is none that starts."""
    told = _named(path)
    return told[0] if told else None


def free_threaded() -> tuple[Interpreter, ...]:
    """Those that OUTPACE_FREE_THREADED names by their paths (as PATH separates them) and that have no GIL."""
    paths = [Path(word) for word in os.environ.get("OUTPACE_FREE_THREADED", "").split(os.pathsep) if word]
    return tuple(told[0] for path in paths if (told := _named(path)) and told[1])


@lru_cache(maxsize=1)
def find() -> tuple[Interpreter, ...]:
    """One a version, the oldest first. OUTPACE_ORACLE_VERSIONS ("3.8,3.13.0") keeps only those."""
    by_version: dict[str, Interpreter] = {}
    for command, root in _candidates():
        words = _told(command)
        if not words or words[2] != "0":
            continue
        interpreter = Interpreter(words[1], command, root)
        if OLDEST <= interpreter.minor <= NEWEST:
            by_version.setdefault(interpreter.version, interpreter)
    wanted = [word for word in os.environ.get("OUTPACE_ORACLE_VERSIONS", "").split(",") if word]
    chosen = [
        each
        for each in by_version.values()
        if not wanted or any(each.version == word or each.version.startswith(word + ".") for word in wanted)
    ]
    return tuple(sorted(chosen, key=lambda each: [int(part) for part in re.findall(r"\d+", each.version)]))


def missing() -> list[str]:
    """The minor versions of which none was found."""
    there = {each.minor for each in find()}
    return [f"3.{minor}" for minor in range(OLDEST, NEWEST + 1) if minor not in there]


if __name__ == "__main__":
    print(json.dumps([[each.version, *each.command] for each in find()], indent=1))
    print("missing:", ", ".join(missing()) or "none")
