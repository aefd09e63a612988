# SPDX-License-Identifier: MIT
"""The versions to run on, and the word on which ran and which were missing."""

from __future__ import annotations

import os
from pathlib import Path

import interpreters
import pytest
import recorder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "interpreter" in metafunc.fixturenames:
        found = interpreters.find()
        metafunc.parametrize("interpreter", found, ids=[each.version for each in found], scope="session")


@pytest.fixture(scope="session", autouse=True)
def executable() -> str:
    if not os.access(recorder.OUTPACE, os.X_OK):
        pytest.skip(f"{recorder.OUTPACE} is not built: run make")
    return recorder.OUTPACE


def pytest_sessionfinish(session: pytest.Session) -> None:
    if told := os.environ.get("OUTPACE_TEST_VERSIONS"):
        ran = {
            item.callspec.params["interpreter"].version
            for item in session.items
            if hasattr(item, "callspec") and "interpreter" in item.callspec.params
        }
        with Path(told).open("a", encoding="utf-8") as file:
            file.writelines(f"live {version}\n" for version in sorted(ran))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"note: oracle: live on {', '.join(each.version for each in interpreters.find()) or 'none'}")
    if gone := interpreters.missing():
        terminalreporter.write_line(f"note: oracle: no interpreter of {', '.join(gone)}: not tested")
    if recorder.TOOL_CPU is None:
        terminalreporter.write_line("note: oracle: one processor only, so target and tool share it: torn reads are rare here")
