# SPDX-License-Identifier: MIT
"""The types of the caches: what tests/typing/caches.py asserts holds for mypy and for pyright, and when it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from caches import run
from places import Place

EXAMPLES = "tests/typing/caches.py"


def checked(command: list[str], root: Path, folder: Path) -> str:
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MYPY", "PYRIGHT"))}
    environment["MYPYPATH"] = str(root / "python")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_mypy(root: Path, tmp_path: Path, version: str) -> None:
    options = ["--strict", "--config-file=", f"--python-version={version}", f"--cache-dir={tmp_path}"]
    checked([sys.executable, "-m", "mypy", *options, str(root / EXAMPLES)], root, tmp_path)


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_pyright(root: Path, tmp_path: Path, version: str) -> None:
    shutil.copy(root / EXAMPLES, tmp_path)
    settings = {
        "extraPaths": [str(root / "python")],
        "pythonVersion": version,
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    said = checked([sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"], root, tmp_path)
    assert json.loads(said)["summary"]["filesAnalyzed"] == 1, said


def test_the_examples_run(root: Path, place: Place) -> None:
    assert run(place, (root / EXAMPLES).read_text(encoding="utf-8")) == []
