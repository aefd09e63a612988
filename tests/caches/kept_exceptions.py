# SPDX-License-Identifier: MIT
"""cache_exceptions: exceptions that are kept as results are."""

import builtins
import gc
import os
import sys
import traceback
import unittest
import weakref

import outpace
import subject


class Failed(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.one, self.two = one, two


class FailedMore(Failed):
    pass


def failing(make_error):
    calls = []

    def function(x):
        calls.append(x)
        raise make_error(x)

    return function, calls


def test_exceptions_are_kept_as_told():
    for classes, kept in (
        (Failed, True),
        (Exception, True),
        (True, True),
        ((KeyError, Failed), True),
        ({Failed: 5}, True),
        ({Failed: None}, True),
        (KeyError, False),
        (FailedMore, False),
        (None, False),
        ((), False),
    ):
        inner, calls = failing(lambda x: Failed(x, 2))
        function = outpace.lru_cache(cache_exceptions=classes)(inner)
        for _ in range(3):
            error = subject.raises(Failed, function, 1)
            assert type(error) is Failed and (error.one, error.two) == (1, 2) and str(error) == "1 and 2"
        assert len(calls) == (1 if kept else 3), classes
        assert function.cache_info()[:2] == ((2, 1) if kept else (0, 3))
        assert function.cache_info().currsize == int(kept)
        assert function.cache_stats().load_errors == len(calls)
        assert function.cache_invalidate(1) is kept
        subject.raises(Failed, function, 1)
        assert len(calls) == (2 if kept else 4)


def test_each_raise_is_an_exception_of_its_own():
    inner, _calls = failing(lambda x: Failed(x, 2))
    function = outpace.lru_cache(cache_exceptions=Failed)(inner)
    errors = [subject.raises(Failed, function, 1) for _ in range(4)]
    assert len(set(map(id, errors))) == 4
    for error in errors[1:]:
        lines = traceback.format_exception(error)
        assert sum("in raises" in line for line in lines) == 1 and not any("make_error" in line for line in lines)
        assert error.__context__ is None and error.__cause__ is None
        error.one = "changed"
        error.add_note("mine") if sys.version_info >= (3, 11) else None
    last = subject.raises(Failed, function, 1)
    assert last.one == 1 and not hasattr(last, "__notes__")
    try:
        raise KeyError("outer")
    except KeyError as outer:
        assert subject.raises(Failed, function, 1).__context__ is outer


def test_notes_are_each_ones_own():
    if sys.version_info < (3, 11):
        raise unittest.SkipTest("notes are from 3.11 on")

    @outpace.lru_cache(cache_exceptions=ValueError)
    def function(x):
        error = ValueError(x)
        error.add_note("of the load")
        raise error

    for _ in range(4):
        error = subject.raises(ValueError, function, 1)
        assert error.__notes__ == ["of the load"]
        error.add_note("mine")


def test_what_is_kept_pins_no_frame():
    class Thing:
        pass

    references = []

    @outpace.lru_cache(cache_exceptions=ValueError)
    def function(x):
        local = Thing()
        references.append(weakref.ref(local))
        try:
            raise KeyError(x)
        except KeyError as error:
            raise ValueError(x) from error

    subject.raises(ValueError, function, 1)
    gc.collect()
    assert references[0]() is None
    assert function.cache_info().currsize == 1


def test_exceptions_with_more_than_arguments():
    import json

    def missing(x):
        os.stat("/nowhere/at all")

    def attribute(x):
        return x.nothing

    def name(x):
        return nothing  # noqa: F821

    def imported(x):
        import outpace.nothing

        return outpace

    def decode(x):
        return b"\xff".decode()

    def parse(x):
        return json.loads("[1")

    def compile_it(x):
        return compile("a b", "file", "exec")

    def stop(x):
        raise StopIteration(5)

    def key(x):
        return {}[x]

    def assertion(x):
        raise AssertionError

    def own(x):
        error = ValueError("a", 1)
        error.more = [1]
        raise error

    fields = (
        "args",
        "errno",
        "strerror",
        "filename",
        "filename2",
        "name",
        "obj",
        "path",
        "msg",
        "object",
        "start",
        "end",
        "reason",
    )
    fields += (
        "lineno",
        "offset",
        "text",
        "print_file_and_line",
        "end_lineno",
        "value",
        "more",
        "doc",
        "pos",
        "colno",
        "exceptions",
    )
    functions = [missing, attribute, name, imported, decode, parse, compile_it, stop, key, assertion, own]
    if sys.version_info >= (3, 11):

        def group(x):
            raise builtins.ExceptionGroup("several", [ValueError(1), KeyError(2)])

        functions.append(group)
    for function in functions:
        cached = outpace.lru_cache(cache_exceptions=Exception)(function)
        first = subject.raises(Exception, cached, 1)
        for _ in range(2):
            again = subject.raises(Exception, cached, 1)
            assert type(again) is type(first) and again is not first
            assert str(again) == str(first) and repr(again) == repr(first), function
            for field in fields:
                one, other = getattr(first, field, "absent"), getattr(again, field, "absent")
                assert one == other, (function, field, one, other)
        assert cached.cache_info().hits == 2


def test_exceptions_that_can_not_be_made_again():
    """They are raised as they are, and not kept."""

    class Bad(UnicodeDecodeError):
        def __init__(self, text):
            self.args = (text,)

        def __new__(cls, text):
            return super().__new__(cls, "utf-8", b"", 0, 1, text)

    class Odd(Exception):
        args = property(lambda self: 5)

    class Worse(Exception):
        @property
        def args(self):
            raise ZeroDivisionError

    class Refusing(Exception):
        @property
        def __dict__(self):
            raise ZeroDivisionError

    for make, classes in ((lambda x: Bad("x"), Bad), (lambda x: Odd(x), Odd), (lambda x: Worse(x), Worse), (Refusing, Refusing)):
        inner, calls = failing(make)
        function = outpace.lru_cache(cache_exceptions=Exception)(inner)
        for _ in range(3):
            assert type(subject.raises(Exception, function, 1)) is classes
        assert len(calls) in (1, 3)


def test_exceptions_live_as_long_as_told():
    clock = subject.Clock()
    results = [Failed(1, 1), KeyError(1), FailedMore(1, 1), 7]

    @outpace.ttl_cache(10, cache_exceptions={Failed: 1, KeyError: None, FailedMore: 3}, timer=clock)
    def function(x):
        calls.append(x)
        result = results[x]
        if isinstance(result, Exception):
            raise result
        return result

    for x, seconds in ((0, 1), (1, 10), (2, 3), (3, 10)):
        calls = []
        subject.outcome(function, x)
        clock.advance(seconds - 0.01)
        subject.outcome(function, x)
        assert len(calls) == 1
        clock.advance(0.02)
        subject.outcome(function, x)
        assert len(calls) == 2


def test_a_kept_exception_is_weighed_itself():
    weighed = []

    def weigh(value):
        weighed.append(value)
        return len(value.args[0])

    inner, calls = failing(lambda x: ValueError("a" * x))
    function = outpace.lru_cache(max_bytes=10, weigh=weigh, cache_exceptions=ValueError)(inner)
    for x in (3, 3, 11, 11):
        assert subject.raises(ValueError, function, x).args == ("a" * x,)
    assert calls == [3, 11, 11] and [type(each) for each in weighed] == [ValueError] * 3
    assert function.cache_stats().weight == 3


def test_a_weigher_that_raises_hides_no_exception():
    inner, _calls = failing(lambda x: ValueError(x))
    function = outpace.lru_cache(max_bytes=10, weigh=len, cache_exceptions=ValueError)(inner)
    error = subject.raises(TypeError, function, 7)
    assert "ValueError" in str(error)
    assert type(error.__context__) is ValueError and error.__context__.args == (7,)
    assert error.__context__.__traceback__.tb_frame.f_code.co_name == "function"
    assert function.cache_info().currsize == 0


def test_what_ends_a_program_is_not_kept():
    for error in (KeyboardInterrupt, SystemExit, GeneratorExit):
        inner, calls = failing(lambda x, error=error: error(x))
        function = outpace.lru_cache(cache_exceptions=True)(inner)
        for _ in range(2):
            subject.raises(error, function, 1)
        assert len(calls) == 2 and function.cache_info().currsize == 0
        subject.raises(TypeError, outpace.lru_cache, cache_exceptions=error)


def test_a_kept_exception_is_peeked_at_as_it_is_called_for():
    inner, _calls = failing(lambda x: Failed(1, 2))
    function = outpace.lru_cache(cache_exceptions=Failed)(inner)
    subject.raises(Failed, function, 1)
    assert function.cache_contains(1)
    subject.raises(Failed, function.cache_peek, 1)
    function.cache_put("fine", 1)
    assert function(1) == "fine"
