"""``python -m ffcli`` is ``ffnn``."""

import sys

from ffcli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
