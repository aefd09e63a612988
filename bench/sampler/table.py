# SPDX-License-Identifier: MIT
"""What a figure is, and the table of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Cell:
    """One lane's result. `low` and `high` bound `value` where repeats allow it."""

    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    comparable: bool = True     # False: it did less than was asked, so that its cost is no measure
    detail: dict[str, object] = field(default_factory=dict)


@dataclass
class Figure:
    label: str
    aim: float | None
    aim_text: str
    more_is_better: bool
    floor: float = 0.0      # smaller values than this are noise: no ratio is made of less
    show_ratio: bool = True
    cells: dict[str, Cell] = field(default_factory=dict)        # by lane

    def ratio(self, ours: Cell, peer: Cell) -> float | None:
        """How many times better we are; below 1 we lose. None where either has no value or both are at the floor."""
        if ours.value is None or peer.value is None :
            return None
        mine, theirs = max(ours.value, self.floor), max(peer.value, self.floor)
        if mine <= self.floor and theirs <= self.floor:
            return None
        better, worse = (mine, theirs) if self.more_is_better else (theirs, mine)
        ratio = better / worse if worse > 0 else float("inf")
        # Who did less than was asked may not look cheaper for it.
        if (not peer.comparable and ratio < 1) or (not ours.comparable and ratio > 1):
            return None
        return ratio

    def met(self, cell: Cell) -> str:
        if self.aim is None or cell.value is None:
            return ""
        if not cell.comparable:
            return "**no**"
        good = cell.value >= self.aim if self.more_is_better else cell.value <= self.aim
        if cell.low is not None and cell.high is not None and cell.low <= self.aim <= cell.high:
            return "about" if good else "**not shown**"
        return "yes" if good else "**no**"


@dataclass(frozen=True)
class Lane:
    """A tool on an interpreter. Each peer is compared with Outpace on the same interpreter."""

    key: str        # "outpace@3.13.0"
    title: str
    tool: str
    rival: str      # the key of Outpace's lane on that interpreter; its own for Outpace


def overlap(one: Cell, other: Cell) -> bool:
    """They are not told apart."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def times(ratio: float) -> str:
    if ratio == float("inf"):
        return "they: none"
    return f"ratio {ratio:.0f}" if ratio >= 9.5 else f"ratio {ratio:.2g}"


def markdown(figures: list[Figure], lanes: list[Lane]) -> str:
    head = ["figure", "aim", *(lane.title for lane in lanes), "aim met"]
    rows = [head, ["---"] * len(head)]
    for figure in figures:
        row = [figure.label, figure.aim_text]
        met = []
        for lane in lanes:
            cell = figure.cells.get(lane.key)
            if cell is None:
                row.append("-")
                continue
            text = cell.text
            ours = figure.cells.get(lane.rival)
            if lane.key == lane.rival:
                if verdict := figure.met(cell):
                    met.append(verdict)
            elif ours is not None and (ratio := figure.ratio(ours, cell)) is not None and figure.show_ratio:
                text += f" ({times(ratio)})"
            row.append(text)
        row.append(" / ".join(met) or "-")
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def losses(figures: list[Figure], lanes: list[Lane]) -> list[str]:
    """Where an aim is missed or a peer is better, in plain words."""
    said = []
    for figure in figures:
        for lane in lanes:
            cell = figure.cells.get(lane.key)
            if cell is None:
                continue
            if lane.key == lane.rival:
                if figure.met(cell) in ("**no**", "**not shown**"):
                    word = "misses its aim" if figure.met(cell) == "**no**" else "is not shown to meet its aim"
                    said.append(f"{figure.label}: {lane.title} {word} ({cell.text}; aim {figure.aim_text})")
                elif cell.value is None:
                    said.append(f"{figure.label}: {lane.title} could not be measured: {cell.text}")
            else:
                ours = figure.cells.get(lane.rival)
                ratio = figure.ratio(ours, cell) if ours is not None else None
                if ours is not None and ratio is not None and ratio < 0.98 and not overlap(ours, cell):
                    said.append(f"{figure.label}: {lane.title} is better ({cell.text}; Outpace {ours.text})")
    return said
