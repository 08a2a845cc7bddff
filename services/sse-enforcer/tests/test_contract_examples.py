from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
TAKEN = ("object-created", "export-completed")


def examples(verdict):
    return [
        pytest.param(path.read_text(), id=f"{path.parts[-4]}-{path.stem}")
        for message in TAKEN
        for path in sorted(EXAMPLES.glob(f"{message}/*/{verdict}/*.json"))
    ]


@pytest.mark.parametrize("body", examples("accept"))
def test_an_accepted_example_is_understood(world, body):
    world.deliver(body)

    assert [attributes["reason"] for _, attributes in world.dead_letters] == ["wrong_bucket"]


@pytest.mark.parametrize("body", examples("reject"))
def test_a_rejected_example_is_dead_lettered(world, body):
    assert world.deliver(body) == []
    assert [attributes["reason"] for _, attributes in world.dead_letters] == ["contract"]
