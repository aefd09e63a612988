# SPDX-License-Identifier: MIT
"""Which functions give coroutines when they are called, and how inspect and asyncio learn that of another callable.

Without inspect, which takes longer to import than all that is needed of it here.
"""

from __future__ import annotations

import sys
from functools import partial
from types import CodeType, MethodType
from typing import Any

GENERATOR, COROUTINE, ITERABLE_COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200  # in a code's co_flags


def are_given_by(function: Any) -> bool:
    """Whether a call gives a coroutine, by the code that runs or by a mark."""
    return flags_of(function) & (COROUTINE | ITERABLE_COROUTINE) != 0 or is_marked(function)


def innermost(function: Any) -> Any:
    """The function in a partial, a bound method or a static method."""
    while True:
        if isinstance(function, partial):
            function = function.func
        elif isinstance(function, (MethodType, staticmethod)):
            function = function.__func__
        else:
            return function


def flags_of(function: Any) -> int:
    """Of the code that runs in a call: of a function, or of a callable instance's class. 0 where it is not Python's."""
    function = innermost(function)
    code = getattr(function, "__code__", None)
    if code is None and not isinstance(function, type):
        code = getattr(type(function).__call__, "__code__", None)
    return code.co_flags if isinstance(code, CodeType) else 0


def is_marked(function: Any) -> bool:
    """Whether inspect or asyncio were told that it is a coroutine function. Where they are not imported, nobody told them."""
    function = innermost(function)
    inspect, asyncio = sys.modules.get("inspect"), sys.modules.get("asyncio.coroutines")
    if inspect is not None and (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)):
        return True
    mark = getattr(asyncio, "_is_coroutine", None)
    return mark is not None and getattr(function, "_is_coroutine", None) is mark


class Mark:
    """An attribute of a type, which those of its instances have whose calls give coroutines.

    inspect puts its mark among an instance's own attributes. From there functools.wraps takes it to whatever calls that one:
    plain functions, which then are taken for coroutine functions.
    """

    def __init__(self, mark: object) -> None:
        self.mark = mark

    def __get__(self, instance: Any, owner: type) -> object:
        if instance is None or not are_given_by(instance.__wrapped__):
            raise AttributeError
        return self.mark


def lend_mark(kind: type) -> None:
    """Gives a type of ours the marks that inspect makes, whatever their names."""

    def probe() -> None:
        pass

    if sys.version_info >= (3, 12):
        import inspect

        inspect.markcoroutinefunction(probe)
    for name, value in vars(probe).items():
        if name not in vars(kind):
            setattr(kind, name, Mark(value))


async def any_coroutine(*args: object, **keywords: object) -> None:
    """Its code stands for that of coroutine functions that have none."""


def mark(wrapper: Any, function: Any) -> None:
    """So that inspect.iscoroutinefunction and asyncio.iscoroutinefunction are true of `wrapper`, as of `function`."""
    if sys.version_info >= (3, 12):
        import inspect

        lend_mark(type(wrapper))
        if not inspect.iscoroutinefunction(wrapper):
            inspect.markcoroutinefunction(wrapper)
        return
    # Before that they believe what looks like a function.
    code = getattr(function, "__code__", None)
    if not (isinstance(code, CodeType) and code.co_flags & COROUTINE):
        function = any_coroutine
    wrapper.__code__ = function.__code__
    wrapper.__defaults__ = function.__defaults__
    wrapper.__kwdefaults__ = function.__kwdefaults__
    if not isinstance(getattr(wrapper, "__name__", None), str):
        wrapper.__name__ = function.__name__
