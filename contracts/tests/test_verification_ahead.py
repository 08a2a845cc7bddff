"""Objects of the next dates are looked for while those of one are looked at, and few of them."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import pytest
from contracts.tests.sealed_archive import Archive, leaves_of

from logferry_contracts.verification.chain import Chain, Link, read_chain
from logferry_contracts.verification.findings import Finding
from logferry_contracts.verification.objects import ToLookAt, look_at_each
from logferry_contracts.verification.verifier import Verifier


class Ahead:
    """Looks at things one by one, and takes so many more before it does."""

    def __init__(self, archive: Archive, ahead: int) -> None:
        self._archive = archive
        self._ahead = ahead

    def __call__(self, things: Iterable[ToLookAt]) -> Iterator[list[Finding]]:
        waiting: deque[ToLookAt] = deque()
        for thing in things:
            waiting.append(thing)
            if len(waiting) > self._ahead:
                yield self._look_at(waiting.popleft())
        while waiting:
            yield self._look_at(waiting.popleft())

    def _look_at(self, thing: ToLookAt) -> list[Finding]:
        return look_at_each(self._archive.bucket, "bytes", None, thing)


def chain_of(archive: Archive) -> Chain:
    return read_chain(archive.bucket, archive.chain, [archive.key.trusted])


@pytest.fixture(scope="module")
def attacked() -> Archive:
    archive = Archive()
    archive.days(6)
    objects = archive.object_keys()
    archive.bucket.replace(objects[0], b"changed")
    archive.bucket.remove(objects[3])
    archive.bucket.remove(archive.statement_keys()[4])
    archive.bucket.remove(leaves_of(archive, 4))
    archive.bucket.replace(objects[-1], b"changed")
    archive.bucket.put(f"{objects[-1].rpartition('/')[0]}/000009.gz", b"planted")
    return archive


@pytest.mark.parametrize("ahead", [1, 2, 5, 1000])
def test_what_is_found_comes_with_its_seal_however_far_ahead_is_looked(
    attacked: Archive, ahead: int
) -> None:
    def found(verifier: Verifier, links: Sequence[Link]) -> list[tuple[int, list[str]]]:
        each = verifier.check_each(links)
        return [(link.sequence, list(map(str, findings))) for link, findings in each]

    chain = chain_of(attacked)
    one_by_one = Verifier(attacked.bucket, chain, "bytes")
    looking = Verifier(attacked.bucket, chain, "bytes", look_at=Ahead(attacked, ahead))

    expected = [found(one_by_one, [link])[0] for link in chain.links]

    assert found(looking, chain.links) == expected
    assert {n for n, findings in expected if findings} == {1, 2, 3, 4, 6}
    assert list(map(str, looking.planted())) == list(map(str, one_by_one.planted()))


@pytest.mark.parametrize("outcome", ["archived", "skipped"])
def test_few_dates_are_read_ahead_whether_they_have_objects_or_not(outcome: str) -> None:
    archive = Archive()
    for _ in range(20):
        window = archive.window()
        one = archive.archived("/app/a", window, streams=1)
        of_day = one if outcome == "archived" else archive.statement("/app/a", window, outcome)
        archive.day([of_day], window)
    read: list[int] = []
    verifier = Verifier(
        archive.bucket,
        chain := chain_of(archive),
        "bytes",
        look_at=Ahead(archive, 4),
        seen=lambda link, _: read.append(link.sequence),
    )

    for number, (_, findings) in enumerate(verifier.check_each(chain.links), 1):
        assert list(findings) == []
        assert number <= len(read) <= number + 4
    assert len(read) == 20
