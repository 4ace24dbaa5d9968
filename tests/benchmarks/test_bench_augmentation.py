"""The script that says what augmentation adds to a step, as a process: it pins itself to a core."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.augmentation import KINDS


def test_each_kind_has_its_share():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.augmentation", "--rounds", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert re.findall(r"^\| `(\S+)` \| [\d.]+% \|$", done.stdout, re.M) == list(KINDS)
