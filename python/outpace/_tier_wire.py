# SPDX-License-Identifier: MIT
"""How the second tier of a cache reaches its server: over connections of its own, made as the user's client makes them.

Of the client only two things are used: the class of its connections and their settings. So the tier has its own time
limits and no retries, whatever the client has; bytes arrive as bytes; and with asyncio every loop has its own
connections, so that one client serves any number of loops.

What talks to the server is written once, as coroutines. With a blocking client they never wait for a loop: `run`
executes them to their end where they are called.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
Command = tuple[str | bytes | int, ...]

IDLE_LINES = 16  # kept for the next who asks
LINES_A_LOOP = 8  # in use at once; who comes later waits, and is served sooner than by a connection that has yet to be made
FAILURES = 3  # in a row, after which the server is left alone for a while
FIRST_REST, LONGEST_REST = 1.0, 30.0  # seconds; it doubles
POLL = 0.005  # seconds between looks at an event of another thread, from within a loop

# Settings of a client's pool that make its connections act on that pool, or cache by themselves.
_POOLS_OWN = ("maint", "orig_", "oss_", "himport", "cache_", "client_cache", "event_dispatcher")


class Refusal:
    """An error as the server's reply to one command: the connection remains good."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Denied(Exception):
    """The server refused a command that is needed."""


def checked(replies: list[Any]) -> list[Any]:
    """The replies, of which none is a Refusal. Raises Denied."""
    for reply in replies:
        if isinstance(reply, Refusal):
            raise Denied(str(reply.error)) from reply.error
    return replies


def _is(error: BaseException, name: str) -> bool:
    # By name, for redis-py's and valkey-py's classes are two families, and neither is imported.
    return any(each.__name__ == name for each in type(error).__mro__)


def run(steps: Coroutine[Any, Any, Result]) -> Result:
    """Executes a coroutine that never waits, and gives what it returns."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    steps.close()
    raise RuntimeError("a blocking tier waited for a loop")


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class Line:
    """One connection. After an exception it is of no more use than to be closed."""

    def __init__(self, connection: Any, asynchronous: bool) -> None:
        self.connection = connection
        self._asynchronous = asynchronous
        self._coming: asyncio.Task[Any] | None = None

    async def open(self) -> None:
        await _settled(self.connection.connect())

    async def ask(self, *commands: Command) -> list[Any]:
        """Sends all at once and gives the replies: bytes, int, None, lists of them, or a Refusal."""
        connection = self.connection
        await _settled(connection.send_packed_command(connection.pack_commands(commands), check_health=False))
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(await _settled(connection.read_response(disable_decoding=True)))
            except Exception as error:
                if not _is(error, "ResponseError"):
                    raise
                replies.append(Refusal(error))
        return replies

    async def send(self, *command: str) -> None:
        """Sends what is answered among what `receive` gives."""
        connection = self.connection
        await _settled(connection.send_packed_command(connection.pack_command(*command), check_health=False))

    async def receive(self, seconds: float) -> Any:
        """What the server says next, or None where it says nothing for so long."""
        if not self._asynchronous:
            return self.connection.read_response(disable_decoding=True) if self.connection.can_read(timeout=seconds) else None
        # A read that is broken off loses its place in the stream: one that found nothing in time is waited for again.
        if self._coming is None:
            self._coming = asyncio.ensure_future(self.connection.read_response(disable_decoding=True))
        await asyncio.wait({self._coming}, timeout=seconds)
        if not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        return coming.result()

    async def close(self) -> None:
        try:
            if self._coming is not None:
                self._coming.cancel()
                await asyncio.wait({self._coming})
            await _settled(self.connection.disconnect(True))
        except Exception:  # it was broken: that is why it is closed
            pass


class Breaker:
    """Leaves a server alone that failed: one call in a while tries again."""

    def __init__(self) -> None:
        self.failures = 0
        self._until = 0.0
        self._rest = FIRST_REST

    def admits(self) -> bool:
        if self.failures < FAILURES:
            return True
        if time.monotonic() < self._until:
            return False
        self._pause()  # who comes next waits for what this one finds
        return True

    def failed(self) -> None:
        self.failures += 1
        if self.failures >= FAILURES and time.monotonic() >= self._until:
            self._pause()

    def _pause(self) -> None:
        self._until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONGEST_REST)

    def works(self) -> None:
        if self.failures:
            self.failures, self._until, self._rest = 0, 0.0, FIRST_REST


class Resting(Exception):
    """The server failed while this waited for its turn."""


class _Place:
    """The lines of one loop; those of all threads where the client blocks."""

    def __init__(self) -> None:
        self.idle: deque[Line] = deque()
        self.gate = asyncio.Semaphore(LINES_A_LOOP)
        self.end: AsyncGenerator[None, None] | None = None

    async def hang_up(self) -> None:
        while self.idle:
            try:
                line = self.idle.pop()
            except IndexError:
                break
            await line.close()

    async def until_the_end(self) -> AsyncGenerator[None, None]:
        """A loop that comes to its end, as in asyncio.run, ends its asynchronous generators; this one with the idle lines."""
        try:
            yield
        finally:
            await self.hang_up()


class Wire:
    """Raises TypeError, whose text begins with `who`, for what is no client of a single server."""

    def __init__(self, who: str, client: object, timeout: float) -> None:
        pool = getattr(client, "connection_pool", None)
        made_by = getattr(pool, "connection_class", None)
        settings = getattr(pool, "connection_kwargs", None)
        if not (callable(made_by) and isinstance(settings, dict) and callable(getattr(made_by, "pack_commands", None))):
            raise TypeError(
                f"{who}: tier is a client of redis-py or valkey-py (Redis, Valkey, or the same of their asyncio), not of a"
                f" cluster, or an outpace.Tier of one, and this one is of type {type(client).__name__}"
            )
        self.asynchronous = inspect.iscoroutinefunction(getattr(made_by, "connect", None))
        if self.asynchronous and "connection_pool" in settings:
            raise TypeError(f"{who}: the clients of asyncio's Sentinel are of one loop, and a tier is for any number of them")
        self.timeout = timeout
        self.breaker = Breaker()
        self._made_by = made_by
        self._settings = {name: value for name, value in settings.items() if not name.startswith(_POOLS_OWN)}
        # RESP2: an invalidation is then a message to a subscriber, the same for every server since Redis 6.
        self._settings |= {"protocol": 2, "socket_timeout": timeout, "socket_connect_timeout": timeout}
        self._settings |= {"retry": None, "retry_on_timeout": False, "retry_on_error": []}
        self._settings |= {"decode_responses": False, "health_check_interval": 0}
        self._pool = pool  # Sentinel's connections ask it where the master is
        self._lock = threading.Lock()
        self._places: dict[asyncio.AbstractEventLoop | None, _Place] = {}

    def line(self, *, patient: bool = False) -> Line:
        """A new connection, not yet opened. A patient one waits for ever for what comes, where it is asyncio's."""
        settings = self._settings | {"socket_timeout": None} if patient and self.asynchronous else self._settings
        return Line(self._made_by(**settings), self.asynchronous)

    async def talk(self, conversation: Callable[[Line], Awaitable[Result]]) -> Result:
        """Gives a conversation a line to itself. It may begin anew, where a line that lay idle was closed meanwhile. Raises
        Resting where the server failed, for others, before it could begin."""
        place = self._place()
        if not self.asynchronous:
            return await self._talk(place, conversation)
        failures = self.breaker.failures
        async with place.gate:
            if self.breaker.failures >= FAILURES > failures:
                raise Resting
            if place.end is None:
                place.end = place.until_the_end()
                await place.end.__anext__()
            return await self.within(self._talk(place, conversation))

    async def _talk(self, place: _Place, conversation: Callable[[Line], Awaitable[Result]]) -> Result:
        while True:
            try:
                line, was_idle = place.idle.pop(), True
            except IndexError:
                line, was_idle = self.line(), False
            try:
                if not was_idle:
                    await line.open()
                result = await conversation(line)
            except BaseException as error:
                await line.close()
                if not was_idle or not _is(error, "ConnectionError"):
                    raise
                await place.hang_up()  # the others lay idle as long, or the server began anew
                continue
            if len(place.idle) < IDLE_LINES:
                place.idle.append(line)
            else:
                await line.close()
            return result

    async def ask(self, *commands: Command) -> list[Any]:
        return await self.talk(lambda line: line.ask(*commands))

    async def sleep(self, seconds: float) -> None:
        if self.asynchronous:
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)

    async def wait(self, event: threading.Event, seconds: float) -> None:
        """Waits for what another thread sets, so long at most."""
        if not self.asynchronous:
            event.wait(seconds)
            return
        end = time.monotonic() + seconds
        while not event.is_set() and time.monotonic() < end:
            await asyncio.sleep(POLL)

    async def within(self, steps: Coroutine[Any, Any, Result]) -> Result:
        """Awaits it, for `timeout` at most where the client is asyncio's; else the sockets have the same limit.

        In a task of its own, for a client may swallow a cancellation: asyncio.wait_for does so before Python 3.12, where
        what it waits for is done in the same moment.
        """
        if not self.asynchronous:
            return await steps
        task = asyncio.ensure_future(steps)
        try:
            await asyncio.wait({task}, timeout=self.timeout)
        except BaseException:
            task.cancel()
            await asyncio.wait({task})
            raise
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            if task.cancelled():
                raise TimeoutError("the server did not answer in time")
        return task.result()

    async def close(self) -> None:
        """Closes the idle lines: of this loop, and of all threads where the client blocks."""
        await self._place().hang_up()

    def abandon(self) -> object:
        """Forgets all lines, in a child process that must not use them: they are the parent's too. The child has to keep
        what this gives: to drop a loop of the parent would take that one's sockets out of the epoll that both share."""
        places, self._places = self._places, {}
        self._lock = threading.Lock()
        return places

    def _place(self) -> _Place:
        loop = asyncio.get_running_loop() if self.asynchronous else None
        place = self._places.get(loop)
        if place is None:
            with self._lock:
                # A loop that was closed is never seen again.
                for each in [each for each in self._places if each is not None and each.is_closed()]:
                    del self._places[each]
                place = self._places.setdefault(loop, _Place())
        return place
