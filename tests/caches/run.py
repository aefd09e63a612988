# SPDX-License-Identifier: MIT
"""Runs the functions test_* of the files named, in this interpreter, which needs nothing but outpace itself:

    run.py FILE... [-k WORD]

A line of JSON before each ({"begins": name}) and after it ({"name": name, "outcome": "ok", "skipped: reason" or a
traceback}), so that a crash is the one's that began last. A function raises `unittest.SkipTest` where it has nothing to say.
"""

import argparse
import faulthandler
import importlib.util
import json
import sys
import traceback
import unittest
from pathlib import Path

SECONDS = 300  # of one test, on a machine that is very busy


def tell(**what):
    print(json.dumps(what), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-k", dest="word", default="")
    options = parser.parse_args()
    faulthandler.enable()
    failed = False
    for path in options.files:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        for name, function in list(vars(module).items()):
            if not name.startswith("test_") or options.word not in name:
                continue
            tell(begins=name)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            outcome = "ok"
            try:
                function()
            except unittest.SkipTest as reason:
                outcome = f"skipped: {reason}"
            except BaseException:
                outcome = traceback.format_exc()
                failed = True
            tell(name=name, outcome=outcome)
    faulthandler.cancel_dump_traceback_later()
    return failed


if __name__ == "__main__":
    sys.exit(main())
