#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden runs of the command line: tests/cli/*.test, plain files.

    --- file app.py          a file that is put into the test's folder first; any number
    print("hello")
    $ outpace report no.outpace
    exit 2
    --- stdout               what it must print; a section that is missing must be empty
    --- stderr
    error: *

`$` lines are given to sh as one script, in a folder of their own that is empty but for the files.
There `outpace` is the executable under test ($OUTPACE) and `python`, `python3` are $PYTHON. A script
that exits with 77 skips the test, its last line of stdout being the reason. A line `# text` at the
top is a comment. In expected lines `*` stands for anything within a line, `\\*` for an asterisk; a
line `...` for any number of lines.

    run.py [--accept] [--jobs N] [NAME-PART...]

`--accept` writes what was printed into the files of the tests that differ; expected lines that fit are kept.
Prints TAP; exit code 1 where a test failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
SKIP = 77


class Case:
    """One test file: comments, files, commands, and what is expected."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.comments: list[str] = []
        self.files: dict[str, list[str]] = {}
        self.commands: list[str] = []
        self.exit = 0
        self.out: dict[str, list[str]] = {"stdout": [], "stderr": []}
        target: list[str] | None = None
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("--- file "):
                target = self.files.setdefault(line[9:].strip(), [])
            elif line in ("--- stdout", "--- stderr"):
                target = self.out[line[4:]]
            elif line.startswith("$ ") and not self.expecting:
                self.commands.append(line[2:])
                target = None
            elif re.fullmatch(r"exit \d+", line) and self.commands and not self.expecting:
                self.exit = int(line[5:])
            elif target is not None:
                target.append(line)
            elif line.startswith("#"):
                self.comments.append(line)
            elif line.strip():
                raise SystemExit(f"{path.name}: what is this line? {line!r}")
        if not self.commands:
            raise SystemExit(f"{path.name}: no command")

    @property
    def expecting(self) -> bool:
        return any(self.out.values())

    def write(self) -> None:
        lines = list(self.comments)
        for name, content in self.files.items():
            lines += [f"--- file {name}", *content]
        lines += [f"$ {command}" for command in self.commands]
        lines.append(f"exit {self.exit}")
        for name in ("stdout", "stderr"):
            if self.out[name]:
                lines += [f"--- {name}", *self.out[name]]
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def line_fits(expected: str, got: str) -> bool:
    parts = re.split(r"(\\\*|\*)", expected)
    pattern = "".join(".*" if part == "*" else re.escape("*" if part == "\\*" else part) for part in parts)
    return re.fullmatch(pattern, got, re.DOTALL) is not None


def lines_fit(expected: list[str], got: list[str]) -> bool:
    """Whether the lines fit, `...` being any number of lines (a reachable-set walk: linear in memory)."""
    places = {0}
    for want in expected:
        if want == "...":
            places = set(range(min(places), len(got) + 1)) if places else set()
        else:
            places = {at + 1 for at in places if at < len(got) and line_fits(want, got[at])}
    return len(got) in places


def escape(line: str) -> str:
    return line.replace("*", "\\*")


def accepted(expected: list[str], got: list[str]) -> list[str]:
    """The new expectation: an old line where it still fits, else the line that was printed."""
    if lines_fit(expected, got):
        return expected
    old = iter(expected)
    lines = []
    for line in got:
        want = next(old, None)
        lines.append(want if want is not None and want != "..." and line_fits(want, line) else escape(line))
    return lines


def make_folder(case: Case, root: pathlib.Path) -> tuple[pathlib.Path, dict[str, str]]:
    tools, work = root / "bin", root / "work"
    tools.mkdir()
    work.mkdir()
    outpace = os.environ.get("OUTPACE") or shutil.which("outpace")
    if not outpace:
        raise SystemExit("set OUTPACE to the path of the executable")
    python = os.environ.get("PYTHON") or sys.executable
    (tools / "outpace").symlink_to(os.path.abspath(outpace))
    for name in ("python", "python3"):
        # A link would make the interpreter of a virtual environment lose its way home.
        (tools / name).write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        (tools / name).chmod(0o755)
    for name, content in case.files.items():
        place = work / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(line + "\n" for line in content), encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OUTPACE", "LC_", "PYTHON"))}
    for name in ("VIRTUAL_ENV", "NO_COLOR", "LANG"):
        env.pop(name, None)
    env["PATH"] = f"{tools}:{env.get('PATH', '/usr/bin:/bin')}"
    env["TMPDIR"] = str(root)
    env["TESTS"] = str(HERE)
    return work, env


def kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(case: Case, accept: bool) -> tuple[str, list[str]]:
    """Runs one test: ("ok" | "skip" | "not ok", lines to print)."""
    with tempfile.TemporaryDirectory(prefix="outpace-cli-") as name:
        root = pathlib.Path(name)
        work, env = make_folder(case, root)
        with subprocess.Popen(["sh", "-c", "\n".join(case.commands)], cwd=work, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                kill_group(process.pid)
                process.communicate()
                return "not ok", [f"still running after {SECONDS} s"]
            kill_group(process.pid)  # what a failed test left behind
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        got = {"stdout": out.decode(errors="backslashreplace").replace(name, "ROOT").splitlines(),
               "stderr": err.decode(errors="backslashreplace").replace(name, "ROOT").splitlines()}
    if code == SKIP and case.exit != SKIP:
        return "skip", got["stdout"][-1:] or [""]
    problems = []
    if code != case.exit:
        problems.append(f"exit code {code}, expected {case.exit}")
    for stream, lines in got.items():
        if not lines_fit(case.out[stream], lines):
            problems.append(f"{stream} differs; expected:")
            problems += [f"  - {line}" for line in case.out[stream]]
            problems.append("got:")
            problems += [f"  + {line}" for line in lines]
    if not problems:
        return "ok", []
    if accept:
        case.exit = code
        for stream, lines in got.items():
            case.out[stream] = accepted(case.out[stream], lines)
        case.write()
        return "ok", ["accepted"]
    return "not ok", problems


def main() -> int:
    parser = argparse.ArgumentParser(description="golden runs of the command line")
    parser.add_argument("--accept", action="store_true", help="write what was printed into the test files")
    parser.add_argument("--jobs", type=int, default=2, help="tests at a time")
    parser.add_argument("filters", nargs="*", metavar="NAME-PART", help="only tests whose name holds one of these")
    options = parser.parse_args()
    paths = [path for path in sorted(HERE.glob("*.test"))
             if not options.filters or any(part in path.stem for part in options.filters)]
    cases = [Case(path) for path in paths]
    counts = {"ok": 0, "skip": 0, "not ok": 0}
    print(f"1..{len(cases)}")
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        results = pool.map(lambda case: run(case, options.accept), cases)
        for number, (case, (verdict, lines)) in enumerate(zip(cases, results), 1):
            counts[verdict] += 1
            mark = "not ok" if verdict == "not ok" else "ok"
            skip = f" # SKIP {lines[0]}" if verdict == "skip" else ""
            for line in lines if verdict != "skip" else []:
                print(f"# {line}")
            print(f"{mark} {number} - {case.path.stem}{skip}", flush=True)
    print(f"# cli: {counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
