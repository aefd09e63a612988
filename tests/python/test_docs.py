# SPDX-License-Identifier: MIT
"""The code in the papers runs: each block of it by itself, as somebody would paste it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tier_places

ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("docs/caches.md",)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOCKET = "/run/redis/redis.sock"  # of the server that the papers speak of
RUN = "import sys; sys.path.insert(0, sys.argv[1]); exec(compile(sys.argv[3], sys.argv[2], 'exec'), {'__name__': '__main__'})"


def blocks() -> dict[str, str]:
    """By paper and line; each begins at its own line, so that an error names that of the paper."""
    found = {}
    for paper in PAPERS:
        text = (ROOT / paper).read_text(encoding="utf-8")
        for each in BLOCK.finditer(text):
            line = text.count("\n", 0, each.start()) + 2
            found[f"{paper}:{line}"] = "\n" * (line - 1) + each[1]
    return found


BLOCKS = blocks()


@pytest.mark.skipif("OUTPACE_SANITIZER" in os.environ, reason="its modules are not for a Python without a sanitizer")
@pytest.mark.parametrize("where", BLOCKS)
def test_a_block_of_code_runs(where: str) -> None:
    code = BLOCKS[where]
    with contextlib.ExitStack() as ending:
        if SOCKET in code:
            pytest.importorskip("redis", reason="redis-py is not installed: run tools/setup.sh")
            if shutil.which("redis-server") is None:
                pytest.skip("there is no redis-server: run tools/setup.sh")
            server = tier_places.Server()
            ending.callback(server.end)
            code = code.replace(SOCKET, server.socket)
        command = [sys.executable, "-W", "error", "-c", RUN, str(ROOT / "python"), where.partition(":")[0], code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("paper", PAPERS)
def test_links_lead_somewhere(paper: str) -> None:
    text = (ROOT / paper).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
        if "://" not in target:
            assert not target or (ROOT / paper).parent.joinpath(target).exists(), target
            assert target or anchor in anchors, anchor
