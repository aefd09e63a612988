#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs all tests and ends with one plain line of counts: ``N passed, N failed, N skipped``.

    tests/run.py [--build FOLDER] [--sanitizer address|thread] [SUITE...]

Suites: unit (C programs that speak TAP), cli (golden runs), python (pytest), oracle (programs with known answers).
A test that works on one Python version may append a line ``live 3.13.0`` or ``image 3.13`` to the file that the
environment variable OUTPACE_TEST_VERSIONS names: the end of the run says which versions were tested, and how.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("unit", "cli", "python", "oracle")
TEST_SECONDS = 1800
TAP_LINE = re.compile(r"^(not ok|ok)\b[ \t]*\d*[ \t]*-?[ \t]*(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)")


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    details: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.details += other.details

    def counts(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and what was printed on both streams; a run-away is ended and counts as exit code 124."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TEST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        return 124, output + f"\nended after {TEST_SECONDS} s\n"
    except OSError as error:
        return 127, f"{command[0]}: {error.strerror}\n"
    return done.returncode, done.stdout


def tap(name: str, command: list[str], environment: dict[str, str]) -> Outcome:
    code, output = run(command, environment)
    outcome = Outcome()
    planned, seen = -1, 0
    for line in output.splitlines():
        if plan := TAP_PLAN.match(line):
            planned = int(plan[1])
        elif result := TAP_LINE.match(line):
            seen += 1
            if "# SKIP" in result[2].upper():
                outcome.skipped += 1
            elif result[1] == "ok":
                outcome.passed += 1
            else:
                outcome.failed += 1
    if seen != planned:
        outcome.failed += 1
        outcome.details.append(f"{name}: {seen} results, {planned} planned, exit code {code}")
    elif code != 0 and outcome.failed == 0:
        outcome.failed += 1
        outcome.details.append(f"{name}: exit code {code} though all passed")
    if outcome.failed:
        told = [line for line in output.splitlines() if not line.startswith("ok ")]
        outcome.details += [f"{name}: {line}" for line in told[-200:]]
    return outcome


def suite_unit(build: Path, environment: dict[str, str]) -> Outcome:
    names = sorted(path.stem for path in (ROOT / "tests/unit").rglob("test_*.c"))
    outcome = Outcome()
    with ThreadPoolExecutor(max_workers=max(1, (os.cpu_count() or 2) // 2)) as pool:
        for each in pool.map(lambda name: tap(name, [str(build / "tests" / name)], environment), names):
            outcome.add(each)
    return outcome


def suite_cli(_build: Path, environment: dict[str, str]) -> Outcome:
    return tap("cli", [sys.executable, "tests/cli/run.py"], environment)


def pytest(folder: str, environment: dict[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--color=no", f"--junitxml={report}", folder]
        code, output = run(command, environment)
        outcome = Outcome()
        if report.exists():
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):
                total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
                bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                outcome.add(Outcome(total - bad - skipped, bad, skipped))
        if code not in (0, 5) and outcome.failed == 0:
            outcome.failed = 1
        if outcome.failed:
            outcome.details += output.splitlines()
        else:
            outcome.details += [line for line in output.splitlines() if line.startswith(("SKIPPED", "note:"))]
        return outcome


def suite_python(_build: Path, environment: dict[str, str]) -> Outcome:
    return pytest("tests/python", environment)


def suite_oracle(_build: Path, environment: dict[str, str]) -> Outcome:
    return pytest("tests/oracle", environment)


def print_versions(path: Path) -> None:
    told: dict[str, set[str]] = {"live": set(), "image": set()}
    for line in path.read_text(encoding="utf-8").splitlines():
        how, _, version = line.partition(" ")
        if how in told:
            told[how].add(version.strip())

    def in_order(versions: set[str]) -> str:
        order = sorted(versions, key=lambda text: [int(part) for part in re.findall(r"\d+", text)])
        return ", ".join(order) or "none"

    print(f"Python versions run live: {in_order(told['live'])}")
    print(f"Python versions from a recorded image: {in_order(told['image'])}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs all tests.")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build folder")
    parser.add_argument("--sanitizer", choices=("address", "thread"), help="what that folder was built with")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="of: " + " ".join(SUITES))
    options = parser.parse_args()
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no suite {' '.join(sorted(unknown))}")
    build = options.build.resolve()
    # A shell starts what it puts in the background with Ctrl-C ignored, and tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    environment = dict(os.environ)
    environment["OUTPACE_EXECUTABLE"] = str(build / "outpace")
    environment["OUTPACE"] = str(build / "outpace")
    environment["OUTPACE_BUILD"] = str(build)
    environment["PYTHONPATH"] = str(ROOT / "python")
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment["LC_ALL"] = "C.UTF-8"
    if options.sanitizer:
        # Exit code 99, which no test expects, so that a finding in a child is a failure too.
        environment["OUTPACE_SANITIZER"] = options.sanitizer
        environment["ASAN_OPTIONS"] = "exitcode=99:allocator_may_return_null=1"
        environment["UBSAN_OPTIONS"] = "halt_on_error=1:exitcode=99:print_stacktrace=1"
        environment["TSAN_OPTIONS"] = "exitcode=99:halt_on_error=1"

    total = Outcome()
    with tempfile.TemporaryDirectory() as scratch:
        versions = Path(scratch) / "versions"
        versions.touch()
        environment["OUTPACE_TEST_VERSIONS"] = str(versions)
        runners = {"unit": suite_unit, "cli": suite_cli, "python": suite_python, "oracle": suite_oracle}
        for name in options.suites or SUITES:
            outcome = runners[name](build, environment)
            for line in outcome.details:
                print(f"  {line}")
            print(f"{name}: {outcome.counts()}", flush=True)
            total.add(outcome)
        print_versions(versions)
    print(total.counts())
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
