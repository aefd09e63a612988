# SPDX-License-Identifier: MIT
"""Peers, installed once for each Python into a folder of the cache; nothing is installed into the Pythons themselves."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from interpreters import Interpreter
from machine import cache_folder


def name_of(requirement: str) -> str:
    return requirement.partition("==")[0]


def folder_of(python: Interpreter, bench: str) -> Path:
    """Where this process sees it: a Python in a root of its own has its peers in there."""
    if python.root == Path("/"):
        return cache_folder() / f"{bench}-peers" / python.version
    return python.root / f"var/cache/outpace-{bench}-peers" / python.version


def install(python: Interpreter, bench: str, peers: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """The folder, and for each peer ("name==version") that is not in it the reason."""
    folder = folder_of(python, bench)
    folder.mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    with tempfile.NamedTemporaryFile("w", prefix="outpace-peers-", suffix=".txt") as pins:
        # Where a peer needs another one, it is to be that one's version too.
        pins.write("\n".join(peers))
        pins.flush()
        for peer in peers:
            if not (folder / f".{peer}").exists() and (reason := install_one(python, folder, peer, pins.name)):
                missing[name_of(peer)] = f"{peer} could not be installed: {reason}"
    return folder, missing


def install_one(python: Interpreter, folder: Path, peer: str, pins: str) -> str:
    """Why it is not there; empty where it is."""
    print(f"bench: installing {peer} into {folder}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--upgrade",
               "--target", str(folder), "--only-binary=:all:", "--constraint", pins]
    if python.version.endswith("t"):    # free-threaded, of which a pip that is not new knows nothing
        version = python.version.removesuffix("t")
        command += ["--implementation", "cp", "--python-version", version, "--abi", f"cp3{python.minor}t", "--abi", "none"]
    elif python.root != Path("/"):      # perhaps no network and no certificates in there: chosen for it from outside
        command += ["--implementation", "cp", "--python-version", python.version]
    else:
        command[3:3] = ["--python", python.command[0]]
    try:
        done = subprocess.run([*command, peer], capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        (folder / f".{peer}").touch()
        return ""
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
    return said[-1].removeprefix("ERROR: ")
