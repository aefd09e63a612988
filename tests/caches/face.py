# SPDX-License-Identifier: MIT
"""What a decorated function is to the rest of Python: names, signatures, pickles, copies, weak references, binding, errors."""

import asyncio
import copy
import doctest
import functools
import gc
import inspect
import pickle
import sys
import types
import typing
import unittest
import weakref

import subject

lru_cache = subject.module.lru_cache


@lru_cache(maxsize=4)
def shown(a, /, b: int, *rest, c: "str" = "x", **more) -> bool:
    """Shows.

    >>> 1 + 1
    2
    """
    return bool(b)


@lru_cache
def bare(x):
    return x


class Holder:
    @lru_cache
    def method(self, x=1):
        """Of an instance."""
        return [x]

    @staticmethod
    @lru_cache(maxsize=None)
    def static(x):
        return [x]

    @classmethod
    @lru_cache(maxsize=None)
    def of_class(cls, x):
        return [cls, x]

    @lru_cache(maxsize=None)
    @staticmethod
    def static_inside(x):
        return [x]

    class Inner:
        @subject.module.cache
        def deep(self):
            return []


def test_attributes():
    plain = shown.__wrapped__
    assert isinstance(plain, types.FunctionType)
    for name in functools.WRAPPER_ASSIGNMENTS:
        if hasattr(plain, name):
            assert getattr(shown, name) == getattr(plain, name), name
    assert shown.__name__ == "shown" and shown.__qualname__ == "shown" and shown.__module__ == __name__
    assert shown.__doc__ == plain.__doc__
    assert inspect.signature(shown) == inspect.signature(plain)
    assert inspect.unwrap(shown) is plain
    assert typing.get_type_hints(shown) == {"b": int, "c": str, "return": bool}
    assert str(inspect.signature(Holder().method)) == "(x=1)"
    assert str(inspect.signature(Holder.method)) == "(self, x=1)"
    assert inspect.getsource(shown).startswith("@lru_cache")
    assert inspect.getdoc(Holder.method) == "Of an instance."
    assert callable(shown)
    assert not inspect.iscoroutinefunction(shown) and not asyncio.iscoroutinefunction(shown)
    assert not inspect.isgeneratorfunction(shown)
    found = doctest.DocTestFinder(recurse=False).find(shown, "shown")
    assert [len(each.examples) for each in found] == [1]


def test_signatures_of_the_methods():
    if subject.OURS or sys.version_info >= (3, 12):
        assert str(inspect.signature(bare.cache_info)) == "()"
        assert str(inspect.signature(bare.cache_clear)) == "()"
    for name in ("cache_info", "cache_clear", "cache_parameters"):
        subject.raises(TypeError, getattr(bare, name), 1)
        subject.raises(TypeError, getattr(bare, name), a=1)


def test_wrapper_keeps_attributes():
    def function():
        return 1

    function.mark = [1]
    decorated = lru_cache(function)
    assert decorated.mark is function.mark
    decorated.more = 2
    assert decorated.more == 2 and "more" in vars(decorated) and "__wrapped__" in vars(decorated)
    del decorated.more
    subject.raises(AttributeError, lambda: decorated.more)
    decorated.__wrapped__ = None  # as functools, which is the function's own
    assert decorated() == 1
    decorated.__name__ = "other"
    assert decorated.__name__ == "other"
    subject.raises(AttributeError, lambda: decorated.nothing)


def test_parameters():
    assert bare.cache_parameters() == {"maxsize": 128, "typed": False}
    assert subject.module.cache(len).cache_parameters() == {"maxsize": None, "typed": False}
    assert lru_cache(maxsize=-4)(len).cache_parameters() == {"maxsize": 0, "typed": False}
    told = bare.cache_parameters()
    told["maxsize"] = 5
    assert bare.cache_parameters() == {"maxsize": 128, "typed": False}


def test_info():
    function = lru_cache(maxsize=3)(subject.Counter())
    assert function.cache_info() == (0, 0, 3, 0)
    function(1), function(1), function(2)
    info = function.cache_info()
    assert info == (1, 2, 3, 2)
    assert (info.hits, info.misses, info.maxsize, info.currsize) == (1, 2, 3, 2)
    assert repr(info) == "CacheInfo(hits=1, misses=2, maxsize=3, currsize=2)"
    assert type(info) is type(functools.lru_cache(len).cache_info())
    assert function.cache_clear() is None
    assert function.cache_info() == (0, 0, 3, 0)


def test_copies_and_pickles_are_by_name():
    everything = [shown, bare, Holder.method, Holder.static, Holder.Inner.deep]
    for function in everything:
        assert copy.copy(function) is function
        assert copy.deepcopy(function) is function
        assert copy.deepcopy([function])[0] is function
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(function, protocol)) is function
    local = lru_cache(lambda x: x)
    assert copy.copy(local) is local and copy.deepcopy(local) is local
    subject.raises((pickle.PicklingError, AttributeError), pickle.dumps, local)


def test_weak_references():
    function = lru_cache(subject.Counter())
    function(1)
    died = []
    reference = weakref.ref(function, lambda _: died.append(1))
    assert reference() is function
    assert weakref.WeakKeyDictionary({function: 1})[function] == 1
    del function
    subject.collect()
    assert reference() is None and died == [1]


def test_binding():
    holder = Holder()
    assert isinstance(holder.method, types.MethodType)
    assert holder.method.__self__ is holder and holder.method.__func__ is Holder.method
    assert Holder.__dict__["method"].__get__(None, Holder) is Holder.method
    assert Holder.__dict__["method"].__get__(holder) == holder.method
    assert holder.method(5) is holder.method(5) is Holder.method(holder, 5)
    assert holder.method(5) is not Holder().method(5)
    assert holder.method(x=5) is holder.method(x=5) is not holder.method(5)
    assert Holder.static(1) is holder.static(1)
    assert Holder.of_class(1) is holder.of_class(1)

    class Under(Holder):
        pass

    assert Under.of_class(1)[0] is Under
    assert Under.of_class(1) is not Holder.of_class(1)
    assert Under.static(1) is Holder.static(1)
    assert holder.method.cache_info() == Holder.method.cache_info()


def test_is_no_property_of_an_instance():
    class Thing:
        pass

    thing = Thing()
    thing.function = lru_cache(lambda x: [x])
    assert thing.function(1) is thing.function(1)


def test_function_of_a_bound_method_and_of_partial():
    holder = subject.Counter()
    for function in (lru_cache(holder.__call__), lru_cache(functools.partial(holder, 1))):
        assert function() == function()
        assert function(2) == function(2) != function()
    wrapped = lru_cache(lru_cache(holder))
    assert wrapped(1) == wrapped(1)


def test_results_are_handed_out_themselves():
    function = lru_cache(lambda *args: [args])
    assert function(1) is function(1)
    assert function(1, 2) is function(1, 2)
    for value in (None, NotImplemented, Ellipsis, False, (), KeyError("x"), KeyError):
        giving = lru_cache(lambda value=value: value)
        assert giving() is value and giving() is value
        assert giving.cache_info()[:2] == (1, 1)


def test_arguments_are_released():
    class Thing:
        pass

    thing = Thing()
    reference = weakref.ref(thing)
    function = lru_cache(maxsize=1)(lambda *args, **kwargs: 0)
    function(thing), function(1)
    function(a=thing), function(1)
    function(thing, thing, b=thing)
    function.cache_clear()
    del thing
    assert reference() is None


def test_exceptions_are_the_functions_own():
    @lru_cache
    def function(x):
        raise KeyError(x)

    for _ in range(2):
        error = subject.raises(KeyError, function, 1)
        assert error.__context__ is None and error.__cause__ is None
    assert function.cache_info() == (0, 2, 128, 0)
    error = subject.raises(TypeError, bare)
    assert "bare() missing 1 required positional argument: 'x'" in str(error)
    subject.raises(TypeError, bare, 1, 2)
    subject.raises(TypeError, bare, y=2)
    for _ in range(2):
        subject.raises(SystemExit, lru_cache(lambda: (_ for _ in ()).throw(SystemExit(3))))


def test_too_deep_a_recursion_raises():
    @lru_cache(maxsize=None)
    def down(n):
        return down(n + 1)

    subject.raises(RecursionError, down, 0)
    assert down.cache_info().currsize == 0
    down.cache_clear()

    class Nested:
        """Its `__eq__` comes back to the cache for ever."""

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return function(Nested())

    function = lru_cache(lambda x: True)
    function(Nested())
    subject.raises(RecursionError, function, Nested())


def test_a_name_that_is_no_text_or_no_hash():
    subject.raises(TypeError, lambda: bare(**{1: 2}))
    for call in (lambda: bare([]), lambda: bare(x={}), lambda: bare(([],)), lambda: shown(1, [], c=2)):
        error = subject.raises(TypeError, call)
        assert "unhashable" in str(error)


def test_unhashable_arguments_are_named():
    if not subject.OURS:
        raise unittest.SkipTest("functools names none")

    def text(*args, **kwargs):
        return str(subject.raises(TypeError, Holder.static, *args, **kwargs))

    for told in (text([]), text(1, {}), text(1, a=3, lost=[]), text(1, (1, [2]))):
        assert "Holder.static" in told and "unhashable" in told, told
    assert "1" in text([]) and "list" in text([])
    assert "2" in text("a", {}) and "dict" in text("a", {})
    assert "3" in text("a", "b", {1})
    assert "lost" in text("a", fine=3, lost=[])
    assert "list" in text("a", ("b", []))
    # Nothing was kept, nothing counted: as with functools, where the hash comes first.
    assert Holder.static.cache_info() == (Holder.static.cache_info().hits, *Holder.static.cache_info()[1:])
    before = Holder.static.cache_info()
    text([])
    assert Holder.static.cache_info() == before


def test_exceptions_of_hashes_and_equalities():
    class Angry(Exception):
        pass

    class Key:
        hash_fails = eq_fails = False

        def __hash__(self):
            if self.hash_fails:
                raise Angry("hash")
            return 7

        def __eq__(self, other):
            if self.eq_fails or getattr(other, "eq_fails", False):
                raise Angry("eq")
            return self is other

    for maxsize in (None, 3):
        function = lru_cache(maxsize=maxsize)(subject.Counter())
        one, other = Key(), Key()
        assert function(one) == 1
        before = function.cache_info()
        other.hash_fails = True
        assert subject.raises(Angry, function, other).args == ("hash",)
        assert subject.raises(Angry, function, 1, k=other).args == ("hash",)
        assert function.cache_info() == before
        other.hash_fails, other.eq_fails = False, True
        assert subject.raises(Angry, function, other).args == ("eq",)
        assert function(one) == 1  # itself is found without a question
        assert function(1) == 2
        other.eq_fails = False
        assert function(other) == 3
        assert function(other) == 3 and function(one) == 1


def test_a_hash_with_a_type_error_of_its_own():
    class Key:
        def __hash__(self):
            raise TypeError("mine")

    error = subject.raises(TypeError, bare, Key())
    texts = [str(each) for each in (error, error.__cause__, error.__context__) if each is not None]
    assert any("mine" in text for text in texts), texts


def test_kept_alive_by_its_own_call():
    """The last reference to the function goes while it runs."""
    for maxsize in (None, 0, 4):
        holder = []

        def function(x, holder=holder):
            holder.clear()
            gc.collect()
            return x

        holder.append(lru_cache(maxsize=maxsize)(function))
        assert holder[0](5) == 5

        class Key:
            def __hash__(self, holder=holder):
                holder.clear()
                gc.collect()
                return 1

        holder.append(lru_cache(maxsize=maxsize)(lambda x: 6))
        assert holder[0](Key()) == 6
