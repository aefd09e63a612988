#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints line tables of the Python that runs it, with the lines that this Python itself reads from them.

    PYTHON tools/line_tables.py > tests/fixtures/line_tables/3.N.txt

Runs on 3.8 and newer. A code object is two lines of text:

    code NAME FIRST_LINE BYTES_OF_CODE TABLE_IN_HEX
    lines START-END:LINE ...      byte offsets, END excluded; line 0: none
"""

import dis
import platform
import sys
import types

SOURCE = '''
def plain(a):
    b = a + 1
    return b


def spread(a,
           b=1,
           *c):
    return max(
        a,
        min(
            b,
            3,
        ),
        key=lambda x:
            -x,
    )


def guarded(path):
    try:
        with open(path) as f:
            for line in f:
                if not line:
                    continue
                yield line
    except (OSError,
            ValueError) as e:
        print(e)
        raise
    finally:
        print("done")


def looped(n):
    while True:
        n -= 1
        if n < 0: break
    else:
        return [i
                for i in range(n)
                if i]
    return {
        "a": n,
        "b": [
            n,
        ],
    }


class Shape:
    """A docstring."""
    x: int = 1

    @property
    def area(self):
        """Another
        one."""

        return (self.x
                * self.x)

    async def wait(self, many):
        async with many as m:
            await m
        async for i in many: yield i


def nested():
    def inner(): return [1,

                         2]
    assert inner(), (
        "no")
    return inner
'''


def sources():
    yield "shapes", SOURCE
    yield "far", "def far(a):\n    b = a" + "\n" * 150 + "    c = a" + "\n" * 3000 + "    return (b,\n  c)\n"
    yield "wide", "def wide(a):\n    a = [" + ", ".join("a" for _ in range(600)) + "]\n    b = a\n\n    return b\n"
    body = "".join("    a = a + %d\n%s" % (i, "\n" * (i % 7)) for i in range(120))
    yield "long", "def long(a):\n" + body + "    return a\n"
    yield "back", "def back(f):\n    return f(1,\n      2)(\n\n\n   3)[f(\n\n 4)] + \\\n  f()\n"
    yield "one", "x = 1; y = [i for i in range(3)]; f = lambda: (x,\n y)\n"


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def line_ranges(code):
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            yield start, end, line or 0
        return
    starts = list(dis.findlinestarts(code)) + [(len(code.co_code), 0)]
    if starts[0][0] > 0:
        yield 0, starts[0][0], code.co_firstlineno
    for (start, line), (end, _) in zip(starts, starts[1:]):
        yield start, end, line


def main():
    print("# CPython %s, made by tools/line_tables.py" % platform.python_version())
    for name, source in sources():
        for code in codes(compile(source, name, "exec")):
            table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
            label = "%s:%s" % (name, code.co_name.strip("<>"))
            print("code", label, code.co_firstlineno, len(code.co_code), table.hex() or "-")
            print("lines", " ".join("%d-%d:%d" % found for found in line_ranges(code) if found[0] < found[1]))


if __name__ == "__main__":
    main()
