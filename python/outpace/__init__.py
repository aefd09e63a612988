# SPDX-License-Identifier: MIT
"""Outpace makes Python programs fast and proves it: the Python side of the ``outpace`` command.

The engine is a native executable; ``python -m outpace`` finds and starts it. This package needs no other.
"""

from outpace._executable import find_executable
from outpace._version import __version__

__all__ = ["__version__", "find_executable"]
