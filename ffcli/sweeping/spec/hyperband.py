"""Early termination as W&B has it: the epochs after which runs are compared, and the worse ones stopped."""

from __future__ import annotations

from dataclasses import dataclass

from ffcli.sweeping.spec.document import Section

_MOST_BANDS = 100  # as W&B has it, however slowly they grow
_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


@dataclass(frozen=True)
class Hyperband:
    """Runs are compared at bands, and only the best 1/eta of those that reached a band continue.

    The bands lie at min_iter·eta^k for k = 0 … 99, or at max_iter/eta^k for k = 1 … s, rounded down; an
    iteration is an epoch. ``strict`` compares the metric at the band, otherwise the best so far counts. Its
    default is that of W&B's engine (config/schema.json of its package ``sweeps`` 0.3.0), not of its
    documentation.
    """

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = True

    def bands(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs, from 1 and rising, after which a run of so many epochs is compared."""
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
            for _ in range(_MOST_BANDS):
                if band >= epochs + 1:
                    break
                found.add(int(band))
                band *= self.eta
        return tuple(sorted(band for band in found if band <= epochs))


def read_hyperband(section: Section) -> tuple[Hyperband, list[str]]:
    """Return the early termination of a sweep file and notices. Raises RequestError for what W&B refuses."""
    section.only(_KEYS, "early_terminate")
    section.need("type", "expected hyperband")
    section.one_of("type", ("hyperband",))
    if "min_iter" not in section and "max_iter" not in section:
        section.refuse("min_iter is missing, or else max_iter with s")
    if "max_iter" in section:
        section.need("s", "max_iter goes with it")
    whole = {key: section.integer(key, least=1) for key in ("min_iter", "max_iter") if key in section}
    if "s" in section:
        whole["s"] = section.integer("s", least=1, most=_MOST_BANDS)
    hyperband = Hyperband(
        **whole, eta=section.number("eta", 3, above=1), strict=section.flag("strict", Hyperband.strict)
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
