"""``ffnn``, also as ``python -m ffcli``."""

from __future__ import annotations

import sys  # nothing else: an interrupt that comes before `main` ends in a traceback

SIGINT = 2


def main() -> int:
    """Run the command line. What interrupts it while it is still being loaded ends it without a traceback."""
    try:
        from ffcli.util.signals import exit_code, termination_heeded

        with termination_heeded():
            try:
                from ffcli.cli.app import main as run

                return run()
            except KeyboardInterrupt:
                return exit_code()
    except KeyboardInterrupt as interrupt:  # before or after that block was there to know the signal
        return 128 + int(getattr(interrupt, "number", SIGINT))


if __name__ == "__main__":
    sys.exit(main())
