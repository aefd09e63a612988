# SPDX-License-Identifier: MIT
"""Asks nm and ldd: the engine has one prefix, and the executable stands on glibc alone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
sanitized = pytest.mark.skipif("OUTPACE_SANITIZER" in os.environ, reason="a sanitizer adds symbols and libraries")


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def archives(build: Path) -> list[Path]:
    found = sorted(build.glob("liboutpace-*.a"))
    assert found
    return found


@sanitized
def test_every_global_symbol_begins_with_the_prefix(build: Path) -> None:
    wrong = []
    for archive in archives(build):
        for line in output_of("nm", "--extern-only", "--defined-only", str(archive)).splitlines():
            words = line.split()
            if len(words) == 3 and not words[2].startswith("op_"):
                wrong.append(f"{archive.name}: {words[2]}")
    assert not wrong, "\n".join(wrong)


def test_the_engine_names_no_python_symbol(build: Path) -> None:
    for archive in archives(build):
        names = output_of("nm", "--undefined-only", "--format=just-symbols", str(archive)).split()
        assert not [name for name in names if re.match(r"_?Py[A-Z_]", name)], archive.name


@sanitized
def test_the_executable_exports_nothing(outpace: str) -> None:
    lines = output_of("nm", "--dynamic", "--defined-only", outpace).splitlines()
    names = {line.split()[-1].split("@")[0] for line in lines}
    # Copies of libc's variables, which the linker puts there.
    assert names <= {"main", "stdin", "stdout", "stderr", "environ", "__environ", "_environ", "optarg"}, names


@sanitized
def test_the_executable_needs_glibc_alone(outpace: str) -> None:
    needed = set(re.findall(r"\(NEEDED\)[^[]*\[([^]]+)\]", output_of("readelf", "--dynamic", outpace)))
    assert needed <= GLIBC, needed - GLIBC


def test_no_stack_or_heap_is_executable(outpace: str) -> None:
    for line in output_of("readelf", "--wide", "--program-headers", outpace).splitlines():
        if "GNU_STACK" in line:
            assert " RWE " not in line
