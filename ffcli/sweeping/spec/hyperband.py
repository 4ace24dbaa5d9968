"""Early termination as W&B has it: at which epochs a run is judged. The engines do the judging."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.sweeping.spec.document import Section

_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


@dataclass(frozen=True)
class Hyperband:
    """Runs are judged at bands, and only the best 1/eta of those that reached a band go on.

    The bands lie at min_iter·eta^k for k = 0, 1, …, or at max_iter/eta^k for k = 1 … s, rounded down; an
    iteration is an epoch. ``strict`` compares the metric at the band, otherwise the best so far counts.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = False

    def bands(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs, from 1 and rising, after which a run of so many epochs is judged."""
        found = set()
        if self.max_iter is not None and self.s is not None:
            band = float(self.max_iter)
            for _ in range(self.s):
                band /= self.eta
                if band < 1:
                    break
                found.add(int(band))
        else:
            band = float(self.min_iter or 1)
            while band < epochs + 1:
                found.add(int(band))
                band *= self.eta
        return tuple(sorted(band for band in found if band <= epochs))


def read_hyperband(section: Section) -> tuple[Hyperband, list[str]]:
    """Return the early termination of a sweep file and notices. Raises RequestError for what W&B refuses."""
    section.only(_KEYS, "early_terminate")
    section.need("type", "hyperband is the one there is")
    section.one_of("type", ("hyperband",))
    if "min_iter" not in section and "max_iter" not in section:
        section.refuse("min_iter is missing, or else max_iter with s")
    if "max_iter" in section:
        section.need("s", "max_iter goes with it")
    whole = {key: section.integer(key, least=1) for key in ("min_iter", "max_iter", "s") if key in section}
    hyperband = Hyperband(
        **whole, eta=section.number("eta", 3, above=1), strict=section.flag("strict", False)
    )
    if hyperband.max_iter is not None and not hyperband.bands(hyperband.max_iter):
        section.refuse(
            f"max_iter {hyperband.max_iter} is less than eta {hyperband.eta:g}: no band is left", "max_iter"
        )
    unused = "min_iter" if "max_iter" in section else "s"
    if unused in section:
        beside = "max_iter and s" if unused == "min_iter" else "min_iter without max_iter"
        return hyperband, [f"early_terminate.{unused} has no effect beside {beside}, as at W&B."]
    return hyperband, []
