"""Timing for the benches: one way to measure, so that their ratios compare like with like."""

import time


def seconds(function, repeats: int = 3, clock=time.perf_counter) -> float:
    """Return the best time of several runs, after one to warm up; clock: `time.process_time` counts the processor's work alone."""
    function()
    times = []
    for _ in range(repeats):
        started = clock()
        function()
        times.append(clock() - started)
    return min(times)
