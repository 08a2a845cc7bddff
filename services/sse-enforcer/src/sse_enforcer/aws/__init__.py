"""Every call to AWS but the sweep's own, apart as the statements of the role are.

What may be done to an archived object is in five classes: `Archive` looks; `Encryption` encrypts,
in place or by a copy; `Uploads` copies in parts; `Holds` places legal holds and can neither lift
one nor remove anything; `Removals` removes versions and can do nothing else.
"""
