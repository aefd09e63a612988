# SPDX-License-Identifier: MIT
"""What stands in the second tier of a cache: names of keys, and values as bytes.

A shared server is hostile: of what it gives, nothing is believed but what this program wrote itself, and nothing is
unpickled unless the program said so.

    name      NAMESPACE:VERSION:FUNCTION:KEY          KEY is JSON of the arguments, or #HASH where that is long
              NAMESPACE:VERSION:FUNCTION:gen          the function's generation: a random word, made anew by cache_clear
              NAMESPACE:!VERSION:FUNCTION:KEY         the lock of whoever loads that value
    value     1 KIND WRITE GENERATION PAYLOAD         KIND is a letter, WRITE and GENERATION are words of 16 digits
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import re
import secrets
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

LONGEST_KEY = 200  # characters of JSON; what is longer is hashed
WORD = 16  # characters of a random word
HEAD = 2 + 2 * WORD  # bytes before the payload
_WORD = re.compile(rb"[0-9a-f]{%d}" % WORD)
_LONGEST_NAME = 200
_LONG_INT = 2048  # bits: more digits than Python turns into text must not be asked for


class Unfit(Exception):
    """A value that cannot be stored so that it comes back the same; the text says why."""


class Unreadable(Exception):
    """Bytes that are no value of ours."""


def word() -> str:
    return secrets.token_hex(WORD // 2)


def is_word(found: object) -> bool:
    return isinstance(found, bytes) and _WORD.fullmatch(found) is not None


def checked_name(who: str, what: str, name: object) -> str:
    """A text that may be part of a key's name."""
    if not isinstance(name, str):
        raise TypeError(f"{who}: {what} is a str, and this one is of type {type(name).__name__}")
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or " " in name:
        raise ValueError(f"{who}: {what} is of 1 to {_LONGEST_NAME} printable characters without blanks, not {name[:40]!r}")
    return name


def name_of(who: str, function: object) -> str:
    """MODULE.QUALNAME: the same in every process, and of one function only."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    hint = "give tier=outpace.Tier(client, name=...) a name of its own"
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError(f"{who}: what has no __module__ and __qualname__ has no name in a tier; {hint}")
    if name.endswith("<lambda>") or ("<locals>" in name and getattr(function, "__closure__", None)):
        # Two closures of one `def` have one name, and give different results.
        raise ValueError(f"{who}: {name} does not tell which function it is, in a tier that all processes share; {hint}")
    if module == "__main__":
        module = _main_name()
    return checked_name(who, "the function's name", f"{module}.{name}".replace(":", ";"))


def _main_name() -> str:
    """What tells one program's __main__ from another's."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name)
    path = getattr(main, "__file__", None)
    if not isinstance(path, str):
        return "__main__"
    path = os.path.realpath(path)
    short = re.sub(r"[^\w.-]", "_", os.path.basename(path))[:60]
    return f"__main__.{short}.{hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()}"


def key_of_arguments(args: tuple[Any, ...], kwargs: dict[str, Any], typed: bool) -> str:
    """The text of a call without key=. Raises TypeError that names the argument which is no plain value."""
    first = [_plain(value, not typed, lambda at=at: f"argument {at + 1}") for at, value in enumerate(args)]  # type: ignore[misc]
    if not kwargs:
        return _short(first)
    # Keyword arguments keep their order, as in the local cache: one call there is one value here.
    named = [[name, _plain(value, not typed, lambda name=name: f"argument {name!r}")] for name, value in kwargs.items()]  # type: ignore[misc]
    return _short({"args": first, "kwargs": named})


def key_of_key(key: object) -> str:
    """The text of what key= returned."""
    return "=" + _short(_plain(key, True, lambda: "what key= returned"))


def _plain(value: Any, merged: bool, what: Callable[[], str]) -> Any:
    """A value as JSON has it. What is equal has one text where `merged`, as it has one entry in the local cache."""
    kind = type(value)
    if value is None or kind is str:
        return value
    if kind is bool:
        return int(value) if merged else value
    if kind is int:
        return value if value.bit_length() <= _LONG_INT else {"int": hex(value)}
    if kind is float:
        if merged and value.is_integer():
            return _plain(int(value), merged, what)
        return value
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is tuple:
        return [_plain(each, True, what) for each in value]
    raise TypeError(
        f"{what()}, of type {kind.__name__}, cannot stand in the key of a tier, which other processes have to find again:"
        " that is made of str, int, float, bool, None, bytes, and tuples of them; key= makes one of whatever the arguments are"
    )


def _short(plain: Any) -> str:
    text = json.dumps(plain, separators=(",", ":"))
    if len(text) <= LONGEST_KEY:
        return text
    return "#" + hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


class Form(NamedTuple):
    """How payloads are made and read. `kind` tells one form's bytes from another's."""

    kind: bytes
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def _pack_json(value: Any) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        # The oldest form of marshal is the same for the same plain values, and refuses all others: a tuple is no list,
        # a key that was an int is no str, an IntEnum is no int.
        same = marshal.dumps(value, 0) == marshal.dumps(json.loads(text), 0)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unfit(f"JSON has no such value ({error})") from None
    if not same:
        raise Unfit("it would not come back from JSON as it was")
    return text


def _pack_bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unfit(f"it is no bytes but of type {type(value).__name__}")
    return value


def form_of(who: str, serializer: object) -> Form:
    """The form for what was given as serializer=."""
    if serializer == "json":
        return Form(b"j", _pack_json, json.loads)
    if serializer == "bytes":
        return Form(b"b", _pack_bytes, bytes)
    dumps, loads = getattr(serializer, "dumps", None), getattr(serializer, "loads", None)
    if isinstance(serializer, str) or not callable(dumps) or not callable(loads):
        raise TypeError(f'{who}: serializer is "json", "bytes", or an object with dumps and loads, such as the module pickle')

    def pack(value: Any) -> bytes:
        try:
            made = dumps(value)
        except Exception as error:
            raise Unfit(f"its serializer raised {type(error).__name__}: {error}") from None
        if isinstance(made, str):
            return made.encode()
        if isinstance(made, (bytes, bytearray, memoryview)):
            return bytes(made)
        raise Unfit(f"its serializer made no bytes of it but a {type(made).__name__}")

    return Form(b"x", pack, loads)


def pack(form: Form, value: Any, most: int) -> bytes:
    """The payload of a value, of `most` bytes at most. Raises Unfit."""
    payload = form.pack(value)
    if len(payload) > most:
        raise Unfit(f"its {len(payload)} bytes are more than max_value_bytes={most}")
    return payload


def head(form: Form, write: str, generation: bytes) -> bytes:
    return b"1" + form.kind + write.encode() + generation


def unpack(form: Form, found: object, generation: bytes, most: int) -> Any:
    """The value of what was found. Raises Unreadable; LookupError where it is of another generation."""
    if not isinstance(found, bytes) or len(found) < HEAD or found[:2] != b"1" + form.kind:
        raise Unreadable("not written by this program")
    if len(found) - HEAD > most:
        raise Unreadable("too large")
    if found[HEAD - WORD : HEAD] != generation:
        raise LookupError("cleared")
    try:
        return form.unpack(found[HEAD:])
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error
