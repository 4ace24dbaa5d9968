"""``ffnn``, also as ``python -m ffcli``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line. Ctrl-C while the program is still being loaded ends it without a traceback."""
    try:
        from ffcli.cli.app import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
