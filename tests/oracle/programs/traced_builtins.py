# SPDX-License-Identifier: MIT
"""Calls of C functions: of every kind and in every form, named and counted as cProfile does where it is right."""

import collections
import contextlib
import functools
import math
import operator
import os
import random
import re
import struct
import sys
import types
import zlib

import traced
from traced import MINOR, Clock, case

clock = Clock()


def leaf():
    clock.now += 1


@case(
    """
<built-in method builtins.len> 2/2 0 0
<built-in method fromkeys> 1/1 0 0
<built-in method math.sqrt> 1/1 0 0
<method 'append' of 'list' objects> 2/2 0 0
<method 'get' of 'dict' objects> 1/1 0 0
<method 'join' of 'str' objects> 2/2 0 0
case 1/1 1 1
  <built-in method builtins.len> 2/2 0 0
  <built-in method fromkeys> 1/1 0 0
  <built-in method math.sqrt> 1/1 0 0
  <method 'append' of 'list' objects> 2/2 0 0
  <method 'get' of 'dict' objects> 1/1 0 0
  <method 'join' of 'str' objects> 2/2 0 0
""",
    builtins=True,
)
def c_functions():
    found = []
    found.append(1)
    list.append(found, 2)  # a method descriptor
    bound = "".join  # a bound built-in method
    bound(["a"])
    ", ".join(["a", "b"])
    len(found)
    len(())
    math.sqrt(4)
    {}.get(1)
    dict.fromkeys([1])
    clock.now += 1


# A call of a type is no call of a C function, as with cProfile.
@case("case 1/1 1 1", builtins=True)
def types_are_not_counted():
    int("1")
    str(1)
    list((1, 2))
    object()
    dict(a=1)
    clock.now += 1


@case("case 1/1 0 1\n  leaf 1/1 1 1\nleaf 1/1 1 1")
def builtins_off():
    len([].__class__.__mro__)
    [].append(1)
    sorted([3, 1])
    leaf()


@case(manual=True)
def builtins_off_by_enable(p):
    for options in ({"builtins": False}, {"builtins": True}, {"subcalls": True, "builtins": False}):
        p = traced.agent.Profiler(clock.read, 1.0)
        p.enable(**options)
        len([1])
        p.disable()
        names = [each.code for each in p.getstats() if isinstance(each.code, str)]
        assert ("<built-in method builtins.len>" in names) == options["builtins"], (options, names)
        assert any("'disable'" in name for name in names) == options["builtins"], (options, names)
    return {}


def names_by(profiler):
    profiler.enable()
    len([])
    [].append(1)
    "".join([])
    list.sort([1])
    dict.fromkeys("a")
    math.sin(1)
    operator.add(1, 2)
    operator.itemgetter(0)([1])
    functools.reduce(operator.mul, [1, 2])
    sys.getsizeof(1)
    b"".hex()
    (1).bit_length()
    float.fromhex("1")
    int.from_bytes(b"1", "big")
    bytes.fromhex("00")
    str.maketrans({})
    object.__reduce_ex__
    object().__sizeof__()
    type.mro(int)
    int.__subclasses__()
    sys.stdout.fileno
    iter([1]).__length_hint__()
    {}.keys().isdisjoint([])
    print(end="")
    id(1), repr(1), isinstance(1, int), getattr(1, "real"), hasattr(1, "a"), max(1, 2), min(1, 2), sum([1]), abs(1)
    profiler.disable()
    return {
        each.code: (each.callcount, each.reccallcount)
        for each in profiler.getstats()
        if isinstance(each.code, str) and "disable" not in each.code
    }


@case(manual=True)
def c_functions_as_cprofile_names_them(_):
    import cProfile

    theirs, ours = names_by(cProfile.Profile()), names_by(traced.agent.Profiler())
    assert ours == theirs, sorted(set(ours.items()) ^ set(theirs.items()))
    return {}


class Text(str):
    def upper(self):
        return super().upper() + str.lower(self) + super().join(["a", "b"])


def last():
    pass


def call_forms():
    args, options = ([3, 1, 2],), {"reverse": True}
    sorted(*args)
    sorted(*args, **options)
    sorted([1], **options)
    max(1, 2, key=abs)
    max(*[1, 2])
    print("", end="", **{"sep": ""})
    dict().update(a=1)
    {}.update(**{"b": 2})
    [].append(*[1])
    list.append([], *[1])
    [].sort(key=len, reverse=True) if len([]) else [].sort(key=None)
    Text("ab").upper()
    if MINOR not in (12, 13):  # there cProfile's stack is wrong from then on
        types.MethodType(len, ())()
        types.MethodType(sorted, [2, 1])(key=abs)
    functools.partial(max, 3)(4)
    operator.methodcaller("upper")("a")
    operator.attrgetter("real")(1)
    isinstance(1, int), isinstance(1, *[(int, str)])
    next(iter([1])), next(iter([]), None)
    getattr(1, "nothing", None), hasattr(1, "nothing")
    "%s" % Text("a"), "{}".format(1), f"{1!r:>3}"
    with contextlib.suppress(ValueError):
        [].index(3)
    with contextlib.suppress(TypeError):
        len(1, 2)
    with contextlib.suppress(TypeError):
        [].append()
    with contextlib.suppress(TypeError):
        sorted(None)
    with contextlib.suppress(AttributeError):
        None.nothing()
    with contextlib.suppress(TypeError):
        args()
    with contextlib.suppress(KeyError):
        {}.pop("a")
    with contextlib.suppress(TypeError):
        max(*3)
    with contextlib.suppress(ZeroDivisionError):
        list(map(lambda n: 1 // n, [0]))
    with open(os.devnull) as file:
        file.read()
    [*map(len, ["a"])], [*filter(None, [1])], sum(map(abs, [1, -1]))
    any(n for n in range(3)), all([len("a"), 1])
    re.sub("a", lambda match: match.group().upper(), "banana")
    memoryview(b"ab").tobytes(), bytearray(b"a").extend(b"b"), {1}.union({2}), (1,).count(1), (1.5).hex(), 1j.conjugate()
    collections.OrderedDict(a=1).move_to_end("a"), collections.deque([1]).appendleft(0), collections.Counter("aab").most_common(1)
    random.Random(1).random(), struct.pack("<I", 1), struct.Struct("<I").unpack(b"abcd"), zlib.crc32(b"a")
    last()


def rows_by(profiler):
    for _ in range(3):  # so that code is specialised, and adapts again
        profiler.enable()
        call_forms()
        profiler.disable()
    rows = {}
    for each in profiler.getstats():
        name = each.code if isinstance(each.code, str) else (each.code.co_name, each.code.co_firstlineno)
        if "disable" in name or "lsprof" in name:
            continue
        name = plain(name)
        rows[name] = rows.get(name, 0) + each.callcount
        for sub in each.calls or ():
            called = plain(sub.code) if isinstance(sub.code, str) else (sub.code.co_name, sub.code.co_firstlineno)
            rows[name, called] = rows.get((name, called), 0) + sub.callcount
    return rows


def plain(name):
    """Without addresses. What super() calls is named by cProfile after the Python function that hides it."""
    if not isinstance(name, str):
        return name
    name = re.sub("at 0x[0-9a-f]+", "at", name)
    names = {"Text.upper": "<method 'upper' of 'str' objects>", "Random.seed": "<method 'seed' of '_random.Random' objects>"}
    found = re.fullmatch(r"<function (\S+) at>", name)
    return names[found[1]] if found else name


@case(
    """
case 1/1 0 2
  leaf 2/2 2 2
leaf 2/2 2 2
"""
)
def methods_of_c_functions():
    types.MethodType(len, ())()
    leaf()
    types.MethodType(sorted, [2, 1])(key=abs)
    leaf()


@case("", manual=True)
def calls_of_all_forms_as_cprofile(_):
    import cProfile

    call_forms()
    theirs, ours = rows_by(cProfile.Profile()), rows_by(traced.agent.Profiler())
    different = sorted(map(repr, set(ours.items()) ^ set(theirs.items())))
    assert not different, "\n".join(
        "%s%s" % ("ours " if each in map(repr, ours.items()) else "theirs ", each) for each in different
    )
    return {}


if __name__ == "__main__":
    traced.main(clock)
