# SPDX-License-Identifier: MIT
"""What the module cProfile offers, with Outpace's profiler: ``import outpace.trace as cProfile``.

    python -m outpace.trace [-o output_file_path] [-s sort] [-m module | scriptfile] [arg] ...

profiles a program, as ``python -m cProfile`` does. ``outpace trace`` does it too, and its children, and whatever way
it ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import CodeType
from typing import Any

from outpace._profiler import Profiler

Profile = Profiler

__all__ = ["Profile", "Profiler", "run", "runctx"]


def run(statement: str | CodeType, filename: str | os.PathLike[str] | None = None, sort: Any = -1) -> None:
    """Executes ``statement`` in the module ``__main__``; prints the table, or writes it to ``filename`` for pstats.

    As with cProfile, ``SystemExit`` ends the statement and is not passed on; other exceptions are, behind the table.
    """
    import __main__

    names = __main__.__dict__
    runctx(statement, names, names, filename, sort)


def runctx(
    statement: str | CodeType,
    globals: dict[str, Any],
    locals: Mapping[str, object] | None,
    filename: str | os.PathLike[str] | None = None,
    sort: Any = -1,
) -> None:
    """Like ``run``, with these names."""
    profiler = Profiler()
    try:
        profiler.runctx(statement, globals, locals)
    except SystemExit:
        pass
    finally:
        if filename is not None:
            profiler.dump_stats(filename)
        else:
            profiler.print_stats(sort)


if __name__ == "__main__":
    from outpace import _trace_command

    _trace_command.main()
