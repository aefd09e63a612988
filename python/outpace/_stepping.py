# SPDX-License-Identifier: MIT
"""A profiler that is on while a decorated function runs: also one that is suspended in between, and in many threads."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


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

    def wrap(self, function: Function) -> Function:
        """A function like `function`, which has the profiler on while its own code runs, and what that calls.

        Of a coroutine or generator those are its steps: while it is suspended, others are not profiled on its behalf.
        """
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
                    self.wanted += 1
                    if self.wanted == 1:
                        self.switch.enable()
                try:
                    return function(*args, **keywords)
                finally:
                    with self.lock:
                        self.wanted -= 1
                        if self.wanted == 0:
                            self.switch.disable()

        return cast(Function, wrapper)

    def steps(self, body: Generator[Any, Any, Any] | Steppable) -> Generator[Any, Any, Any]:
        """Runs `body` as `yield from` does, with the profiler on in each step."""
        error: BaseException | None = None
        sent: Any = None
        while True:
            with self.lock:
                self.wanted += 1
                if self.wanted == 1:
                    self.switch.enable()
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
