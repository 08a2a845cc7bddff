"""A Content-Type is parsed once, not for every POST anew: there are a dozen.

Twisted reads each as an e-mail's header, a thousandth of a second for every call of SQS, STS or
CloudFormation.
"""

from functools import lru_cache

SEEN = 128
"""Uploads in parts have a boundary of their own in theirs: more than these are parsed anew."""


def install() -> None:
    """Put it before Twisted's parser."""
    from twisted.web import http  # noqa: PLC0415

    http._parseContentType = lru_cache(SEEN)(http._parseContentType)  # noqa: SLF001
