# SPDX-License-Identifier: MIT
"""What the tests of this folder share: where the checkout, its build and its executable are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def build() -> Path:
    folder = Path(os.environ.get("OUTPACE_BUILD", ROOT / "build"))
    if not (folder / "build.ninja").exists():
        pytest.skip(f"{folder} is not built: run make")
    return folder


@pytest.fixture(scope="session")
def outpace(build: Path) -> str:
    return str(build / "outpace")
