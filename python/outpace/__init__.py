# SPDX-License-Identifier: MIT
"""Outpace makes Python programs fast and proves it: the Python side of the ``outpace`` command.

The engine is a native executable; ``python -m outpace`` finds and starts it. This package needs no other.
"""

from outpace._agents import extra_folders
from outpace._executable import find_executable
from outpace._version import __version__

__all__ = ["__version__", "find_executable"]

# `outpace._agent` is found in these too: a checkout has one for each version of Python.
__path__.extend(extra_folders())
del extra_folders
