# SPDX-License-Identifier: MIT
"""Reads what a traced process left: the layout of src/segment/segment.h, written down once more, with every check."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
VERSION = 1
MODES = {"calls": 1, "counts": 2, "lines": 4, "builtins": 8}
HEADER = struct.Struct("<8s6I2q3Q1024s2048sQ")
LIVE = struct.Struct("<5Q2I")
CHUNK = struct.Struct("<2IQ4IQQ16x")
CHUNK_CHECKED = 32
THREAD = struct.Struct("<4Q4I64s")
FUNCTION = struct.Struct("<6IQ")
EDGE = struct.Struct("<4I9Q40x")
FRAME = struct.Struct("<4Q")
LINE = struct.Struct("<2Q")
MASK = (1 << 64) - 1


def check_of(seed: int, data: bytes) -> int:
    value = 0xCBF29CE484222325 ^ seed
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value ^ (value >> 29)


@dataclass(frozen=True)
class Function:
    name: str
    file: str
    line: int
    builtin: bool


@dataclass
class Thread:
    tid: int
    name: str
    is_main: bool
    ended: bool
    threads: int
    depth: int
    open: list[str] = field(default_factory=list)  # functions on the shadow stack, the outermost first
    inherited: int = 0  # of them, of the parent


@dataclass
class Edge:
    thread: int
    caller: str | None
    callee: str
    open: int
    calls: int
    own: int
    total: int
    outer_total: int
    recursive: int
    nested: int
    resumes: int
    exceptions: int
    suspended: int


@dataclass
class Segment:
    pid: int
    parent: int
    modes: int
    python: int
    command: list[str]
    lost: tuple[int, ...]  # calls, functions, lines, processes
    functions: dict[int, Function]
    threads: dict[int, Thread]
    edges: list[Edge]
    lines: dict[tuple[str, int], int]  # (function, line): hits

    def calls(self, name: str) -> int:
        return sum(edge.calls for edge in self.edges if edge.callee == name)

    def sum(self, name: str, what: str) -> int:
        return sum(getattr(edge, what) for edge in self.edges if edge.callee == name)

    def by_function(self) -> Counter[str]:
        told: Counter[str] = Counter()
        for edge in self.edges:
            told[edge.callee] += edge.calls
        return told


def read(path: Path) -> Segment | None:
    """None: the process was killed before its header was whole, and nothing was counted."""
    data = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600, oct(path.stat().st_mode)
    if not any(data[HEADER.size - 8 : HEADER.size]):
        assert not any(data[PAGE:])
        return None
    head = HEADER.unpack_from(data)
    assert head[0] == b"OPSEGM\r\n" and head[1] == VERSION, head[:2]
    pid, parent, modes, _ns, python = head[2:7]
    base, command, check = head[11], head[13], head[14]
    used, *lost, _stopped, _unused = LIVE.unpack_from(data, HEADER.size)
    assert check == check_of(0, data[: HEADER.size - 8])
    words = [word.decode() for word in command.split(b"\0\0")[0].split(b"\0")]
    assert PAGE <= used <= len(data), (used, len(data))
    segment = Segment(pid, parent, modes, python, words, tuple(lost), {}, {}, [], {})

    shadows: dict[int, tuple[int, int]] = {}
    edges: list[tuple[int, int, tuple[int, ...]]] = []
    lines: list[tuple[int, int, bytes]] = []
    at = PAGE
    while at < used:
        magic, kind, size, thread, function, first_line, _r, check, count = CHUNK.unpack_from(data, at)
        assert magic == 0x4B4E4843 and check == check_of(0, data[at : at + CHUNK_CHECKED]), at
        assert size % PAGE == 0 and size > 0 and at + size <= used
        body = at + CHUNK.size
        room = size - CHUNK.size
        if kind == 1:
            assert count <= 1
            if count:
                tid, _s, _l, depth, is_main, threads, ended, _u, name = THREAD.unpack_from(data, body)
                text = name.split(b"\0")[0].decode()
                segment.threads[thread] = Thread(tid, text, bool(is_main), bool(ended), threads, depth)
        elif kind == 2:
            assert count <= room
            end = body + count
            while body < end:
                size_of, number, what, line, name_bytes, file_bytes, check = FUNCTION.unpack_from(data, body)
                texts = data[body + FUNCTION.size : body + FUNCTION.size + name_bytes + file_bytes]
                assert size_of % 8 == 0 and FUNCTION.size + name_bytes + file_bytes <= size_of <= end - body
                assert check == check_of(check_of(0, texts), data[body : body + 24]), number
                assert number == len(segment.functions) + 1
                name, file = texts[:name_bytes].decode(), texts[name_bytes:].decode()
                segment.functions[number] = Function(name, file, line, what == 1)
                body += size_of
        elif kind == 3:
            assert count * EDGE.size <= room
            edges += [(thread, body + i * EDGE.size, EDGE.unpack_from(data, body + i * EDGE.size)) for i in range(count)]
        elif kind == 4:
            assert count * FRAME.size <= room
            shadows[thread] = (body, count)
        else:
            assert kind == 5 and count * LINE.size <= room
            lines.append((function, first_line, data[body : body + count * LINE.size]))
        at += size

    by_offset: dict[int, str] = {}
    for thread, offset, record in edges:
        caller, callee, check = record[:3]
        assert check == check_of(0, struct.pack("<2I", caller, callee)) & 0xFFFFFFFF
        name = segment.functions[callee].name  # order 3: what is named is there
        segment.edges.append(Edge(thread, segment.functions[caller].name if caller else None, name, *record[3:]))
        by_offset[offset] = name
    for thread, (body, count) in shadows.items():
        told = segment.threads[thread]
        assert told.depth < count, (told.depth, count)
        for i in range(1, told.depth + 1):
            key, address, _start, _child = FRAME.unpack_from(data, body + i * FRAME.size)
            told.open.append(by_offset[address - base])
            told.inherited += key & 1
    for function, first_line, records in lines:
        for i, (hits, _ticks) in enumerate(LINE.iter_unpack(records)):
            if hits:
                place = (segment.functions[function].name, first_line + i)
                segment.lines[place] = segment.lines.get(place, 0) + hits
    return segment


def read_all(folder: Path) -> list[Segment]:
    return [segment for path in sorted(folder.glob("*.segment")) if (segment := read(path))]
