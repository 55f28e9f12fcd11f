"""Timing for the benches: one way to measure, so that their ratios compare like with like."""

import time


def seconds(function, repeats: int = 3) -> float:
    """Return the best time of several runs, after one to warm up."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)
