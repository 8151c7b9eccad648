"""Medians of ratios and how sure they are."""

import random
import statistics

BOOTSTRAP_ROUNDS = 10000
CONFIDENCE = 0.95


def bootstrap_interval(values, seed=1):
    """The 95% interval of the median of `values`, by drawing them again with replacement."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (None, None)
    draw = random.Random(seed)
    medians = sorted(
        statistics.median(draw.choices(values, k=len(values))) for _ in range(BOOTSTRAP_ROUNDS)
    )
    tail = (1 - CONFIDENCE) / 2
    low = medians[int(tail * BOOTSTRAP_ROUNDS)]
    high = medians[min(BOOTSTRAP_ROUNDS - 1, int((1 - tail) * BOOTSTRAP_ROUNDS))]
    return low, high


def summary(values):
    """What a table shows of one cell's values; None without values."""
    if not values:
        return None
    low, high = bootstrap_interval(values)
    return {
        "median": statistics.median(values),
        "low": low,
        "high": high,
        "min": min(values),
        "max": max(values),
        "count": len(values),
    }


def paired_ratios(above, below):
    """above/below for the rounds that have both; the arguments are {round: value}."""
    return [above[r] / below[r] for r in sorted(above) if r in below and below[r] > 0]
