# SPDX-License-Identifier: MIT
"""Which Pythons a run is asked for."""

from __future__ import annotations

from interpreters import Interpreter, find


def pythons(wanted: list[str] | None) -> list[Interpreter]:
    found = [each for each in find() if each.minor >= 10]
    if not found:
        raise SystemExit("error: no Python from 3.10 on was found")
    newest = {each.minor: each for each in found}       # of each minor version: the oldest come first
    if wanted is None:
        return [newest.get(13, found[-1])]
    chosen = [each for each in found if each.version in wanted
              or (newest[each.minor] is each and ("all" in wanted or f"3.{each.minor}" in wanted))]
    if not chosen:
        there = ", ".join(each.version for each in found)
        raise SystemExit(f"error: Python {' '.join(wanted)} was not found\nhint: there are {there}")
    return chosen
