# SPDX-License-Identifier: MIT
"""Outpace makes Python programs fast and proves it: the Python side of the ``outpace`` command.

The engine is a native executable; ``python -m outpace`` finds and starts it. What a program calls itself is here, and is
imported at first use only:

    outpace.Profiler        exact calls: what ``cProfile.Profile`` offers, right with threads and generators
    outpace.LineProfiler    exact lines: what ``line_profiler.LineProfiler`` offers
    outpace.profile         marks functions for line profiling, and does nothing unless that is on
    outpace.lru_cache       what ``functools.lru_cache`` offers, faster, and for coroutines, methods and threads too
    outpace.cache           the same for ``functools.cache``
    outpace.ttl_cache       caches what a function returns for some seconds
    outpace.Cache           a mapping with bounds: on entries, on bytes, on age
    outpace.TTLCache        one whose entries live for some seconds
    outpace.Tier            what cached functions of many processes share: a Redis or Valkey server
    %load_ext outpace       the magics %outpace, %%outpace, %lines and %%lines in IPython
"""

from outpace._agents import extra_folders
from outpace._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from outpace._caching import cache, lru_cache, ttl_cache
    from outpace._executable import find_executable
    from outpace._ipython import Shell
    from outpace._line_marker import profile
    from outpace._line_profiler import LineProfiler
    from outpace._mapping import Cache, TTLCache
    from outpace._profiler import Profiler
    from outpace._tier import Tier

__all__ = [
    "Cache",
    "LineProfiler",
    "Profiler",
    "TTLCache",
    "Tier",
    "__version__",
    "cache",
    "find_executable",
    "lru_cache",
    "profile",
    "ttl_cache",
]

# The extension modules are found in these too: a checkout has them for each version of Python.
__path__.extend(extra_folders())
del extra_folders

# Imported at first use: a program that leaves `@outpace.profile` in its code pays a millisecond for it.
_LATE = {
    "Cache": "_mapping",
    "LineProfiler": "_line_profiler",
    "Profiler": "_profiler",
    "TTLCache": "_mapping",
    "Tier": "_tier",
    "cache": "_caching",
    "find_executable": "_executable",
    "lru_cache": "_caching",
    "profile": "_line_marker",
    "ttl_cache": "_caching",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value: object = getattr(importlib.import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


def load_ipython_extension(shell: "Shell") -> None:
    """What ``%load_ext outpace`` calls."""
    from outpace import _ipython

    _ipython.load(shell)


def unload_ipython_extension(shell: "Shell") -> None:
    """What ``%unload_ext outpace`` calls."""
    from outpace import _ipython

    _ipython.unload(shell)
