# SPDX-License-Identifier: MIT
"""The decorators lru_cache, cache and ttl_cache: what they take, what they refuse and with which words."""

from __future__ import annotations

from caches import run
from places import Place

NAMES = """
import asyncio, collections, functools, inspect, sys, types
import outpace
from outpace import cache, lru_cache, ttl_cache

def function(a, b=2): return (a, b)
def numbers(): yield 1
async def numbers_later(): yield 1
class Numbers:
    def __call__(self): yield 1
    async def later(self): yield 1
"""

USED_UP = (
    "what it returns is used up by whoever goes through it first, so from a cache it would be empty the second time;"
    " return a list or a tuple"
)
ASYNC = "an asynchronous generator function"
FIRST = "lru_cache: the first argument must be an int, None, or the function to decorate, not"
SECONDS = "TypeError: ttl_cache: the seconds for which results are kept are needed first, as in @ttl_cache(60)"
KEPT = "cache_exceptions must be an exception class, a tuple of them, or a dict of the seconds for each;"
NEEDED = "a function to decorate is needed, not"
CALLABLE = "the first argument must be callable, a function to decorate, not"

# An expression, and the error that it raises: where an option stands, before there is a function.
REFUSED = [
    # What is decorated.
    ("lru_cache(numbers)", f"TypeError: lru_cache: numbers is a generator function: {USED_UP}"),
    ("lru_cache()(numbers)", f"TypeError: lru_cache: numbers is a generator function: {USED_UP}"),
    ("cache(numbers)", f"TypeError: cache: numbers is a generator function: {USED_UP}"),
    ("ttl_cache(60)(numbers)", f"TypeError: ttl_cache: numbers is a generator function: {USED_UP}"),
    ("lru_cache(numbers_later)", f"TypeError: lru_cache: numbers_later is {ASYNC}: {USED_UP}"),
    ("lru_cache(Numbers().later)", f"TypeError: lru_cache: Numbers.later is {ASYNC}: {USED_UP}"),
    ("lru_cache(Numbers())", "TypeError: lru_cache: <__main__.Numbers object at "),
    ("lru_cache(staticmethod(numbers))", f"TypeError: lru_cache: numbers is a generator function: {USED_UP}"),
    ("lru_cache(functools.partial(numbers))", "TypeError: lru_cache: functools.partial(<function numbers at "),
    (
        "lru_cache(property(function))",
        f"TypeError: lru_cache: {NEEDED} a property: put @property above @lru_cache, so that it comes last",
    ),
    (
        "lru_cache()(property(function))",
        f"TypeError: lru_cache: {NEEDED} a property: put @property above @lru_cache, so that it comes last",
    ),
    (
        "ttl_cache(60)(classmethod(function))",
        f"TypeError: ttl_cache: {NEEDED} a classmethod: put @classmethod above @ttl_cache, so that it comes last",
    ),
    (
        "cache(functools.cached_property(function))",
        f"TypeError: cache: {NEEDED} a cached_property: which caches already",
    ),
    ("lru_cache()(3)", f"TypeError: lru_cache: {CALLABLE} int"),
    ("lru_cache()(None)", f"TypeError: lru_cache: {CALLABLE} None"),
    ("cache(100)", f"TypeError: cache: {CALLABLE} int"),
    ("ttl_cache(60)('f')", f"TypeError: ttl_cache: {CALLABLE} str"),
    # maxsize and typed.
    ("lru_cache('100')", f"TypeError: {FIRST} str"),
    ("lru_cache(1.5)", f"TypeError: {FIRST} float"),
    ("lru_cache(maxsize=[])", f"TypeError: {FIRST} list"),
    ("lru_cache(function, 3)", "TypeError: lru_cache: typed must be True or False, not int"),
    ("ttl_cache(60, -1)", "ValueError: ttl_cache: maxsize must be 0 or more, not -1"),
    ("ttl_cache(60, -2**80)", "ValueError: ttl_cache: maxsize must be 0 or more, not -1208925819614629174706176"),
    ("ttl_cache(60, 1.5)", "TypeError: ttl_cache: maxsize must be an int or None, not float"),
    ("ttl_cache(60, function)", "TypeError: ttl_cache: maxsize must be an int or None, not function"),
    # Times.
    ("lru_cache(ttl=0)", "ValueError: lru_cache: ttl must be more than 0 seconds, not 0"),
    ("lru_cache(ttl=-1.5)", "ValueError: lru_cache: ttl must be more than 0 seconds, not -1.5"),
    ("lru_cache(ttl=float('nan'))", "ValueError: lru_cache: ttl must not be NaN"),
    ("lru_cache(function, ttl=0)", "ValueError: lru_cache: ttl must be more than 0 seconds, not 0"),
    ("lru_cache(ttl=-10**400)", "ValueError: lru_cache: ttl must be more than 0 seconds, not -1000"),
    ("lru_cache(ttl='5')", "TypeError: lru_cache: ttl must be a number of seconds, not str"),
    ("ttl_cache(0)", "ValueError: ttl_cache: ttl must be more than 0 seconds, not 0"),
    ("ttl_cache(-1)", "ValueError: ttl_cache: ttl must be more than 0 seconds, not -1"),
    ("ttl_cache(float('nan'))", "ValueError: ttl_cache: ttl must not be NaN"),
    ("ttl_cache(float('-inf'))", "ValueError: ttl_cache: ttl must be more than 0 seconds, not -inf"),
    ("ttl_cache('60')", "TypeError: ttl_cache: ttl must be a number of seconds, not str"),
    ("ttl_cache()", "TypeError: ttl_cache() missing 1 required positional argument: 'ttl'"),
    ("ttl_cache(None)", SECONDS),
    ("ttl_cache(function)", SECONDS),
    ("ttl_cache(property(function))", SECONDS),
    ("lru_cache(jitter=1)", "ValueError: lru_cache: jitter needs a ttl"),
    ("lru_cache(ttl=5, jitter=5)", "ValueError: lru_cache: jitter must be less than ttl, and is 5 of 5"),
    ("lru_cache(ttl=5, jitter=-1)", "ValueError: lru_cache: jitter must not be negative, and is -1"),
    ("lru_cache(ttl=5, jitter=float('nan'))", "ValueError: lru_cache: jitter must not be NaN"),
    ("lru_cache(ttl=5, jitter='1')", "TypeError: lru_cache: jitter must be a number of seconds, not str"),
    ("ttl_cache(5, stale=-1)", "ValueError: ttl_cache: stale must not be negative, and is -1"),
    ("ttl_cache(5, stale=[])", "TypeError: ttl_cache: stale must be a number of seconds, not list"),
    ("lru_cache(stale=5)", "TypeError: lru_cache() got an unexpected keyword argument 'stale'"),
    # Weights, the policy, functions.
    ("lru_cache(max_bytes=0)", "ValueError: lru_cache: max_bytes must be 1 or more, not 0"),
    ("lru_cache(max_bytes=-5)", "ValueError: lru_cache: max_bytes must be 1 or more, not -5"),
    ("lru_cache(max_bytes=1e6)", "TypeError: lru_cache: max_bytes must be an int or None, not float"),
    ("lru_cache(weigh=3)", "TypeError: lru_cache: weigh must be a callable or None, not int"),
    ("lru_cache(policy='fifo')", "ValueError: lru_cache: policy must be 'lru' or 's3fifo', not 'fifo'"),
    ("lru_cache(policy=None)", "TypeError: lru_cache: policy must be 'lru' or 's3fifo', not "),
    ("lru_cache(key='id')", "TypeError: lru_cache: key must be a function of a call's arguments, not str"),
    ("lru_cache(copy=3)", "TypeError: lru_cache: copy must be True, or a function that copies a result, not int"),
    ("lru_cache(timer=3)", "TypeError: lru_cache: timer must be a callable or None, not int"),
    ("lru_cache(once=1)", "TypeError: lru_cache: once must be True or False, not int"),
    ("ttl_cache(5, once=True)", "TypeError: ttl_cache() got an unexpected keyword argument 'once'"),
    ("lru_cache(per_instance=None)", "TypeError: lru_cache: per_instance must be True or False, not None"),
    # Exceptions.
    ("lru_cache(cache_exceptions=3)", f"TypeError: lru_cache: {KEPT} an instance of int is none"),
    ("lru_cache(cache_exceptions=int)", f"TypeError: lru_cache: {KEPT} the class int is none"),
    ("lru_cache(cache_exceptions=(KeyError, 'x'))", f"TypeError: lru_cache: {KEPT} an instance of str is none"),
    ("lru_cache(cache_exceptions=KeyError())", f"TypeError: lru_cache: {KEPT} an instance of KeyError is none"),
    (
        "lru_cache(cache_exceptions=asyncio.CancelledError)",
        "TypeError: lru_cache: cache_exceptions: CancelledError is no Exception: it ends a program, and is never kept",
    ),
    (
        "ttl_cache(5, cache_exceptions={BaseException: 3})",
        "TypeError: ttl_cache: cache_exceptions: BaseException is no Exception: it ends a program, and is never kept",
    ),
    (
        "lru_cache(cache_exceptions={KeyError: 0})",
        "ValueError: lru_cache: cache_exceptions: KeyError: ttl must be more than 0 seconds, not 0",
    ),
    (
        "lru_cache(cache_exceptions={KeyError: 'x'})",
        "TypeError: lru_cache: cache_exceptions: KeyError: ttl must be a number of seconds, not str",
    ),
]


def test_what_is_refused(place: Place) -> None:
    program = NAMES + (
        f"for text in {[text for text, _ in REFUSED]!r}:\n"
        "    try:\n"
        "        print('no error:', eval(text))\n"
        "    except Exception as error:\n"
        "        print(f'{type(error).__name__}: {error}', error.__cause__)\n"
    )
    told = run(place, program)
    for (text, wanted), line in zip(REFUSED, told, strict=True):
        assert line.startswith(wanted), f"{text}: {line}"
        assert line.endswith(" None"), f"{text}: {line}"


AT_THE_CALL = """
class Shop:
    @lru_cache
    def price(self, article): return article

def attempt(call, *words, **named):
    try:
        print("no error:", call(*words, **named))
    except Exception as error:
        print(f"{type(error).__name__}: {error}")

def weigh_nothing(value): raise RuntimeError("no scales")
for f in (lru_cache(function), ttl_cache(60)(function), lru_cache(function, cache_exceptions=True, copy=True, once=True)):
    attempt(f, [])
    attempt(f, 1, {})
    attempt(f, 1, b=set())
    attempt(f, (1, []))
    for each in (f.cache_contains, f.cache_peek, f.cache_invalidate):
        attempt(each, [])
    attempt(f.cache_put, 3, [])
    print(f.cache_info().currsize, f.cache_stats().loads)
attempt(Shop().price, [])
attempt(Shop().price, article=[])
for weigh in (weigh_nothing, lambda value: -1, lambda value: "3", lambda value: 1.5):
    for f in (lru_cache(max_bytes=100, weigh=weigh)(function), ttl_cache(60, weigh=weigh)(function)):
        attempt(f, 1)
        attempt(f.cache_put, 3, 1)
        print(f.cache_info().currsize, f.cache_contains(1), f.cache_stats().weight)
light = lru_cache(max_bytes=5, weigh=len)(lambda n: "x" * n)
attempt(light, 6)
attempt(light.cache_put, "xxxxxx", 6)
attempt(light.cache_put)
print(light.cache_info().currsize)
by_key = lru_cache(key=lambda *a: list(a))(function)
attempt(by_key, 1)
attempt(lru_cache(key=lambda a: a.nothing)(function), 1)
attempt(lru_cache(ttl=1, timer=lambda: "noon")(function), 1)
attempt(by_key.cache_put)
"""


def test_what_is_refused_at_the_call(place: Place) -> None:
    told = run(place, NAMES + AT_THE_CALL)
    hashes = [
        "TypeError: function(): argument 1: unhashable type: 'list'",
        "TypeError: function(): argument 2: unhashable type: 'dict'",
        "TypeError: function(): argument 'b': unhashable type: 'set'",
        *["TypeError: function(): argument 1: unhashable type: 'list'"] * 5,
        "0 0",
    ]
    assert told[:27] == hashes * 3
    assert told[27:29] == [
        "TypeError: Shop.price(): argument 2: unhashable type: 'list'",
        "TypeError: Shop.price(): argument 'article': unhashable type: 'list'",
    ]
    weights = told[29:53]
    assert weights[2::3] == ["0 False 0"] * 8
    errors = [*weights[0::3], *weights[1::3]]
    assert all(line.startswith(("RuntimeError: ", "ValueError: ", "TypeError: ")) for line in errors), errors
    assert all("no scales" in line for line in (*weights[0:2], *weights[3:5]))
    assert all("negative weight" in line for line in (*weights[6:8], *weights[9:11]))
    assert told[53:] == [
        "no error: xxxxxx",
        "ValueError: too heavy: the value weighs 6, max_bytes is 5",
        "TypeError: cache_put(value, /, *args, **kwargs) misses the value",
        "0",
        told[57],
        "AttributeError: 'int' object has no attribute 'nothing'",
        told[59],
        "TypeError: cache_put(value, /, *args, **kwargs) misses the value",
    ]
    assert told[57].startswith("TypeError: key=") and told[57].endswith(" gave list, which has no hash")
    assert told[59].startswith("TypeError: timer=") and told[59].endswith(" gave str, which is no time in seconds")


ACCEPTED = """
calls = []
def note(*words):
    calls.append(words)
    return words

class Callable:
    def __call__(self, a): return note("called", a)
    def method(self, a): return note("method", a)
    @lru_cache
    @staticmethod
    def static(a): return note("static", a)

class Made:
    def __init__(self, a): note("made", a)

for each in (
    lru_cache(note), lru_cache()(note), lru_cache(3)(note), lru_cache(None)(note), lru_cache(maxsize=3, typed=True)(note),
    lru_cache(note, typed=True), lru_cache(note, ttl=5), cache(note), ttl_cache(5)(note), ttl_cache(5, None)(note),
    ttl_cache(ttl=5, maxsize=3, stale=0, jitter=0)(note), lru_cache(True)(note), lru_cache(10**30)(note),
    lru_cache(Callable()), lru_cache(Callable().method), lru_cache(Made), Callable.static, lru_cache(functools.partial(note, 3)),
    lru_cache(functools.lru_cache(note)), lru_cache(cache(note)), lru_cache(len), lru_cache(str.upper),
    lru_cache(ttl=1e300)(note), ttl_cache(float("inf"))(note),
    lru_cache(cache_exceptions=True)(note), lru_cache(cache_exceptions=())(note),
    lru_cache(cache_exceptions=[KeyError])(note), lru_cache(weigh=len)(note), lru_cache(policy="s3fifo", copy=False)(note),
):
    del calls[:]
    first, second = each("x"), each("x")
    info = each.cache_info()
    print(type(each).__name__, first == second, len(calls) <= 1, (info.hits, info.misses, info.currsize))
for each in (lru_cache(0)(note), lru_cache(-3)(note), ttl_cache(5, 0)(note)):
    del calls[:]
    each("x"), each("x")
    print(len(calls), each.cache_info(), each.cache_parameters())
"""


def test_what_is_accepted(place: Place) -> None:
    told = run(place, NAMES + ACCEPTED)
    assert told[:-3] == ["CachedFunction True True (1, 1, 1)"] * 29
    nothing = "2 CacheInfo(hits=0, misses=2, maxsize=0, currsize=0) {'maxsize': 0, 'typed': False"
    assert told[-3:] == [nothing + "}", nothing + "}", nothing + ", 'ttl': 5}"]


LOOKS = """
@lru_cache
def f(a: int, *, b: str = "x") -> float:
    "What f is for."
f.more = 3
copied = functools.wraps(f)(lambda *a: None)
print(f.__name__, f.__qualname__, f.__module__, f.__doc__, f.__wrapped__.__name__, inspect.signature(f), copied.more)
print(f.__annotations__ if sys.version_info < (3, 14) else f.__wrapped__.__annotations__)
above = lru_cache(maxsize=5)(f)
print(above.more, above.__wrapped__ is f, above.cache_parameters(), f.cache_parameters())
print(type(f.cache_info()) is type(functools.lru_cache(function).cache_info()))

told = f.cache_parameters()
told["maxsize"] = 4
print(f.cache_parameters())
def get_key(*a): return a
timer = lambda: 1.0
every = lru_cache(None, True, key=get_key, ttl=5, jitter=1, max_bytes=100, weigh=len, policy="s3fifo",
                  cache_exceptions=KeyError, copy=True, once=True, timer=timer)
print(every(function).cache_parameters() == dict(
    maxsize=None, typed=True, key=get_key, ttl=5, jitter=1, max_bytes=100, weigh=len, policy="s3fifo",
    cache_exceptions=KeyError, copy=True, once=True, timer=timer))
print(lru_cache(policy="lru", once=False, copy=False, cache_exceptions=False)(function).cache_parameters())
print(every(function) is not every(function), every(function).cache_info().misses)
print(lru_cache(functools.partial(function, 1)).__doc__ == functools.partial.__doc__)
print(outpace.lru_cache is lru_cache, {"lru_cache", "cache", "ttl_cache"} <= set(dir(outpace)) & set(outpace.__all__))
"""


def test_what_it_looks_like(place: Place) -> None:
    assert run(place, NAMES + LOOKS) == [
        "f f __main__ What f is for. f (a: int, *, b: str = 'x') -> float 3",
        "{'a': <class 'int'>, 'b': <class 'str'>, 'return': <class 'float'>}",
        "3 True {'maxsize': 5, 'typed': False} {'maxsize': 128, 'typed': False}",
        "True",
        "{'maxsize': 128, 'typed': False}",
        "True",
        "{'maxsize': 128, 'typed': False}",
        "True 0",
        "True",
        "True True",
    ]


MARKED = """
import unittest.mock, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # asyncio.iscoroutinefunction is to go

async def plain(a, b=3, *, c=4): return a
@types.coroutine
def old(): yield
def mark(f):
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(f)
    f._is_coroutine = asyncio.coroutines._is_coroutine
    return f
@mark
def marked(): return plain(3)
class Callable:
    async def __call__(self): return 1
    @lru_cache
    async def method(self): return 2
    @ttl_cache(60)
    async def timed(self): return 2
    @staticmethod
    @lru_cache
    async def static(): return 3
    @classmethod
    @lru_cache
    async def cls(cls): return 4
    @lru_cache
    @staticmethod
    async def below(): return 3
    @lru_cache(per_instance=True)
    async def own(self): return 3

one = Callable()
for f in (lru_cache(plain), lru_cache(3)(plain), cache(plain), ttl_cache(3)(plain), lru_cache(functools.partial(plain, 3)),
          lru_cache(one), one.method, Callable.method, one.timed, Callable.timed, Callable.static, one.static, Callable.cls,
          one.cls, Callable.below, Callable.own, one.own,
          lru_cache(old), lru_cache(marked), lru_cache(cache(plain)), functools.partial(cache(plain), 1),
          lru_cache(unittest.mock.AsyncMock())):
    print(inspect.iscoroutinefunction(f), asyncio.iscoroutinefunction(f))
print(inspect.signature(lru_cache(plain)))
mock = unittest.mock.MagicMock()
for f in (lru_cache(function), lru_cache(Callable), lru_cache(len), lru_cache(mock), lru_cache(asyncio.sleep)):
    print(inspect.iscoroutinefunction(f), asyncio.iscoroutinefunction(f))
"""


def test_coroutine_functions_are_known_as_such(place: Place) -> None:
    told = run(place, NAMES + MARKED)
    assert told == ["True True"] * 22 + ["(a, b=3, *, c=4)"] + ["False False"] * 4 + ["True True"]


def test_decorating_imports_little(place: Place) -> None:
    program = """
import sys
import outpace
print("outpace._caching" in sys.modules)
@outpace.lru_cache
def f(): pass
@outpace.ttl_cache(3, copy=len)
def g(): pass
print(sorted({"asyncio", "inspect", "copy"} & set(sys.modules)))
"""
    (place.outside / "program.py").write_text(program)
    done = place.run("-S", "program.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n[]\n", "")


def test_without_the_extension_module_it_says_what_can_be_done(place: Place) -> None:
    program = """
import sys
sys.modules["outpace._cache"] = None
import outpace
try:
    outpace.lru_cache
except ImportError as error:
    print(error)
"""
    told = run(place, program)
    version = f"CPython 3.{place.interpreter.minor}"
    assert told[0].startswith(f"the caches need the extension module outpace._cache, which is not built for {version} (")
    assert told[1].startswith("hint: `pip install outpace` with this Python builds it")
