# SPDX-License-Identifier: MIT
"""The peers, installed once for each Python into a folder of the cache; nothing is installed into the Pythons themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from interpreters import Interpreter
from machine import cache_folder

PEERS = ("line_profiler==5.1.0", "yappi==1.7.6", "viztracer==1.1.1")


def name_of(requirement: str) -> str:
    return requirement.partition("==")[0]


def folder_of(python: Interpreter) -> Path:
    """Where this process sees it: a Python in a root of its own has its peers in there."""
    if python.root == Path("/"):
        return cache_folder() / "tracer-peers" / python.version
    return python.root / "var/cache/outpace-tracer-peers" / python.version


def install(python: Interpreter) -> tuple[Path, dict[str, str]]:
    """The folder, and for each peer that is not in it the reason."""
    folder = folder_of(python)
    folder.mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    for peer in PEERS:
        marker = folder / f".{peer}"
        if marker.exists():
            continue
        print(f"bench: installing {peer} into {folder}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--upgrade",
                   "--target", str(folder), "--only-binary=:all:"]
        if python.root != Path("/"):    # perhaps no network and no certificates in there: chosen for it from outside
            command += ["--implementation", "cp", "--python-version", python.version]
        else:
            command[3:3] = ["--python", python.command[0]]
        try:
            done = subprocess.run([*command, peer], capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            missing[name_of(peer)] = f"{peer} could not be installed: {error}"
            continue
        if done.returncode == 0:
            marker.touch()
        else:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
            missing[name_of(peer)] = f"{peer} could not be installed: {said[-1].removeprefix('ERROR: ')}"
    return folder, missing
