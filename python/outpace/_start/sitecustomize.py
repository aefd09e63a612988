# SPDX-License-Identifier: MIT
"""How the tracer comes into a program that ``outpace trace`` or ``outpace lines`` started, and into its children.

This folder is first on their PYTHONPATH, so that Python takes this file for its ``sitecustomize``. It makes way for the
one that would have been taken, and an error of that one, its absence too, is what Python sees. Short, as it is compiled
anew where Python writes no bytecode: the rest lies in ``_hook.py`` and is read only where tracing is asked for. Any
Python may find this file, so it keeps to words that all of them know.
"""

import os
import sys

_folder = __file__.rpartition("/")[0]
while _folder in sys.path:
    sys.path.remove(_folder)
sys.path_importer_cache.pop(_folder, None)
sys.modules.pop("sitecustomize", None)
try:
    __import__("sitecustomize")
finally:
    # Last, so that what happens at start-up is not counted as the program's.
    if os.environ.get("OUTPACE_TRACE") and sys.version_info >= (3, 8):
        import _frozen_importlib_external as _loaders

        _place = os.path.join(os.path.dirname(_folder), "_hook.py")
        _code = _loaders.SourceFileLoader("outpace._hook", _place).get_code("outpace._hook")
        if _code is not None:
            exec(_code, {"__name__": "outpace._hook", "__file__": _place})
