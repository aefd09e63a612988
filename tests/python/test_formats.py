# SPDX-License-Identifier: MIT
"""What other programs read is read here by readers that are not ours: Python's json, marshal, pstats and XML parser."""

from __future__ import annotations

import io
import json
import pstats
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SVG = "{http://www.w3.org/2000/svg}"
PROFILES = ("small", "hostile", "deep", "calls", "lines", "empty")
HOSTILE = "a;b\"<c>&'\n\x1b[31m\u202e]]>\ufffd\\"


@pytest.fixture(scope="module")
def folder(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = list(build.glob("**/write_formats"))
    if not found:
        pytest.skip("write_formats is not built")
    made = tmp_path_factory.mktemp("formats")
    subprocess.run([found[0], made], check=True, timeout=60)
    return made


@pytest.mark.parametrize("profile", PROFILES)
def test_svg_is_xml(folder: Path, profile: str) -> None:
    root = ElementTree.parse(folder / f"{profile}.svg").getroot()
    assert root.tag == SVG + "svg"
    frames = root.find(f"{SVG}svg[@id='frames']")
    assert frames is not None
    for group in frames:
        title, rect = group.find(SVG + "title"), group.find(SVG + "rect")
        assert title is not None and title.text and rect is not None
        left, width = (float(rect.attrib[key].rstrip("%")) for key in ("x", "width"))
        assert left >= 0 and left + width <= 100.001


def test_svg_keeps_hostile_names_visible(folder: Path) -> None:
    titles = [title.text or "" for title in ElementTree.parse(folder / "hostile.svg").iter(SVG + "title")]
    assert any(title.startswith(r"""a;b"<c>&'\x0a\x1b[31m\u202e]]>""") for title in titles)


@pytest.mark.parametrize("profile", PROFILES)
def test_collapsed_lines(folder: Path, profile: str) -> None:
    text = (folder / f"{profile}.collapsed").read_text(encoding="utf-8")
    for line in text.splitlines():
        stack, count = line.rsplit(" ", 1)
        assert int(count) > 0
        assert stack.split(";")[0].startswith("process ")
        assert stack.split(";")[1].startswith("thread ")


@pytest.mark.parametrize("profile", PROFILES)
def test_speedscope_schema(folder: Path, profile: str) -> None:
    # The rules of file-format-schema.json that concern `sampled` profiles.
    document = json.loads((folder / f"{profile}.speedscope").read_text(encoding="utf-8"))
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = document["shared"]["frames"]
    for frame in frames:
        assert set(frame) <= {"name", "file", "line", "col"} and isinstance(frame["name"], str)
    for sampled in document["profiles"]:
        assert set(sampled) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert sampled["type"] == "sampled" and sampled["unit"] in {"nanoseconds", "none"}
        assert len(sampled["samples"]) == len(sampled["weights"])
        assert sum(sampled["weights"]) == sampled["endValue"] - sampled["startValue"]
        assert all(0 <= index < len(frames) for stack in sampled["samples"] for index in stack)
    if profile == "hostile":
        assert frames[0]["name"] == HOSTILE


def test_pstats_costs(folder: Path) -> None:
    out = io.StringIO()
    stats = pstats.Stats(str(folder / "small.pstats"), stream=out)
    table = stats.stats  # type: ignore[attr-defined]
    fib = ("/home/me/app.py", 2, "fib")
    main = ("/home/me/app.py", 10, "main")
    assert table[fib][:4] == (50, 50, 0.05, 0.05)
    assert table[fib][4] == {main: (50, 50, 0.01, 0.05), fib: (40, 40, 0.04, 0.04)}
    assert table[main][:4] == (80, 80, 0.005, 0.08)
    assert table[("~", 0, "<GC>")][2] == 0.015
    assert stats.total_tt == pytest.approx(0.1)  # type: ignore[attr-defined]
    stats.sort_stats("cumulative").print_stats()
    stats.print_callers()
    stats.print_callees()
    assert "fib" in out.getvalue()


@pytest.mark.parametrize("profile", PROFILES)
def test_pstats_loads(folder: Path, profile: str) -> None:
    stats = None
    if profile not in {"empty", "lines"}:  # pstats refuses an empty dict
        stats = pstats.Stats(str(folder / f"{profile}.pstats"), stream=io.StringIO())
    if stats is not None:
        stats.print_stats()
    if profile == "hostile":
        assert any(key[2] == HOSTILE for key in stats.stats)  # type: ignore[union-attr]


@pytest.mark.parametrize("profile", PROFILES)
def test_summary(folder: Path, root: Path, profile: str) -> None:
    document = json.loads((folder / f"{profile}.json").read_text(encoding="utf-8"))
    assert (document["format"], document["version"]) == ("outpace-summary", 1)
    words = (root / "docs/json-summary.md").read_text(encoding="utf-8")
    rows = [document, document["run"], document["totals"]]
    for name in ("processes", "threads", "functions", "lines", "calls", "edges", "line_hits"):
        rows += document[name][:1]
    rows += [part for row in document["calls"][:1] for part in row["threads"]]
    for row in rows:
        for key in row:
            assert f"`{key}`" in words, f"docs/json-summary.md does not name {key}"
    assert sum(row["own_samples"] for row in document["functions"]) == document["totals"]["samples"]
    for row in document["functions"] + document["lines"]:
        low, high = row["total_share_95"]
        assert 0 <= low <= row["total_share"] <= high <= 1
    if profile == "hostile":
        assert document["counters"] == {HOSTILE: -1}
        assert document["run"]["command"] == HOSTILE
