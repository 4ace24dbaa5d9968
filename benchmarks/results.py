"""From raw measurements to medians, ratios and a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.cases import CASES
from benchmarks.peers import OURS, PEERS

Measurement = dict[str, Any]  # as ``benchmarks.peers`` prints it, and the ``round`` it belongs to


@dataclass(frozen=True)
class Spread:
    """The median of some values, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise ``values``. Raises ``statistics.StatisticsError`` where there are none."""
        return cls(median(values), min(values, default=0.0), max(values, default=0.0))


@dataclass(frozen=True)
class Row:
    """One peer at one case on so many cores, over all rounds."""

    case: str
    peer: str
    cores: int
    rounds: int
    epochs: int
    step_seconds: Spread
    images_per_second: float
    ratio: Spread | None  # the peer's time over ours, round by round; None where ours was not measured
    val_accuracy: float
    peak_memory_mb: float


def summarise(measurements: Sequence[Measurement], ours: str = OURS) -> list[Row]:
    """Return one row per (cores, case, peer), in the order of the tables of cases and of peers.

    A ratio compares two measurements of the same round, so that a slow spell of the machine hits both; the
    row holds the median of these ratios, not the ratio of the medians.
    """
    groups: dict[tuple[int, str, str], dict[int, Measurement]] = {}
    for measurement in measurements:
        key = (measurement["cores"], measurement["case"], measurement["peer"])
        groups.setdefault(key, {})[measurement["round"]] = measurement

    cases, peers = list(CASES), list(PEERS)
    rows = []
    for key in sorted(groups, key=lambda key: (key[0], cases.index(key[1]), peers.index(key[2]))):
        cores, case, peer = key
        rounds, base = groups[key], groups.get((cores, case, ours), {})
        ratios = [m["step_seconds"] / base[r]["step_seconds"] for r, m in rounds.items() if r in base]
        taken = list(rounds.values())
        rows.append(
            Row(
                case=case,
                peer=peer,
                cores=cores,
                rounds=len(taken),
                epochs=taken[0]["epochs"],
                step_seconds=Spread.of([m["step_seconds"] for m in taken]),
                images_per_second=median(m["images_per_second"] for m in taken),
                ratio=Spread.of(ratios) if ratios else None,
                val_accuracy=median(m["val_accuracy"] for m in taken),
                peak_memory_mb=median(m["peak_memory_mb"] for m in taken),
            )
        )
    return rows


def microseconds(seconds: float) -> str:
    """Return a step's time in µs, with one decimal below 100 and thousands set apart: ``1,650``."""
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}"


def table(rows: Sequence[Row]) -> str:
    """Return every row as a line of one Markdown table."""
    lines = [
        "| case | cores | peer | µs per step (min–max) | images/s | peer/ours (min–max)"
        " | val accuracy (epochs) | peak MB |",
        "| --- | --: | --- | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        time = row.step_seconds
        spread = f"{microseconds(time.low)}–{microseconds(time.high)}"
        ratio = f"{row.ratio.median:.2f} ({row.ratio.low:.2f}–{row.ratio.high:.2f})" if row.ratio else "–"
        lines.append(
            f"| {row.case} | {row.cores} | {PEERS[row.peer].label} | {microseconds(time.median)} ({spread})"
            f" | {row.images_per_second:,.0f} | {ratio}"
            f" | {row.val_accuracy:.3f} ({row.epochs}) | {row.peak_memory_mb:,.0f} |"
        )
    return "\n".join(lines)


def ratio_table(rows: Sequence[Row], ours: str = OURS) -> str:
    """Return the median ratios as Markdown, a line per peer and a column per case; empty without ours."""
    ratios = {(row.peer, row.case, row.cores): row.ratio for row in rows if row.ratio and row.peer != ours}
    columns = list(dict.fromkeys((row.case, row.cores) for row in rows))
    lines = [
        f"| peer / {PEERS[ours].label} | "
        + " | ".join(column_title(case, cores) for case, cores in columns)
        + " |",
        "| --- |" + " --: |" * len(columns),
    ]
    for peer in dict.fromkeys(key[0] for key in ratios):
        cells = (ratios.get((peer, *column)) for column in columns)
        shown = " | ".join(f"{cell.median:.2f}" if cell else "–" for cell in cells)
        lines.append(f"| {PEERS[peer].label} | {shown} |")
    return "\n".join(lines) if ratios else ""


def column_title(case: str, cores: int) -> str:
    """Return ``A`` for one core, ``A, 2 cores`` for more."""
    return case if cores == 1 else f"{case}, {cores} cores"
