"""Script that runs ``main`` of a module in a new interpreter: ``python bootstrap.py MODULE ARGUMENT…``.

``python -c`` and ``python -m``, with which multiprocessing starts processes, put the current folder first on
``sys.path``, so that a ``types.py`` lying there is executed in place of the standard library's. A script puts
its own folder there, which is taken out before anything is imported. Never import this module.
"""

import sys

if __name__ == "__main__":
    _here = __file__.rpartition("/")[0]
    _root = _here.rpartition("/")[0].rpartition("/")[0]
    sys.path[:] = [entry for entry in sys.path if entry not in ("", _here)]
    if _root not in sys.path:
        sys.path.append(_root)
    del sys.argv[0]

    import importlib

    importlib.import_module(sys.argv[0]).main()
