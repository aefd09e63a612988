# SPDX-License-Identifier: MIT
"""What the tests of this folder share: where the checkout, its build and its executable are."""

import os
from collections.abc import Iterator
from pathlib import Path

import interpreters
import places
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


FOUND = [each for each in interpreters.find() if each.minor >= places.OLDEST]


@pytest.fixture(params=FOUND, ids=[each.version for each in FOUND])
def place(request: pytest.FixtureRequest, build: Path) -> Iterator[places.Place]:
    """Each CPython 3.10+ that is found, with the package and its extension modules; for the caches."""
    with places.for_caches(request.param) as found:
        yield found
