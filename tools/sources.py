#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists what the build is made of, so that no list of files is kept by hand.

    sources.py version         the version of the package
    sources.py list FOLDER     every .c below FOLDER (or, with two words, FOLDER PREFIX), one a line
    sources.py module NAME     every .c of the extension module outpace._NAME (agent, cache), one a line
    sources.py package         what the wheel takes from python/, relative to that folder
    sources.py objects FOLDER  the object files of the engine that the build folder FOLDER makes
    sources.py print           all of them: when this text changes, the build must be configured again
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "ext", "tests/unit", "tests/tools", "tests/fuzz")
MODULES = ("agent", "cache")


def version() -> str:
    text = (ROOT / "python/outpace/_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("sources.py: no __version__ in python/outpace/_version.py")
    return found[1]


def listing(folder: str, prefix: str = "") -> list[str]:
    found = (path for path in (ROOT / folder).rglob("*.c") if path.name.startswith(prefix))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def module(name: str) -> list[str]:
    """What an extension module is compiled from. In the tracer is the writer of segments: who reads them is the engine's."""
    if name not in MODULES:
        raise SystemExit(f"sources.py: no module {name}: choose from {', '.join(MODULES)}")
    written = listing("src/segment") if name == "agent" else []
    return [*listing(f"ext/{name}"), *(path for path in written if not Path(path).name.startswith("reader"))]


def package() -> list[str]:
    folder = ROOT / "python"
    kept = (path for path in folder.rglob("*") if path.suffix in (".py", ".pyi") or path.name == "py.typed")
    return sorted(path.relative_to(folder).as_posix() for path in kept)


def objects(build: str) -> list[str]:
    commands = json.loads((ROOT / build / "compile_commands.json").read_text(encoding="utf-8"))
    return sorted(command["output"] for command in commands)


def main(words: list[str]) -> None:
    match words:
        case ["version"]:
            print(version())
        case ["list", folder]:
            print("\n".join(listing(folder)))
        case ["list", folder, prefix]:
            print("\n".join(listing(folder, prefix)))
        case ["module", name]:
            print("\n".join(module(name)))
        case ["package"]:
            print("\n".join(package()))
        case ["objects", build]:
            print("\n".join(objects(build)))
        case ["print"]:
            print("\n".join([name for folder in FOLDERS for name in listing(folder)] + package()))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
