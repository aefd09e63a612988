# SPDX-License-Identifier: MIT
"""The table of one Python: a row a variant, a column a workload, and in plain words where an aim is missed."""

from __future__ import annotations

from dataclasses import dataclass, field

from aims import AIMS, OLD
from stats import Summary, summarise
from variants import KINDS, VARIANTS, Variant


@dataclass
class Cell:
    """One variant on one workload. Ratios are to the bare run of the same pair."""

    inside: list[float] = field(default_factory=list)       # processor time around the workload
    whole: list[float] = field(default_factory=list)        # of the whole process and its children
    reason: str = ""                                        # why there are none
    miscounted: str = ""                                    # what it counted wrong

    @property
    def ratio(self) -> Summary | None:
        return summarise(self.inside) if self.inside else None


@dataclass
class Results:
    version: str
    workloads: list[str]
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)    # by variant and workload
    bare: dict[str, list[float]] = field(default_factory=dict)          # seconds, by workload

    def cell(self, variant: str, workload: str) -> Cell:
        return self.cells.setdefault((variant, workload), Cell())

    def median(self, variant: str, workload: str) -> float | None:
        cell = self.cells.get((variant, workload))
        ratio = cell.ratio if cell else None
        return ratio.median if ratio else None

    def floor(self, variant: Variant, workload: str) -> float | None:
        medians = (self.median(key, workload) for key in variant.floor)
        return next((value for value in medians if value is not None), None)

    def aim(self, variant: Variant, workload: str) -> float | None:
        if variant.aim is None:
            return None
        if tuple(map(int, self.version.split(".")[:2])) >= OLD:
            return AIMS[variant.aim].get(workload)
        return self.median("cprofile", workload) if variant.aim == "calls" else None


def figure(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def span(ratio: Summary) -> str:
    if ratio.count == 1:
        return figure(ratio.median)
    return f"{figure(ratio.median)} [{figure(ratio.low)}, {figure(ratio.high)}]"


def verdict(ratio: Summary, aim: float) -> str:
    """The medians decide; where the interval holds the aim, it is said."""
    if ratio.median <= aim:
        return "met" if ratio.high <= aim else "about"
    return "**missed**" if ratio.low > aim else "**not shown**"


def text_of(results: Results, variant: Variant, workload: str) -> str:
    cell = results.cells.get((variant.key, workload), Cell())
    ratio = cell.ratio
    if ratio is None:
        return "-"
    text = span(ratio)
    if cell.miscounted:
        text += " **miscounts**"
    aim = results.aim(variant, workload)
    if aim is not None:
        word = verdict(ratio, aim)
        text += f"; aim {figure(aim)} {word}"
        floor = results.floor(variant, workload)
        if "*" in word and floor is not None:
            text += f", floor {figure(floor)}"
    return text


def markdown(results: Results) -> str:
    rows = [["", *results.workloads], ["---"] * (1 + len(results.workloads))]
    known = {key for key, _ in results.cells}
    medians = [summarise(results.bare[name]).median if results.bare.get(name) else None for name in results.workloads]
    rows.append(["bare, ms of processor time", *("-" if value is None else f"{1000 * value:.0f}" for value in medians)])
    for kind in KINDS:
        of_kind = [variant for variant in VARIANTS if variant.kind == kind and variant.key in known]
        if of_kind:
            rows.append([f"*{kind}*", *[""] * len(results.workloads)])
        for variant in of_kind:
            rows.append([variant.title, *(text_of(results, variant, name) for name in results.workloads)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def whole(results: Results) -> str:
    """The same of whole processes: start, import and the work at the end are in it, and what the command itself does. What
    is measured in shorter runs is not in it."""
    rows = [["whole process, children included", *results.workloads], ["---"] * (1 + len(results.workloads))]
    for variant in VARIANTS:
        cells = [results.cells.get((variant.key, name), Cell()) for name in results.workloads]
        if any(cell.whole for cell in cells):
            texts = [figure(summarise(cell.whole).median) if cell.whole else "-" for cell in cells]
            rows.append([f"{variant.title}; {variant.kind}", *texts])
    if len(rows) == 2:
        return ""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def remarks(results: Results) -> list[str]:
    """Why a cell is empty, what was counted wrong, where an aim is missed and where a peer is cheaper."""
    said: list[str] = []
    by_key = {variant.key: variant for variant in VARIANTS}
    reasons: dict[str, dict[str, list[str]]] = {}
    for (key, workload), cell in results.cells.items():
        if not cell.inside and cell.reason:
            reasons.setdefault(cell.reason, {}).setdefault(key, []).append(workload)
    for reason, cells in reasons.items():
        where = [f"{by_key[key].title} ({by_key[key].kind}"
                 + ("" if len(workloads) == len(results.workloads) else f": {', '.join(workloads)}") + ")"
                 for key, workloads in cells.items()]
        said.append(f"`-` {reason}: {'; '.join(where)}")
    for (key, workload), cell in results.cells.items():
        if cell.miscounted:
            said.append(f"{workload}: {by_key[key].title} ({by_key[key].kind}) {cell.miscounted}")
    for variant in (variant for variant in VARIANTS if variant.ours):
        for workload in results.workloads:
            said += losses(results, variant, workload)
    return said


def losses(results: Results, variant: Variant, workload: str) -> list[str]:
    cell = results.cells.get((variant.key, workload))
    ratio = cell.ratio if cell else None
    if ratio is None:
        return []
    said = []
    name = f"{workload}: {variant.title} ({variant.kind})"
    aim = results.aim(variant, workload)
    if aim is not None and (word := verdict(ratio, aim)).startswith("*"):
        floor = results.floor(variant, workload)
        word = "misses its aim" if word == "**missed**" else "is not shown to meet its aim"
        said.append(f"{name} {word}: {span(ratio)}, aim {figure(aim)}, floor {figure(floor) if floor else 'not measured'}")
    for peer in VARIANTS:
        if peer.kind == variant.kind and not peer.ours and not peer.key.startswith("floor"):
            other = results.cells.get((peer.key, workload), Cell()).ratio
            if other is not None and other.high < ratio.low:
                said.append(f"{name} costs more than {peer.title}: {span(ratio)} to {span(other)}")
    return said
