# SPDX-License-Identifier: MIT
"""Exact counts as others read them: Python's pstats, line_profiler's viewer where it is installed, JSON."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import json
import pickle
import pstats
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ORDERS = (
    "calls",
    "cumtime",
    "cumulative",
    "filename",
    "line",
    "module",
    "name",
    "ncalls",
    "nfl",
    "pcalls",
    "stdname",
    "time",
    "tottime",
)
APP = "/home/me/app.py"


@pytest.fixture(scope="module")
def folder(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = list(build.glob("**/write_formats"))
    if not found:
        pytest.skip("write_formats is not built")
    made = tmp_path_factory.mktemp("counts")
    subprocess.run([found[0], made], check=True, timeout=60)
    return made


def ms(number: int) -> float:
    return number * 1000001 / 1e9


def test_pstats_has_what_cprofile_would_have(folder: Path) -> None:
    table: dict[Any, Any] = pstats.Stats(str(folder / "calls.pstats")).stats  # type: ignore[attr-defined]
    main, fib, lambdas, length = (
        (APP, 10, "main"),
        (APP, 2, "fib"),
        (APP, 12, "<lambda>"),
        ("~", 0, "<built-in method builtins.len>"),
    )
    assert table[main] == (1, 1, ms(5), ms(2000), {(APP, 1, "<module>"): (1, 1, ms(5), ms(2000))})
    # cc and nc of a function, nc and cc of a caller: so cProfile has them.
    assert table[fib] == (1, 9, ms(900), ms(900), {main: (1, 1, ms(100), ms(900)), fib: (8, 2, ms(800), ms(800))})
    # Two functions of one name, file and line are summed; threads are, too.
    assert table[lambdas] == (7, 7, ms(71), ms(71), {main: (7, 7, ms(71), ms(71))})
    assert table[length][:2] == (13, 13)
    assert {key[2]: value[0] for key, value in table[length][4].items()} == {"swap": 2, "numbers": 11}
    assert table[("/home/me/lib/pair.py", 5, "swap")][:2] == (2, 2)  # C.m is m
    assert table[(APP, 30, "numbers")][4] == {}
    assert table[(APP, 1, "<module>")] == (0, 0, 0, 0, {})  # had not returned


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("profile", ["calls", "hostile", "lines"])
def test_the_table_of_pstats(folder: Path, profile: str, order: str) -> None:
    ours = (folder / f"{profile}.pstats_{order}").read_text(encoding="utf-8")
    if profile != "calls":
        assert ours == "         0 function calls in 0.000 seconds\n\n"
        return
    out = io.StringIO()
    stats = pstats.Stats(str(folder / "calls.pstats"), stream=out)
    stats.files = []  # type: ignore[attr-defined]   # else the name of the file comes first
    stats.strip_dirs().sort_stats(order).print_stats()
    assert ours == out.getvalue()


class LineStats:
    timings: dict[tuple[str, int, str], list[tuple[int, int, int]]]
    unit: float


class Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        assert (module, name) == ("line_profiler._line_profiler", "LineStats")
        return LineStats


@pytest.mark.parametrize("profile", ["small", "hostile", "deep", "calls", "lines", "empty"])
def test_lprof_loads(folder: Path, profile: str) -> None:
    stats = Reader(io.BytesIO((folder / f"{profile}.lprof").read_bytes())).load()
    assert vars(stats).keys() == {"timings", "unit"} and stats.unit == 1e-9
    for (file, first_line, name), rows in stats.timings.items():
        assert isinstance(file, str) and isinstance(name, str) and first_line >= 0
        assert rows == sorted(rows) and len({row[0] for row in rows}) == len(rows)
        assert all(isinstance(number, int) and number >= 0 for row in rows for number in row)
    if profile == "lines":
        source = str(folder / "source.py")
        assert stats.timings[(source, 3, "fib")][0] == (6, 197, 56345679)
        assert stats.timings[(source, 15, "Pair.swap")] == [(15, 12345678901, 9876543210987654)]
    if profile == "small":  # from samples
        assert stats.timings[(APP, 2, "fib")] == [(4, 50, 50000000), (5, 40, 40000000)]


@pytest.mark.skipif(importlib.util.find_spec("line_profiler") is None, reason="line_profiler is not installed")
@pytest.mark.parametrize(
    ("ending", "options"),
    [("table", ["-z"]), ("summary", ["-z", "-t", "-m"]), ("seconds", ["-z", "-u", "1"]), ("ns", ["-z", "-u", "1e-9"])],
)
def test_the_table_of_line_profiler(folder: Path, ending: str, options: list[str]) -> None:
    for profile in ("lines", "empty"):
        ours = (folder / f"{profile}.lines_{ending}").read_text(encoding="utf-8")
        command = [sys.executable, "-m", "line_profiler", *options, str(folder / f"{profile}.lprof")]
        theirs = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
        if int(importlib.metadata.version("line_profiler").split(".")[0]) >= 5:
            assert ours == theirs
        else:  # before 5 large times have one digit, and comments at the end of a body are cut
            assert ours.splitlines()[0] == theirs.splitlines()[0] and re.findall("Function.*", ours) == re.findall(
                "Function.*", theirs
            )


def test_summary(folder: Path) -> None:
    document = json.loads((folder / "calls.json").read_text(encoding="utf-8"))
    rows = {row["function"]: row for row in document["calls"]}
    numbers = rows["numbers"]
    assert (numbers["calls"], numbers["starts"], numbers["resumes"], numbers["exceptions"]) == (11, 1, 10, 1)
    assert numbers["suspended_ns"] == 7000007000 and numbers["kind"] == "python"
    length = rows["<built-in method builtins.len>"]
    assert length["kind"] == "builtin"
    assert [(part["thread"], part["calls"]) for part in length["threads"]] == [(1, 2), (2, 11)]
    for row in document["calls"]:
        for figure in ("calls", "starts", "own_ns", "total_ns", "primitive_calls"):
            assert sum(part[figure] for part in row["threads"]) == row[figure]
    edges = {(row["caller"], row["function"]): row for row in document["edges"]}
    assert edges["fib", "fib"]["primitive_calls"] == 2 and len(edges) == 9
    own = [row["own_ns"] for row in document["calls"]]
    assert own == sorted(own, reverse=True)
    hits = json.loads((folder / "lines.json").read_text(encoding="utf-8"))["line_hits"]
    assert {"line": 7, "hits": 99, "ns": 9999999}.items() <= hits[3].items()
