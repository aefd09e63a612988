# SPDX-License-Identifier: MIT
"""The package where it is not installed: it lies on PYTHONPATH, and finds the executable all the same."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def start(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OUTPACE_")}
    environment["PYTHONPATH"] = str(root / "python")
    environment.update(variables)
    command = [sys.executable, "-m", "outpace", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def version(root: Path) -> str:
    text = (root / "python/outpace/_version.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.+)"', text)
    assert found is not None
    return found[1]


def test_version_from_pythonpath(root: Path, outpace: str) -> None:
    done = start(root, "--version", OUTPACE_EXECUTABLE=outpace)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"outpace {version(root)}\n"


def test_the_build_folder_of_a_checkout_is_found(root: Path) -> None:
    if not (root / "build/outpace").exists():
        pytest.skip("build/ is not built")
    assert start(root, "--version").returncode == 0


def test_the_developers_override_wins(root: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake"
    fake.write_text('#!/bin/sh\necho "$OUTPACE_PYTHON" "$@"\nexit 7\n')
    fake.chmod(0o755)
    done = start(root, "run", "a b", OUTPACE_EXECUTABLE=str(fake))
    assert (done.returncode, done.stdout) == (7, f"{sys.executable} run a b\n")


def test_a_missing_executable_is_said(root: Path, tmp_path: Path) -> None:
    done = start(root, "--version", OUTPACE_EXECUTABLE=str(tmp_path / "none"))
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


def test_an_executable_of_another_machine_is_said(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF junk")
    broken.chmod(0o755)
    done = start(root, "--version", OUTPACE_EXECUTABLE=str(broken))
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


def test_the_package_is_typed_and_has_no_dependency(root: Path) -> None:
    assert (root / "python/outpace/py.typed").exists()
    assert "dependencies = []" in (root / "pyproject.toml").read_text(encoding="utf-8")
