# SPDX-License-Identifier: MIT
"""The papers say what the program does: the man page has the flags of --help, each error has a test, links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

PAPERS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"]
VERBS = ("record", "report", "dump", "run", "trace", "lines")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def text_of(*folders: Path) -> str:
    kept = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".c", ".py", ".test")]
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in kept)


def statuses(root: Path) -> list[tuple[str, str]]:
    table = (root / "src/base/status.h").read_text(encoding="utf-8")
    return re.findall(r'X\((\w+), "([^"]+)"', table)


def test_the_man_page_has_the_flags_of_help(outpace: str) -> None:
    man = re.sub(r"\\f[BIR]", " ", output_of(outpace, "man")).replace("\\-", "-")
    for verb in VERBS:
        helped = set(FLAG.findall(output_of(outpace, "help", verb)))
        assert helped
        assert helped <= set(FLAG.findall(man)), (verb, helped - set(FLAG.findall(man)))


def test_every_flag_of_the_papers_exists(root: Path, outpace: str) -> None:
    known = set(FLAG.findall(output_of(outpace, "--help") + "".join(output_of(outpace, "help", verb) for verb in VERBS)))
    for line in (root / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("$ outpace "):
            flags = set(FLAG.findall(line.split("#")[0].split(" -- ")[0]))
            assert flags <= known, line


def test_every_error_is_named_by_a_test(root: Path) -> None:
    tests = text_of(root / "tests/unit", root / "tests/cli", root / "tests/python", root / "tests/oracle")

    def is_named(name: str, text: str) -> bool:
        """By its name in C, or by the words of its text, with details between them, in a golden run."""
        told = "^error: " + ".*".join(map(re.escape, text.split()))
        return f"OP_{name}" in tests or re.search(told, tests, re.MULTILINE) is not None

    assert not [name for name, text in statuses(root) if not is_named(name, text)]


def test_labels_are_spelled_as_promised(root: Path) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "src").rglob("*.[ch]")))
    for label in ("<native>", "<GC>", "<truncated>", "<unreadable>", "<unproven>", "<gone>", "<idle>"):
        assert f'"{label}"' in source, label


@pytest.mark.parametrize("paper", PAPERS)
def test_papers_are_there_and_their_links_lead_somewhere(root: Path, paper: str) -> None:
    text = (root / paper).read_text(encoding="utf-8")
    assert text.strip()
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (root / target).exists(), target


def test_every_room_stands_on_the_map(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for folder in (path for path in (root / "src").iterdir() if path.is_dir()):
        assert f"  {folder.name}/" in text, folder.name


def test_every_target_of_the_makefile_is_explained(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    benches = ("bench", "bench-tracer", "bench-cache")
    for name in ("demo", "test", "lint", "check", *benches, "fuzz", "asan", "tsan", "wheel", "help"):
        assert re.search(rf"^{name}:.*## \S", makefile, re.MULTILINE), name


def test_the_version_is_written_once(root: Path) -> None:
    found = re.search(r'"([\d.]+)"', (root / "python/outpace/_version.py").read_text(encoding="utf-8"))
    assert found is not None
    files = [*(root / "src").rglob("*.[ch]"), root / "meson.build", root / "pyproject.toml"]
    assert not [str(path) for path in files if f'"{found[1]}"' in path.read_text(encoding="utf-8")]
