"""`logferry verify --report`: the auditor's page, and the lists beside it."""

import gc
import io
import json
import re
import subprocess
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli.tests.audited import BIDI, LONG, MARKUP, organisation
from cli.tests.copies import Copy, end_at
from contracts.tests.sealed_archive import (
    AT,
    DAY_MS,
    KEY_ARN,
    SOURCE,
    START_MS,
    Archive,
    Bucket,
    SealingKey,
)
from contracts.tests.witnessing import Witness, head_of

from logferry.audit import About, Audit
from logferry.audit_page import page
from logferry.checkout import ROOT
from logferry.command import main
from logferry_contracts.day_seal import NextKey
from logferry_contracts.recount import Recounted
from logferry_contracts.statement import Waiver
from logferry_contracts.verification.chain import Chain, Link, read_chain
from logferry_contracts.verification.findings import SealError, Tally
from logferry_contracts.verification.objects import Level

CHAIN = f"{SOURCE.account_id}/{SOURCE.region}"


class Read(HTMLParser):
    """A page, as far as these tests look at it.

    Attributes:
        text: All that it says, whatever is markup left out.
        tables: By caption, each a list of rows; the first has the headings.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[int] = []
        self.scopes: Counter[str | None] = Counter()
        self.text = ""
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._into: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "th":
            self.scopes[dict(attrs).get("scope")] += 1
        if tag == "tr":
            self._rows.append([])
        if tag in {"th", "td"}:
            self._rows[-1].append("")
        if tag in {"caption", "th", "td"}:
            self._into.append(tag)
        if tag == "caption":
            self._rows, self._caption = [], ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"caption", "th", "td"}:
            self._into.pop()
        if tag == "caption":
            assert self._caption not in self.tables
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._into and self._into[-1] == "caption":
            self._caption += data
        elif self._into:
            self._rows[-1][-1] += data


def verify(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an organisation's archive, its key, and the report on it."""
    root = tmp_path_factory.mktemp("reported")
    key = organisation(root / "copy", days=15)
    (root / "seals.pem").write_text(key.pem)
    min((root / "copy" / SOURCE.profile).rglob("*.gz")).unlink()
    report = root / "november.html"
    code = verify(root / "copy", "--key", root / "seals.pem", "--report", report)
    assert code == 1
    return root


@pytest.fixture(scope="module")
def html(reported: Path) -> str:
    return (reported / "november.html").read_text("utf-8")


@pytest.fixture(scope="module")
def read(html: str) -> Read:
    return Read(html)


def test_the_page_for_auditors_says_how_to_read_each_section(html: str) -> None:
    told = (ROOT / "docs" / "for-auditors.md").read_text("utf-8")
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    assert len(titles) == 10
    assert [each for each in titles if f"| {each} |" not in told] == []


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Four dates of two log groups, sealed: 2026-11-21 to 24."""
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(4)
    (tmp_path / "seals.pem").write_text(archive.key.pem)
    return archive


def report(folder: Path, *options: str | Path, key: bool = True) -> tuple[int, Read, list[Any]]:
    """Check a folder's archive; return the exit code, the page and the lines beside it."""
    given: tuple[str | Path, ...] = ("--key", folder / "seals.pem") if key else ()
    code = verify(folder / "copy", *given, "--report", folder / "report.html", *options)
    lines = (folder / "report.jsonl").read_text("utf-8").splitlines()
    return code, Read((folder / "report.html").read_text("utf-8")), list(map(json.loads, lines))


def test_the_verdict_comes_first_and_in_words(read: Read) -> None:
    body = read.text[read.text.index("Archive check of", 200) :]
    assert re.match(r"Archive check of \S+\s+Not valid\s+6 errors were found: 5 contradicted", body)
    assert "1 thing could not be checked." in body
    assert "of 111 windows of log groups 61 are archived, 1 contradicted, 1 open, 14 failed" in body


def test_windows_are_counted_by_their_last_word(read: Read) -> None:
    heading, *rows = read.tables["Windows by account and month"]
    counted = [dict(zip(heading, row, strict=True)) for row in rows]
    shop = [each for each in counted if each["account and Region"] == CHAIN]
    assert [each["month"] for each in shop] == ["2026-11", "2026-12"]
    # Of 15 dates one that had failed was exported since.
    assert sum(int(each["failed"]) for each in shop) == 14
    assert sum(int(each["archived"]) for each in shop) == 31
    assert [each["log groups"] for each in shop] == ["11", "5"]
    whole = {
        row[0]: dict(zip(heading[:1] + heading[2:], row, strict=True))
        for row in read.tables["Windows by account and Region"][1:]
    }
    for name in ("windows", "archived", "objects", "events", "bytes"):
        values = [int(each[name].replace(",", "")) for each in shop]
        assert whole[CHAIN][name] == f"{sum(values):,}"


def test_what_is_missing_is_told_with_its_reason(read: Read) -> None:
    [_, waived] = read.tables["waived: not in the archive, and somebody answers for it"]
    assert waived[0] == "/app/gone"
    by = "arn:aws:iam::999988887777:user/anna at 2026-11-23T06:31:12.004Z"
    assert waived[-1] == f"{by}: Its owner is gone {MARKUP}"
    [_, disposed] = read.tables[
        "disposed: was in the archive, and somebody answers for its deletion"
    ]
    assert (disposed[0], disposed[-1]) == ("/app/erased", waived[-1])
    assert read.tables["Disposed of"][1][2].startswith("1 objects are disposed of by arn:aws:iam")
    contradicted = read.tables["contradicted: the archive has something else than the records say"]
    assert "size_bytes" in contradicted[1][-1]
    assert "85 is recorded, 29 is there" in contradicted[1][-1]
    assert contradicted[1][-1].endswith("and 2 differences more")
    failed = read.tables["failed: its export has failed for good"]
    assert failed[1][-2:] == ["task_failed", "FAILED: Access denied"]
    [_, *without] = read.tables["Skipped or excluded, by log group"]
    assert [row[2:5] for row in without] == [
        ["excluded", "selection", "15"],
        ["skipped", "empty", "15"],
    ]


def test_each_kind_of_error_is_told_with_its_rule(read: Read) -> None:
    assert read.tables["Kinds of errors"][1:] == [
        ["contradicted", "The sealer has found that ledger and archive differ.", "5"],
        ["object_missing", "A sealed object is not in the archive.", "1"],
    ]
    assert read.tables["object_missing"][1][0].endswith("/000000.gz")


def test_keys_and_heads_are_those_of_the_chain(reported: Path, read: Read) -> None:
    pem = (reported / "seals.pem").read_bytes()
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, check=True
    ).stdout
    fingerprint = subprocess.run(
        ["sha256sum"], input=der, capture_output=True, check=True
    ).stdout.split()[0]
    assert read.tables["Keys that were given"][1][0] == fingerprint.decode()
    [_, first, second, other] = read.tables["Keys by which the seals say that they are signed"]
    assert (first[0], first[2], first[5]) == (fingerprint.decode(), "given", "9")
    assert (second[2], second[5]) == ("named by seal 9", "9")
    assert (other[0], other[5]) == (fingerprint.decode(), "15")
    [_, head, _] = read.tables["Newest seals"]
    assert head[:2] == [CHAIN, "18"]


def test_what_the_archive_says_is_text_and_nothing_else(html: str, read: Read) -> None:
    assert MARKUP in read.text
    assert LONG in read.text
    assert read.tags["script"] == read.tags["img"] == 0
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert BIDI.encode("unicode_escape").decode()[:12] in html
    assert not [each for each in html if not each.isprintable() and each != "\n"]


def test_nothing_is_asked_of_a_network(html: str, read: Read) -> None:
    links = {value for name, value in read.attributes if name in {"href", "src"}}
    assert {each for each in links if each and not each.startswith("#")} == {"data:,"}
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_a_screen_reader_finds_its_way(html: str, read: Read) -> None:
    assert '<html lang="en">' in html
    assert read.tags["table"] == read.tags["caption"] == len(read.tables)
    assert set(read.scopes) == {"col", "row"}
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    steps = zip(read.headings, read.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    ids = [value for name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    anchors = {value for name, value in read.attributes if name == "href" and value != "data:,"}
    assert anchors == {f"#{each}" for each in ids}


def test_the_lists_have_what_a_page_may_have_no_room_for(reported: Path) -> None:
    lines = list(map(json.loads, (reported / "november.jsonl").read_text().splitlines()))
    errors = [each["finding"] for each in lines if "finding" in each]
    errors_told = {"contradicted": 5, "object_missing": 1}
    assert Counter(errors) == {**errors_told, "unchecked": 1, "disposed": 1, "note": 1}
    windows = Counter(each["outcome"] for each in lines if "window" in each)
    assert windows["failed"] == 14
    assert [each["verdict"] for each in lines if "verdict" in each] == ["invalid", "valid"]
    assert len([each for each in lines if "month" in each]) == 4


def test_the_commands_that_it_shows_do_what_it_says(reported: Path, html: str) -> None:
    [same, by_hand] = re.findall(r"<pre.*?><code>(.*?)</code></pre>", html, re.DOTALL)
    commands = Read(by_hand).text
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=reported,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines()[1] == "Verified OK", ran
    told = re.search(r"# ([0-9a-f]{64})", commands)
    assert told is not None
    assert ran.stdout.startswith(told[1])
    lines = Read(same).text.splitlines()
    assert lines[-1] == "logferry verify copy --key seals.pem --level events"


def test_a_valid_archive_is_called_valid_and_not_complete(tmp_path: Path, archive: Archive) -> None:
    window = archive.window()
    archive.day([archive.statement("/a", window, "failed"), archive.archived("/b", window)], window)
    code, read, _ = report(tmp_path)
    assert code == 0
    assert "Valid\nNothing was changed, removed, hidden or added since" in read.text
    assert "of 10 windows of log groups 9 are archived, 1 failed." in read.text


def test_what_cloudwatch_has_counted_itself_is_told_with_how_often_it_had_more(
    tmp_path: Path, archive: Archive
) -> None:
    window = archive.window()
    stated = [archive.archived(name, window) for name in ("/a", "/b", "/c")]
    for number, more in enumerate((0, 7)):
        events = stated[number].events + more
        recount = Recounted(by="insights", at=stated[number].stated_at, events=events)
        stated[number] = stated[number].model_copy(update={"recount": recount})
    archive.day(stated, window)
    code, read, lines = report(tmp_path)
    assert code == 0
    told = "CloudWatch Logs itself has counted 2, and had more events in 1 of these."
    assert told in read.text
    span = "2026-11-24T23:00:00.000Z to 2026-11-25T23:00:00.000Z"
    [lacking] = [each for each in lines if "CloudWatch Logs had 7" in each.get("what", "")]
    assert lacking["thing"] == f"/b, {span}"
    assert lacking["what"] == "CloudWatch Logs had 7 events that are not in the archive"


def test_a_date_that_was_sealed_late_is_counted(tmp_path: Path, archive: Archive) -> None:
    before = archive.window(from_ms=START_MS - DAY_MS)
    archive.day([archive.archived("/app/a", before)], before, is_late=True)
    code, read, _ = report(tmp_path)
    heading, row = read.tables["Seals of accounts and Regions"]
    assert (code, dict(zip(heading, row, strict=True))["late"]) == (0, "1")
    assert "1 seal was made late: by hand, for a time before there were seals" in read.text


def test_late_seals_are_counted_also_of_chains_that_the_page_has_no_row_for(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logferry.audit.CHAIN_ROWS", 1)
    source = SOURCE.model_copy(update={"account_id": "999900001111"})
    other = Archive(archive.bucket, archive.key, source)
    covers = other.window()
    other.day([other.archived("/app/a", covers)], covers, is_late=True)
    _, read, _ = report(tmp_path)
    assert len(read.tables["Seals of accounts and Regions"]) == 2
    assert "1 seal was made late: by hand" in read.text


def test_up_to_when_dates_are_sealed_is_not_what_the_newest_seal_is_of(
    tmp_path: Path, archive: Archive
) -> None:
    """The newest seal may be one of the kind later, of a date long ago, or name the next key."""
    first = archive.window(from_ms=START_MS)
    archive.later([archive.archived("/app/new", first)], first)
    _, read, _ = report(tmp_path)
    heading, row = read.tables["Newest seals"]
    shown = dict(zip(heading, row, strict=True))
    assert (shown["sequence"], shown["dates sealed up to"]) == ("5", "2026-11-24T23:00:00.000Z")


@pytest.mark.parametrize(
    ("given", "why"),
    [("a key", "which no trusted key has signed"), ("none", "whose signature was not checked")],
)
def test_a_key_that_an_untrusted_seal_names_comes_from_nowhere(
    tmp_path: Path, archive: Archive, given: str, why: str
) -> None:
    theirs = SealingKey()
    named = NextKey(id=theirs.trusted.id, arn=KEY_ARN, pem=theirs.pem)
    archive.write(archive.next_seal("key", next_key=named), theirs)
    archive.key = theirs
    archive.days(1)
    _, read, _ = report(tmp_path, key=given == "a key")
    rows = {
        row[0]: row[2] for row in read.tables["Keys by which the seals say that they are signed"]
    }
    assert rows[theirs.trusted.id] == f"nowhere: named by seal 5, {why}"


def test_a_key_that_is_replaced_lawfully_is_named(tmp_path: Path, archive: Archive) -> None:
    archive.rotate(SealingKey())
    archive.days(1)
    _, read, _ = report(tmp_path)
    rows = {
        row[0]: row[2] for row in read.tables["Keys by which the seals say that they are signed"]
    }
    assert rows[archive.key.trusted.id] == "named by seal 5"


def test_the_lists_and_what_was_in_order_are_two_files(
    tmp_path: Path, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--key", tmp_path / "seals.pem", "--resume", tmp_path / "november.jsonl")
    assert verify(tmp_path / "copy", *given, "--report", tmp_path / "november.html") == 2
    assert "november.html writes its lists: give one another name" in capsys.readouterr().err
    assert not (tmp_path / "november.jsonl").exists()


def test_without_a_key_it_says_so(tmp_path: Path, archive: Archive) -> None:
    code, read, _ = report(tmp_path, key=False)
    assert code == 3
    assert "No key was given, so no signature was checked." in read.text
    rows = read.tables["Keys by which the seals say that they are signed"]
    assert rows[1][2] == "nowhere: it was not given"


def test_what_a_witness_has_signed_is_shown_beside_the_newest_seal(
    tmp_path: Path, archive: Archive
) -> None:
    witness = Witness()
    (tmp_path / "witness.vkey").write_text(str(witness.key))
    (tmp_path / "note").write_bytes(witness.note(head_of(archive)))
    given = ("--witness", tmp_path / "note", "--witness-key", tmp_path / "witness.vkey")
    code, read, _ = report(tmp_path, *given)
    [_, note] = read.tables["What witnesses have signed"]
    [_, head] = read.tables["Newest seals"]
    assert (code, note[2:4]) == (0, head[1:3])
    assert note[4:] == [witness.name, "2026-11-23T06:32:12.000Z", "yes"]
    assert "No witness was asked" not in read.text


def test_a_url_is_shown_without_what_opens_it(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, url = Witness().note(head_of(archive)), "https://example.com/note?X-Amz-Signature=secret"
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(note))
    monkeypatch.setattr("sys.argv", ["logferry", "verify", "copy", "--witness", url])
    _, read, lines = report(tmp_path, "--witness", url)
    assert "logferry verify copy --witness https://example.com/note" in read.text
    assert "secret" not in read.text + json.dumps(lines)

    monkeypatch.setattr("sys.argv", ["logferry", "verify", "copy", f"--witness={url}"])
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.jsonl").unlink()
    _, read, _ = report(tmp_path, "--witness", url)
    assert "logferry verify copy --witness=https://example.com/note" in read.text
    assert "secret" not in read.text


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/note?secret",
        "HTTPS://127.0.0.1:9/note?secret",
        "http://127.0.0.1:9/a note?secret",
        "http://[::1?secret",
    ],
)
def test_a_url_that_cannot_be_read_is_named_without_what_opens_it(
    tmp_path: Path, archive: Archive, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    key = tmp_path / "seals.pem"
    assert verify(tmp_path / "copy", "--key", key, "--witness", url) == 2
    told = capsys.readouterr().err
    assert f"  {url.removesuffix('?secret')}: " in told
    assert "secret" not in told
    assert "No such file" not in told


@pytest.mark.parametrize("by", [None, Witness()])
def test_a_witness_that_is_not_believed_is_named(
    tmp_path: Path, archive: Archive, by: Witness | None
) -> None:
    (tmp_path / "note").write_bytes(Witness().note(head_of(archive)))
    given: list[str | Path] = ["--witness", tmp_path / "note"]
    if by is not None:
        (tmp_path / "witness.vkey").write_text(str(by.key))
        given += ["--witness-key", tmp_path / "witness.vkey"]
    code, read, _ = report(tmp_path, *given)
    [_, note] = read.tables["What witnesses have signed"]
    assert code == (3 if by is None else 1)
    assert note[-1].startswith("no: ")


@pytest.mark.parametrize("options", [("--level", "seals"), ("--sample", "50%")])
def test_what_was_not_read_is_counted_by_the_seals(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    # Of two log groups a half may be none, and then a check is not whole: this seed draws one.
    monkeypatch.setattr("secrets.token_hex", lambda _: "a seed")
    code, read, _ = report(tmp_path, *options)
    heading, row = read.tables["Windows by account and Region"]
    counted = dict(zip(heading, row, strict=True))
    assert code == 0
    assert (counted["windows"], counted["archived"], counted["events"]) == ("8", "8", "24")
    assert counted["log groups"] == "–"  # noqa: RUF001  (as it is shown)
    assert "8 windows are counted by the seal of the date" in read.text


def test_what_later_seals_say_instead_is_not_hidden_by_what_the_first_ones_say(
    tmp_path: Path, archive: Archive
) -> None:
    """Where statements were not read, all else would be told as it was first sealed."""
    window = archive.window()
    archive.day([archive.statement("/app/a", window, "failed")], window)
    archive.later([archive.archived("/app/a", window)], window)
    _, read, _ = report(tmp_path, "--level", "seals")
    told = "of 9 windows of log groups 8 are archived, 1 failed; all as first sealed, whatever"
    assert told in read.text
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.jsonl").unlink()
    _, read, _ = report(tmp_path)
    assert "In the archive: of 9 windows of log groups 9 are archived." in read.text


def test_a_level_says_what_it_has_not_looked_at(tmp_path: Path, archive: Archive) -> None:
    _, read, _ = report(tmp_path, "--level", "seals")
    assert "The chain of seals is whole and unchanged." in read.text
    assert "no statement and no object was looked at" in read.text


def test_a_part_of_the_archive_is_not_taken_for_all_of_it(tmp_path: Path, archive: Archive) -> None:
    code, read, _ = report(tmp_path, "--from", "2026-11-22", "--profile", SOURCE.profile)
    told = f"the profile {SOURCE.profile}, the dates 2026-11-22 to the last one"
    assert (code, f"Asked for was only a part: {told}." in read.text) == (0, True)
    assert "of 6 windows of log groups 6 are archived." in read.text
    assert "Valid\nNothing is wrong with the part that was asked for" in read.text
    assert "Nothing was changed" not in read.text


def test_what_an_earlier_run_has_found_in_order_is_named(tmp_path: Path, archive: Archive) -> None:
    resume = tmp_path / "progress.jsonl"
    assert verify(tmp_path / "copy", "--key", tmp_path / "seals.pem", "--resume", resume) == 0
    archive.days(1)
    code, read, _ = report(tmp_path, "--resume", resume)
    assert code == 0
    heading, row = read.tables["Seals of accounts and Regions"]
    counted = dict(zip(heading, row, strict=True))
    assert (counted["checked"], counted["resumed"]) == ("5", "4")
    assert "8 windows are counted by the seal of the date" in read.text
    assert str(resume) in read.text


def test_statements_that_cannot_be_read_are_counted(tmp_path: Path, archive: Archive) -> None:
    statement = min((tmp_path / "copy/!seals").rglob("statements/**/*.json"))
    statement.unlink()
    code, read, _ = report(tmp_path)
    heading, row = read.tables["Windows by account and Region"]
    counted = dict(zip(heading, row, strict=True))
    assert (code, counted["windows"], counted["unread"]) == (1, "8", "1")


def test_a_list_of_leaves_that_cannot_be_read_leaves_its_windows_unread(
    tmp_path: Path, archive: Archive
) -> None:
    min((tmp_path / "copy/!seals").rglob("leaves/*.jsonl")).unlink()
    code, read, _ = report(tmp_path)
    heading, row = read.tables["Windows by account and Region"]
    counted = dict(zip(heading, row, strict=True))
    assert (code, counted["windows"], counted["unread"]) == (1, "8", "2")


def test_a_check_that_is_stopped_is_reported_as_far_as_it_came(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_at("2026/11/23", KeyboardInterrupt, monkeypatch)
    code, read, _ = report(tmp_path)
    assert code == 3
    assert "Not everything could be checked" in read.text
    assert "The check came to no end: it was stopped by hand." in read.text
    assert read.tables["Seals of accounts and Regions"][1][2] == "not ended"


def test_no_chain_is_not_valid(tmp_path: Path, archive: Archive) -> None:
    code, read, _ = report(tmp_path, "--from", "2027-01-01")
    assert code == 3
    assert "Not everything could be checked" in read.text
    assert "No window of a log group was counted." in read.text


@pytest.mark.parametrize("there", ["report.html", "report.jsonl", "report.jsonl.partial"])
def test_what_is_there_is_never_written_over(
    tmp_path: Path, archive: Archive, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("another report")
    code = verify(tmp_path / "copy", "--report", tmp_path / "report.html")
    assert (code, "it is there already" in capsys.readouterr().err) == (2, True)
    assert (tmp_path / there).read_text() == "another report"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("report.pdf", "give a name that ends with .html"),
        ("/", "give a name that ends with .html"),
        ("nowhere/report.html", "cannot be written: No such file or directory"),
    ],
)
def test_a_place_where_none_can_be_is_bad_input(
    tmp_path: Path, archive: Archive, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    assert verify(tmp_path / "copy", "--report", tmp_path / name) == 2
    assert told in capsys.readouterr().err


def test_a_check_that_breaks_leaves_no_half_of_a_report(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("logferry.audit_page.page", broken)
    with pytest.raises(ZeroDivisionError):
        main(["verify", str(tmp_path / "copy"), "--report", str(tmp_path / "report.html")])
    assert not list(tmp_path.glob("report*"))


def test_a_full_disk_is_told_and_is_no_traceback(
    tmp_path: Path,
    archive: Archive,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert verify(tmp_path / "copy", "--report", tmp_path / "report.html") == 2
    assert "report.html: cannot be written: No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.glob("report*"))


ABOUT = About(
    archives=["copy"],
    profile=None,
    first=None,
    last=None,
    level="bytes",
    sample=100.0,
    keys=[("seals.pem", "0" * 64)],
    witnessed=None,
    resumed_from=None,
    command="logferry verify copy --key seals.pem --report report.html",
    version="1.0.0",
    began=datetime(2026, 11, 28, tzinfo=UTC),
    ended=datetime(2026, 11, 28, 1, tzinfo=UTC),
    stopped=None,
)


def test_the_archives_of_two_hubs_are_copied_into_folders_of_their_own() -> None:
    """Both may have seals of the same account and Region."""
    about = replace(ABOUT, archives=["s3://here", "s3://there"])
    shown = Read("".join(page(long_audit(1), about, "report.jsonl"))).text
    for number, name in enumerate(("here", "there"), 1):
        assert f"aws s3 sync s3://{name} copy-{number}\n" in shown
        assert f"logferry verify copy-{number} --key seals.pem --level events\n" in shown
    one = replace(ABOUT, archives=["s3://here"])
    assert "aws s3 sync s3://here copy\n" in "".join(page(long_audit(1), one, "report.jsonl"))


def long_audit(days: int, level: Level = "bytes") -> Audit:
    """Return what is kept of so many dates on which much is wrong."""
    archive = Archive(Bucket(), SealingKey())
    archive.days(1)
    [link] = read_chain(archive.bucket, archive.chain, [archive.key.trusted]).links
    assert link.sealed is not None
    waiver = Waiver(by="anna", why="gone", at=AT)
    statements = [
        archive.statement(f"/app/{number}", link.sealed.covers, outcome, waiver=waiver)
        for number in range(2)
        for outcome in ("skipped", "failed", "waived")
    ]
    audit = Audit(level)
    audit.begin(Chain(archive.chain, [link], 1, []), [link], [link], Tally())
    for number in range(days):
        on = date(2016, 1, 1) + timedelta(days=number)
        dated: Link = link._replace(
            sealed=link.sealed.model_copy(update={"date": on.isoformat(), "leaf_count": 6})
        )
        for each in statements:
            audit.seen(dated, each)
        audit.findings.add(archive.chain, SealError(f"object {number}", "it is not there"))
        audit.checked(dated)
    audit.end()
    return audit


@pytest.mark.parametrize("year", [73, pytest.param(365, marks=pytest.mark.deep)])
def test_three_years_take_no_more_memory_than_one(year: int) -> None:
    def kept(days: int) -> int:
        gc.collect()
        tracemalloc.start()
        audit = long_audit(days)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert audit.totals.windows == 6 * days
        return kept

    kept(10)
    one, three = kept(year), kept(3 * year)
    # A row of counts for each of 24 months more; of each window it would be twenty times this.
    assert three - one < 45_000


def test_made_up_words_fill_neither_memory_nor_the_page() -> None:
    archive = Archive(Bucket(), SealingKey())
    archive.days(1)
    [link] = read_chain(archive.bucket, archive.chain, [archive.key.trusted]).links
    assert link.sealed is not None
    audit = Audit("bytes")
    audit.begin(Chain(archive.chain, [link], 1, []), [link], [link], Tally())
    for number in range(1000):
        of = archive.statement("/a", link.sealed.covers, f"made_up_{number}", reason=f"r{number}")
        audit.seen(link, of)
    audit.findings.add(archive.chain, SealError("x" * 100_000, "it is not there"))
    audit.end()
    text = "".join(page(audit, ABOUT, "report.jsonl"))
    assert len(audit.missing.why) == 201
    assert "1,000 unknown" in text
    assert "98,000 characters more" in text
    assert "made_up_0" in text
    assert len(text) < 100_000


def test_a_table_ends_and_says_how_much_more_there_is() -> None:
    audit = long_audit(3650)
    text = "".join(page(audit, ABOUT, "report.jsonl"))
    read = Read(text)
    assert len(read.tables["failed: its export has failed for good"]) == 101
    assert "7,300 in all; 7,200 more in report.jsonl." in read.text
    assert "3,650 in all; 3,625 more in report.jsonl." in read.text
    assert len(read.tables["Windows by account and month"]) == 1 + 120
    assert len(text) < 200_000
