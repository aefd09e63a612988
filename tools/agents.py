#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the extension modules outpace._agent and outpace._cache for every CPython 3.10+ that is found.

    tools/agents.py [--build FOLDER] [VERSION...]      VERSION: 3.13 or 3.13.0; without one, all
    tools/agents.py [--build FOLDER] --python PATH     for that Python only (free-threaded, debug, sanitized)
    tools/agents.py [--build FOLDER] --address VERSION...   with the address and undefined-behaviour sanitizers

Each is compiled with the headers of its Python. They go to FOLDER/agents, a pair an ABI, and are built again only when
what they are made of has changed. The flags are those by which FOLDER itself is built, so that they stand in one place:
ext/meson.build. Free-threaded Pythons count where OUTPACE_FREE_THREADED names them by their paths. What is for a Python
with the thread sanitizer is compiled with it too, and goes to FOLDER/agents-thread. With --address they go to
FOLDER/agents-address: a Python that loads them needs the sanitizers' libraries in LD_PRELOAD.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import sources

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/oracle"))
import interpreters  # noqa: E402

OLDEST = 10
ASK = (
    "import os, sys, sysconfig; paths = [sysconfig.get_path('include'), sysconfig.get_path('platinclude')];"
    " print(sysconfig.get_config_var('EXT_SUFFIX'));"
    " print('-fsanitize=thread' in (sysconfig.get_config_var('PY_CFLAGS') or ''));"
    " print(*dict.fromkeys(paths), sep='\\n')"
)

SANITIZERS = {
    "": [],
    "thread": ["-fsanitize=thread", "-g"],
    "address": ["-fsanitize=address,undefined", "-g", "-O1", "-fno-omit-frame-pointer", "-U_FORTIFY_SOURCE"],
}


@dataclass(frozen=True)
class Target:
    interpreter: interpreters.Interpreter
    suffix: str  # ".cpython-313-x86_64-linux-gnu.so"
    headers: tuple[Path, ...]
    sanitizer: str  # "thread", as the Python itself, "address", or none

    @property
    def folder(self) -> str:
        """Of the build folder. What is sanitized has the same suffix as what is not."""
        return f"agents-{self.sanitizer}" if self.sanitizer else "agents"

    @property
    def flags(self) -> list[str]:
        flags = [f"-isystem{folder}" for folder in self.headers]
        flags += SANITIZERS[self.sanitizer]
        # Debian's pyconfig.h names another one by its place below /usr/include.
        root = self.interpreter.root
        return flags if root == Path("/") else [*flags, f"-idirafter{root / 'usr/include'}"]


def target_of(interpreter: interpreters.Interpreter) -> Target | None:
    """None where the headers are missing."""
    command = [*interpreter.command, "-I", "-c", ASK]
    suffix, sanitized, *folders = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    headers = tuple(interpreter.root / folder.lstrip("/") for folder in folders)
    headers = tuple(folder for folder in headers if folder.is_dir())
    if not any((folder / "Python.h").is_file() for folder in headers):
        return None
    return Target(interpreter, suffix, headers, "thread" if sanitized == "True" else "")


def flags_of_build(build: Path, module: str) -> list[str]:
    """The compiler and its flags for a module, as FOLDER's own Python has it, without that Python's headers."""
    listed = build / "compile_commands.json"
    if not listed.is_file():
        raise SystemExit(f"error: {build} is not configured\nhint: run make")
    for entry in json.loads(listed.read_text(encoding="utf-8")):
        if Path(entry["directory"], entry["file"]).resolve().is_relative_to(ROOT / "ext" / module):
            break
    else:
        raise SystemExit(f"error: {build} is configured without the extension module {module}\nhint: run make")
    kept: list[str] = []
    words = iter(shlex.split(entry["command"]))
    for word in words:
        if word in ("-o", "-c", "-MQ", "-MF", "-isystem"):
            next(words)
        elif word != "-MD" and not word.startswith(("-isystem", "-I", "-fdiagnostics-color")):
            kept.append(word)
    return kept


def command_of(target: Target, flags: list[str]) -> list[str]:
    return [*flags, f"-I{ROOT / 'src'}", f"-I{ROOT / 'ext'}", *target.flags]


def digest(command: Iterable[str], files: Iterable[Path]) -> str:
    told = hashlib.sha256("\0".join(command).encode())
    for path in files:
        told.update(f"{path}\0".encode() + path.read_bytes())
    return told.hexdigest()


def build_one(target: Target, module: str, flags: list[str], build: Path) -> tuple[bool, str]:
    """Whether it is there now, and a line about it."""
    folder = build / target.folder
    folder.mkdir(exist_ok=True)
    output = folder / f"_{module}{target.suffix}"
    stamp = folder / f"_{module}{target.suffix}.made-of"
    names = [ROOT / name for name in sources.module(module)]
    link = ["-shared", "-Wl,--as-needed", "-Wl,-z,relro", "-Wl,-z,now"]
    command = [*command_of(target, flags), *link, *map(str, names)]
    headers = sorted([*(ROOT / "src/segment").rglob("*.h"), *(ROOT / "ext" / module).rglob("*.h")])
    patch_levels = [each / "patchlevel.h" for each in target.headers if (each / "patchlevel.h").is_file()]
    made_of = digest(command, [*names, *headers, *patch_levels])
    said = f"{module} {target.interpreter.version}: {output.name}"
    if output.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == made_of:
        return True, f"{said}: is up to date"
    # Under another name first: a program that runs has the old one mapped.
    partial = folder / f".{output.name}.{os.getpid()}.part"
    done = subprocess.run([*command, "-o", str(partial)], cwd=build, capture_output=True, text=True)
    told = (done.stdout + done.stderr).strip()
    if done.returncode != 0:
        partial.unlink(missing_ok=True)
        return False, f"{said}: failed\n{told}"
    partial.replace(output)
    stamp.write_text(made_of, encoding="utf-8")
    return True, f"{said}: built" + (f"\n{told}" if told else "")


def targets(wanted: list[str]) -> tuple[list[Target], list[str]]:
    """One an ABI, and a line for each ABI that can't be had."""
    found: dict[tuple[str, str], Target] = {}
    without: dict[int, str] = {}
    for interpreter in (*interpreters.free_threaded(), *interpreters.find()):
        version = interpreter.version
        if interpreter.minor < OLDEST or (
            wanted and not any(version == word or version.startswith(word + ".") for word in wanted)
        ):
            continue
        target = target_of(interpreter)
        if target is None:
            without.setdefault(interpreter.minor, f"python {version}: skipped: {interpreter.command[-1]} has no Python.h")
        else:
            found.setdefault((target.folder, target.suffix), target)
    have = {target.interpreter.minor for target in found.values()}
    return list(found.values()), [line for minor, line in without.items() if minor not in have]


def target_named(path: Path) -> Target:
    interpreter = interpreters.named(path)
    if interpreter is None or interpreter.minor < OLDEST:
        raise SystemExit(f"error: {path} is no CPython 3.10+ that starts")
    target = target_of(interpreter)
    if target is None:
        raise SystemExit(f"error: {path} has no Python.h")
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the extension modules for every CPython 3.10+ that is found.")
    parser.add_argument("--build", type=Path, default=ROOT / "build", metavar="FOLDER", help="a configured build folder")
    parser.add_argument("--python", type=Path, metavar="PATH", help="only for the Python at PATH, of whatever kind")
    parser.add_argument("--address", action="store_true", help="with the address and undefined-behaviour sanitizers")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="3.13 or 3.13.0")
    options = parser.parse_args()
    build = options.build.resolve()
    flags = {module: flags_of_build(build, module) for module in sources.MODULES}
    chosen, told = ([target_named(options.python)], []) if options.python else targets(options.versions)
    if not chosen:
        print("\n".join(told), "error: no CPython 3.10+ with headers was found", sep="\n", file=sys.stderr)
        return 1
    if options.address:
        chosen = [replace(target, sanitizer="address") for target in chosen if not target.sanitizer]
    failed = False
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        jobs = [(target, module) for target in chosen for module in sources.MODULES]
        for there, line in pool.map(lambda job: build_one(job[0], job[1], flags[job[1]], build), jobs):
            failed |= not there
            print(line, flush=True)
    for line in told:
        print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
