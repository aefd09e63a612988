# SPDX-License-Identifier: MIT
"""Lines whose hits are known by construction, for the programs that hold them: hits stand behind the line, `#: hits`, or `#: hits before 3.N: hits`.

`#: as traced` stands where versions
differ too much: as often as sys.settrace tells of the line. A line without a mark must have none. A hit is the begin of a line; what goes on after a yield or an await, or comes
back to a line that a call left, is none.
"""

import inspect
import json
import re
import sys
import traceback

import traced

MARK = re.compile(r"#: (\d+)(?: before 3\.(\d+): (\d+))?(?: before 3\.(\d+): (\d+))?(?:  # fmt: skip)?$")
CASES = {}
MINOR = sys.version_info[1]


def lines(*functions):
    """A case: it runs these functions, whose lines are marked."""

    def keep(body):
        CASES[body.__name__] = (body, functions)
        return body

    return keep


def code_of(function):
    function = inspect.unwrap(function)
    return getattr(function, "__func__", function).__code__


def traced_hits(body, code):
    hits = {}

    def hook(frame, event, arg):
        if frame.f_code is code and event == "line":
            hits[frame.f_lineno] = hits.get(frame.f_lineno, 0) + 1
        return hook

    sys.settrace(hook)
    body()
    sys.settrace(None)
    return hits


def marked(code, body):
    hits = {}
    source, first = inspect.getsourcelines(code)
    if any("#: as traced" in text for text in source):
        return traced_hits(body, code)
    for number, text in enumerate(source, first):
        if found := MARK.search(text.rstrip()):
            told = [int(each) if each else None for each in found.groups()]
            expected = told[0]
            for minor, count in ((told[1], told[2]), (told[3], told[4])):
                if minor is not None and MINOR < minor:
                    expected = count
            if expected:
                hits[number] = expected
    return hits


def hits_of(profiler, code):
    found = {}
    for filename, first, _name, rows in profiler.results():
        if filename == code.co_filename and first == code.co_firstlineno:
            for line, hits, _ns in rows:
                found[line] = found.get(line, 0) + hits
    return found


def seconds_of(profiler, name):
    return sum(ns for _file, _first, found, rows in profiler.results() if found.endswith(name) for _l, _h, ns in rows) * 1e-9


def run_case(body, functions):
    profiler = traced.agent.LineProfiler()
    codes = [code_of(each) for each in functions]
    for code in codes:
        profiler.add_code(code)
    profiler.enable()
    try:
        body(*([profiler] if body.__code__.co_argcount else []))
    finally:
        profiler.disable()
    wrong = []
    for code in codes:
        expected, found = marked(code, body), hits_of(profiler, code)
        if expected != found:
            source, first = inspect.getsourcelines(code)
            for number, text in enumerate(source, first):
                if expected.get(number) != found.get(number):
                    wrong.append(
                        "%d: expected %s, found %s: %s" % (number, expected.get(number, 0), found.get(number, 0), text.strip())
                    )
    return "\n".join(wrong) or None


def main():
    traced.load_agent(sys.argv[1])
    told = {}
    for name, (body, functions) in CASES.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        try:
            told[name] = run_case(body, functions)
        except BaseException:
            told[name] = traceback.format_exc()
        if MINOR < 12 and (sys.gettrace() is not None or sys.getprofile() is not None):
            told[name] = "%s\na hook is still set" % told[name]
    print(json.dumps(told))
