"""How ffnn's step grows with batch size, width and depth: ``python -m benchmarks.scaling``.

One thing varies at a time; the rest is as in case A. ``benchmarks.limits`` states the floor that the
machine allows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cases import CASES, Case
from benchmarks.pinning import available, pin

BASE = CASES["A"]
WIDTH = BASE.hidden[0]
SERIES: dict[str, dict[int, Case]] = {
    "batch size": {n: replace(BASE, batch_size=n) for n in (16, 32, 64, 128, 256, 512, 1024)},
    "width": {n: replace(BASE, hidden=(n,) * len(BASE.hidden)) for n in (32, 64, 128, 256, 512, 1024, 2048)},
    "depth": {n: replace(BASE, hidden=(WIDTH,) * n) for n in (1, 2, 3, 4, 6, 8)},
}


def median_over(budget: float, timer: Callable[[], float]) -> float:
    """Call ``timer`` for ``budget`` seconds, and at least three times; return the median of what it returns.

    The first call is left out.
    """
    timer()
    times: list[float] = []
    end = time.perf_counter() + budget
    while len(times) < 3 or time.perf_counter() < end:
        times.append(timer())
    return median(times)


def run(cores: int, budget: float) -> dict[str, Any]:
    """Pin this process, then measure the machine's limits and every point."""
    cpus = pin(cores)
    from benchmarks import limits, machine
    from benchmarks.ours import step_timer

    peak = limits.peak_flops()
    series: dict[str, list[dict[str, Any]]] = {}
    for name, cases in SERIES.items():
        series[name] = []
        for value, case in cases.items():
            rate = limits.bandwidth(limits.footprint_bytes(case))
            products = limits.flops(case) / peak
            optimizer = limits.traffic_bytes(case) / rate
            point = {
                name: value,
                "step_seconds": median_over(budget, step_timer(case)),
                "floor_seconds": products + optimizer,
                "gemm_floor_seconds": products,
                "traffic_floor_seconds": optimizer,
                "bandwidth_bytes_per_second": rate,
                "parameters": limits.parameters(case),
            }
            series[name].append(point)
            taken, floor = point["step_seconds"] * 1e6, point["floor_seconds"] * 1e6
            print(f"{name} {value}: {taken:,.0f} µs a step, floor {floor:,.0f}", file=sys.stderr, flush=True)
    return {
        "machine": machine.describe(),
        "versions": machine.versions(("numpy",)),
        "thread_pools": machine.thread_pools(),
        "cores": cores,
        "cpus": cpus,
        "base": BASE.title,
        "peak_flops_per_second": peak,
        "large_bandwidth_bytes_per_second": limits.bandwidth(512_000_000, budget=0.5),
        "series": series,
    }


def table(series: dict[str, list[dict[str, Any]]]) -> str:
    """Return every point as a line of one Markdown table."""
    lines = [
        "| varied | value | µs a step | floor µs | of it products | times the floor |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, points in series.items():
        for point in points:
            step, floor = point["step_seconds"], point["floor_seconds"]
            cells = (step * 1e6, floor * 1e6, point["gemm_floor_seconds"] * 1e6)
            shown = " | ".join(f"{cell:,.0f}" for cell in cells)
            lines.append(f"| {name} | {point[name]} | {shown} | {step / floor:.2f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write JSON and PNG."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--cores", type=int, default=1, choices=range(1, available() + 1))
    parser.add_argument("--seconds", type=float, default=0.5, help="time spent on each point (default: 0.5)")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("benchmarks/results"), help="folder to write to"
    )
    options = parser.parse_args(arguments)

    results = run(options.cores, options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "scaling" if options.cores == 1 else f"scaling-{options.cores}-cores"
    (options.out / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    peak, rate = results["peak_flops_per_second"] / 1e9, results["large_bandwidth_bytes_per_second"] / 1e9
    limit = f"best product {peak:.0f} GFLOP/s, large arrays {rate:.1f} GB/s"
    cores = "1 core" if options.cores == 1 else f"{options.cores} cores"
    print(f"{results['machine']['cpu']}, {cores}: {limit}\n\n{table(results['series'])}")

    from benchmarks import figure

    caption = f"A step of ffnn against the floor; otherwise {results['base']} ({cores}: {limit})"
    figure.scaling(results["series"], caption, options.out / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
