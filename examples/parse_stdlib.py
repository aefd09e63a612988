# SPDX-License-Identifier: MIT
"""A real program with real input: tokenises and parses the whole standard library, and counts what it finds.

    python examples/parse_stdlib.py [--files N]
"""

import argparse
import ast
import collections
import io
import sysconfig
import tokenize
from pathlib import Path

SKIPPED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__"}


class Census(ast.NodeVisitor):
    """Counts definitions and calls, and finds the function with the most branches."""

    def __init__(self):
        self.counts = collections.Counter()
        self.busiest = (0, "")

    def visit_FunctionDef(self, node):
        branches = sum(isinstance(inner, (ast.If, ast.For, ast.While, ast.Try)) for inner in ast.walk(node))
        self.busiest = max(self.busiest, (branches, node.name))
        self.counts["functions"] += 1
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        self.counts["classes"] += 1
        self.generic_visit(node)

    def visit_Call(self, node):
        self.counts["calls"] += 1
        self.generic_visit(node)


def sources():
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if not SKIPPED.intersection(path.relative_to(library).parts):
            yield path


def count_tokens(text, tokens):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        tokens[tokenize.tok_name[token.type]] += 1


def main():
    parser = argparse.ArgumentParser(description="Tokenises and parses the standard library.")
    parser.add_argument("--files", type=int, help="stop after so many")
    options = parser.parse_args()
    tokens, census, files, lines = collections.Counter(), Census(), 0, 0
    for path in sources():
        if options.files is not None and files >= options.files:
            break
        with tokenize.open(path) as file:
            text = file.read()
        count_tokens(text, tokens)
        census.visit(ast.parse(text, str(path)))
        files += 1
        lines += text.count("\n")
    counts, (branches, name) = census.counts, census.busiest
    print(f"{files} files, {lines:,} lines, {sum(tokens.values()):,} tokens ({tokens['NAME']:,} names)")
    print(f"{counts['functions']:,} functions, {counts['classes']:,} classes, {counts['calls']:,} calls")
    print(f"most branches: {name}, {branches}")


if __name__ == "__main__":
    main()
