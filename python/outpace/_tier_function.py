# SPDX-License-Identifier: MIT
"""One cached function with a second tier: what its local cache calls on a miss, and what changes a value for all processes.

The order of a load, among all processes:

    look      a value of the function's present generation is there: it is the result
    lock      else SET lock WORD NX; who does not get it looks again now and then, until the value is there, or the lock free
    load      the function runs
    commit    only who still has the lock stores: WATCH lock and generation, and MULTI SET value, UNLINK lock, EXEC

Whatever makes a load's result old (put, invalidate, clear) removes the lock or the generation in the same breath as the
value, so that a load which began before cannot store what it found. What a process has in its local cache, or is about to
have, is recorded here by the key's name in the tier, so that it can be dropped when the listener hears of a change.
"""

from __future__ import annotations

import asyncio
import functools
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from outpace._cache import Loaded
from outpace._tier_text import (
    HEAD,
    Unfit,
    Unreadable,
    head,
    is_word,
    key_of_arguments,
    key_of_key,
    pack,
    unpack,
    word,
)
from outpace._tier_wire import Command, Line, Refusal, Resting, checked, run

if TYPE_CHECKING:
    from outpace._tier import Tier, TierStats

ABSENT = -2  # what PTTL says where there is no key
FIRST_LOOK, LONGEST_LOOK = 0.005, 0.25  # seconds between looks for what another process loads; they grow
FEWEST_RECORDS = 1024  # below which none is looked for that could be dropped
ATTEMPTS = 10  # at a transaction, which fails where the lock is renewed meanwhile
SHORTEST_RECORD = 60.0  # seconds that one lives at least: by then what was loaded is in the local cache or never will be

_COUNTS = (
    "hits",
    "misses",
    "writes",
    "errors",
    "skipped",
    "lock_waits",
    "overruns",
    "lost",
    "unreadable",
    "unfit",
    "invalidations",
    "resets",
)


class _Lease(NamedTuple):
    """The right to load a value; to store it, too, where there is a token."""

    text: str
    token: str = ""
    generation: bytes = b""


class _Record(NamedTuple):
    """How the local cache finds what the tier has under some name."""

    args: Any  # of the call; or what key= returned, where `keyed`
    kwargs: dict[str, Any]
    keyed: bool
    at: float


class _Seen(NamedTuple):
    """What one look found."""

    generation: object  # a word, None, or something else that must be replaced
    life: int  # milliseconds that the value has left; negative: for ever, or ABSENT
    found: object
    at: float  # before it was asked
    held: bool = False  # the lock is ours
    stuck: bool = False  # it has no end, so it is nobody's


class Tiered:
    """`load` stands in for the function; `bind` gives the cache its other methods."""

    def __init__(
        self,
        function: Callable[..., Any],
        tier: Tier,
        *,
        name: str,
        key: Callable[..., Any] | None,
        typed: bool,
        life: float,
        jitter: float,
        served: float,
    ) -> None:
        self.name = name
        self.whose = (getattr(function, "__module__", None), getattr(function, "__qualname__", None))
        self._function = function
        self._tier = tier
        self._generation = tier.generation_of(name)
        self._key = key
        self._typed = typed
        self._life = life
        self._jitter = jitter
        self._held = max(SHORTEST_RECORD, served)
        self._local: weakref.ref[Any] | None = None
        self._records: dict[str, _Record] = {}
        self._sweep_at = FEWEST_RECORDS
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._count_lock = threading.Lock()
        self._write_lock = threading.Lock()  # the tier and the local cache change in one order

    @property
    def load(self) -> Callable[..., Any]:
        """What the local cache calls on a miss: a def or an async def as the function is, and named as it."""
        # Not kept here, so that no cycle keeps a cache alive that nobody uses.
        now, later = self._load_now, self._load_later

        def load(*args: Any, **kwargs: Any) -> Any:
            return now(args, kwargs)

        async def load_later(*args: Any, **kwargs: Any) -> Any:
            return await later(args, kwargs)

        made: Callable[..., Any] = load_later if self._tier.wire.asynchronous else load
        return functools.update_wrapper(made, self._function)

    def bind(self, cached: Any) -> None:
        """Hides the methods of the cache that change it behind those that change the tier, too."""
        self._local = weakref.ref(cached)
        cached.cache_put = self.put
        cached.cache_invalidate = self.invalidate
        cached.cache_clear = self.clear
        cached.tier_stats = self.stats
        cached.tier = self._tier

    def stats(self) -> TierStats:
        """Counts of this process since the function was decorated."""
        from outpace._tier import TierStats

        with self._count_lock:
            return TierStats(**self._counts, listening=self._tier.listening)

    def count(self, what: str, times: int = 1) -> None:
        with self._count_lock:
            self._counts[what] += times

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Resting):
            self.count("skipped")
        else:
            self.count("errors")
            self._tier.failed(error)

    # -- a miss of the local cache --

    def _load_now(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        admitted = run(self._tier.ready())
        text = self._record(args, kwargs)
        got = run(self._open(text, admitted))
        if not isinstance(got, _Lease):
            return got
        try:
            value = self._function(*args, **kwargs)
        except BaseException:
            run(self._release(got))
            raise
        return run(self._keep(got, value))

    async def _load_later(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        admitted = await self._tier.ready()
        text = self._record(args, kwargs)
        got = await self._open(text, admitted)
        if not isinstance(got, _Lease):
            return got
        try:
            value = await self._function(*args, **kwargs)
        except GeneratorExit:  # the loop is gone: nothing can be awaited
            raise
        except BaseException:
            await self._release(got)
            raise
        return await self._keep(got, value)

    async def _open(self, text: str, admitted: bool) -> Any:
        """What the tier has, as a Loaded; else a lease. The record of the key was made when the tier was `ready`: had it been
        made before, the load would count as one that began before changes were heard."""
        tier = self._tier
        for key in (text, self._generation):
            if (writing := tier.pending.get(key)) is not None and not writing.done():
                await tier.done(writing)
        if not admitted:
            self.count("skipped")
            return _Lease(text)
        try:
            if owed := {text, self._generation} & tier.owed.keys():
                await tier.remove(*owed)
            return await self._search(text)
        except Exception as error:
            self._failed(error)
            return _Lease(text)

    async def _search(self, text: str) -> Any:
        tier = self._tier
        heard = tier.hears  # asked before the look: of a change after that, this process hears
        seen = await self._look(text)
        if (loaded := self._read(seen, heard)) is not None:
            tier.breaker.works()
            return loaded
        if text in tier.loading:
            # A load that calls for its own key, or two that call for each other's: the local cache lets them through, and
            # here none waits for this process, either.
            self.count("misses")
            return _Lease(text)
        token = word()
        end = time.monotonic() + tier.lock_seconds
        pause, waits = FIRST_LOOK, False
        try:
            while True:
                seen = await self._look(text, token, seen.generation)
                tier.breaker.works()
                if (loaded := self._read(seen, heard)) is not None:
                    if seen.held:
                        await self._release(_Lease(text, token))
                    return loaded
                if seen.held and isinstance(seen.generation, bytes) and is_word(seen.generation):
                    self.count("misses")
                    tier.loading[text] = token
                    return _Lease(text, token, seen.generation)
                if seen.stuck:
                    await tier.wire.ask(("UNLINK", tier.lock_of(text)))
                if not waits:
                    waits = True
                    self.count("lock_waits")
                left = end - time.monotonic()
                if left <= 0:
                    self.count("misses")
                    self.count("overruns")
                    return _Lease(text)
                await tier.wire.sleep(min(left, pause * random.uniform(0.5, 1.0)))
                pause = min(1.5 * pause, LONGEST_LOOK)
        except (KeyboardInterrupt, asyncio.CancelledError):  # the others need not wait for the lock to end
            await self._release(_Lease(text, token))
            raise

    async def _look(self, text: str, token: str = "", generation: object = None) -> _Seen:
        """Asks for the generation and the value; with a token, tries to take the lock before that, and makes a generation
        where the one that was seen is none."""
        at, lock = time.monotonic(), self._tier.lock_of(text)
        commands: list[Command] = []
        if token:
            if not is_word(generation):
                made = word()
                self._tier.wrote(self._generation, made.encode())
                commands.append(("SET", self._generation, made, *(("NX",) if generation is None else ())))
            commands += [("SET", lock, token, "NX", "PX", self._tier.lock_ms), ("PTTL", lock), ("GET", lock)]
        # The rest of its life first: a value that is replaced between the two is then thought to live too short.
        commands += [("GET", self._generation), ("PTTL", text), ("GETRANGE", text, 0, HEAD + self._tier.most)]
        replies = await self._tier.wire.ask(*commands)
        generation, found = self._of_any_type(replies[-3]), self._of_any_type(replies[-1])
        (life,) = checked([replies[-2]])
        if not token:
            return _Seen(generation, life, found, at)
        holder = self._of_any_type(replies[-4])
        *_, end = checked(replies[:-4])
        held = holder == token.encode()
        return _Seen(generation, life, found, at, held, not held and (end == -1 or isinstance(holder, Refusal)))

    def _of_any_type(self, reply: object) -> object:
        """A reply that may say that somebody else put a value of another type there. Raises Denied for other refusals."""
        if isinstance(reply, Refusal) and "wrong kind of value" not in str(reply.error):
            checked([reply])
        return reply

    def _read(self, seen: _Seen, heard: bool) -> Any:
        """The Loaded of what was seen, or None where that is no value."""
        if seen.found in (b"", None) or seen.life == ABSENT or not is_word(seen.generation):
            return None
        assert isinstance(seen.generation, bytes)
        try:
            value = unpack(self._tier.form, seen.found, seen.generation, self._tier.most)
        except Unreadable:
            self.count("unreadable")
            return None
        except LookupError:
            return None
        self.count("hits")
        life = seen.life / 1000 - (time.monotonic() - seen.at) if seen.life >= 0 else self._life
        return _loaded(value, life if heard else 0.0)

    # -- the end of a load --

    async def _keep(self, lease: _Lease, value: Any) -> Any:
        """Stores what the function gave, and gives it with the time that the local cache may keep it."""
        tier = self._tier
        if not lease.token:
            return self._local_only(value)
        try:
            payload = pack(tier.form, value, tier.most)
        except Unfit as error:
            self._unfit(error)
            await self._release(lease)
            return self._local_only(value)
        heard, at = tier.hears, time.monotonic()
        written = head(tier.form, lease.token, lease.generation)
        life = self._lifetime()
        tier.wrote(lease.text, written)
        try:
            store: Command = ("SET", lease.text, written + payload, "PX", life)
            stored = await tier.wire.talk(lambda line: self._if_held(line, lease, store))
            tier.breaker.works()
        except Exception as error:
            self._failed(error)
            return self._local_only(value)
        finally:
            tier.loading.pop(lease.text, None)
        if not stored:
            tier.own.pop(lease.text, None)
            self.count("lost")
            return _loaded(value, 0.0)
        self.count("writes")
        return _loaded(value, life / 1000 - (time.monotonic() - at) if heard else 0.0)

    async def _release(self, lease: _Lease) -> None:
        if lease.token:
            try:
                await self._tier.wire.talk(lambda line: self._if_held(line, lease))
            except Exception as error:  # the lock ends by itself
                self._failed(error)
            finally:
                self._tier.loading.pop(lease.text, None)

    async def _if_held(self, line: Line, lease: _Lease, *commands: Command) -> bool:
        """Does this and gives the lock back, both at once, if the lock still is the lease's, and the generation the same."""
        lock = self._tier.lock_of(lease.text)
        for _ in range(ATTEMPTS):
            replies = await line.ask(("WATCH", lock, self._generation), ("GET", lock), ("GET", self._generation))
            checked(replies[:1])
            holder, generation = map(self._of_any_type, replies[1:])
            if holder != lease.token.encode():
                checked(await line.ask(("UNWATCH",)))
                return False
            fits = generation == lease.generation
            if await _at_once(line, *(commands if fits else ()), ("UNLINK", lock)):
                return fits
        return False  # it was touched each time: renewed, in the best case

    def _lifetime(self) -> int:
        """Milliseconds that a value is to live in the tier."""
        return max(1, int(1000 * (self._life - random.random() * self._jitter)))

    def _local_only(self, value: Any) -> Any:
        return value if self._tier.keeps else _loaded(value, 0.0)

    def _unfit(self, error: Unfit) -> None:
        self.count("unfit")
        self._tier.warn(f"unfit {self.name}", f"a result of {self.name} stays out of the cache's second tier: {error}")

    # -- changes --

    def put(self, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Stores a value in both tiers."""
        text = self._record(args, kwargs)
        try:
            payload = pack(self._tier.form, value, self._tier.most)
        except Unfit as error:
            self._unfit(error)
            return self._change(text, "cache_put", (value, *args), kwargs, lambda: self._remove(text))[0]
        return self._change(text, "cache_put", (value, *args), kwargs, lambda: self._write(text, payload))[0]

    def invalidate(self, /, *args: Any, **kwargs: Any) -> bool:
        """Removes a value from both tiers, and from the local caches of all processes; whether there was one: with a client
        of asyncio, whether there was one in this process."""
        text = self._text(args, kwargs)
        local, shared = self._change(text, "cache_invalidate", args, kwargs, lambda: self._remove(text))
        return bool(local or shared)

    def clear(self) -> None:
        """Removes all values of this function from both tiers, and from the local caches of all processes."""
        self._change(self._generation, "cache_clear", (), {}, lambda: self._remove(self._generation))

    def _change(self, text: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], steps: Any) -> tuple[Any, bool]:
        """Changes the tier, then the local cache; what these gave. What was loaded between the two is as old as the tier
        was before, and the local cache drops it with the second."""
        tier, local = self._tier, self._here()
        change = getattr(type(local), method)
        with self._write_lock:
            if not tier.wire.asynchronous:
                shared = run(self._try(text, steps))
                return change(local, *args, **kwargs), shared

            async def work() -> None:
                await self._try(text, steps)

            if not tier.closed and not tier.submit(text, work):
                tier.owe(text)
            return change(local, *args, **kwargs), False

    async def _try(self, text: str, steps: Any) -> bool:
        """Whether the change found something there; if it fails, the key is removed as soon as that can be done."""
        tier = self._tier
        if tier.closed:
            return False
        if not await tier.ready():
            self.count("skipped")
            tier.owe(text)
            return False
        try:
            found: bool = await steps()
            tier.breaker.works()
            await tier.beat()
            return found
        except Exception as error:
            tier.owe(text)
            self._failed(error)
            return False

    async def _remove(self, text: str) -> bool:
        return await self._tier.remove(text)

    async def _write(self, text: str, payload: bytes) -> bool:
        """Stores a value whatever is there, and takes the lock from whoever loads it."""
        tier = self._tier
        made, generation = await tier.wire.ask(("SET", self._generation, word(), "NX"), ("GET", self._generation))
        checked([made, generation])
        if not is_word(generation):
            generation = word().encode()
            checked(await tier.wire.ask(("SET", self._generation, generation)))
        written = head(tier.form, word(), generation)
        tier.wrote(text, written)
        store: Command = ("SET", text, written + payload, "PX", self._lifetime())
        if await tier.wire.talk(lambda line: _at_once(line, store, ("UNLINK", tier.lock_of(text)))):
            self.count("writes")
            tier.owed.pop(text, None)
        return True

    # -- local copies --

    def forget(self, text: str) -> None:
        """Drops the local copy of a key, or all where the function was cleared, and has loads under way keep nothing."""
        record = self._records.get(text)
        local = self._local and self._local()
        if local is None:
            return
        if text == self._generation:
            self.count("invalidations", self._drop_all(local))
        elif record is not None and self._drop(local, record):
            self.count("invalidations")

    def reset(self) -> None:
        """Drops all local copies, for changes may have gone unheard."""
        local = self._local and self._local()
        if local is not None:
            self._drop_all(local)
        self.count("resets")

    def _drop_all(self, local: Any) -> int:
        """By their records: to clear the local cache would set its statistics to zero. How many there were."""
        return sum(self._drop(local, record) for record in self._records.copy().values())

    def after_fork(self) -> None:
        self._count_lock = threading.Lock()
        self._write_lock = threading.Lock()

    def _drop(self, local: Any, record: _Record) -> bool:
        cache: Any = type(local)
        try:
            if record.keyed:
                return bool(cache._invalidate_key(local, record.args))
            return bool(cache.cache_invalidate(local, *record.args, **record.kwargs))
        except Exception:  # of a key's own __eq__: it is not found by it, then
            return False

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The name of a call's key, by which its copy will be found."""
        if self._key is None:
            text, record = self._text(args, kwargs), _Record(args, kwargs, False, time.monotonic())
        else:
            key = self._key(*args, **kwargs)
            text, record = self._text_of_key(key), _Record(key, {}, True, time.monotonic())
        self._records[text] = record
        if len(self._records) >= self._sweep_at:
            self._sweep()
        return text

    def _sweep(self) -> None:
        """Drops the records of what the local cache has evicted."""
        local = self._local and self._local()
        if local is None:
            return
        cache: Any = type(local)
        before = time.monotonic() - self._held
        for text, record in self._records.copy().items():
            if record.at > before:
                continue
            if record.keyed:
                there = cache._contains_key(local, record.args)
            else:
                there = cache.cache_contains(local, *record.args, **record.kwargs)
            if not there and self._records.get(text) is record:
                self._records.pop(text, None)
        self._sweep_at = max(FEWEST_RECORDS, 2 * len(self._records))

    def _text(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if self._key is not None:
            return self._text_of_key(self._key(*args, **kwargs))
        try:
            return f"{self._tier.prefix}{self.name}:{key_of_arguments(args, kwargs, self._typed)}"
        except TypeError as error:
            raise TypeError(f"{self._function.__qualname__}(): {error}") from None

    def _text_of_key(self, key: object) -> str:
        try:
            return f"{self._tier.prefix}{self.name}:{key_of_key(key)}"
        except TypeError as error:
            raise TypeError(f"{self._function.__qualname__}(): {error}") from None

    def _here(self) -> Any:
        local = self._local and self._local()
        if local is None:
            raise ReferenceError(f"the cache of {self.name} is gone")
        return local


def _loaded(value: Any, seconds: float) -> Loaded:
    """A value that the local cache keeps for so long, or not at all."""
    return Loaded(value, seconds if seconds >= 0.001 else 0.0)


async def _at_once(line: Line, *commands: Command) -> bool:
    """Executes all in one transaction; False where what is watched was changed meanwhile."""
    *begun, done = await line.ask(("MULTI",), *commands, ("EXEC",))
    checked(begun)
    checked([done])
    if done is None:
        return False
    checked(done)
    return True
