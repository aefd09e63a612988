# SPDX-License-Identifier: MIT
"""What stands in the second tier of a cache: one text for each call, values that come back as they were or not at all."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

# By its path, for it is plain Python and needs no extension module.
_spec = importlib.util.spec_from_file_location("tier_text", Path(__file__).resolve().parents[2] / "python/outpace/_tier_text.py")
assert _spec is not None and _spec.loader is not None
text: Any = importlib.util.module_from_spec(_spec)
sys.modules["tier_text"] = text
_spec.loader.exec_module(text)

leaves = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5) | some.binary(max_size=3)
few = some.sampled_from([0, 1, -1, True, False, 0.0, -0.0, 1.0, 2**53, float(2**53), 2**53 + 1, None, "", "1", b"1", "a"])
keys = some.recursive(leaves | few, lambda inner: some.lists(inner, max_size=3).map(tuple), max_leaves=5)
calls = some.tuples(some.lists(keys, max_size=3).map(tuple), some.dictionaries(some.sampled_from("abc"), keys, max_size=2))
values = some.recursive(
    leaves | few,
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.lists(inner, max_size=3).map(tuple)
        | some.dictionaries(some.text(max_size=3) | some.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def local_key(call: tuple[tuple[Any, ...], dict[str, Any]], typed: bool) -> object:
    """What functools keeps a call under, which is equal for equal calls."""
    return functools._make_key(call[0], call[1], typed)


def has_nan(value: object) -> bool:
    if isinstance(value, tuple):
        return any(map(has_nan, value))
    return isinstance(value, float) and math.isnan(value)


@given(calls, calls, some.booleans())
def test_calls_are_equal_where_their_texts_are(
    one: tuple[tuple[Any, ...], dict[str, Any]], two: tuple[tuple[Any, ...], dict[str, Any]], typed: bool
) -> None:
    if any(map(has_nan, [*one[0], *one[1].values(), *two[0], *two[1].values()])):
        return
    same = local_key(one, typed) == local_key(two, typed)
    if typed and same and not one[1] and not two[1] and len(one[0]) == 1:
        same = type(one[0][0]) is type(two[0][0])  # of which functools has a short form
    assert (text.key_of_arguments(*one, typed) == text.key_of_arguments(*two, typed)) == same


@given(keys, keys)
def test_what_key_returned_has_one_text(one: object, two: object) -> None:
    if not has_nan((one, two)):
        assert (text.key_of_key(one) == text.key_of_key(two)) == (one == two)


@given(calls)
def test_a_text_is_short_plain_and_no_other_kind(call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    found = text.key_of_arguments(*call, False)
    assert found.isascii() and found.isprintable() and len(found) <= text.LONGEST_KEY
    assert found[0] in "[{#" and found != "gen"


def test_texts_are_the_same_in_every_process_and_version() -> None:
    assert text.key_of_arguments((1, "a", None, 2.5, True), {}, False) == '[1,"a",null,2.5,1]'
    assert text.key_of_arguments((1.0, True, (True,)), {}, True) == "[1.0,true,[1]]"
    assert text.key_of_arguments(("ü", b"\x00\xff"), {"b": 1, "a": ()}, False) == (
        '{"args":["\\u00fc",{"bytes":"00ff"}],"kwargs":[["b",1],["a",[]]]}'
    )
    assert text.key_of_key("a") == '="a"'
    assert text.key_of_arguments((2**3000,), {}, False).startswith("#")
    assert text.key_of_arguments((10**400,), {}, False).startswith("#")
    long = "#ada26ea6e2b0dff68e09a11e7a0ed64d55ea65ef2eab649a4cb8a2f27e443a4d"  # blake2b of it, 32 bytes
    assert text.key_of_arguments(("x" * 198,), {}, False) == long


@pytest.mark.parametrize("value", [[1], {1}, {}, object(), 1j, int, type("Str", (str,), {})("x"), type("Int", (int,), {})(1)])
def test_what_is_no_plain_value_is_named(value: object) -> None:
    with pytest.raises(TypeError, match=r"^argument 2, of type \w+, cannot stand in the key of a tier"):
        text.key_of_arguments((1, value), {}, False)
    with pytest.raises(TypeError, match=r"^argument 'x', of type"):
        text.key_of_arguments((), {"x": (value,)}, True)
    with pytest.raises(TypeError, match=r"^what key= returned, of type"):
        text.key_of_key(value)


def same(one: object, two: object) -> bool:
    """Equal in value and in all types."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float) and isinstance(two, float):
        return repr(one) == repr(two)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return len(one) == len(two) and all(same(*pair) for each in zip(one.items(), two.items()) for pair in zip(*each))
    return one == two


def is_json(value: object) -> bool:
    if isinstance(value, list):
        return all(map(is_json, value))
    if isinstance(value, dict):
        return all(type(key) is str for key in value) and all(map(is_json, [*value, *value.values()]))
    if isinstance(value, str):
        return not any("\ud800" <= each <= "\udfff" for each in value)
    return value is None or type(value) in (bool, int, float)


@given(values)
def test_json_comes_back_as_it_was_or_is_not_written(value: object) -> None:
    form = text.form_of("Tier", "json")
    try:
        packed = text.pack(form, value, 10_000)
    except text.Unfit:
        assert not is_json(value)
    else:
        assert is_json(value)
        generation = text.word().encode()
        assert same(text.unpack(form, text.head(form, text.word(), generation) + packed, generation, 10_000), value)


def test_json_refuses_what_is_like_its_own() -> None:
    import collections
    import enum

    form = text.form_of("Tier", "json")
    cycle: list[object] = []
    cycle.append(cycle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    kind = enum.IntEnum("kind", "A")
    alike: list[object] = [kind.A, type("Str", (str,), {})("x"), collections.OrderedDict(), collections.Counter(), cycle, deep]
    alike += ["\ud83d\ude00", 10**5000, {None: 1}, {True: 1}, {1.5: 2}, object(), (), {"a": [(1,)]}]
    for value in alike:
        with pytest.raises(text.Unfit):
            form.pack(value)
    for value in [0.1, -0.0, 1e308, 2**200, "\x00\u2028", [], {}, {"a": {"b": [None, True]}}, float("inf")]:
        assert same(form.unpack(form.pack(value)), value)


@given(some.binary(max_size=80), some.sampled_from(["json", "bytes"]))
def test_any_bytes_are_a_value_or_unreadable(found: bytes, serializer: str) -> None:
    form = text.form_of("Tier", serializer)
    generation = b"0" * text.WORD
    for each in (found, b"1" + form.kind + b"f" * text.WORD + generation + found):
        try:
            text.unpack(form, each, generation, 50)
        except text.Unreadable:
            pass
        except LookupError:
            assert each[text.HEAD - text.WORD : text.HEAD] != generation


ran: list[int] = []


def trapped(value: int) -> None:
    ran.append(value)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return trapped, (1,)


def test_a_pickle_is_not_loaded_but_by_pickle() -> None:
    generation = b"0" * text.WORD
    payload = pickle.dumps(Trap())
    for serializer in ("json", "bytes", json):
        form = text.form_of("Tier", serializer)
        for kind in (b"j", b"b", b"x"):
            try:
                text.unpack(form, b"1" + kind + b"f" * text.WORD + generation + payload, generation, 1000)
            except text.Unreadable:
                continue
            assert kind == form.kind == b"b"
    assert ran == []
    form = text.form_of("Tier", pickle)
    assert text.unpack(form, text.head(form, text.word(), generation) + payload, generation, 1000) is None
    assert ran == [1]
    with pytest.raises(text.Unfit, match=r"its serializer raised \w+"):
        form.pack(lambda: 1)


@pytest.mark.parametrize("serializer", ["pickle", None, object(), 5, len])
def test_a_serializer_dumps_and_loads(serializer: object) -> None:
    with pytest.raises(TypeError, match=r'^Tier: serializer is "json", "bytes", or an object with dumps and loads'):
        text.form_of("Tier", serializer)


def test_a_function_has_one_name() -> None:
    def plain() -> None: ...

    def closed(at: int) -> Any:
        return lambda: at

    assert text.name_of("lru_cache", json.dumps) == "json.dumps"
    assert text.name_of("lru_cache", plain).endswith("test_a_function_has_one_name.<locals>.plain")
    for nameless in (closed(1), functools.partial(plain), 5):
        with pytest.raises(ValueError, match=r"^lru_cache: .* give tier=outpace.Tier\(client, name=...\) a name of its own"):
            text.name_of("lru_cache", nameless)
