"""Time zones by the rules of one release of IANA's data, whatever the machine has.

zoneinfo reads the operating system's data first, and the package ``tzdata`` only where there is
none: two machines then cut a day at different hours. https://docs.python.org/3/library/zoneinfo.html

The package is not among the dependencies of logferry-contracts, but its extras ``zones``
and ``verify``.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]  # it has no types

ZONE_DATA: str = tzdata.IANA_VERSION
"""The release of IANA's data, such as ``2026f``. https://www.iana.org/time-zones"""

_PACKAGE = files(tzdata)


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones, such as ``Europe/Berlin``."""
    return frozenset(_PACKAGE.joinpath("zones").read_text("utf-8").split())


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return a time zone: the same object for the same name.

    Raises:
        ValueError: There is no zone of this name.
    """
    if name not in zone_names():
        raise ValueError(f"{name!r} is not an IANA time zone")
    with _PACKAGE.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
