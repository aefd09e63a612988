# SPDX-License-Identifier: MIT
"""A Redis server of the tests' own, and processes that share it: what the tests of the caches' second tier are made of."""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count()
PATIENCE = 30.0  # seconds after which what a test waits for is taken not to come

# What every process runs: it reads lines of Python and answers each with what that gives, or what it raised. `wait` is
# for awaitables. `told` is what was warned about. `ran` is the arguments of the loads in this process.
PROGRAM = r"""
import asyncio, logging, os, sys, threading, time, warnings

library, socket, space, tier_options, cache_options = sys.argv[1:]
if library == "valkey":
    import valkey as server, valkey.asyncio
    client, client_later = server.Valkey, valkey.asyncio.Valkey
else:
    import redis as server, redis.asyncio
    client, client_later = server.Redis, redis.asyncio.Redis

import outpace

logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of slow callbacks, too
told = []
warnings.simplefilter("always", RuntimeWarning)
warnings.showwarning = lambda message, kind, *rest: told.append(f"{kind.__name__}: {message}")
raw = client(unix_socket_path=socket)
options = {"timeout": 20.0, "lock_seconds": 120.0} | eval(tier_options)
tier = outpace.Tier(client(unix_socket_path=socket, decode_responses=True), namespace=space, **options)
tier_later = outpace.Tier(client_later(unix_socket_path=socket), namespace=space + ".later", **options)
cached = outpace.lru_cache(tier=tier, **eval(cache_options))
cached_later = outpace.lru_cache(tier=tier_later, **eval(cache_options))
ran = []
give = None


def began(x):
    ran.append(x)
    raw.rpush(space + ".began", os.getpid())


@cached
def load(x=0, *, unit="m"):
    ran.append(x)
    return {"of": x, "by": os.getpid()}


@cached
def wide(x):
    ran.append(x)
    return give


@cached
def slow(x):
    began(x)
    if raw.blpop(space + ".go", 60)[1] == b"fail":
        raise KeyError(x)
    return {"of": x, "by": os.getpid()}


@cached
def again(x):
    ran.append(x)
    return {"of": x} if len(ran) > 1 else again(x)


class Shop:
    def __init__(self, town):
        self.town = town

    @outpace.lru_cache(tier=tier, key=lambda self, x: (self.town, x))
    def price(self, x):
        ran.append(x)
        return [self.town, x, os.getpid()]


@cached_later
async def later(x):
    ran.append(x)
    return {"of": x, "by": os.getpid()}


@cached_later
async def slow_later(x):
    began(x)
    while not (said := raw.lpop(space + ".go")):
        await asyncio.sleep(0.01)
    if said == b"fail":
        raise KeyError(x)
    return {"of": x, "by": os.getpid()}


def stats(function, *names):
    found = function.tier_stats()._asdict()
    return {name: found[name] for name in names}


def main():
    names = globals()
    loop = asyncio.new_event_loop()
    names["loop"], names["wait"] = loop, loop.run_until_complete
    for line in sys.stdin:
        try:
            try:
                answer = eval(line, names)
            except SyntaxError:
                answer = exec(line, names)
            answer = "= " + repr(answer)
        except Exception as error:
            answer = f"! {type(error).__name__}: {error}"
        print(answer.replace("\n", " "), flush=True)
    wait(tier_later.aclose())
    wait(loop.shutdown_asyncgens())
    loop.close()
    tier.close()


if __name__ == "__main__":
    from program import main  # not __main__: the functions have the name of a module, in every process the same

    main()
"""


def until(what: Callable[[], Any]) -> Any:
    """Waits for what becomes true, and gives it."""
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.01)
    return found


class Server:
    """A redis-server on a socket in a folder of its own. It keeps nothing on disk."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="outpace-tier-"))  # a short path, as those of sockets must be
        self.socket = str(self.folder / "socket")
        (self.folder / "program.py").write_text(PROGRAM, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        import redis

        command = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.raw: Any = redis.Redis(unix_socket_path=self.socket)
        until(self._answers)

    def _answers(self) -> bool:
        import redis

        assert self._process is not None and self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.raw.ping())
        except redis.exceptions.RedisError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self.raw.close()
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def calls(self, command: str) -> int:
        """How often the server was given a command, by anybody."""
        found = self.raw.info("commandstats")
        return int(found.get("cmdstat_" + command, {}).get("calls", 0))


class Worker:
    """A process that executes what it is told, line by line."""

    def __init__(self, server: Server, build: Path, space: str, library: str, tier: str, cache: str) -> None:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("OUTPACE_", "PYTHON"))}
        environment |= {"PYTHONPATH": str(ROOT / "python"), "OUTPACE_TRACE_AGENT": str(build / "agents")}
        command = [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", str(server.folder / "program.py")]
        self._errors = open(server.folder / f"errors{next(NUMBERS)}", "w+")  # noqa: SIM115 - open as long as the process
        self.process = subprocess.Popen(
            [*command, library, server.socket, space, tier, cache],
            cwd=server.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.pid = self.process.pid
        self._answers = b""

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """The answer to what was said first of what has none yet: a value, or the text of an exception."""
        assert self.process.stdout is not None
        while b"\n" not in self._answers:
            ready, _, _ = select.select([self.process.stdout], [], [], 2 * PATIENCE)
            assert ready, "no answer"
            some = os.read(self.process.stdout.fileno(), 1 << 16)
            assert some, f"the process ended: {self.errors()}"
            self._answers += some
        line, self._answers = self._answers.split(b"\n", 1)
        answer = line.decode()
        if answer.startswith("= "):
            return ast.literal_eval(answer[2:])
        assert answer.startswith("! "), answer
        return answer[2:]

    def ask(self, line: str) -> Any:
        self.say(line)
        return self.hear()

    def until(self, line: str) -> Any:
        return until(lambda: self.ask(line))

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def kill(self) -> None:
        self.process.kill()
        self._close()

    def end(self) -> None:
        """It has to end well, and to say nothing on standard error."""
        if self.process.stdin is None or self.process.stdin.closed:
            return
        self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            said = self.errors()
            self._close()
        assert (code, said) == (0, "")

    def _close(self) -> None:
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


# ---- fixtures: a test file imports those that it needs ----------------------------------------------------------------

SPACES = itertools.count()
Start = Callable[..., Worker]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that the test may do to what it likes."""
    made = Server()
    yield made
    made.end()


@pytest.fixture
def space() -> str:
    """A namespace of the test's own."""
    return f"test{next(SPACES)}"


def skip_without_modules(build: Path) -> None:
    if "OUTPACE_SANITIZER" in os.environ:
        pytest.skip("its modules are not for a Python without a sanitizer")
    if not (build / "agents").is_dir():
        pytest.skip("there are no extension modules: run make agents")


@pytest.fixture(scope="module")
def alone(server: Server, build: Path) -> Iterator[Worker]:
    """A process for tests that leave no traces. Its namespace is `alone`."""
    skip_without_modules(build)
    worker = Worker(server, build, "alone", "redis", "{'max_value_bytes': 100_000, 'lock_seconds': 300.0}", "{}")
    yield worker
    worker.end()


@pytest.fixture
def start(build: Path, space: str) -> Iterator[Start]:
    """Starts processes that must end well."""
    skip_without_modules(build)
    workers: list[Worker] = []

    def begin(server: Server, tier: str = "{}", cache: str = "{'maxsize': 100}", library: str = "redis") -> Worker:
        workers.append(Worker(server, build, space, library, tier, cache))
        return workers[-1]

    yield begin
    with contextlib.ExitStack() as ending:
        for worker in workers:
            ending.callback(worker.end)


def key_of(space: str, name: str, key: str) -> str:
    return f"{space}:1:program.{name}:{key}"
