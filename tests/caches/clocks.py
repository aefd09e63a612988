# SPDX-License-Identifier: MIT
"""The kernel's clock: nothing is served past its time, and nothing expires long before it."""

import threading
import time

import outpace

TICK = 0.02  # twice the longest tick of a kernel's coarse clock


def watch(ttl, seconds, make, **options):
    """Calls one function for so many seconds, without a rest and with: checks each result by when it was loaded."""
    loads = []

    @make(ttl=ttl, **options)
    def function(x):
        loads.append(time.monotonic())
        return len(loads) - 1

    kept_by, hits = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        number = function(1)
        answered = time.monotonic()
        if number == len(kept_by):
            kept_by.append(answered)
            if number > 0:
                # It had not expired before its time: what was loaded before was asked for until then.
                assert answered - loads[number - 1] >= ttl - TICK - options.get("jitter", 0)
        else:
            hits += 1
            assert number == len(kept_by) - 1
            assert asked <= kept_by[number] + ttl, f"served {asked - kept_by[number]} s after it was kept, of {ttl} s"
        time.sleep(0.0005 if hits % 3 else 0)
    assert len(loads) >= 2 and hits > 0, (len(loads), hits)


def test_below_a_second():
    watch(0.05, 1.0, outpace.lru_cache)
    watch(0.011, 0.5, outpace.ttl_cache)


def test_a_second_and_more():
    watch(1.0, 2.5, outpace.ttl_cache)
    watch(1.25, 2.0, outpace.lru_cache, maxsize=None)


def test_with_jitter():
    watch(0.1, 1.0, outpace.lru_cache, jitter=0.05)
    watch(1.2, 2.0, outpace.ttl_cache, jitter=0.7)


def test_much_shorter_than_a_tick():
    function = outpace.lru_cache(ttl=1e-9)(lambda: time.monotonic())
    for _ in range(100):
        asked = time.monotonic()
        assert function() >= asked


def test_much_longer_than_a_life():
    for ttl in (1e9, 1e18, float("inf")):
        try:
            function = outpace.lru_cache(ttl=ttl)(lambda: [1])
        except ValueError:
            assert ttl == float("inf")
            continue
        assert function() is function()


def test_stale_by_the_kernels_clock():
    calls = []

    @outpace.ttl_cache(0.05, stale=0.05)
    def function():
        calls.append(time.monotonic())
        return len(calls)

    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        asked = time.monotonic()
        number = function()
        if number < len(calls) or calls[-1] < asked:
            assert asked - calls[number - 1] <= 0.1 + TICK
        time.sleep(0.003)
    assert len(calls) >= 5


def test_expired_in_many_threads():
    wrong = []

    @outpace.ttl_cache(0.02)
    def function(x):
        return time.monotonic()

    kept_by = {}

    def work():
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            asked = time.monotonic()
            value = function(1)
            answered = time.monotonic()
            if asked > kept_by.setdefault(value, answered) + 0.02:
                wrong.append(asked - value)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The first of the threads to say when it had a value may say so late, never early.
    assert not wrong, wrong[:5]
