# SPDX-License-Identifier: MIT
"""lru_cache against the slow models of cache_models.py."""

import random

import cache_models
import outpace
import subject


class FunctionPlay(cache_models.Stage):
    """A decorated function and the model: each step gives the same, and leaves the same behind."""

    KEYS = range(12)

    def __init__(self, bounds, **options):
        self.bounds = bounds
        self.clock = cache_models.Clock()
        self.serial = self.weight = 0
        self.model = cache_models.Model(bounds, self.clock)
        self.zero = dict.fromkeys(("hits", "misses", "evictions", "expiries"), 0)
        self.function = outpace.lru_cache(**bounds.keywords(), timer=self.clock, **options)(self.load)

    def load(self, key):
        return self.new(self.weight)

    def step(self, step):
        self.serial += 1
        name, *arguments = step
        self.model.expire()
        self.function.cache_info()  # which sweeps
        expected = cache_models.outcome(lambda: getattr(self, "model_" + name)(*arguments))
        found = cache_models.outcome(lambda: getattr(self, "play_" + name)(*arguments))
        assert found == expected, f"{step}: {found!r} instead of {expected!r}"
        self.model.expire()
        function, model = self.function, self.model
        info, stats = function.cache_info(), function.cache_stats()
        kept = {key: function.cache_peek(key) for key in self.KEYS if function.cache_contains(key)}
        expected = {key: entry.value for key, entry in model.entries.items()}
        assert kept == expected, f"after {step}: {kept} instead of {expected}"
        counts = {name: getattr(model, name) - zero for name, zero in self.zero.items()}
        assert {name: getattr(stats, name) for name in counts} == counts, (step, stats, counts)
        assert info == (counts["hits"], counts["misses"], self.bounds.maxsize, len(expected)), (step, info)
        assert stats.currsize == len(expected) and stats.weight == model.currsize(), (step, stats)

    def play_tick(self, seconds):
        self.clock.now += seconds

    def play_load(self, key, weight):
        self.weight = weight
        return self.function(key)

    def play_set(self, key, weight):
        return self.function.cache_put(self.new(weight), key)

    def play_delete(self, key):
        return self.function.cache_invalidate(key)

    def play_peek(self, key):
        return self.function.cache_peek(key)

    def play_clear(self):
        self.function.cache_clear()

    def model_tick(self, seconds):
        pass

    def model_load(self, key, weight):
        entry = self.model.use(key)
        if entry is not None:
            return entry.value
        try:
            self.model.set(key, self.new(weight))
        except cache_models.TooHeavy:
            pass
        return self.new(weight)

    def model_set(self, key, weight):
        self.model.set(key, self.new(weight))

    def model_delete(self, key):
        if key in self.model.entries:
            self.model.remove(key)
            return True
        return False

    def model_peek(self, key):
        return self.model.entries[key].value

    def model_clear(self):
        self.model.clear()
        self.zero = {name: getattr(self.model, name) for name in self.zero}


def bounds_of(source):
    return cache_models.Bounds(
        maxsize=source.choice((None, 0, 1, 2, 3, 5, 8, 11)),
        max_bytes=source.choice((None, None, 10, 25)),
        weighed=source.random() < 0.5,
        ttl=source.choice((None, 0.5, 2.0, 10.0)),
        policy=source.choice(("lru", "s3fifo")),
    )


def is_playable(bounds):
    """sys.getsizeof weighs where nothing else does: no weights of the model's."""
    return bounds.exact and (bounds.weighed or bounds.max_bytes is None)


def step_of(source, keys):
    dice = source.random()
    key = source.choice(keys)
    if dice < 0.6:
        return "load", key, source.randrange(9)
    if dice < 0.7:
        return "set", key, source.randrange(12)
    if dice < 0.8:
        return "tick", source.choice((0.5, 0.5, 1.0, 3.0))
    if dice < 0.9:
        return "delete", key
    if dice < 0.98:
        return "peek", key
    return ("clear",)


def test_against_the_model():
    for seed in subject.seeds(300):
        source = random.Random(seed)
        bounds = bounds_of(source)
        if not is_playable(bounds):
            continue
        options = source.choice(
            ({}, {}, {"once": True}, {"copy": lambda value: value}, {"key": lambda key: key}, {"typed": True})
        )
        play = FunctionPlay(bounds, **options)
        keys = source.sample(FunctionPlay.KEYS, source.choice((2, 5, 12)))
        try:
            for _ in range(120):
                play.step(step_of(source, keys))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {bounds}, {options}: {error}") from error


def test_s3fifo_keeps_what_is_asked_for_again():
    """Of Zipf's popularity, and every fourth call for what is asked for once."""
    objects = 5000
    weights = [1 / (number + 1) ** 0.9 for number in range(objects)]
    calls = random.Random(1).choices(range(objects), weights, k=60_000)

    def ratio(policy):
        function = outpace.lru_cache(maxsize=200, policy=policy)(subject.Counter())
        for number, key in enumerate(calls):
            function(key if number % 4 else -number)
        info = function.cache_info()
        return info.hits / (info.hits + info.misses)

    assert ratio("s3fifo") > ratio("lru") * 1.2
