# SPDX-License-Identifier: MIT
"""The second tier of a cache: a Redis or Valkey server, which all processes share behind their local copies.

    client = redis.Redis(host="cache.internal")

    @outpace.lru_cache(maxsize=10_000, tier=outpace.Tier(client, namespace="shop", version=3, ttl=3600))
    def price(article: str) -> int: ...

A miss of the local cache asks the tier; a miss of the tier runs the function once among all processes, and stores what it
gave. What one process puts, invalidates or clears, the others drop. Where the tier fails, calls go on without it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

from outpace._tier_function import Tiered
from outpace._tier_listener import BEAT, Listener
from outpace._tier_text import WORD, checked_name, form_of, name_of, word
from outpace._tier_wire import Refusal, Wire, checked, run

DAY = 86400.0
LONGEST_TTL = 1e9  # seconds
MOST_OWED = 10_000  # keys whose removal failed; with more of them, whole functions are cleared
MOST_OWN = 100_000  # keys of which it is known that this process wrote them last
CHECKED_AT_ONCE = 100  # keys of our own writing

_tiers: weakref.WeakSet[Tier] = weakref.WeakSet()
_of_clients: weakref.WeakKeyDictionary[Any, Tier] = weakref.WeakKeyDictionary()
_inherited: list[object] = []


class TierStats(NamedTuple):
    """What `tier_stats()` of a cached function gives: counts of this process since the function was decorated."""

    hits: int  # calls that the tier answered
    misses: int  # calls for which it had nothing, and which loaded
    writes: int  # results and values stored
    errors: int  # conversations that failed: the call, or the removal, went on without
    skipped: int  # calls that did not ask, for the tier had failed shortly before
    lock_waits: int  # calls that waited for another process to load
    overruns: int  # those that waited lock_seconds in vain and loaded, too
    lost: int  # results not stored: their key was invalidated while they were loaded, or that took longer than lock_seconds
    unreadable: int  # values found that were of another type or form, or too large
    unfit: int  # results not stored: the serializer does not give them back as they were, or they are too large
    invalidations: int  # local copies dropped because another process changed their key
    resets: int  # times that all local copies were dropped, for changes may have gone unheard
    listening: bool  # changes are heard


def _seconds(who: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{who}: {name} is a number of seconds, and this one is of type {type(value).__name__}")
    if not 0.001 <= value <= LONGEST_TTL:
        raise ValueError(f"{who}: {name} is from 0.001 to {LONGEST_TTL:.0f} seconds, not {value}")
    return float(value)


class Tier:
    """How cached functions use a Redis or Valkey server: what to give as ``tier=``. One may serve any number of functions.

    client: a Redis or Valkey of redis-py or valkey-py, or of their asyncio for ``async def`` functions. Its settings are used,
        not its connections: the tier makes its own.
    namespace: what all key names begin with (default ``outpace``). Give one to each application that shares the server.
    version: part of the key names: a new one leaves all older values alone.
    serializer: ``"json"`` for what JSON gives back as it was; ``"bytes"``; or an object with ``dumps`` and ``loads``. With
        ``pickle``, whoever can write to the server can run code in this program.
    ttl: seconds that a value lives in the tier, at most; default: the cache's own ttl, else a day.
    lock_seconds: how long others wait for whoever loads a value, before they load it themselves; and how long the lock of a
        process that died lives on.
    timeout: seconds that one exchange with the server may take.
    max_value_bytes: larger values are neither stored nor read.
    tracking: False for a server or proxy without client tracking. Local copies are then as old as their ttl allows.
    name: stands for MODULE.QUALNAME in the key names, for one function that has no good one.
    """

    def __init__(
        self,
        client: Any,
        *,
        namespace: str | None = None,
        version: int | str = 1,
        serializer: Any = "json",
        ttl: float | None = None,
        lock_seconds: float = 10.0,
        timeout: float = 1.0,
        max_value_bytes: int = 16 * 1024 * 1024,
        tracking: bool = True,
        name: str | None = None,
    ) -> None:
        who = "Tier"
        namespace = checked_name(who, "namespace", "outpace" if namespace is None else namespace)
        if isinstance(version, bool) or not isinstance(version, (int, str)):
            raise TypeError(f"{who}: version is an int or a str, and this one is of type {type(version).__name__}")
        version = checked_name(who, "version", str(version))
        if not all(each.isalnum() or each in "._-" for each in version):
            raise ValueError(f"{who}: version is of letters, digits and ._- only, not {version!r}")
        if name is not None and ":" in checked_name(who, "name", name):
            raise ValueError(f"{who}: name has no colon, which ends it in a key: {name!r}")
        if isinstance(max_value_bytes, bool) or not isinstance(max_value_bytes, int):
            raise TypeError(f"{who}: max_value_bytes is an int, and this one is of type {type(max_value_bytes).__name__}")
        if not 1 <= max_value_bytes <= 2**29 - 1024:
            raise ValueError(f"{who}: max_value_bytes is from 1 to what a server takes, 512 MiB, not {max_value_bytes}")
        if not isinstance(tracking, bool):
            raise TypeError(f"{who}: tracking is True or False, and this one is of type {type(tracking).__name__}")
        self.prefix = f"{namespace}:{version}:"
        self.lock_prefix = f"{namespace}:!{version}:"  # not the prefix of values: nobody need hear of locks
        self.channel = f"{namespace}:!{version}"
        self.form = form_of(who, serializer)
        self.ttl = None if ttl is None else _seconds(who, "ttl", ttl)
        self.lock_seconds = _seconds(who, "lock_seconds", lock_seconds)
        self.lock_ms = max(1, int(1000 * self.lock_seconds))
        self.beat_seconds = min(BEAT, self.lock_seconds / 3)
        self.most = max_value_bytes
        self.tracking = tracking
        self.wire = Wire(who, client, _seconds(who, "timeout", timeout))
        self.name = name
        self.breaker = self.wire.breaker
        self.own: dict[str, bytes] = {}  # how keys begin that this process wrote or removed, until that is heard
        self.loading: dict[str, str] = {}  # which locks this process has
        self.owed: dict[str, None] = {}  # keys that are to be removed as soon as the server can be reached
        self.pending: dict[str, Future[Any]] = {}  # what was given to the listener's loop: the last write of each key
        self._functions: dict[str, list[weakref.ref[Tiered]]] = {}
        self._listener: Listener | None = None
        self._closed = False
        self._origin = word()  # of what it says on the channel
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        _tiers.add(self)

    def __repr__(self) -> str:
        return f"<outpace.Tier {self.prefix}* {'listening' if self.listening else 'not listening'}>"

    @property
    def listening(self) -> bool:
        """Whether changes by other processes are heard at this moment."""
        return self._listener is not None and self._listener.hearing

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends the tier: its functions go on with their local caches. What was to be written to it is awaited."""
        self._stop()
        if not self.wire.asynchronous:
            run(self.wire.close())

    async def aclose(self) -> None:
        """`close` for a client of asyncio; closes this loop's connections, too."""
        await self.drain()
        self._stop()
        if self.wire.asynchronous:
            await self.wire.close()
        else:
            run(self.wire.close())

    async def drain(self) -> None:
        """Waits until what was put, invalidated and cleared, with a client of asyncio, has reached the server or failed."""
        while waiting := [each for each in self.pending.copy().values() if not each.done()]:
            for each in waiting:
                await self.done(each)

    def _stop(self) -> None:
        self._closed = True
        with self._lock:
            listener, self._listener = self._listener, None
        self.settle()
        if listener is not None:
            listener.stop()
        self.reset()

    def settle(self) -> None:
        """`drain` for a program that is about to end: waits for as long as the server may take, and no longer."""
        waiting = [each for each in self.pending.copy().values() if not each.done()]
        if waiting:
            wait(waiting, 2 * self.wire.timeout)

    # -- what its functions call --

    def add(self, who: str, function: Tiered) -> None:
        with self._lock:
            refs = [each for each in self._functions.get(function.name, ()) if each() is not None]
            others = [each for ref in refs if (each := ref()) is not None and each.whose != function.whose]
            if self.name is not None and others:
                raise ValueError(f"{who}: the Tier with name={self.name!r} belongs to another function")
            self._functions[function.name] = [*refs, weakref.ref(function)]

    @property
    def hears(self) -> bool:
        """Whether local copies of what the tier has may be kept."""
        return not self.tracking or self.listening

    @property
    def keeps(self) -> bool:
        """Whether local copies of what the tier has not may be kept: also where there is none at the moment."""
        return self.hears or self.breaker.failures > 0 or self._closed

    def wrote(self, text: str, written: bytes) -> None:
        """Takes down what this process is about to write, for it will be told of it."""
        if self.listening:
            if len(self.own) >= MOST_OWN:
                self.own.clear()
            self.own[text] = written

    async def ready(self) -> bool:
        """False where the tier is to be left alone. The first call waits until changes are heard."""
        if self._closed:
            return False
        listener = self._listener
        if listener is None or not listener.alive:
            listener = self._start()
        if listener is not None and not listener.settled.is_set():
            await self.wire.wait(listener.settled, self.wire.timeout)
        return self.breaker.admits()

    def _start(self) -> Listener | None:
        with self._lock:
            if self._closed or (self._listener is not None and self._listener.alive):
                return self._listener
            self._listener = Listener(self)
            self._listener.start()
            return self._listener

    def failed(self, error: BaseException) -> None:
        self.breaker.failed()
        self.warn("failed", f"the cache's second tier failed ({type(error).__name__}: {error}); calls go on without it")

    def warn(self, kind: str, text: str) -> None:
        """Says it once."""
        with self._lock:
            if kind in self._warned:
                return
            self._warned.add(kind)
        try:
            warnings.warn(f"outpace: {text}", RuntimeWarning, stacklevel=2)
        except RuntimeWarning:  # made an error by the program's filters; but a tier fails no call
            pass

    def owe(self, text: str) -> None:
        """Remembers a key whose value must not be read, for removing it failed."""
        with self._lock:
            self.owed[text] = None
            if len(self.owed) > MOST_OWED:
                names = {each[len(self.prefix) :].partition(":")[0] for each in self.owed}
                self.owed = {self.generation_of(name): None for name in names}

    def generation_of(self, name: str) -> str:
        return f"{self.prefix}{name}:gen"

    def lock_of(self, text: str) -> str:
        return self.lock_prefix + text[len(self.prefix) :]

    async def remove(self, *texts: str) -> bool:
        """Removes keys with their locks, so that loads under way store nothing, and tells all processes, for they may have
        copies of what the server has not. Whether there were any. Raises what a line raises, and Denied."""
        for text in texts:
            self.wrote(text, b"")
            self.loading.pop(text, None)  # who loads it from now on takes the lock anew
        commands: list[tuple[str, ...]] = [("UNLINK", *texts), ("UNLINK", *map(self.lock_of, texts))]
        commands += [("PUBLISH", self.channel, self._origin + text) for text in texts]
        replies = await self.wire.ask(*commands)
        gone, _ = checked(replies[:2])
        for text in texts:
            self.owed.pop(text, None)
        if any(isinstance(each, Refusal) for each in replies[2:]):
            self.warn("publish", f"the server refuses PUBLISH to {self.channel}: copies of what it has not may live on elsewhere")
        return bool(gone)

    async def pay(self) -> None:
        """Removes what is owed."""
        while texts := list(self.owed.copy())[:CHECKED_AT_ONCE]:
            await self.remove(*texts)

    async def done(self, pending: Future[Any]) -> None:
        """Waits for a write that the listener's loop does, and leaves it in peace where the waiter is cancelled."""
        await asyncio.wait([asyncio.wrap_future(pending)])

    def submit(self, text: str, steps: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Has a write done by the listener's loop, after those of before. Calls of the function wait for it."""
        listener = self._listener
        if listener is None or not listener.alive:
            listener = self._start()
        if listener is None:
            return False
        with self._lock:
            future = listener.submit(steps)
            if future is None:
                return False
            self.pending[text] = future
        future.add_done_callback(lambda done: self._settled(text, done))
        return True

    def _settled(self, text: str, done: Future[Any]) -> None:
        with self._lock:
            if self.pending.get(text) is done:
                del self.pending[text]

    # -- what the listener calls --

    async def arrived(self) -> None:
        self.own.clear()
        self.reset()
        await self.pay()
        self.breaker.works()

    async def beat(self) -> None:
        if (self.owed or self.loading) and self.breaker.admits():
            try:
                await self.pay()
                await self._renew()
                self.breaker.works()
            except Exception as error:
                self.failed(error)

    async def _renew(self) -> None:
        """A lock lasts for as long as the load does, but ends soon after its process."""
        held = [(self.lock_of(text), token.encode()) for text, token in self.loading.copy().items()]
        if held:
            holders = await self.wire.ask(*[("GET", lock) for lock, _ in held])
            ours = [lock for (lock, token), holder in zip(held, holders) if holder == token]
            if ours:
                checked(await self.wire.ask(*[("PEXPIRE", lock, self.lock_ms) for lock in ours]))

    async def lost(self, error: BaseException | None, heard: bool, refused: bool) -> None:
        if refused:
            self.warn(
                "refused",
                f"the server does not tell of changes ({error}), so no local copies are kept; tracking=False keeps them",
            )
        if refused or heard:
            self.reset()

    async def said(self, what: bytes) -> None:
        text = what.decode("utf-8", "replace")
        if not text.startswith(self._origin):
            self._forget(text[WORD:])

    async def changed(self, names: list[bytes] | None) -> None:
        if names is None:
            self.reset()
            return
        own: list[tuple[str, bytes]] = []
        for name in names:
            text = name.decode("utf-8", "replace")
            written = self.own.pop(text, None)
            if written is None:
                self._forget(text)
            else:
                own.append((text, written))
        # What this process wrote itself comes back to it, too. That is no reason to drop the copy, unless another wrote
        # since: of writes that follow each other closely, the server tells once.
        for at in range(0, len(own), CHECKED_AT_ONCE):
            some = own[at : at + CHECKED_AT_ONCE]
            try:
                found = await self.wire.ask(*[("GETRANGE", text, 0, max(0, len(written) - 1)) for text, written in some])
            except Exception:
                found = [None] * len(some)
            for (text, written), each in zip(some, found):
                if each != written:
                    self._forget(text)

    def functions(self) -> list[Tiered]:
        with self._lock:
            return [each for refs in self._functions.values() for ref in refs if (each := ref()) is not None]

    def reset(self) -> None:
        """Drops all local copies."""
        for each in self.functions():
            each.reset()

    def _forget(self, text: str) -> None:
        name = text[len(self.prefix) :].partition(":")[0]
        with self._lock:
            functions = [each for ref in self._functions.get(name, ()) if (each := ref()) is not None]
        for each in functions:
            each.forget(text)

    # -- the process --

    def after_fork(self) -> None:
        """In the child: the connections and the thread are the parent's."""
        self._lock = threading.Lock()
        self._origin = word()
        listener, self._listener = self._listener, None
        _inherited.append((self.wire.abandon(), listener and listener.abandon(), self.pending))
        self.pending, self.own, self.loading = {}, {}, {}
        for each in self.functions():
            each.after_fork()
        self.reset()  # until the child listens, it would hear of no change


@atexit.register
def _at_exit() -> None:
    for tier in list(_tiers):
        tier.settle()


def _after_fork() -> None:
    for tier in list(_tiers):
        tier.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _tier_of(who: str, tier: Any) -> Tier:
    """The tier that was given, or the one of that client."""
    if isinstance(tier, Tier):
        return tier
    try:
        found = _of_clients.get(tier)
    except TypeError:  # without a hash or weak references it is no client
        found = None
    if found is None or found.closed:
        try:
            found = Tier(tier)
        except TypeError as error:
            raise TypeError(f"{who}: {str(error).partition(': ')[2]}") from None
        _of_clients[tier] = found
    return found


def attach(
    function: Callable[..., Any],
    tier: Any,
    *,
    who: str,
    key: Callable[..., Any] | None = None,
    typed: bool = False,
    ttl: float | None = None,
    jitter: float | None = None,
    stale: float | None = None,
    coroutine: bool = False,
) -> Tiered:
    """Puts a tier behind a cache of `function`: the cache then loads with `load` of what this gives, and is given to its `bind`.

    Raises TypeError and ValueError, whose text begins with `who`, for what is no tier or does not go with the function.
    """
    tier = _tier_of(who, tier)
    if coroutine and not tier.wire.asynchronous:
        raise TypeError(f"{who}: an async def takes a tier whose client is of asyncio, as a blocking one would stop its loop")
    if tier.wire.asynchronous and not coroutine:
        raise TypeError(f"{who}: a client of asyncio serves async def functions only")
    lives = [float(each) for each in (tier.ttl, ttl) if each is not None]
    life = min(lives, default=DAY)
    tiered = Tiered(
        function,
        tier,
        name=tier.name or name_of(who, function),
        key=key,
        typed=typed,
        life=life,
        jitter=min(float(jitter or 0.0), life / 2),
        served=float(ttl or 0.0) + float(stale) if stale else 0.0,
    )
    tier.add(who, tiered)
    return tiered
