# SPDX-License-Identifier: MIT
"""``python -m outpace``: becomes the native executable, which then knows this Python as the one to run scripts with,
and this package."""

import os
import sys

from outpace._executable import find_executable


def main() -> int:
    try:
        executable = find_executable()
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        print("hint: install Outpace with 'pip install outpace', or build it with 'make'", file=sys.stderr)
        return 2
    environment = dict(os.environ)
    environment["OUTPACE_PACKAGE"] = os.path.dirname(os.path.abspath(__file__))
    if sys.executable:
        environment["OUTPACE_PYTHON"] = sys.executable
    try:
        os.execve(executable, ["outpace", *sys.argv[1:]], environment)
    except OSError as error:
        print(f"error: {executable} cannot be started: {error.strerror}", file=sys.stderr)
        print("hint: it was built for another machine or damaged: install Outpace again", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
