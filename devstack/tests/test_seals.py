"""What the seals of a run say in the end."""

from contracts.tests.sealed_archive import Archive

from devstack.seals import Seals, last_words
from logferry_contracts.verification.chain import read_chain


def test_what_a_later_seal_has_more_is_counted_and_nothing_twice() -> None:
    """As of an addendum: its statement has the objects of before as well."""
    archive, name = Archive(), "/app/a"
    window = archive.window()
    export = archive.export(name, window)
    line = b"2026-11-22T00:00:00.000Z hello\n"
    first, late = (archive.put(export, window, stream, line) for stream in ("web", "agent"))
    for seal, objects in ((archive.day, [first]), (archive.later, [first, late])):
        said = archive.statement(name, window, "archived", exports=[export], objects=objects)
        others = [archive.archived("/app/b", window)] if seal == archive.day else []
        seal([said, *others], window)
    chain = read_chain(archive.bucket, archive.chain, [archive.key.trusted])
    last = list(last_words(archive.bucket, chain))
    found = Seals.of([chain], [], last, [])
    assert (found.days, found.log_groups) == (1, 2)
    objects = [each for statement in last for each in statement.objects or []]
    assert (found.objects, found.events) == (len(objects), sum(each.events for each in objects))
    assert {each.key for each in (first, late)} < {each.key for each in objects}
    assert len({each.key for each in objects}) == len(objects)
