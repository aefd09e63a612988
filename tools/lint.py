#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks form. Says what is wrong and how to mend it; exit code 1 where anything is.

    tools/lint.py [--build FOLDER] [CHECK...]      checks: format tidy ruff mypy shell text
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import agents
import sources

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ("src/cpython/layouts/", "src/cpython/opcodes/")   # by tools/layouts.py, in columns of its own
FIRST_LINE = re.compile(r"SPDX-License-Identifier: MIT")
LONGEST_FILE = 600
# Longer ones, and what they may grow to: to be split along their nouns (copy, proof, walk; store, kill).
LONG_FILES: dict[str, int] = {}


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name + "-14")
    if found is None:
        raise SystemExit(f"error: no {name}\nhint: run tools/setup.sh lint")
    return found


def files(*endings: str) -> list[str]:
    """What git knows or would take, with one of the endings, relative to the checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name.endswith(endings) and (ROOT / name).is_file())


def run(*command: str) -> int:
    return subprocess.run(command, cwd=ROOT).returncode


def check_format(_build: Path) -> int:
    names = [name for name in files(".c", ".h") if not name.startswith(GENERATED)]
    code = run(tool("clang-format"), "--dry-run", "--Werror", *names)
    if code:
        print("mend with: clang-format -i FILE")
    return code


def newest_python(build: Path) -> Path | None:
    """A folder with a compile_commands.json of the extension modules for the newest Python that is found.

    What is for other versions than the one that builds is skipped by the preprocessor, and would never be looked at.
    """
    found, _ = agents.targets([])
    if not found:
        return None
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    entries = []
    for module in sources.MODULES:
        command = agents.command_of(found[-1], agents.flags_of_build(build, module))
        names = [name for name in files(".c") if name.startswith(f"ext/{module}/")]
        entries += [{"directory": str(ROOT), "file": name, "arguments": [*command, "-c", name]} for name in names]
    (folder / "compile_commands.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return folder


def check_tidy(build: Path) -> int:
    names = [name for name in files(".c") if name.startswith(("src/", "ext/")) and not name.startswith(GENERATED)]
    jobs = [(build, name) for name in names]
    if newest := newest_python(build):
        jobs += [(newest, name) for name in names if name.startswith("ext/")]

    def tidy(job: tuple[Path, str]) -> subprocess.CompletedProcess[str]:
        # gcc's own flags, which clang does not know, are no finding.
        unknown = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Qunused-arguments"]
        command = [tool("clang-tidy"), "--quiet", "-p", str(job[0]), *unknown, job[1]]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    code = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done in pool.map(tidy, jobs):
            if done.returncode:
                print(done.stdout, end="")
                if "error:" not in done.stdout:
                    print(done.stderr, end="")
                code = 1
    return code


def check_ruff(_build: Path) -> int:
    return run(sys.executable, "-m", "ruff", "check", "--quiet", ".")


def check_mypy(_build: Path) -> int:
    return run(sys.executable, "-m", "mypy", "--no-error-summary")


def check_shell(_build: Path) -> int:
    scripts = [*files(".sh"), ".ci/run"]
    return max(run("bash", "-n", name) for name in scripts)


def check_text(_build: Path) -> int:
    """The licence line first, no trailing blanks or tabs, a newline at the end, files about one noun."""
    wrong = []
    for name in files(".c", ".h", ".py", ".sh", ".build"):
        text = (ROOT / name).read_text(encoding="utf-8")
        lines = text.splitlines()
        if text and not any(FIRST_LINE.search(line) for line in lines[:2]):
            wrong.append(f"{name}:1: no SPDX line")
        if text and not text.endswith("\n"):
            wrong.append(f"{name}:{len(lines)}: no newline at the end")
        if not name.startswith(GENERATED) and len(lines) > LONG_FILES.get(name, LONGEST_FILE):
            wrong.append(f"{name}: {len(lines)} lines: is it about one noun?")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                wrong.append(f"{name}:{number}: blanks at the end")
            if "\t" in line:
                wrong.append(f"{name}:{number}: a tab")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


CHECKS = {
    "text": check_text,
    "shell": check_shell,
    "ruff": check_ruff,
    "mypy": check_mypy,
    "format": check_format,
    "tidy": check_tidy,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks form.")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="holds compile_commands.json")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="of: " + " ".join(CHECKS))
    options = parser.parse_args()
    if unknown := set(options.checks) - set(CHECKS):
        parser.error(f"no check {' '.join(sorted(unknown))}")
    failed = []
    for name in options.checks or CHECKS:
        if CHECKS[name](options.build):
            failed.append(name)
    print(f"lint: {'failed: ' + ', '.join(failed) if failed else 'clean'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
