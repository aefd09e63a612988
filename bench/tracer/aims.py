# SPDX-License-Identifier: MIT
"""What Outpace aims at: ratios of processor time to the bare program, from Python 3.12 on."""

from __future__ import annotations

WORKLOADS = ("fib", "builtins", "generators", "tree", "tokenizer", "gather")
OLD = (3, 12)       # before it an agent can be no cheaper than the interpreter's C hooks: the aim is cProfile's own cost

AIMS: dict[str, dict[str, float]] = {
    "calls": {"fib": 2.8, "builtins": 3.0, "generators": 2.1, "tree": 1.15, "tokenizer": 2.0, "gather": 2.2},
    "counts": {"fib": 1.6, "builtins": 2.4, "generators": 1.7, "tree": 1.1},
    "hottest": {"fib": 3.0, "builtins": 3.0, "generators": 3.5, "tree": 3.0, "tokenizer": 3.0, "gather": 2.0},
    "all": {"fib": 4.0, "builtins": 4.0, "generators": 4.5, "tree": 4.0, "tokenizer": 4.0, "gather": 3.0},
}
