# SPDX-License-Identifier: MIT
"""What a miss of a cached coroutine function does: one load a key, on asyncio.

The first call that misses a key starts a *flight*: a task of its own that runs the function. Calls that miss the same key
meanwhile, in whatever loop of whatever thread, wait for it. So

- the cancellation of a call, be it the first, leaves the load to the others; that of the last one cancels the load, and lasts
  until the load has ended, as if it had been awaited itself;
- a load in a loop that is closed, or runs no more, is given up: who waits elsewhere starts over;
- no call waits for a load that waits, maybe through others, for the load in which the call stands. It runs the function itself.
  In which load code runs is a context variable, which tasks inherit.

Where no asyncio loop runs (other frameworks have loops of their own), each call that misses runs the function itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from outpace._cache import exception_for_thread

if TYPE_CHECKING:
    from outpace._cache import MissedCall

    # What a load ended with: a value, or an exception with its traceback. None: start over.
    Outcome = tuple[Any, BaseException | None, TracebackType | None] | None

PROBE_S = 0.1  # how often those who wait for a load in another loop look whether that loop still runs
# A load begins in the step of the call that missed, as if it had been awaited, where asyncio has eager tasks. As loads in loads
# each take a piece of the thread's stack that way, each eighth begins in a step of the loop.
EAGER_DEPTH = 8

# Guards what flights know of those who wait, of their ends, and of each other. Reentrant, as the collector may throw away a
# task, which lands its flight, while the lock is held.
lock = threading.RLock()
forks = 0  # a flight is of one process
inside: contextvars.ContextVar[Flight | None] = contextvars.ContextVar("outpace load", default=None)


def after_fork() -> None:
    global lock, forks
    lock = threading.RLock()
    forks += 1


os.register_at_fork(after_in_child=after_fork)


class Flight:
    """A load under way. The store has it by its key until it lands or the key is forgotten."""

    __slots__ = (
        "begun",
        "depth",
        "forks",
        "loop",
        "outcome",
        "over",
        "reserved",
        "starting",
        "task",
        "thread",
        "unwanted",
        "waiters",
        "waits_for",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, outer: Flight | None) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.forks = forks
        self.depth: int = 0 if outer is None else outer.depth + 1  # loads in loads
        self.task: asyncio.Task[None] | None = None  # from its start to its end
        self.starting = False  # the task is being made, and may run already
        self.begun = False  # the task took its first step
        self.reserved = True  # somebody counts as one who waits without being in `waiters` (yet)
        self.waiters: dict[asyncio.Future[Outcome], None] = {}
        self.waits_for: list[Flight] = []  # flights that are awaited in this load, each as often as it is
        self.unwanted = False  # all who waited were cancelled, and so is it: nobody joins any more
        self.over = False  # nobody waits any more
        self.outcome: Outcome = None  # of one that ended in its first step

    def start(self, call: MissedCall, eager: bool) -> None:
        """Makes the task, in whose context this flight is the load that code runs in."""
        coroutine = run(self, call)
        self.starting = True
        try:
            if eager and (self.depth + 1) % EAGER_DEPTH != 0:
                task = make_eager_task(coroutine, self.loop)
            else:
                task = self.loop.create_task(coroutine)
        except BaseException:
            coroutine.close()
            raise
        finally:
            self.starting = False
        if not self.over:
            self.task = task
            if not self.begun:
                # A task that is cancelled before its first step never runs what would land the flight.
                task.add_done_callback(functools.partial(after_task, self, call))

    def land(self, call: MissedCall, outcome: Outcome, elsewhere: Outcome) -> bool:
        """Ends it: those who wait in its own loop get `outcome`, others `elsewhere`. Whether anybody gets it."""
        try:
            call.land(self)
        except Exception as error:  # of an __eq__
            outcome = elsewhere = (None, error, error.__traceback__)
        return self.settle(outcome, elsewhere)

    def settle(self, outcome: Outcome, elsewhere: Outcome) -> bool:
        nobody: dict[asyncio.Future[Outcome], None] = {}
        nothing: list[Flight] = []
        with lock:
            if self.over:
                return True
            self.over = True
            waiters, self.waiters, self.waits_for = self.waiters, nobody, nothing
            self.task = None  # its context holds this flight
        if self.starting:
            self.outcome = outcome
        if not waiters:
            return self.starting
        here = running_loop()
        for future in waiters:
            loop = future.get_loop()
            told = outcome if loop is self.loop else for_another_thread(elsewhere)
            if loop is here:
                wake(future, told)
            elif self.forks == forks:
                try:
                    loop.call_soon_threadsafe(wake, future, told)
                except RuntimeError:  # is closed
                    pass
        return True

    def join(self, future: asyncio.Future[Outcome]) -> bool:
        """False where it is too late for that."""
        with lock:
            if self.over or self.unwanted:
                return False
            self.waiters[future] = None
        self.watch(future)
        return True

    def leave(self, future: asyncio.Future[Outcome]) -> bool:
        """Whether that was the last one who waited: the load is not wanted any more."""
        with lock:
            self.waiters.pop(future, None)
            if self.over or self.unwanted or self.waiters or self.reserved:
                return False
            self.unwanted = True
            return True

    def cancel(self, again: bool) -> None:
        if running_loop() is self.loop:
            self.cancel_task(again)
        else:
            try:
                self.loop.call_soon_threadsafe(self.cancel_task, again)
            except RuntimeError:  # is closed
                pass

    def cancel_task(self, again: bool) -> None:
        task = self.task
        # Not twice where a loop that is shut down cancels all its tasks, this one and those who wait.
        if task is not None and (again or sys.version_info < (3, 11) or not task.cancelling()):
            task.cancel()

    def is_lost(self, here: asyncio.AbstractEventLoop) -> bool:
        """Whether it can't land any more, as far as the thread in which the loop `here` runs can tell."""
        if self.forks != forks:
            return True
        if self.loop is here:
            return False
        return self.loop.is_closed() or (self.thread == threading.get_ident() and not self.loop.is_running())

    def watch(self, future: asyncio.Future[Outcome], missed: bool = False) -> None:
        """Wakes `future`, of another loop, should this flight's loop be gone. A loop may rest for a moment between two runs."""
        loop = future.get_loop()
        if loop is self.loop or future.done():
            return
        gone = self.loop.is_closed() or not self.loop.is_running()
        if gone and missed:
            self.settle(None, None)
        else:
            loop.call_later(PROBE_S, self.watch, future, gone)

    def would_wait_for(self, other: Flight) -> bool:
        """Whether who waits for this flight waits, maybe through others, for `other`. Under the lock."""
        seen: set[Flight] = set()
        left = [self]
        while left:
            flight = left.pop()
            if flight is other:
                return True
            if flight not in seen:
                seen.add(flight)
                left += flight.waits_for
        return False


def make_eager_task(coroutine: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    if sys.version_info >= (3, 12):
        # Where a loop has ideas of its own about its tasks, it makes them.
        if type(loop).create_task is asyncio.BaseEventLoop.create_task and loop.get_task_factory() is None:
            return asyncio.Task(coroutine, loop=loop, eager_start=True)
    return loop.create_task(coroutine)


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wake(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


# ---- a load ------------------------------------------------------------------------------------------------------------


async def run(flight: Flight, call: MissedCall) -> None:
    """The task of a flight."""
    flight.begun = True
    inside.set(flight)
    try:
        call.begin()
        value = await call.call()
    except asyncio.CancelledError as error:
        # It, or what it awaited, was cancelled: as if those in this loop had awaited that. Others have no part in it.
        call.drop()
        flight.land(call, failure(error), None)
    except Exception as error:
        fail(flight, call, error)
    except GeneratorExit:  # the task is thrown away
        call.drop()
        flight.land(call, None, None)
        raise
    except BaseException as error:  # the program is to end: by one of those who wait in this loop, if there is one
        call.drop()
        if not flight.land(call, failure(error), None):
            raise
    else:
        if flight.over:  # it was given up for lost: whoever loaded since knows better
            call.drop()
            return
        try:
            outcome = (call.keep(value), None, None)
        except Exception as error:  # of a weigher, say
            flight.land(call, failure(error), failure(error))
        else:
            flight.land(call, outcome, outcome)
    finally:
        if not flight.over:  # there is no memory for what it ended with
            flight.land(call, None, None)


def fail(flight: Flight, call: MissedCall, error: Exception) -> None:
    try:
        call.fail(error)
    except Exception as worse:
        flight.land(call, failure(worse), failure(worse))
    else:
        flight.land(call, failure(error), failure(error))


def for_another_thread(outcome: Outcome) -> Outcome:
    if outcome is None or outcome[1] is None:
        return outcome
    error = exception_for_thread(outcome[1])
    return None if error is None else (None, error, outcome[2])


def failure(error: BaseException) -> Outcome:
    traceback = error.__traceback__
    return None, error, traceback and traceback.tb_next  # without the frame of run()


def after_task(flight: Flight, call: MissedCall, _task: asyncio.Task[None]) -> None:
    if not flight.over:
        flight.land(call, (None, asyncio.CancelledError(), None), None)


async def run_alone(call: MissedCall) -> Any:
    """A load without a flight."""
    try:
        call.begin()
        value = await call.call()
    except Exception as error:
        call.fail(error)
        raise
    except BaseException:
        call.drop()
        raise
    return call.give(call.keep(value))


# ---- calls -------------------------------------------------------------------------------------------------------------


async def load(call: MissedCall) -> Any:
    """The result for a call that found nothing."""
    loop = running_loop()
    if loop is None:
        return await run_alone(call)
    outer = inside.get()
    while True:
        own: Flight | None = None
        flight = find(call, loop)
        if flight is None:
            own = flight = Flight(loop, outer)
            kept = None
            try:
                if call.take_off(own) is not None:
                    continue
                kept = call.look()
                if kept is None:
                    if outer is not None:
                        enter(outer, own)  # nobody waits for anything in a new one
                    own.start(call, eager=True)
            except BaseException:
                if outer is not None:
                    depart(outer, own)
                own.land(call, None, None)
                raise
            if kept is not None:  # another thread's flight has just landed
                own.land(call, None, None)
                return call.give(kept[0])
        elif not isinstance(flight, Flight) or (outer is not None and not enter(outer, flight)):
            # A thread loads this key for a plain function, or to wait would be to wait for ever.
            return await run_alone(call)
        try:
            if own is not None and own.over:
                outcome, own.outcome = own.outcome, None
            else:
                outcome = await wait(flight, call, loop, own is not None)
        finally:
            if outer is not None:
                depart(outer, flight)
        if outcome is not None:
            break
    value, error, traceback = outcome
    del outcome, flight, own
    if error is None:
        return call.give(value)
    try:
        raise error.with_traceback(traceback)
    finally:
        del error, traceback


def find(call: MissedCall, loop: asyncio.AbstractEventLoop) -> object:
    """The flight of the call's key that may be joined, if any."""
    while True:
        flight = call.flight()
        if not isinstance(flight, Flight):
            return flight
        if not (flight.over or flight.unwanted):
            if not flight.is_lost(loop):
                return flight
            flight.settle(None, None)
        call.land(flight)


def enter(outer: Flight, flight: Flight) -> bool:
    """The load `outer` waits for `flight`. False where that would be for ever."""
    with lock:
        if flight.would_wait_for(outer):
            return False
        outer.waits_for.append(flight)
        return True


def depart(outer: Flight, flight: Flight) -> None:
    with lock:
        if flight in outer.waits_for:  # which is empty where `outer` has ended before
            outer.waits_for.remove(flight)


async def wait(flight: Flight, call: MissedCall, loop: asyncio.AbstractEventLoop, own: bool) -> Outcome:
    """Waits for a flight of another call or, where `own`, of this one, which has a reservation."""
    future: asyncio.Future[Outcome] = loop.create_future()
    if not flight.join(future):
        return None
    if own:
        flight.reserved = False
    else:
        call.count_wait()
    try:
        return await future
    except BaseException as error:
        if not flight.leave(future):
            raise
        call.land(flight)
        flight.cancel(again=False)
        if not isinstance(error, asyncio.CancelledError):
            raise
        outcome = await wait_for_end(flight, loop)
        if outcome is None or isinstance(outcome[1], asyncio.CancelledError):
            raise
        return outcome


async def wait_for_end(flight: Flight, loop: asyncio.AbstractEventLoop) -> Outcome:
    """Of a load that was cancelled. To cancel who waits so cancels the load once more."""
    while True:
        future: asyncio.Future[Outcome] = loop.create_future()
        with lock:
            if flight.over:
                return None
            flight.waiters[future] = None
        flight.watch(future)
        try:
            return await future
        except asyncio.CancelledError:
            flight.cancel(again=True)


def refresh(call: MissedCall) -> None:
    """A value past its time was given out: loads anew in the background, unless somebody does already."""
    loop = running_loop()
    if loop is None or find(call, loop) is not None:
        return
    flight = Flight(loop, None)
    try:
        if call.take_off(flight) is None:
            flight.start(call, eager=False)
            flight.outcome = None
    except BaseException:
        flight.land(call, None, None)
        raise
