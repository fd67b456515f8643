"""Benchmarks: ratios against a floor measured in the same run."""

from __future__ import annotations
