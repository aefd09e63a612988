# SPDX-License-Identifier: MIT
"""What the programs with a known call table share: the agent, a clock that only they advance, and tables as text.

A case is a function with the table that it must make:

    name calls/primitive own total        a function of this program; calls are entries, as cProfile counts them
      name calls/primitive own total      what it called

The case's own function stands in the table as `case`. Times are whole units of the clock. A program that is run as
`NAME.py AGENTS` prints {case: what is wrong, or null} as JSON; one that is imported only names its cases.
"""

import gc
import importlib.machinery
import importlib.util
import json
import os
import sys
import sysconfig
import traceback

agent = None
MINOR = sys.version_info[1]


def load_agent(folder):
    global agent
    path = os.path.join(folder, "_agent" + sysconfig.get_config_var("EXT_SUFFIX"))
    loader = importlib.machinery.ExtensionFileLoader("outpace._agent", path)
    spec = importlib.util.spec_from_file_location("outpace._agent", path, loader=loader)
    agent = importlib.util.module_from_spec(spec)
    loader.exec_module(agent)
    return agent


class Clock:
    """`clock.now += n` passes n units, and calls nothing."""

    __slots__ = ("now",)

    def __init__(self):
        self.now = 0

    def read(self):
        return self.now


class Case:
    def __init__(self, body, table, builtins, manual, subcalls, only, held):
        self.name = body.__name__
        self.body, self.table, self.builtins = body, table, builtins
        self.manual, self.subcalls, self.only, self.held = manual, subcalls, only, held


CASES = {}


def case(table="", *, builtins=False, manual=False, subcalls=True, only=True, held=False):
    """manual: the body enables, and is given the profiler; it may give back a table in place of that of the profiler.
    only: whether this version has what the case is about. held: the profiler is still on at the end. A table may be a
    function of nothing, for one that differs by version."""

    def keep(body):
        assert body.__name__ not in CASES, body.__name__
        CASES[body.__name__] = Case(body, table, builtins, manual, subcalls, only, held)
        return body

    return keep


def parse(text):
    """{(caller or None, name): (calls, primitive, own, total)}"""
    rows, caller = {}, None
    for line in text.splitlines():
        if not line.strip():
            continue
        name, counts, own, total = line.rsplit(None, 3)
        calls, primitive = counts.split("/")
        if line.startswith((" ", "\t")):
            key = (caller, name.strip())
        else:
            caller = name
            key = (None, name)
        assert key not in rows, key
        rows[key] = (int(calls), int(primitive), float(own), float(total))
    return rows


def name_of(code, body=None):
    if isinstance(code, str):
        return code
    if body is not None and code is body.__code__:
        return "case"
    return code.co_name


def own(code, files):
    if isinstance(code, str):
        return "' of 'outpace." not in code and "PyCapsule" not in code
    return code.co_filename in files


def figures(row):
    return (row.callcount, row.callcount - row.reccallcount, round(row.inlinetime, 9), round(row.totaltime, 9))


def rows_of(profiler, body=None, files=()):
    entries = [entry for entry in profiler.getstats() if own(entry.code, files)]
    names, rows = {}, {}  # by identity, as equal code objects are functions of their own
    for entry in entries:
        name = name_of(entry.code, body)
        while (None, name) in rows:
            name += "'"  # of the same name as another
        names[entry.code if isinstance(entry.code, str) else id(entry.code)] = name
        rows[None, name] = figures(entry)
    for entry in entries:
        caller = names[entry.code if isinstance(entry.code, str) else id(entry.code)]
        for sub in entry.calls or ():
            if own(sub.code, files):
                rows[caller, names[sub.code if isinstance(sub.code, str) else id(sub.code)]] = figures(sub)
    return rows


def shown(rows):
    lines = []
    for caller, name in sorted(rows, key=lambda key: (key[0] or key[1], key[0] is not None, key[1])):
        calls, primitive, own_time, total = rows[caller, name]
        indent = "  " if caller else ""
        lines.append("%s%s %d/%d %g %g" % (indent, name, calls, primitive, own_time, total))
    return "\n".join(lines)


def run_case(each, clock):
    files = {each.body.__code__.co_filename}
    profiler = agent.Profiler(clock.read, 1.0, each.subcalls, each.builtins)
    if each.manual:
        given = each.body(profiler)
        found = given if isinstance(given, dict) else rows_of(profiler, files=files)
    else:
        profiler.enable()
        each.body()
        profiler.disable()
        found = rows_of(profiler, each.body, files)
    table = each.table() if callable(each.table) else each.table
    expected = parse(table)
    if found != expected:
        return "expected\n%s\n\nfound\n%s" % (shown(expected), shown(found))
    return None


def main(clock):
    load_agent(sys.argv[1])
    chosen = sys.argv[2:]
    told = {}
    gc.disable()  # so that nothing is dropped at a moment that the tables do not know
    for name, each in CASES.items():
        if not each.only or (chosen and name not in chosen):
            continue
        try:
            told[name] = run_case(each, clock)
        except BaseException:
            told[name] = traceback.format_exc()
        if each.held:
            continue
        if MINOR >= 12:
            held = [number for number in range(6) if sys.monitoring.get_tool(number)]
            if held:
                told[name] = "%s\ntool ids are still held: %s" % (told[name], held)
        elif sys.getprofile() is not None or sys.gettrace() is not None:
            told[name] = "%s\na hook is still set" % told[name]
        gc.collect()
    print(json.dumps(told))
