# SPDX-License-Identifier: MIT
"""What a run says while it lasts, and what it says about itself."""

from __future__ import annotations

import math
import subprocess
import sys

from machine import ROOT


def say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:110]}", end="", file=sys.stderr, flush=True)
    else:
        print(f"bench: {text}", file=sys.stderr, flush=True)


def revision() -> str:
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def finite(value: object) -> object:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def hush() -> None:
    """Takes the last line of `say` off the terminal."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
