# SPDX-License-Identifier: MIT
"""Where the source of a function ends is asked of Python's inspect for the whole standard library, and for odd code."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

ODD = '''\
@decorated(
    with_=lambda: 1,
)
@twice
def f(a=(1,
         2)):   # comment
    """doc
string
"""
    # at the body's level
  # less than it
    x = f"{a!r:>{10}}" "\\"" + \\
        'it''s' + rb"\\\\"
    if x:
        return x
        # deeper
    # still of f

# not of f
def g(): return 1
class C:
    def m(self): return 2
    async def o(self):
        await x
        y = [lambda: 1,
             lambda: 2]

    # of the class
call(lambda: 1,
     2)
z = lambda: (
    3)
class D:
\tdef n(self):
\t\treturn {
  1: 2}
\t# of the class
def last():
    pass
  # end'''


@pytest.fixture(scope="module")
def tool(build: Path) -> Path:
    found = list(build.glob("**/block_lines"))
    if not found:
        pytest.skip("block_lines is not built")
    return found[0]


def first_lines(code: CodeType) -> Iterator[int]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if not constant.co_name.startswith("<") or constant.co_name == "<lambda>":
                yield constant.co_firstlineno
            yield from first_lines(constant)


def lines_by_python(lines: list[str], first: int) -> int | None:
    try:
        return len(inspect.getblock(lines[first - 1 :]))
    except (SyntaxError, tokenize.TokenError):
        return None  # what stands in brackets that were opened before it


def compare(tool: Path, path: Path, firsts: list[int]) -> list[str]:
    with tokenize.open(path) as file:
        lines = file.readlines()
    asked = "\n".join(map(str, firsts))
    said = subprocess.run([tool, path], input=asked, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    wrong = []
    for first, ours in zip(firsts, map(int, said), strict=True):
        expected = lines_by_python(lines, first)
        if expected is not None and expected != ours:
            wrong.append(f"{path}:{first}: {ours} lines, Python says {expected}")
    return wrong


def test_standard_library(tool: Path) -> None:
    wrong, count = [], 0
    for path in sorted(Path(inspect.__file__).parent.glob("*.py")):
        with tokenize.open(path) as file:
            firsts = sorted(set(first_lines(compile(file.read(), str(path), "exec"))))
        count += len(firsts)
        wrong += compare(tool, path, firsts)
    assert count > 3000
    assert not wrong, "\n".join(wrong)


def test_odd_code(tool: Path, tmp_path: Path) -> None:
    words = ("@", "def ", "class ", "lambda")
    firsts = [number for number, line in enumerate(ODD.splitlines(), 1) if any(word in line for word in words)]
    for end in ("", "\n", "\n\n"):
        path = tmp_path / "odd.py"
        path.write_text(ODD + end, encoding="utf-8")
        assert not compare(tool, path, firsts)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="strings in strings")
def test_strings_in_strings(tool: Path, tmp_path: Path) -> None:
    path = tmp_path / "strings.py"
    lines = ["def f(a):", '    return f"{a["x"]:{f"{"}"}"}>4}" f\'{a:"}\' f"""{', '  a # "', '}{{""" rf"\\{a}"', "b = 1"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert lines_by_python([f"{line}\n" for line in lines], 1) == 4
    assert not compare(tool, path, [1])


def test_no_python(tool: Path, tmp_path: Path) -> None:
    path = tmp_path / "noise.py"
    for text in (b"", b"\n", b"def f():\n  '''", b"f'" + b"{" * 1000, b"\0\xff\xfe'", b")\n)", b"def f(\n" * 300, b" \\"):
        path.write_bytes(text)
        asked = subprocess.run([tool, path], input="1 2 0 4294967295", capture_output=True, text=True, check=True, timeout=60)
        assert all(int(word) <= text.count(b"\n") + 1 for word in asked.stdout.split())
