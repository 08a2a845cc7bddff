"""The auditor's page: what a check of an archive has found, as one HTML file for people.

It asks no network for anything and runs no script. What it shows of the archive is text, whatever
somebody has called a key.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import NamedTuple

from logferry import audit_sections as sections
from logferry.audit import About, Audit
from logferry_contracts.statement import ARCHIVED
from logferry_contracts.verification.findings import Verdict
from logferry_ledger.markup import escaped, isolated

TITLE = "Archive check"

HEADLINES: dict[Verdict, str] = {
    "valid": "Valid",
    "invalid": "Not valid",
    "unchecked": "Not everything could be checked",
}

_LOOKED_AT = {
    "seals": "the chain of seals; no statement and no object was looked at",
    "objects": "seals, statements and the list of objects; no object was read",
    "bytes": "seals, statements, and every byte of each object",
    "events": "seals, statements, and every byte and event of each object",
}
"""By level."""

_UNCHANGED = "Nothing was changed, removed, hidden or added since it was sealed."
_VALID = {
    "seals": "The chain of seals is whole and unchanged.",
    "objects": "What was sealed is there, and nothing was added to it.",
    "bytes": _UNCHANGED,
    "events": _UNCHANGED,
}
"""By level."""


_VALID_PART = "Nothing is wrong with the part that was asked for, nor with the chain of seals."


class _Section(NamedTuple):
    anchor: str
    title: str
    parts: Iterable[str]


def page(audit: Audit, about: About, lists: str) -> Iterator[str]:
    """Yield the page, piece by piece.

    Args:
        audit: What was found.
        about: What was checked.
        lists: The name of the file that has what the tables have no room for.
    """
    parts = _sections(audit, about, lists)
    yield from _head(about)
    yield "<body>\n"
    yield from _header(audit, about, parts)
    yield "<main>\n"
    for each in parts:
        yield f'<section aria-labelledby="{each.anchor}">\n'
        yield f'<h2 id="{each.anchor}">{escaped(each.title)}</h2>\n'
        yield from each.parts
        yield "</section>\n"
    yield "</main>\n</body>\n</html>\n"


def verdict(audit: Audit, about: About) -> Verdict:
    """Return the verdict on all that was asked for."""
    if audit.findings.tally.verdict == "valid" and (about.stopped or not audit.chains.count):
        return "unchecked"
    return audit.findings.tally.verdict


def _sections(audit: Audit, about: About, lists: str) -> list[_Section]:
    return [
        _Section("checked", "What was checked", sections.checked(about)),
        _Section("findings", "What is wrong", sections.findings(audit, lists)),
        _Section("unchecked", "What could not be checked", sections.unchecked(audit, about, lists)),
        _Section("accounts", "Accounts and months", sections.accounts(audit, lists)),
        _Section(
            "missing", "What is not in the archive, and why", sections.missing(audit, about, lists)
        ),
        _Section("notes", "Lawful, and worth knowing", sections.notes(audit, lists)),
        _Section("keys", "Keys", sections.keys(audit, about)),
        _Section("heads", "The end of each chain", sections.heads(audit, about)),
        _Section("limits", "What this does not prove", sections.limits(about)),
        _Section("again", "How to check it yourself", sections.again(audit, about)),
    ]


def _head(about: About) -> Iterator[str]:
    title = f"{TITLE} of {', '.join(about.archives)}, {about.began:%Y-%m-%d}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    # Nothing is fetched and nothing runs, even if something were let through.
    yield '<meta http-equiv="Content-Security-Policy" '
    yield "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
    yield '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
    style = files("logferry").joinpath("audit_page.css").read_text("utf-8")
    yield f"<title>{escaped(title)}</title>\n<style>\n{style}</style>\n</head>\n"


def _header(audit: Audit, about: About, parts: Iterable[_Section]) -> Iterator[str]:
    found = verdict(audit, about)
    yield f"<header>\n<h1>{TITLE} of {isolated(', '.join(about.archives))}</h1>\n"
    yield f'<div class="verdict {found}"><strong>{HEADLINES[found]}</strong>\n'
    yield from (f"<p>{escaped(each)}</p>\n" for each in _in_words(found, audit, about))
    yield '</div>\n<nav aria-label="Contents"><ul>\n'
    yield from (f'<li><a href="#{e.anchor}">{escaped(e.title)}</a></li>\n' for e in parts)
    yield "</ul></nav>\n</header>\n"


def _in_words(found: Verdict, audit: Audit, about: About) -> Iterator[str]:
    errors, unchecked = audit.findings.tally.errors.total(), audit.findings.tally.unchecked
    part = _part(about)
    if found == "valid":
        yield _VALID_PART if part else _VALID[about.level]
    if errors:
        kinds = ", ".join(
            f"{count:,} {code}" for code, count in audit.findings.tally.errors.most_common()
        )
        yield f"{sections.things(errors, 'error was', 'errors were')} found: {kinds}."
    elif found != "valid":
        yield "Nothing is wrong with what could be looked at."
    if unchecked:
        yield f"{sections.things(unchecked, 'thing', 'things')} could not be checked."
    if about.stopped:
        yield f"The check came to no end: {about.stopped}."
    if not about.keys:
        yield "No key was given, so no signature was checked."
    if about.witnessed is None:
        yield "No witness was asked: whether seals were cut off from the end is not known."
    yield f"Looked at: {_LOOKED_AT[about.level]}."
    if part:
        yield f"Asked for was only a part: {part}."
    yield _complete(audit)


def _part(about: About) -> str:
    """Return which part of the archive was asked for; nothing where it is all."""
    parts = []
    if about.profile:
        parts.append(f"the profile {about.profile}")
    if about.first or about.last:
        parts.append(f"the dates {sections.dates(about)}")
    if not about.is_whole:
        parts.append(f"{about.sample:g} % of the log groups, drawn at random")
    if about.resumed_from:
        parts.append("what an earlier run had not found in order")
    return ", ".join(parts)


def _complete(audit: Audit) -> str:
    """Return in words whether everything is archived, which is another question."""
    counts = audit.totals
    if not counts.windows:
        return "No window of a log group was counted."
    found = [f"{counts.outcomes[ARCHIVED]:,} are archived"]
    others = [each for each in sections.in_order(+counts.outcomes) if each != ARCHIVED]
    found += [f"{counts.outcomes[each]:,} {each}" for each in others]
    windows = sections.things(counts.windows, "window", "windows")
    told = f"of {windows} of log groups {', '.join(found)}"
    if not counts.by_seals:
        return f"In the archive: {told}."
    some = "all" if counts.by_seals == counts.windows else f"{counts.by_seals:,}"
    return f"In the archive: {told}; {some} as first sealed, whatever later seals say instead."
