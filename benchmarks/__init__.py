"""Benchmarks: what the suite does, against what others do and against what AWS allows."""
