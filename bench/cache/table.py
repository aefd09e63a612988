# SPDX-License-Identifier: MIT
"""What one Python gave, and the tables of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aims import AIMS, ENTRIES, THREADS, Aim
from cases import ASYNC, BY_KEY, MAPPING, SYNC, Case
from entries import KEYS
from libraries import LIBRARIES
from stats import Summary, summarise

OURS = "outpace"
BARE = {"async": "bare await", "mapping": "dict"}       # what "no cache" is there


@dataclass
class Results:
    version: str
    missing: dict[str, str]     # peers that could not be installed, and why
    ns: dict[str, dict[str, list[float]]] = field(default_factory=dict)     # by case and library, one a process
    rounds: list[int] = field(default_factory=list)
    threads: dict[str, dict[str, list[float]]] = field(default_factory=dict)    # ns a call, by library and number of threads
    bytes: dict[str, dict[str, float]] = field(default_factory=dict)    # an entry, by keeper and keys
    ratios: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)    # by size, trace, policy
    reasons: dict[str, list[str]] = field(default_factory=dict)     # why a cell is empty: which

    def add_times(self, told: dict[str, Any]) -> None:
        for case, of in told["ns"].items():
            for library, value in of.items():
                self.ns.setdefault(case, {}).setdefault(library, []).append(value)
        for library, of in told["reasons"].items():
            for case, reason in of.items():
                where = self.reasons.setdefault(f"{library}: {reason}", [])
                if BY_KEY[case].title not in where:
                    where.append(BY_KEY[case].title)
        self.rounds.append(int(told["rounds"]))

    def add_threads(self, told: dict[str, dict[str, float]]) -> None:
        for library, of in told.items():
            for number, value in of.items():
                self.threads.setdefault(library, {}).setdefault(number, []).append(value)

    def share(self, case: str, library: str, base_case: str, base_library: str) -> Summary | None:
        """Process by process."""
        ours, base = self.ns.get(case, {}).get(library), self.ns.get(base_case, {}).get(base_library)
        return summarise([one / other for one, other in zip(ours, base)]) if ours and base else None


def figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def span(summary: Summary | None) -> str:
    if summary is None:
        return "-"
    if summary.count == 1:
        return figure(summary.median)
    return f"{figure(summary.median)} [{figure(summary.low)}, {figure(summary.high)}]"


def rows_of(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *others))


def times(results: Results, cases: Sequence[Case], title: str, base: str) -> str:
    """Rows are cases, columns the libraries that have any; the last is Outpace as a share of `base`."""
    known = [name for name in LIBRARIES if any(results.ns.get(case.key, {}).get(name) for case in cases)]
    if not known:
        return ""
    bare = BARE.get(cases[0].recipe, "no cache")
    names = [bare if name == "no cache" else f"**{name}**" if name.startswith(OURS) else name for name in known]
    rows = [[title, *names, f"{OURS} / {bare if base == 'no cache' else base}"]]
    for case in cases:
        of = results.ns.get(case.key, {})
        cells = [span(summarise(of[name])) if of.get(name) else "-" for name in known]
        rows.append([case.title, *cells, span(results.share(case.key, OURS, case.key, base))])
    return rows_of(rows)


def threads(results: Results) -> str:
    if not results.threads:
        return ""
    rows = [["two threads on one cache, 100 ints in turn", "one thread, ns a call", "two threads, ns a call",
             "two threads, million calls a second together"]]
    for library, of in results.threads.items():
        one, two = summarise(of["1"]), summarise(of["2"])
        rows.append([library, span(one), span(two), f"{1e3 / two.median:.1f}"])
    return rows_of(rows)


def entries(results: Results) -> str:
    if not results.bytes:
        return ""
    rows = [["bytes an entry, keys and results not counted", *KEYS]]
    rows += [[keeper, *(figure(of[keys]) if keys in of else "-" for keys in KEYS)] for keeper, of in results.bytes.items()]
    return rows_of(rows)


def ratios(results: Results) -> str:
    policies = list(dict.fromkeys(policy for size in results.ratios.values() for of in size.values() for policy in of))
    if not policies:
        return ""
    rows = [["hit ratio", *policies]]
    for size, traces in results.ratios.items():
        for trace, of in traces.items():
            cells = [f"{of[policy]:.3f}" if policy in of else "-" for policy in policies]
            rows.append([f"{int(size):,} entries: {trace}", *cells])
    return rows_of(rows)


def markdown(results: Results) -> list[str]:
    return [times(results, SYNC, "ns a call", "functools"), times(results, MAPPING, "mappings, ns", "no cache"),
            times(results, ASYNC, "coroutines, ns", "no cache"), threads(results), entries(results), ratios(results)]


def verdict(reached: Summary, aim: float) -> str:
    """The medians decide; where the interval holds the aim, it is said."""
    if reached.median <= aim:
        return "met" if reached.high <= aim else "about"
    return "**missed**" if reached.low > aim else "**not shown**"


def reached(results: Results) -> list[tuple[str, float, Summary | None]]:
    """Each aim: title, share, what it came to."""
    def of_time(aim: Aim) -> Summary | None:
        return results.share(aim.case, OURS, aim.base_case, aim.base_library)

    found = [(aim.title, aim.share, of_time(aim)) for aim in AIMS if results.ns]
    if results.threads:
        ours, theirs = (results.threads.get(library, {}).get("2") for library in (OURS, "functools"))
        found.append(("two threads on one cache, time a call, of functools", THREADS,
                      summarise([one / other for one, other in zip(ours, theirs)]) if ours and theirs else None))
    if results.bytes:
        for keeper, other in ENTRIES.items():
            for keys in KEYS:
                mine, base = (results.bytes.get(name, {}).get(keys) for name in (keeper, other))
                found.append((f"bytes an entry, {keeper}, {keys}, of {other}", 1.0,
                              summarise([mine / base]) if mine and base else None))
    return found


def aims_met(results: Results) -> str:
    rows = [["aim", "at most", "reached", "met"]]
    for title, aim, summary in reached(results):
        rows.append([title, f"{aim:g}", span(summary), "-" if summary is None else verdict(summary, aim)])
    return rows_of(rows) if len(rows) > 1 else ""


def remarks(results: Results) -> list[str]:
    """Why cells are empty, and where a peer is cheaper."""
    said = [f"`-` {reason}" for reason in results.missing.values()]
    said += [f"`-` {reason} ({'; '.join(where)})" for reason, where in results.reasons.items()
             if not any(reason.startswith(f"{peer}:") for peer in results.missing)]
    for case, of in results.ns.items():
        if not of.get(OURS):
            continue
        ours = summarise(of[OURS])
        for library, values in of.items():
            other = summarise(values)
            if not library.startswith(OURS) and library != "no cache" and other.high < ours.low:
                said.append(f"{BY_KEY[case].title}: {library} is cheaper, {span(other)} to {span(ours)}")
    return said
