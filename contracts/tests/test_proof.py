"""What a proof shows of a log group: the last word on its windows, what that replaces, or none."""

from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import (
    AT,
    DAY_MS,
    HOUR_MS,
    START_MS,
    Archive,
    SealingKey,
)
from contracts.tests.witnessing import Witness, head_of
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.check_proof import as_json
from logferry_contracts.command import main
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.proof import Proof
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.signed_note import SignedNote
from logferry_contracts.statement import Waiver
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.findings import DisposalError
from logferry_contracts.verification.proofs import Proven, check
from logferry_contracts.verification.proving import NotSealedError, prove
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

NAMES = ("/a", "/a/b", "a", "B", "/#", "/aws/lambda/x")
ABSENT = "/absent"


def proof_of(archive: Archive, name: str, date: str, *notes: bytes) -> Proof:
    """Return a proof as it is after it was written and read."""
    chain = read_chain(archive.bucket, archive.chain, ())
    texts = [each.decode() for each in notes]
    made = prove(archive.bucket, chain, name, date=date, made_at=AT, witness_notes=texts)
    return parse(Proof, emit(made))


def shown(archive: Archive, name: str, date: str, *keys: TrustedKey) -> Proven:
    return check(proof_of(archive, name, date), keys or (archive.key.trusted,))


def said(proven: Proven) -> list[tuple[int, str]]:
    """Return which seal has the last word on each window, and which."""
    return [(each.link.sequence, each.statement.outcome) for each in proven.words]


def besides(proven: Proven) -> list[tuple[int, str]]:
    return [(each.link.sequence, each.statement.outcome) for each in proven.besides]


def date_of(covers: Window) -> str:
    return f"{from_epoch_ms(covers.from_ms + HOUR_MS):%Y-%m-%d}"


OUTCOMES = ("archived", "failed", "excluded")


def sealed(archive: Archive, outcomes: dict[str, str], kind: str, covers: Window) -> None:
    """Add a seal that says so of each log group's whole window."""
    statements = [
        archive.archived(name, covers)
        if outcome == "archived"
        else archive.statement(name, covers, outcome)
        for name, outcome in outcomes.items()
    ]
    (archive.day if kind == "day" else archive.later)(statements, covers)


words = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(OUTCOMES), max_size=len(NAMES))


@settings(max_examples=40)
@given(dates=st.lists(st.lists(words, min_size=1, max_size=3), min_size=1, max_size=3))
def test_whatever_was_sealed_is_shown_and_nothing_else(dates: list[list[dict[str, str]]]) -> None:
    """Each date has words of its day, and of seals that come later."""
    archive = Archive()
    expected: dict[tuple[str, str], list[tuple[int, str]]] = {}
    covered = []
    for first, *_ in dates:
        covered.append(archive.window())
        sealed(archive, first, "day", covered[-1])
        _say(expected, archive, first, covered[-1])
    for covers, (_, *later) in zip(covered, dates, strict=True):
        for each in later:
            sealed(archive, each, "later", covers)
            _say(expected, archive, each, covers)

    for covers in covered:
        for name in (*NAMES, ABSENT):
            words = expected.get((name, date_of(covers)), [])
            # What was archived once counts, unless it was archived again.
            counting = [each for each in words if each[1] == "archived"] or words
            assert said(shown(archive, name, date_of(covers))) == counting[-1:]


def _say(
    expected: dict[tuple[str, str], list[tuple[int, str]]],
    archive: Archive,
    outcomes: dict[str, str],
    covers: Window,
) -> None:
    for name, word in outcomes.items():
        expected.setdefault((name, date_of(covers)), []).append((archive.sequence, word))


def test_what_a_later_seal_replaces_is_shown_as_replaced() -> None:
    archive = Archive()
    covers = archive.window()
    sealed(archive, {"/a": "failed", "a": "archived"}, "day", covers)
    sealed(archive, {"/a": "archived"}, "later", covers)

    proven = shown(archive, "/a", date_of(covers))

    assert said(proven) == [(2, "archived")]
    assert besides(proven) == [(1, "failed")]
    assert proven.head.sequence == 2


def test_what_was_archived_counts_although_a_later_try_has_failed() -> None:
    archive = Archive()
    covers = archive.window()
    sealed(archive, {"/a": "archived"}, "day", covers)
    sealed(archive, {"/a": "failed"}, "later", covers)

    proven = shown(archive, "/a", date_of(covers))

    assert (said(proven), besides(proven)) == ([(1, "archived")], [(2, "failed")])
    assert ["that counts" in str(each) for each in proven.notes] == [True]


def test_what_was_disposed_of_is_shown_with_who_answers_for_it() -> None:
    archive = Archive()
    covers = archive.window()
    there = archive.archived("/a", covers)
    archive.day([there], covers)
    order = Waiver(by="the owner", why="asked for", at=AT)
    gone = {"objects": there.objects, "exports": there.exports, "waiver": order}
    archive.later([archive.statement("/a", covers, "disposed", **gone)], covers)
    proven = shown(archive, "/a", date_of(covers))
    assert (said(proven), besides(proven)) == ([(2, "disposed")], [(1, "archived")])

    wrong = {**gone, "objects": []}
    archive.later([archive.statement("/a", covers, "disposed", **wrong)], covers)
    with pytest.raises(DisposalError, match="names other objects than were sealed"):
        shown(archive, "/a", date_of(covers))


def test_each_hour_has_its_own_last_word() -> None:
    archive = Archive()
    covers = archive.window()
    hours = [archive.window(HOUR_MS, START_MS + n * HOUR_MS) for n in range(24)]
    archive.day([archive.archived(name, each) for name in NAMES for each in hours], covers)
    waiver = Waiver(by="somebody", why="lost", at=AT)
    archive.later([archive.statement("/a", hours[7], "waived", waiver=waiver)], covers)

    proven = shown(archive, "/a", date_of(covers))

    assert said(proven) == [(1, "archived")] * 7 + [(2, "waived")] + [(1, "archived")] * 16
    assert [each.statement.window for each in proven.words] == hours


def test_a_window_that_was_cut_otherwise_later_is_shown_beside_the_first_one() -> None:
    archive = Archive()
    covers = archive.window()
    sealed(archive, {"/a": "failed"}, "day", covers)
    half = Window(from_ms=covers.from_ms, to_ms=covers.from_ms + DAY_MS // 2)
    archive.later([archive.archived("/a", half)], covers)

    assert said(shown(archive, "/a", date_of(covers))) == [(2, "archived"), (1, "failed")]


def test_the_keys_of_before_and_of_after_a_rotation_check_it() -> None:
    archive = Archive()
    archive.days(1)
    first, second, third = archive.key, SealingKey(), SealingKey()
    archive.rotate(second)
    covers = archive.window()
    archive.days(1)
    archive.rotate(third)
    archive.days(1)

    for key in (first, second):
        proven = shown(archive, "/app/a", date_of(covers), key.trusted)
        assert (said(proven), proven.unchecked) == ([(3, "archived")], [])
    everything = (first.trusted, second.trusted, third.trusted)
    assert said(shown(archive, "/app/a", date_of(covers), *everything)) == [(3, "archived")]


def test_without_a_key_it_is_not_whole() -> None:
    archive = Archive()
    archive.days(1)

    proven = check(proof_of(archive, "/app/a", "2026-11-21"), ())

    assert [each.why for each in proven.unchecked] == ["no key was given to check them by"]


def test_a_witness_that_has_seen_the_head_is_named_and_one_that_is_asked_for_is_missed() -> None:
    archive, witness, other = Archive(), Witness(), Witness("other.example.com")
    archive.days(2)
    head = head_of(archive)
    lines = (other.line(head.text(), 1_800_000_000), witness.line(head.text(), 1_800_000_000))
    note = SignedNote(head.text(), lines).stored()
    keys = [archive.key.trusted]

    for notes in ((note,), (other.note(head), witness.note(head))):
        proven = check(proof_of(archive, "/app/a", "2026-11-21", *notes), keys, [witness.key])
        assert [each.witness for each in proven.witnessed] == [witness.name]
        assert proven.unchecked == []
    proven = check(proof_of(archive, "/app/a", "2026-11-21"), keys, [witness.key])
    assert [each.why for each in proven.unchecked] == ["no witness's note of it is in the proof"]


def test_a_date_without_a_seal_is_named() -> None:
    archive = Archive()
    archive.days(1)

    with pytest.raises(NotSealedError, match=r"no seal of 2027-01-01"):
        proof_of(archive, "/app/a", "2027-01-01")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive whose proof and key, and one of whose objects, are in the working directory."""
    monkeypatch.chdir(tmp_path)
    archive = Archive()
    archive.days(2)
    Path("proof.json").write_text(emit(proof_of(archive, "/app/a", "2026-11-21")))
    Path("seals.pem").write_text(archive.key.pem)
    Path("000000.gz").write_bytes(archive.bucket.data(archive.object_keys()[0]))
    return archive


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ([], 0, "  archived   2026-11-20T23:00:00.000Z to 2026-11-21T23:00:00.000Z: 1 object"),
        (["--object", "000000.gz"], 0, "  object     000000.gz is shop-prod/app/a/"),
        (["--object", "seals.pem"], 1, "  other_object  seals.pem: its SHA-256 is"),
        (["--date", "2026-11-22"], 1, "  other_proof  proof.json: it is of the date 2026-11-21"),
        (["--log-group", "/app/b"], 1, "of the log group /app/a, not /app/b"),
        (["--chain", "1/eu-west-1"], 1, "account and Region 111122223333/eu-central-1"),
        (["--witness-key", "seals.pem"], 2, "logferry_contracts: seals.pem: "),
        (["--object", "nowhere"], 2, "logferry_contracts: nowhere: No such file"),
        (["--key", "proof.json"], 2, "proof.json: no public key in PEM"),
    ],
)
def test_the_command_says_what_was_proven_or_what_is_wrong(
    options: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-proof", "proof.json", "--key", "seals.pem", *options]) == code

    printed: Any = capsys.readouterr()
    assert told in printed.out + printed.err


@pytest.mark.usefixtures("files")
def test_the_command_calls_a_proof_not_whole_without_a_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check-proof", "proof.json"]) == 3
    assert capsys.readouterr().out.startswith("proof.json: not whole\n")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("text", ["", "{}", '{"schema": '], ids=["empty", "of nothing", "cut off"])
def test_what_is_no_proof_is_bad_input(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.json").write_text(text)

    assert main(["check-proof", "other.json", "--key", "seals.pem"]) == 2
    assert capsys.readouterr().err.startswith("logferry_contracts: other.json: not a valid Proof")


def test_a_later_seal_that_reaches_into_the_next_date_says_nothing_of_the_one_before() -> None:
    """Of the first date's windows a proof of the second one need not have all that was said."""
    archive = Archive()
    first = archive.window()
    sealed(archive, {"/a": "failed"}, "day", first)
    second = archive.window()
    sealed(archive, {"/a": "archived"}, "day", second)
    between = archive.window(2 * HOUR_MS, second.from_ms - HOUR_MS)
    both = Window(from_ms=first.from_ms, to_ms=between.to_ms)
    erased = archive.archived("/a", first, generation=2)
    archive.later([erased, archive.archived("/a", between)], both, date=date_of(first))
    archive.later([archive.disposed(erased)], first)

    of_first = shown(archive, "/a", date_of(first))
    of_second = shown(archive, "/a", date_of(second))

    windows = [(each.statement.window, each.statement.outcome) for each in of_second.words]
    assert windows == [(between, "archived"), (second, "archived")]
    assert of_second.besides == []
    assert said(of_first) == [(4, "disposed"), (3, "archived")]


def test_a_disposal_of_the_date_before_is_no_error_of_this_one() -> None:
    archive = Archive()
    first = archive.window()
    erased = archive.archived("/a", first)
    archive.day([erased], first)
    second = archive.window()
    sealed(archive, {"/a": "archived"}, "day", second)
    between = archive.window(2 * HOUR_MS, second.from_ms - HOUR_MS)
    both = Window(from_ms=first.from_ms, to_ms=between.to_ms)
    archive.later(
        [archive.disposed(erased), archive.archived("/a", between)], both, date=date_of(first)
    )

    assert said(shown(archive, "/a", date_of(second))) == [(3, "archived"), (2, "archived")]


def test_what_was_archived_with_more_events_counts_beside_what_was_exported_anew() -> None:
    archive = Archive()
    covers = archive.window()
    archive.day([archive.archived("/a", covers, streams=2)], covers)
    sealed(archive, {"/a": "failed"}, "later", covers)
    archive.later([archive.archived("/a", covers, generation=2)], covers)

    proven = shown(archive, "/a", date_of(covers))

    assert said(proven) == [(1, "archived"), (3, "archived")]
    assert besides(proven) == [(2, "failed")]
    [note] = as_json(proven)["notes"]
    assert note["what"] == "it was sealed with 6 events before, and has 3: all have to stay"


def test_an_outcome_that_only_a_later_version_knows_is_not_whole() -> None:
    archive = Archive()
    covers = archive.window()
    archive.day([archive.statement("/a", covers, "outsourced")], covers)

    [unchecked] = shown(archive, "/a", date_of(covers)).unchecked

    assert "its outcome outsourced is none that is known here" in str(unchecked)
