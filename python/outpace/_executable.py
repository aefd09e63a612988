# SPDX-License-Identifier: MIT
"""Finds the native executable, however this package came to be importable."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NAME = "outpace"
OVERRIDE = "OUTPACE_EXECUTABLE"


def _script_folders() -> Iterator[Path]:
    """Where installers put scripts: of this environment, of its base, of the user."""
    yield Path(sysconfig.get_path("scripts"))
    base = {name: sysconfig.get_config_var("installed_" + name) for name in ("base", "platbase")}
    if all(base.values()):
        yield Path(sysconfig.get_path("scripts", vars=base))
    yield Path(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")))


def _candidates() -> Iterator[Path]:
    package = Path(__file__).resolve().parent
    # An editable install: this module then lies in the build folder, one level below the executable.
    marker = importlib.util.find_spec("outpace._build_folder")
    if marker is not None and marker.origin is not None:
        for folder in Path(marker.origin).resolve().parents[:2]:
            if folder != package:
                yield folder / NAME
    # A checkout on PYTHONPATH: ROOT/python/outpace, built in ROOT/build.
    if (package.parent.parent / "meson.build").is_file():
        yield package.parent.parent / "build" / NAME
    for folder in _script_folders():
        yield folder / NAME
    # `pip install --target FOLDER` and zipped-up environments: FOLDER/bin, or right here.
    yield package.parent / "bin" / NAME
    yield package / NAME


def find_executable() -> str:
    """The path of the native ``outpace``; the environment variable OUTPACE_EXECUTABLE overrides the search.

    Raises FileNotFoundError, whose text says where it was looked for.
    """
    override = os.environ.get(OVERRIDE)
    looked: list[str] = []
    for path in [Path(override)] if override else _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
        looked.append(str(path))
    raise FileNotFoundError("no executable 'outpace' at " + ", ".join(dict.fromkeys(looked)))
