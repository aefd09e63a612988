# SPDX-License-Identifier: MIT
"""The rooms of src/ and ext/ include downwards only. These tables are the rule; ARCHITECTURE.md explains them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
EXT = ROOT / "ext"

# Room: rooms whose headers it may name; it may also name whatever those may.
MAY_INCLUDE: dict[str, tuple[str, ...]] = {
    "base": (),
    "profile": ("base",),
    "segment": ("base",),
    "process": ("base",),
    "cpython": ("process",),
    "sample": ("cpython", "profile"),
    "collect": ("segment", "sample"),
    "export": ("profile",),
    "cli": ("base", "profile", "segment", "process", "cpython", "sample", "collect", "export"),
}
# Module of ext/: rooms of src/ whose headers it may name, and no further: their files are compiled into the module.
EXT_MAY_INCLUDE: dict[str, tuple[str, ...]] = {"agent": ("segment",), "cache": ()}
# Headers from outside, where they are not libc's, and who may name them. cpython: recorded images are compressed.
LIBRARY_HEADERS = {"sqlite3.h": ("profile",), "zlib.h": ("profile", "cpython")}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def reach(room: str) -> set[str]:
    reached = {room}
    for other in MAY_INCLUDE[room]:
        reached |= reach(other)
    return reached


def includes(top: Path = SRC) -> list[tuple[Path, str, str]]:
    found = []
    for path in sorted(top.rglob("*.[ch]")):
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
                wrong.append(f'{where}: name it from src/, as "room/file.h"')
            elif name.split("/")[0] not in reach(room):
                wrong.append(f"{where}: {room} may not include {name.split('/')[0]}")
        elif room not in LIBRARY_HEADERS.get(name, (room,)):
            wrong.append(f"{where}: that library belongs to {', '.join(LIBRARY_HEADERS[name])}")
    assert not wrong, "\n".join(wrong)


def test_no_python_header_in_the_engine() -> None:
    wrong = [f"{path.relative_to(SRC)}: {name}" for path, _, name in includes() if "Python.h" in name]
    assert not wrong, "\n".join(wrong)


def test_an_extension_module_includes_itself_and_its_rooms() -> None:
    assert {path.name for path in EXT.iterdir() if path.is_dir()} == set(EXT_MAY_INCLUDE)
    wrong = []
    for path, quote, name in includes(EXT):
        module = path.relative_to(EXT).parts[0]
        where = f"{path.relative_to(ROOT)}: #include {name}"
        if quote == "<":
            if name in LIBRARY_HEADERS:
                wrong.append(f"{where}: an extension module needs Python and libc only")
        elif name.split("/")[0] not in (module, *EXT_MAY_INCLUDE[module]):
            wrong.append(f"{where}: {module} may not include {name.split('/')[0]}")
        elif not ((EXT if name.split("/")[0] == module else SRC) / name).is_file():
            wrong.append(f"{where}: name it from ext/ or src/, as room/file.h")
    assert not wrong, "\n".join(wrong)


def test_what_writes_segments_stands_alone() -> None:
    # It is compiled into the agent, without the engine; who reads them, in reader*, is not.
    wrong = []
    for path, quote, name in includes(SRC / "segment"):
        if quote == '"' and not path.name.startswith("reader") and not name.startswith("segment/"):
            wrong.append(f"{path.relative_to(ROOT)}: #include {name}")
    assert not wrong, "\n".join(wrong)


def test_headers_have_guards_named_after_their_place() -> None:
    wrong = []
    for top in (SRC, EXT):
        for path in sorted(top.rglob("*.h")):
            guard = "OP_" + path.relative_to(top).as_posix().upper().replace("/", "_").replace(".", "_")
            text = path.read_text(encoding="utf-8")
            if f"#ifndef {guard}\n#define {guard}\n" not in text:
                wrong.append(f"{path.relative_to(ROOT)}: no guard {guard}")
    assert not wrong, "\n".join(wrong)


def test_the_door_to_the_heap_is_one() -> None:
    # free is not among them: what realpath and getline give must go back where it came from.
    call = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|vasprintf)\s*\(")
    wrong = []
    for path in sorted(SRC.rglob("*.[ch]")):
        name = path.relative_to(SRC).as_posix()
        # What writes segments is compiled into programs that the engine is not in.
        if name == "base/memory.c" or (name.startswith("segment/") and not path.name.startswith("reader")):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if call.search(line.split("//")[0]):
                wrong.append(f"{path.relative_to(SRC)}:{number}: {line.strip()}")
    assert not wrong, "use base/memory.h:\n" + "\n".join(wrong)
