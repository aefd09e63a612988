# SPDX-License-Identifier: MIT
"""Runs programs that use the caches, on whatever Python a test is about. The fixture `place` (conftest.py) is each in turn."""

from __future__ import annotations

from places import Place


def run(place: Place, program: str, *words: str) -> list[str]:
    """The lines that the program prints, in Python's development mode. It ends well and says nothing on standard error."""
    (place.outside / "program.py").write_text(program, encoding="utf-8")
    done = place.run("-X", "dev", "program.py", *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()
