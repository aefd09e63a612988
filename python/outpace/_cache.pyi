# SPDX-License-Identifier: MIT
"""Caches of what functions return, and of keys and values. An extension module; ext/cache has its source."""
