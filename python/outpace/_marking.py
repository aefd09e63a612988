# SPDX-License-Identifier: MIT
"""Which code belongs to an object that ``@profile`` stands above. The start-up hook uses it too,
whence the few imports and the quoted annotations."""

import types

MAX_DEPTH = 50  # of wrappers, and of classes in classes


def codes_of(thing: object, depth: int = 0) -> "list[types.CodeType]":
    """The code of a function, and of what methods, properties, partials and the like are made of; of a class, all of its own."""
    if depth > MAX_DEPTH:
        return []
    if isinstance(thing, types.CodeType):
        return [thing]
    inner: list[object]
    if isinstance(thing, types.FunctionType):
        return [thing.__code__]
    if isinstance(thing, type):
        # Not what it merely refers to: a class of elsewhere that is one of its attributes.
        inner = [
            each
            for each in vars(thing).values()
            if not isinstance(each, type) or each.__qualname__.startswith(thing.__qualname__ + ".")
        ]
    elif isinstance(thing, (types.MethodType, classmethod, staticmethod)):
        inner = [thing.__func__]
    elif isinstance(thing, property):
        inner = [thing.fget, thing.fset, thing.fdel]
    else:
        # functools.partial, partialmethod, cached_property, singledispatchmethod, lru_cache, by what they have rather
        # than by their types, as functools need not be loaded.
        kind = type(thing)
        names = ("func", "fget", "__wrapped__") if kind.__module__ in ("functools", "_functools") else ("__wrapped__",)
        inner = [getattr(thing, name, None) for name in names]
    found: list[types.CodeType] = []
    for each in inner:
        if each is not None and each is not thing:
            found += [code for code in codes_of(each, depth + 1) if code not in found]
    return found
