# SPDX-License-Identifier: MIT
"""The rooms of src/ include downwards only. This table is the rule; ARCHITECTURE.md explains it."""

import re
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"

# Room: rooms whose headers it may name; it may also name whatever those may.
MAY_INCLUDE: dict[str, tuple[str, ...]] = {
    "base": (),
    "profile": ("base",),
    "process": ("base",),
    "cpython": ("process",),
    "sample": ("cpython", "profile"),
    "export": ("profile",),
    "cli": ("base", "profile", "process", "cpython", "sample", "export"),
}
# Headers from outside, where they are not libc's, and who may name them. cpython: recorded images are compressed.
LIBRARY_HEADERS = {"sqlite3.h": ("profile",), "zlib.h": ("profile", "cpython")}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def reach(room: str) -> set[str]:
    reached = {room}
    for other in MAY_INCLUDE[room]:
        reached |= reach(other)
    return reached


def includes() -> list[tuple[Path, str, str]]:
    found = []
    for path in sorted(SRC.rglob("*.[ch]")):
        for quote, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            found.append((path, quote, name))
    return found


def test_every_room_stands_in_the_table() -> None:
    assert {path.name for path in SRC.iterdir() if path.is_dir()} <= set(MAY_INCLUDE)
    assert not [path.name for path in SRC.iterdir() if path.is_file()]


def test_no_include_goes_upward_or_sideways() -> None:
    wrong = []
    for path, quote, name in includes():
        room = path.relative_to(SRC).parts[0]
        where = f"{path.relative_to(SRC)}: #include {name}"
        if quote == '"':
            if not (SRC / name).is_file():
                wrong.append(f"{where}: name it from src/, as \"room/file.h\"")
            elif name.split("/")[0] not in reach(room):
                wrong.append(f"{where}: {room} may not include {name.split('/')[0]}")
        elif room not in LIBRARY_HEADERS.get(name, (room,)):
            wrong.append(f"{where}: that library belongs to {', '.join(LIBRARY_HEADERS[name])}")
    assert not wrong, "\n".join(wrong)


def test_no_python_header_in_the_engine() -> None:
    wrong = [f"{path.relative_to(SRC)}: {name}" for path, _, name in includes() if "Python.h" in name]
    assert not wrong, "\n".join(wrong)


def test_headers_have_guards_named_after_their_place() -> None:
    wrong = []
    for path in sorted(SRC.rglob("*.h")):
        guard = "OP_" + path.relative_to(SRC).as_posix().upper().replace("/", "_").replace(".", "_")
        text = path.read_text(encoding="utf-8")
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            wrong.append(f"{path.relative_to(SRC)}: no guard {guard}")
    assert not wrong, "\n".join(wrong)


def test_the_door_to_the_heap_is_one() -> None:
    # free is not among them: what realpath and getline give must go back where it came from.
    call = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf)\s*\(")
    wrong = []
    for path in sorted(SRC.rglob("*.[ch]")):
        if path.relative_to(SRC).as_posix() == "base/memory.c":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if call.search(line.split("//")[0]):
                wrong.append(f"{path.relative_to(SRC)}:{number}: {line.strip()}")
    assert not wrong, "use base/memory.h:\n" + "\n".join(wrong)
