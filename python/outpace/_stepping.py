# SPDX-License-Identifier: MIT
"""A profiler that is on while a decorated function runs: also one that is suspended in between, and in many threads."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol, TypeVar, cast

Thing = TypeVar("Thing")
HOLDERS = (staticmethod, classmethod, property, functools.cached_property, functools.partialmethod)


class Switch(Protocol):
    """What can be switched on and off; calls of `enable` do not nest."""

    def enable(self) -> None: ...

    def disable(self) -> None: ...


class Gate:
    """Counts who wants the profiler on. A profiler is switched here without a Python call that it would count."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.wanted = 0
        self.lock = threading.Lock()

    def wrap(self, thing: Thing) -> Thing:
        """What is like `thing`, and has the profiler on while its own code runs, and what that calls.

        A class has its functions replaced. Raises TypeError for what is no function and holds none.
        """
        inner: Any = thing
        wrapped: Any
        if isinstance(inner, type):
            for name, value in list(vars(inner).items()):
                if isinstance(value, HOLDERS) or inspect.isfunction(value):
                    setattr(inner, name, self.wrap(value))
                elif isinstance(value, type) and value.__qualname__.startswith(inner.__qualname__ + "."):
                    self.wrap(value)
            return thing
        if isinstance(inner, (staticmethod, classmethod)):
            wrapped = type(inner)(self.wrap(inner.__func__))
        elif isinstance(inner, property):
            get, put, delete = (each and self.wrap(each) for each in (inner.fget, inner.fset, inner.fdel))
            wrapped = property(get, put, delete, inner.__doc__)  # type: ignore[arg-type]
        elif isinstance(inner, functools.cached_property):
            wrapped = functools.cached_property(self.wrap(inner.func))
            wrapped.attrname = inner.attrname  # where it lies in a class already
        elif isinstance(inner, functools.partialmethod):
            wrapped = functools.partialmethod(self.wrap(inner.func), *inner.args, **inner.keywords)
        elif callable(inner):
            wrapped = self.wrap_function(inner)
        else:
            raise TypeError(f"a function is needed, not {type(inner).__name__}")
        return cast(Thing, wrapped)

    def wrap_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Of a coroutine or generator each step is profiled: while it is suspended, others are not on its behalf."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **keywords: Any) -> Any:
                return await Steps(self, function(*args, **keywords))

        elif inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **keywords: Any) -> Any:
                body: AsyncGenerator[Any, Any] = function(*args, **keywords)
                step = body.__anext__()
                try:
                    while True:
                        try:
                            item = await Steps(self, step)
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            step = body.athrow(error)
                        else:
                            step = body.asend(sent)
                finally:
                    await Steps(self, body.aclose())

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapper(*args: Any, **keywords: Any) -> Any:
                return (yield from self.steps(function(*args, **keywords)))

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **keywords: Any) -> Any:
                with self.lock:
                    if self.wanted == 0:
                        self.switch.enable()
                    self.wanted += 1
                try:
                    return function(*args, **keywords)
                finally:
                    with self.lock:
                        self.wanted -= 1
                        if self.wanted == 0:
                            self.switch.disable()

        return wrapper

    def steps(self, body: Generator[Any, Any, Any] | Steppable) -> Generator[Any, Any, Any]:
        """Runs `body` as `yield from` does, with the profiler on in each step."""
        error: BaseException | None = None
        sent: Any = None
        while True:
            with self.lock:
                if self.wanted == 0:
                    self.switch.enable()
                self.wanted += 1
            try:
                if error is None:
                    item = body.send(sent)
                elif isinstance(error, GeneratorExit):
                    body.close()
                    raise error
                else:
                    item = body.throw(error)
            except StopIteration as stop:
                return stop.value
            finally:
                with self.lock:
                    self.wanted -= 1
                    if self.wanted == 0:
                        self.switch.disable()
            error = None
            try:
                sent = yield item
            except BaseException as thrown:
                error = thrown


class Steppable(Protocol):
    """A coroutine, or what an asynchronous generator gives out for one step."""

    def send(self, value: Any, /) -> Any: ...

    def throw(self, error: BaseException, /) -> Any: ...

    def close(self) -> None: ...


class Steps:
    """Awaits `body` with the profiler on in its steps."""

    def __init__(self, gate: Gate, body: Coroutine[Any, Any, Any] | Awaitable[Any]) -> None:
        self.gate = gate
        self.body = body

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.gate.steps(cast(Steppable, self.body))
