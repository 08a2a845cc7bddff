#!/usr/bin/env bash
# tantivy: an index of log lines does not find a digest, and finds the line by any other digest
#
# One would guess: a word of a line that was indexed finds the line, and `AND` of a word that no line has finds nothing. What logs are
# searched for are ids and digests.
#
# tantivy 0.27.0, its Python bindings: the tokenizer of a text field that names none, and `en_stem`, drop words of 40 bytes and more, from
# lines and from queries, and say nothing. A Git commit has 40, a SHA-256 64, tokens of sessions more. Such a word alone finds nothing. In a
# query with others it is no condition at all: `sha256 AND …` finds the line whichever digest is asked for, and `NOT` keeps none
# out. The Rust library's documentation names the filter, https://docs.rs/tantivy/latest/tantivy/tokenizer/index.html; that of the
# bindings does not. A tokenizer that is registered without it finds all of them.
#
# Seen, lines found of "sha256 <digest> stored", "commit <id> built" and "trace <id> began":
#   default: a trace's id 1, a commit 0, a digest 0, sha256 AND digest 1, sha256 AND another digest 1, sha256 AND NOT digest 1
#   en_stem: a trace's id 1, a commit 0, a digest 0, sha256 AND digest 1, sha256 AND another digest 1, sha256 AND NOT digest 1
#   without the filter: a trace's id 1, a commit 1, a digest 1, sha256 AND digest 1, sha256 AND another digest 0, sha256 AND NOT digest 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tantivy==0.27.0

cat > "$folder/seen.py" <<'PYTHON'
"""Indexes three lines by three tokenizers, and looks for them."""
import hashlib
from tantivy import Document, Filter, Index, SchemaBuilder, TextAnalyzerBuilder, Tokenizer

DIGEST, OTHER = (hashlib.sha256(each).hexdigest() for each in (b"day", b"another day"))
COMMIT, TRACE = hashlib.sha1(b"day").hexdigest(), hashlib.md5(b"day").hexdigest()
LINES = (f"sha256 {DIGEST} stored", f"commit {COMMIT} built", f"trace {TRACE} began")
QUERIES = {
    "a trace's id": TRACE,
    "a commit": COMMIT,
    "a digest": DIGEST,
    "sha256 AND digest": f"sha256 AND {DIGEST}",
    "sha256 AND another digest": f"sha256 AND {OTHER}",
    "sha256 AND NOT digest": f"sha256 AND NOT {DIGEST}",
}

for name in ("default", "en_stem", "without the filter"):
    how = {} if name == "default" else {"tokenizer_name": name}
    schema = SchemaBuilder()
    schema.add_text_field("line", **how)
    index = Index(schema.build())
    if name == "without the filter":
        words = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).build()
        index.register_tokenizer(name, words)
    writer = index.writer()
    for line in LINES:
        writer.add_document(Document(line=line))
    writer.commit()
    index.reload()
    searcher = index.searcher()
    counts = {what: searcher.search(index.parse_query(query, ["line"])).count for what, query in QUERIES.items()}
    print(f"{name}: {', '.join(f'{what} {count}' for what, count in counts.items())}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="default: a trace's id 1, a commit 0, a digest 0, sha256 AND digest 1, sha256 AND another digest 1, sha256 AND NOT digest 1
en_stem: a trace's id 1, a commit 0, a digest 0, sha256 AND digest 1, sha256 AND another digest 1, sha256 AND NOT digest 1
without the filter: a trace's id 1, a commit 1, a digest 1, sha256 AND digest 1, sha256 AND another digest 0, sha256 AND NOT digest 0"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
