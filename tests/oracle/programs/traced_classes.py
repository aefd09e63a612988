# SPDX-License-Identifier: MIT
"""Calls of one thread: classes, decorators, lambdas, nested functions."""

import functools

import traced
from traced import MINOR, Clock, case, name_of

clock = Clock()


def leaf():
    clock.now += 1


# --- classes ----------------------------------------------------------------------------------------------------------


class Base:
    def __init__(self, n):
        clock.now += 1
        self.n = n

    @classmethod
    def made(cls):
        clock.now += 10
        return cls(3)

    @staticmethod
    def static():
        clock.now += 100

    @property
    def value(self):
        clock.now += 1000
        return self.n

    def __call__(self):
        clock.now += 10000


class Derived(Base):
    def __new__(cls, n):
        clock.now += 5
        return super().__new__(cls)

    def __init__(self, n):
        clock.now += 50
        super().__init__(n)

    def __getattr__(self, name):
        clock.now += 500
        return name


@case(
    """
__call__ 1/1 10000 10000
__init__ 2/2 2 2
case 1/1 0 12112
  __call__ 1/1 10000 10000
  __init__ 1/1 1 1
  made 1/1 10 11
  static 1/1 100 100
  value 2/2 2000 2000
made 1/1 10 11
  __init__ 1/1 1 1
static 1/1 100 100
value 2/2 2000 2000
"""
)
def methods():
    one = Base(1)
    Base.made()
    one.static()
    assert one.value + one.value == 2
    one()


# Two functions of the name __init__: apart, one calls the other.
@case(
    """
__getattr__ 1/1 500 500
__init__ 2/2 100 102
  __init__' 2/2 2 2
__init__' 2/2 2 2
__new__ 2/2 10 10
case 1/1 0 612
  __getattr__ 1/1 500 500
  __init__ 2/2 100 102
  __new__ 2/2 10 10
"""
)
def constructors():
    Derived(1)
    assert Derived(2).other == "other"


class Meta(type):
    def __call__(cls, *args):
        clock.now += 1
        return super().__call__(*args)

    def __new__(mcs, name, bases, scope):
        clock.now += 10
        return super().__new__(mcs, name, bases, scope)


@case(
    """
Made 1/1 100 100
__call__ 2/2 2 2002
  __init__ 2/2 2000 2000
__init__ 2/2 2000 2000
__new__ 1/1 10 10
case 1/1 0 2112
  Made 1/1 100 100
  __call__ 2/2 2 2002
  __new__ 1/1 10 10
"""
)
def metaclass():
    class Made(metaclass=Meta):  # the class's body is a call
        clock.now += 100

        def __init__(self):
            clock.now += 1000

    Made()
    Made()


# --- decorators, lambdas, nested functions -----------------------------------------------------------------------------


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        clock.now += 1
        return function(*args)

    return wrapper


@decorated
def inside():
    clock.now += 10


@functools.lru_cache(maxsize=None)
def remembered(n):
    clock.now += 100
    return n


@case(
    """
case 1/1 0 222
  remembered 2/2 200 200
  wrapper 2/2 2 22
inside 2/2 20 20
remembered 2/2 200 200
wrapper 2/2 2 22
  inside 2/2 20 20
"""
)
def decorators():
    inside()
    inside()
    for n in (1, 2, 1, 2):
        remembered(n)
    remembered.cache_clear()


@case(manual=True)
def lambdas_on_a_line(p):
    one, two = lambda: clock.now, lambda: clock.now  # fmt: skip
    p.enable()
    one()
    one()
    two()
    p.disable()
    rows = [(each.code is one.__code__, each.callcount) for each in p.getstats() if name_of(each.code) == "<lambda>"]
    # 3.10 gives equal code of one function but once.
    assert sorted(rows) == ([(True, 3)] if one.__code__ is two.__code__ else [(False, 1), (True, 2)]), rows
    return {}


@case(manual=True)
def twins_of_one_text(p):
    # Equal code objects, as by a module that is loaded twice, are two functions.
    text = "def twin():\n    clock.now += 1\n"
    scopes = [{"clock": clock}, {"clock": clock}]
    for scope in scopes:
        exec(compile(text, "twin.py", "exec"), scope)
    one, two = (scope["twin"] for scope in scopes)
    assert one.__code__ == two.__code__ and one.__code__ is not two.__code__
    p.enable()
    one()
    two()
    two()
    p.disable()
    rows = [(each.code is one.__code__, each.callcount) for each in p.getstats() if name_of(each.code) == "twin"]
    assert sorted(rows) == [(False, 2), (True, 1)], rows
    return {}


@case(
    """
case 1/1 0 66
  inner 3/3 60 66
inner 3/3 60 66
  leaf 6/6 6 6
leaf 6/6 6 6
"""
)
def nested_functions():
    def inner():
        clock.now += 20
        leaf()
        leaf()

    inner()
    inner()
    inner()


# Since 3.12 comprehensions are no calls of their own (PEP 709).
@case(
    lambda: (
        "case 1/1 0 9\n  leaf 9/9 9 9\nleaf 9/9 9 9"
        if MINOR >= 12
        else """
<dictcomp> 1/1 0 3
  leaf 3/3 3 3
<listcomp> 1/1 0 3
  leaf 3/3 3 3
<setcomp> 1/1 0 3
  leaf 3/3 3 3
case 1/1 0 9
  <dictcomp> 1/1 0 3
  <listcomp> 1/1 0 3
  <setcomp> 1/1 0 3
leaf 9/9 9 9
"""
    )
)
def comprehensions():
    [leaf() for _ in range(3)]
    {leaf() for _ in range(3)}
    {n: leaf() for n in range(3)}


@case(
    """
<module> 1/1 10 11
  leaf 1/1 1 1
<module>' 1/1 100 100
case 1/1 0 111
  <module> 1/1 10 11
  <module>' 1/1 100 100
leaf 1/1 1 1
"""
)
def executed():
    scope = {"clock": clock, "leaf": leaf}
    exec(compile("clock.now += 10\nleaf()", __file__, "exec"), scope)
    eval(compile("exec('')or[clock.__class__,setattr(clock, 'now', clock.now + 100)]", __file__, "eval"), scope)


if __name__ == "__main__":
    traced.main(clock)
