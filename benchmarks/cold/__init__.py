"""What a fresh process of `benchmarks.cold_start` runs, and the naive handler beside ours."""
