# SPDX-License-Identifier: MIT
"""Hears which keys of the second tier were written, expired or removed, so that local copies of them can be dropped.

One daemon thread a tier, whatever number of threads and loops call its functions; for a client of asyncio it has a loop of
its own, so that a blocked loop of the program delays nothing. On one connection it switches client tracking on, which
tells of all keys with the tier's prefix, and subscribes to what that tells, and to the channel on which those say so who
invalidate a key that the server need not have.

Local copies are good for as long as this connection is. When it was lost, or is new, all of them are dropped.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol

from outpace._tier_wire import Line, Refusal, Wire, run

INVALIDATED = b"__redis__:invalidate"
BEAT = 1.0  # seconds of silence after which the server is asked whether it is there
SILENCE = 4.0  # seconds after which it is taken to be gone
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0  # seconds before the next try, which double


class Hearer(Protocol):
    """Who is told. All are called on the listener's thread."""

    wire: Wire
    prefix: str
    channel: str
    tracking: bool
    beat_seconds: float

    async def arrived(self) -> None:
        """The connection stands: what was missed is unknown."""

    async def lost(self, error: BaseException | None, heard: bool, refused: bool) -> None:
        """The connection is gone, where it `heard`, or could not be had; `refused`: for the server does not allow it."""

    async def changed(self, names: list[bytes] | None) -> None:
        """These keys were written or are gone; None: any."""

    async def said(self, what: bytes) -> None:
        """Somebody said this on the channel."""

    async def beat(self) -> None:
        """Every `beat_seconds` or so, for as long as the server can be reached."""


class Refused(Exception):
    """The server does not allow to be listened to."""


class Listener:
    """Begins with `start`; ends by `stop`, or soon after the hearer is gone."""

    def __init__(self, hearer: Hearer) -> None:
        self.hearing = False
        self.settled = threading.Event()  # the first try has come to an end
        self._hearer = weakref.ref(hearer)
        self._wire = hearer.wire
        self._ended = threading.Event()
        self._order = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._work, name="outpace-tier", daemon=True)

    def start(self) -> None:
        """Where no thread or loop is to be had, it has ended at once."""
        try:
            if self._wire.asynchronous:
                self._loop = asyncio.new_event_loop()
                self._wake = asyncio.Event()
            self._thread.start()
        except (RuntimeError, OSError):
            if self._loop is not None:
                self._loop.close()
            self.settled.set()
            self._ended.set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._ended.is_set()

    def stop(self) -> None:
        """Does not wait for the end."""
        self._ended.set()
        if self._loop is not None and self._wake is not None:
            try:
                self._loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:  # it is closed: the thread ended by itself
                pass

    def join(self, seconds: float) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def submit(self, steps: Callable[[], Coroutine[Any, Any, None]]) -> Future[None] | None:
        """Has the thread's loop execute this, after all that was submitted before. None where it ended."""
        if self._loop is None or not self.alive:
            return None
        work = self._in_order(steps)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            return None

    async def _in_order(self, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with self._order:  # who waits for it gets it in turn
            await steps()

    def abandon(self) -> object:
        """For a child process, in which the thread does not run: what must be kept, see Wire.abandon."""
        self._ended.set()
        return self._loop, self._wake, self._thread

    # -- on the thread --

    def _work(self) -> None:
        try:
            if self._loop is None:
                run(self._listen())
            else:
                self._run_loop(self._loop)
        finally:
            self.hearing = False
            self._ended.set()
            self.settled.set()

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._listen())
            # What was submitted before the end is done, too.
            rest = asyncio.all_tasks(loop)
            if rest:
                loop.run_until_complete(asyncio.wait(rest, timeout=2 * self._wire.timeout))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            self._ended.set()
            asyncio.set_event_loop(None)
            loop.close()

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while not self._over():
            hearer = self._hearer()
            if hearer is None:
                return
            if not hearer.tracking:
                self.settled.set()
                await hearer.beat()
                seconds = hearer.beat_seconds
                del hearer
                await self._pause(seconds)
                continue
            line = self._wire.line(patient=True)
            error: BaseException | None = None
            try:
                await self._wire.within(line.open())
                await self._wire.within(_subscribe(line, hearer.prefix, hearer.channel))
                await hearer.arrived()
                self.hearing = True
                self.settled.set()
                seconds = hearer.beat_seconds
                del hearer
                pause = FIRST_PAUSE
                await self._follow(line, seconds)
            except Exception as failure:
                error = failure
            heard, self.hearing = self.hearing, False
            await line.close()
            hearer = self._hearer()
            if hearer is None or self._ended.is_set():  # nobody listens any more, or nobody wants to
                return
            await hearer.lost(error, heard, isinstance(error, Refused))
            self.settled.set()
            del hearer
            # Not all at once: the processes that lost a server would come back to it in one moment.
            await self._pause(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self, line: Line, seconds: float) -> None:
        """Passes on what is heard until the connection is lost, by an exception, or nobody listens."""
        beat = heard = time.monotonic()
        asked = False
        while not self._over():
            message = await line.receive(seconds)
            now = time.monotonic()
            if message is not None:
                heard, asked = now, False
            elif now - heard > SILENCE:
                raise TimeoutError("the server fell silent")
            elif now - heard > BEAT and not asked:
                await line.send("PING")
                asked = True
            hearer = self._hearer()
            if hearer is None:
                return
            if message is not None:
                await _tell(hearer, message)
            if now - beat >= seconds:
                beat = now
                await hearer.beat()
            del hearer

    def _over(self) -> bool:
        return self._ended.is_set() or self._hearer() is None

    async def _pause(self, seconds: float) -> None:
        if self._wake is None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0 and not self._over():
                self._ended.wait(min(left, BEAT))
            return
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except asyncio.TimeoutError:
            pass


async def _subscribe(line: Line, prefix: str, channel: str) -> None:
    (number,) = await line.ask(("CLIENT", "ID"))
    if isinstance(number, Refusal):
        raise Refused(str(number.error))
    # The messages go to the very connection that tracks: it is lost as a whole or not at all.
    (tracking,) = await line.ask(("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", prefix))
    if isinstance(tracking, Refusal):
        raise Refused(str(tracking.error))
    replies = await line.ask(("SUBSCRIBE", INVALIDATED), ("SUBSCRIBE", channel))
    for reply in replies:
        if isinstance(reply, Refusal):
            raise Refused(str(reply.error))


async def _tell(hearer: Hearer, message: Any) -> None:
    """Passes a message on; what is none, as the reply to a PING, is passed over."""
    if not isinstance(message, list) or len(message) != 3 or message[0] != b"message":
        return
    _, channel, said = message
    if channel != INVALIDATED:
        if isinstance(said, bytes):
            await hearer.said(said)
    elif said is None:
        await hearer.changed(None)
    elif isinstance(said, list):
        await hearer.changed([name for name in said if isinstance(name, bytes)])
