# SPDX-License-Identifier: MIT
"""A tokenizer of JSON in plain Python: calls, C functions and loops as an ordinary program has them."""

ROUNDS = 5
HOTTEST = "Tokenizer.text"
CALLS = 15_000
HITS = 15_000

SPACE = " \t\r\n"
MARKS = "{}[]:,"
DIGITS = "0123456789+-.eE"
WORDS = {"true": True, "false": False, "null": None}


class Tokenizer:
    def __init__(self, source):
        self.source = source
        self.at = 0

    def skip(self):
        source, at = self.source, self.at
        while at < len(source) and source[at] in SPACE:
            at += 1
        self.at = at

    def text(self):
        start = self.at + 1     # hits
        at = start
        pieces = []
        while True:
            char = self.source[at]
            if char == '"':
                break
            if char == "\\":
                pieces.append(self.source[start:at])
                pieces.append(self.source[at + 1])
                at += 2
                start = at
            else:
                at += 1
        pieces.append(self.source[start:at])
        self.at = at + 1
        return "".join(pieces)

    def number(self):
        start = at = self.at
        while at < len(self.source) and self.source[at] in DIGITS:
            at += 1
        self.at = at
        digits = self.source[start:at]
        return float(digits) if "." in digits else int(digits)

    def word(self):
        for name, value in WORDS.items():
            if self.source.startswith(name, self.at):
                self.at += len(name)
                return value
        raise ValueError(f"not JSON at {self.at}")

    def token(self):
        self.skip()
        if self.at >= len(self.source):
            return None
        char = self.source[self.at]
        if char in MARKS:
            self.at += 1
            return "mark", char
        if char == '"':
            return "text", self.text()
        if char in DIGITS:
            return "number", self.number()
        return "word", self.word()


def tokens(source):
    tokenizer = Tokenizer(source)
    while (token := tokenizer.token()) is not None:
        yield token


def run(rounds):
    item = ('{"name": "one \\"word\\" of a line that somebody wrote, and of another", '
            '"id": 1048576, "at": [1.5, -2, 30], "open": true, "next": null},\n')
    source = "[" + item * 2_500 + "0]"
    for _ in range(rounds):
        for _kind, _value in tokens(source):
            pass
