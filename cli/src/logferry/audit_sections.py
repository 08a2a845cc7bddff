"""The sections of the auditor's page, each as HTML piece by piece."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence

from logferry.audit import CHAIN_ROWS, MONTH_ROWS, About, Audit, Missing, OfChain, Told, Without
from logferry.audit_counts import UNKNOWN, UNREAD, Counts, Listed
from logferry.typed import typed
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.statement import (
    ARCHIVED,
    CONTRADICTED,
    DISPOSED,
    EXCLUDED,
    FAILED,
    OPEN,
    REFUSED,
    SKIPPED,
    WAIVED,
)
from logferry_contracts.verification.chain import Link
from logferry_contracts.verification.witnesses import Witnessed
from logferry_ledger.markup import Cell, escaped, facts, table

LEVELS = {
    "seals": "seals: the chain of signed seals, and each date's list of log groups",
    "objects": "objects: also each statement, and whether each object is there, its size and hold",
    "bytes": "bytes: also the SHA-256 of each object",
    "events": "events: also the lines, events and times of each object",
}

OUTCOMES = {
    ARCHIVED: "in the archive; the sealer has read every object",
    CONTRADICTED: "the archive has something else than the records say",
    OPEN: "its export had not ended when the date was sealed",
    FAILED: "its export has failed for good",
    REFUSED: "nobody can export it as it is",
    WAIVED: "not in the archive, and somebody answers for it",
    DISPOSED: "was in the archive, and somebody answers for its deletion",
    SKIPPED: "not exported, such as for having no events",
    EXCLUDED: "left out by the configuration",
    UNREAD: "what became of it could not be read",
    UNKNOWN: "a word of a later version of logferry",
}
"""What each means, the most to be asked about first."""

_LIMITS = (
    (
        "That the log groups had no other events. What was never logged, what was deleted or had "
        "expired before its export, and what a data protection policy has masked is not in the "
        "archive, and nothing here shows it. A seal is the sealer's word on what was listed and "
        "exported."
    ),
    "That the source's counts were right: CloudWatch Logs is the only witness of what it had.",
    (
        "That the signing key was in the right hands. Whoever has it can seal another history, and "
        "only hashes that were kept outside tell the two apart."
    ),
    "Anything of the time before the first seal, or of other keys of the bucket.",
)

_LIMIT_WITHOUT_A_WITNESS = (
    "That no seals were cut off from the end: no witness was asked. What is there shows no sign of "
    "it, and nothing is known of what was sealed after the newest seals that are there."
)
_LIMIT_OF_A_WITNESS = (
    "That a witness tells the truth: that no seals were cut off from the end is its word, as of "
    "the time at which it signed."
)
_LIMIT_OF_A_COPY = (
    "What only the bucket has: versions, delete markers and legal holds. This was a copy of it."
)

_UNWITNESSED = (
    "No witness was asked, so nothing is known of what was sealed after these: whether there was "
    "anything, only a witness can say."
)

_FINGERPRINT = "openssl pkey -pubin -in seals.pem -outform DER | sha256sum"


def things(count: int, one: str, many: str) -> str:
    """Return how many things there are, in words."""
    return f"{count:,} {one if count == 1 else many}"


def dates(about: About) -> str:
    """Return which dates were asked for."""
    return f"{about.first or 'the first one'} to {about.last or 'the last one'}"


def in_order(outcomes: Iterable[str]) -> list[str]:
    """Return outcomes in the order of `OUTCOMES`, each once."""
    there = set(outcomes)
    return [each for each in OUTCOMES if each in there]


def checked(about: About) -> Iterator[str]:
    """Yield what was asked for."""
    drawn = "all log groups" if about.is_whole else f"{about.sample:g} % of the log groups, drawn"
    yield from facts(
        [
            ("Archive", ", ".join(about.archives)),
            ("Profile", about.profile or "all"),
            ("Dates", dates(about)),
            ("Level", LEVELS[about.level]),
            ("Sample", drawn),
            ("Earlier run", about.resumed_from or "none was relied on"),
            ("Began", timestamp(about.began)),
            ("Ended", timestamp(about.ended)),
            ("By", f"logferry {about.version}"),
            ("Command", about.command),
        ]
    )
    yield from _paragraph("The chain of seals is always checked whole, whatever the dates.")
    if about.resumed_from:
        told = "What the earlier run had found in order was not looked at again: see seals resumed."
        yield from _paragraph(told)


def findings(audit: Audit, lists: str) -> Iterator[str]:
    """Yield each kind of error with what it means and where it was found."""
    if not audit.findings.errors:
        yield from _paragraph("Nothing.")
        return
    kinds = sorted(audit.findings.errors.values(), key=lambda each: each.code)
    yield from table(
        "Kinds of errors",
        ("error", "what it means", "found"),
        ((each.code, each.rule, each.told.count) for each in kinds),
    )
    for each in kinds:
        yield from _told(each.code, each.told, lists)


def unchecked(audit: Audit, about: About, lists: str) -> Iterator[str]:
    """Yield what remains unknown of what was asked for."""
    if about.stopped:
        yield from _paragraph(f"Whatever comes after the check was stopped: {about.stopped}.")
    if audit.findings.unchecked.count:
        yield from _told("Could not be checked", audit.findings.unchecked, lists)
    elif not about.stopped:
        yield from _paragraph("Nothing of what was asked for.")


def accounts(audit: Audit, lists: str) -> Iterator[str]:
    """Yield what became of windows, by account and by month."""
    shown = in_order(+audit.totals.outcomes)
    yield from table(
        "Seals of accounts and Regions",
        _CHAIN_COLUMNS,
        map(_of_chain, audit.chains.first),
        _more(audit.chains, lists),
    )
    if audit.late:
        yield from _paragraph(
            f"{things(audit.late, 'seal was', 'seals were')} made late: by hand, for a time before "
            "there were seals, by what was known when it was made."
        )
    yield from _paragraph(
        "A window is a log group's date, or a part of one. What became of it is said in a word:"
    )
    yield from facts((each, OUTCOMES[each]) for each in shown)
    yield from table(
        "Windows by account and Region",
        ("account and Region", *_columns(shown)),
        ((each.name, *_of_counts(each.counts, shown)) for each in audit.chains.first),
        _more(audit.chains, lists),
    )
    if audit.chains.count > 1:
        months = sorted(audit.by_month.items())
        yield from table(
            "Windows by month",
            ("month", *_columns(shown)),
            ((month, *_of_counts(of, shown)) for month, of in months[:MONTH_ROWS]),
        )
    yield from table(
        "Windows by account and month",
        ("account and Region", "month", *_columns(shown)),
        ((name, month, *_of_counts(of, shown)) for name, month, of in audit.months.first),
        _more(audit.months, lists),
    )
    yield from _of_what_is_counted(audit.totals)


def missing(audit: Audit, about: About, lists: str) -> Iterator[str]:
    """Yield what is not archived: for which reasons, and what somebody has to answer for."""
    if about.level == "seals":
        yield from _paragraph(
            "Reasons are in statements, which were not read at this level. What is contradicted is "
            "told as wrong, and what was disposed of as lawful."
        )
    elif not audit.missing.why:
        yield from _paragraph("Nothing of what was looked at.")
    if audit.missing.why:
        yield from _why(audit.missing)
    for outcome in in_order(audit.missing.windows):
        listed = audit.missing.windows[outcome]
        yield from table(
            f"{outcome}: {OUTCOMES[outcome]}",
            ("log group", "account and Region", "date", "window", "reason", "what is said of it"),
            ((e.log_group, e.chain, e.date, e.window, e.reason, e.told) for e in listed.first),
            _more(listed, lists),
        )
    if audit.missing.log_groups.count:
        yield from _log_groups(audit.missing.log_groups, lists)


def _why(found: Missing) -> Iterator[str]:
    ranks = list(OUTCOMES)
    rows = ((outcome, reason, count) for (outcome, reason), count in found.why.items())
    ordered = sorted(rows, key=lambda row: (ranks.index(row[0]), row[1]))
    yield from table("Why", ("outcome", "reason", "windows"), ordered)


def _log_groups(listed: Listed[Without], lists: str) -> Iterator[str]:
    yield from table(
        "Skipped or excluded, by log group",
        ("log group", "account and Region", "outcome", "reason", "windows", "first", "last"),
        (
            (e.log_group, e.chain, e.outcome, e.reason, e.windows, e.first, e.last)
            for e in listed.first
        ),
        _more(listed, lists),
    )


def notes(audit: Audit, lists: str) -> Iterator[str]:
    """Yield what counts for nothing, but may be asked about."""
    found = {"Disposed of": audit.findings.disposed, "Notes": audit.findings.notes}
    if not any(each.count for each in found.values()):
        yield from _paragraph("Nothing.")
    for caption, listed in found.items():
        if listed.count:
            yield from table(
                caption,
                ("about", "account and Region", "what"),
                ((each.thing, each.chain, each.what) for each in listed.first),
                _more(listed, lists),
            )


def keys(audit: Audit, about: About) -> Iterator[str]:
    """Yield which keys are trusted because somebody says so, and which the seals name."""
    yield from _paragraph(
        "A key's fingerprint is the SHA-256 of its public key (SubjectPublicKeyInfo, DER). Compare "
        "it with what the archive's operator has told you by another way than the archive."
    )
    if about.keys:
        yield from table("Keys that were given", ("fingerprint", "file"), _swapped(about.keys))
    else:
        yield from _paragraph("No key was given: the signatures of these seals were not checked.")
    given = {key_id for _, key_id in about.keys}
    uses = Listed[Sequence[Cell]](CHAIN_ROWS)
    for chain in audit.chains.first:
        for use in chain.keys.first:
            why = _why_trusted(use.key_id, use.named_by, given)
            ends = (_seal(use.first), _seal(use.last))
            uses.add((use.key_id, chain.name, why, *ends, use.seals))
    yield from table(
        "Keys by which the seals say that they are signed",
        ("fingerprint", "account and Region", "comes from", "first seal", "last seal", "seals"),
        uses.first,
        f"{uses.more:,} more." if uses.more else "",
    )


def heads(audit: Audit, about: About) -> Iterator[str]:
    """Yield the newest seal of each chain, and what witnesses have signed of it."""
    yield from _paragraph(
        "Nothing in an archive shows whether seals were cut off from its end. Compare sequence and "
        "SHA-256 with what somebody outside has kept, such as of the event logferry.day.sealed.v1."
    )
    yield from table(
        "Newest seals",
        ("account and Region", "sequence", "SHA-256 of its file", "made", "dates sealed up to"),
        (_of_head(each, each.head) for each in audit.chains.first if each.head),
    )
    if about.witnessed is None:
        yield from _paragraph(_UNWITNESSED)
        return
    notes = Listed[Witnessed](CHAIN_ROWS)
    for each in about.witnessed:
        notes.add(each)
    yield from table(
        "What witnesses have signed",
        ("note", "account and Region", "sequence", "SHA-256", "witness", "signed", "believed"),
        map(_of_note, notes.first),
        f"{notes.more:,} notes more." if notes.more else "",
    )


def limits(about: About) -> Iterator[str]:
    """Yield what no check of an archive can show."""
    of_end = _LIMIT_WITHOUT_A_WITNESS if about.witnessed is None else _LIMIT_OF_A_WITNESS
    of_copy = () if any(map(_is_bucket, about.archives)) else (_LIMIT_OF_A_COPY,)
    yield "<ul>\n"
    yield from (f"<li>{escaped(each)}</li>\n" for each in [of_end, *_LIMITS, *of_copy])
    yield "</ul>\n"


def again(audit: Audit, about: About) -> Iterator[str]:
    """Yield the commands of somebody who believes none of this."""
    yield from _paragraph(
        "All that is needed is a copy of the archive and the public key. The verifier is a Python "
        "package that needs neither AWS nor a network; docs/seal-format.md of its source says what "
        "another one has to do."
    )
    # Two archives may have seals of the same account and Region.
    several = len(about.archives) > 1
    folders = [f"copy-{n}" if several else "copy" for n, _ in enumerate(about.archives, 1)]
    copies = [
        f"aws s3 sync {shlex.quote(each)} {folder}"
        for each, folder in zip(about.archives, folders, strict=True)
        if _is_bucket(each)
    ]
    checks = [typed("verify", each, "--key", "seals.pem", "--level", "events") for each in folders]
    yield from _commands("The same check, of a copy", [*copies, _FINGERPRINT, *checks])
    signed = _newest_by_a_given_key(audit, about)
    if signed is not None:
        yield from _commands("One seal by hand", _by_hand(signed, folders[0]))
        yield from _paragraph(
            "The last command prints Verified OK, for a key on P-256. The payload of a seal of "
            "the kind key has the public key that comes after it. That of any other names its "
            "list of leaves, whose file is named for its own SHA-256, as are the statements that "
            "the list names; and these name the SHA-256 of each object: sha256sum is enough from "
            "there."
        )


def _newest_by_a_given_key(audit: Audit, about: About) -> Link | None:
    """Return the newest seal of the first chain that says that a given key has signed it."""
    given = {key_id for _, key_id in about.keys}
    signed = [
        use.last
        for chain in audit.chains.first[:1]
        for use in chain.keys.first
        if use.key_id in given
    ]
    return max(signed, key=lambda link: link.sequence, default=None)


def _by_hand(head: Link, folder: str) -> list[str]:
    return [
        f"seal={shlex.quote(f'{folder}/{head.key}')}",
        f'sha256sum "$seal"  # {head.sha256}',
        'jq -j .payload "$seal" | base64 -d > payload',
        """jq -j '.signatures[0].sig' "$seal" | base64 -d > signature""",
        'type=$(jq -j .payloadType "$seal")',
        "{ printf 'DSSEv1 %d %s %d ' ${#type} \"$type\" $(wc -c < payload); cat payload; } |",
        "  openssl dgst -sha256 -verify seals.pem -signature signature",
    ]


_CHAIN_COLUMNS = (
    *("account and Region", "profiles", "verdict", "seals", "late", "checked", "resumed"),
    *("errors", "unchecked", "from", "to"),
)


def _columns(shown: Sequence[str]) -> tuple[str, ...]:
    return ("log groups", "windows", *shown, "objects", "events", "bytes")


def _of_chain(chain: OfChain) -> Sequence[Cell]:
    errors = chain.tally.errors.total()
    verdict = chain.tally.verdict if chain.is_whole else "not ended"
    return (
        *(chain.name, ", ".join(chain.profiles), verdict),
        *(chain.seals, chain.late, chain.checked, chain.resumed, errors, chain.tally.unchecked),
        *(chain.first or "", chain.last or ""),
    )


def _of_counts(counts: Counts, shown: Sequence[str]) -> Sequence[Cell]:
    log_groups = None if counts.by_seals else counts.log_groups
    by_outcome = (counts.outcomes[each] for each in shown)
    sums = (counts.objects, counts.events, counts.stored_bytes)
    return (log_groups, counts.windows, *by_outcome, *sums)


def _of_what_is_counted(counts: Counts) -> Iterator[str]:
    if counts.by_seals:
        yield from _paragraph(
            f"{things(counts.by_seals, 'window is', 'windows are')} counted by the seal of the "
            "date, as not all statements were read: what later seals say instead is not counted "
            "there, nor are log groups."
        )
    if counts.pointer_lines:
        yield from _paragraph(
            f"{things(counts.pointer_lines, 'line holds', 'lines hold')} a pointer (@ptr) in the "
            "place of content that CloudWatch Logs keeps elsewhere."
        )
    if counts.broken_objects:
        yield from _paragraph(
            f"{things(counts.broken_objects, 'object is', 'objects are')} sealed as broken off: "
            "the gzip is not complete."
        )
    if counts.recounted:
        yield from _paragraph(
            f"Of the archived windows CloudWatch Logs itself has counted {counts.recounted:,}, and "
            f"had more events in {counts.lacking:,} of these. In {counts.ambiguous:,} the archive "
            "has more: lines of messages that begin like an event, or events exported twice."
        )


def _of_note(note: Witnessed) -> Sequence[Cell]:
    fault = "no: its witness's key was not given" if note.witness is None else "yes"
    believed = f"no: {note.fault.what}" if note.fault else fault
    at = timestamp(note.at) if note.at else ""
    chain, sequence, sha256 = note.head
    return note.name, str(chain), sequence, sha256, note.witness or "", at, believed


def _of_head(chain: OfChain, head: Link) -> Sequence[Cell]:
    up_to = "" if chain.up_to_ms is None else timestamp(from_epoch_ms(chain.up_to_ms))
    return chain.name, head.sequence, head.sha256, head.sealed_at, up_to


def _why_trusted(key_id: str, named_by: Link | None, given: Collection[str]) -> str:
    if key_id in given:
        return "given"
    if named_by is None:
        return "nowhere: it was not given"
    told = f"named by seal {named_by.sequence}"
    if named_by.is_signed:
        return told
    unsigned = "whose signature was not checked" if not given else "which no trusted key has signed"
    return f"nowhere: {told}, {unsigned}"


def _seal(link: Link) -> str:
    return f"{link.sequence}, {link.sealed_at}"


def _is_bucket(archive: str) -> bool:
    return archive.startswith("s3://")


def _swapped(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((second, first) for first, second in pairs)


def _told(caption: str, listed: Listed[Told], lists: str) -> Iterator[str]:
    yield from table(
        caption,
        ("about", "account and Region", "what", "what to do"),
        ((each.thing, each.chain, each.what, each.mend) for each in listed.first),
        _more(listed, lists),
    )


def _more[T](listed: Listed[T], lists: str) -> str:
    return f"{listed.count:,} in all; {listed.more:,} more in {lists}." if listed.more else ""


def _paragraph(text: str) -> Iterator[str]:
    yield f"<p>{escaped(text)}</p>\n"


def _commands(title: str, lines: Iterable[str]) -> Iterator[str]:
    text = "\n".join(map(escaped, lines))
    yield f'<h3>{escaped(title)}</h3>\n<pre tabindex="0"><code>{text}\n</code></pre>\n'
