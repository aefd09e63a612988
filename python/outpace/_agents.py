# SPDX-License-Identifier: MIT
"""Finds the extension modules ``outpace._agent`` and ``outpace._cache``, which are built for one version of CPython each.

An installed package has those of its own Python beside this file. A checkout has those of many in a folder ``agents``
of its build, and the executable knows of more: it names their folders to the programs that it starts.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "_agent"
OVERRIDE = "OUTPACE_TRACE_AGENT"


def extra_folders() -> list[str]:
    """Where the modules lie beside those in the package's own folder; cheap, as every import of the package asks."""
    environment = {} if sys.flags.ignore_environment else os.environ
    folders = [folder for folder in environment.get(OVERRIDE, "").split(os.pathsep) if os.path.isabs(folder)]
    executable = environment.get("OUTPACE_EXECUTABLE", "")
    if os.path.isabs(executable):
        folders.append(os.path.join(os.path.dirname(executable), "agents"))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.isfile(os.path.join(root, "meson.build")):
        folders.append(os.path.join(root, "build", "agents"))
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def agent_folders() -> list[str]:
    """All folders that may hold agents, the first found wins."""
    import importlib.util  # late, as every import of the package reads this file

    folders = [os.path.dirname(os.path.abspath(__file__)), *extra_folders()]

    # An editable install knows the place in its build folder.
    spec = importlib.util.find_spec("outpace." + NAME)
    if spec is not None and spec.origin is not None:
        folders.insert(0, os.path.dirname(os.path.abspath(spec.origin)))
    return list(dict.fromkeys(folders))


def find_agent(suffixes: Iterable[str] | None = None) -> str:
    """The path of the agent for the Python whose importlib.machinery.EXTENSION_SUFFIXES these are; default: this one.

    Raises FileNotFoundError, whose text says where it was looked for.
    """
    from importlib.machinery import EXTENSION_SUFFIXES

    folders, endings = agent_folders(), list(EXTENSION_SUFFIXES if suffixes is None else suffixes)
    for folder in folders:
        for ending in endings:
            path = os.path.join(folder, NAME + ending)
            if os.path.isfile(path):
                return path
    named = endings[0] if endings else ""
    raise FileNotFoundError(f"no agent for this Python ({NAME}{named}) in " + ", ".join(folders))


def missing(what: str, error: ImportError) -> ImportError:
    """The error that says that `what` cannot be had in this Python, and what can."""
    hint = "sampling needs no such module: outpace record -- python app.py"
    return not_built(f"{what} needs Outpace's tracer", hint, error)


def missing_cache(error: ImportError) -> ImportError:
    """The same for the caches."""
    hint = "`pip install outpace` with this Python builds it; `make agents` does so in a checkout, for all that are found"
    return not_built("the caches need the extension module outpace._cache", hint, error)


def not_built(what: str, hint: str, error: ImportError) -> ImportError:
    implementation = "CPython" if sys.implementation.name == "cpython" else sys.implementation.name
    version = ".".join(map(str, sys.version_info[:2])) + getattr(sys, "abiflags", "")
    text = f"{what}, which is not built for {implementation} {version} ({error})\nhint: {hint}"
    return ImportError(text, name=error.name, path=error.path)
