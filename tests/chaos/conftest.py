"""What all of this folder is drawn by: one seed, said by `make chaos`, to be set again."""

import os
import random

import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Draws the same for the same seed and test."""
    seed = os.environ.get("CHAOS_SEED", "0")
    request.node.add_report_section("setup", "seed", f"make chaos CHAOS_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")  # noqa: S311  (to be repeatable)
