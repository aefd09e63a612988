# SPDX-License-Identifier: MIT
"""The queries of docs/profile-format.md run, and the page names every table, view and column that a file has."""

import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/profile-format.md").read_text(encoding="utf-8")
PROFILE = ROOT / "tests/fuzz/seeds/fuzz_profile_read/small.outpace"
OLD = PROFILE.with_name("version1.outpace")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def opened() -> sqlite3.Connection:
    return sqlite3.connect(f"{PROFILE.as_uri()}?mode=ro&immutable=1", uri=True)


def test_there_are_seven() -> None:
    assert len(QUERIES) == 7


@pytest.mark.parametrize("query", QUERIES)
def test_the_query_gives_rows(query: str) -> None:
    assert opened().execute(query).fetchall()


def test_the_page_describes_the_version_that_is_written() -> None:
    (version,) = opened().execute("PRAGMA user_version").fetchone()
    assert f"This page describes version {version} of the format" in " ".join(PAGE.split())


def test_a_file_of_version_1_is_read(outpace: str) -> None:
    """Written by an Outpace that knew nothing of calls."""
    with sqlite3.connect(f"{OLD.as_uri()}?mode=ro&immutable=1", uri=True) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    done = subprocess.run([outpace, "report", str(OLD), "-f", "collapsed"], check=True, capture_output=True, text=True)
    assert sum(int(line.rpartition(" ")[2]) for line in done.stdout.splitlines()) == 207


def test_every_column_is_explained() -> None:
    db = opened()
    for kind, name in db.execute("SELECT type, name FROM sqlite_master").fetchall():
        if kind == "view":
            assert f"`{name}`" in PAGE
            continue
        section = PAGE.partition(f"\n**{name}**")[2].partition("\n**")[0].partition("\n## ")[0]
        assert section, f"table {name} has no section"
        for column in db.execute(f"PRAGMA table_info({name})").fetchall():
            assert column[1] == "id" or f"`{column[1]}`" in section, f"{name}.{column[1]}"
