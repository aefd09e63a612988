# SPDX-License-Identifier: MIT
"""Medians with ranges, and an interval for them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median

RESAMPLES = 4000


@dataclass
class Summary:
    median: float
    low: float      # 95 % interval of the median, by resampling
    high: float
    least: float
    most: float
    count: int


def summarise(values: list[float]) -> Summary:
    """The interval is the range where there are too few values to resample."""
    values = sorted(values)
    low, high = values[0], values[-1]
    if len(values) >= 5:
        chance = random.Random(1)
        medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
        low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]
    return Summary(median(values), low, high, values[0], values[-1], len(values))

