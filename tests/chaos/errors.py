"""Errors of any code that AWS may answer to an operation, drawn at random."""

import random
from collections.abc import Callable

from botocore.exceptions import ClientError
from services.exporter.tests.aws_errors import codes_of, error, status_of

ANSWERS = frozenset({404, 405, 412})
"""What says that something is not there, or is there already, is S3's answer and no error."""


def drawn(rng: random.Random, service: str, operation: str) -> ClientError:
    """Return an error that an operation may meet."""
    codes = codes_of(service, operation)
    if service == "s3":
        codes = {code for code in codes if status_of(code) not in ANSWERS}
    return error(operation, rng.choice(sorted(codes)))


class Trouble:
    """Which calls meet an error, and how often yet.

    Attributes:
        told: What has been drawn, to be read when a run fails.
        met: How many calls have met an error.
    """

    MOST_TIMES = 6

    def __init__(self, rng: random.Random) -> None:
        """Draw by ``rng``."""
        self.rng = rng
        self.told: list[str] = []
        self.met = 0
        self._errors: dict[str, tuple[ClientError, float]] = {}

    def begin(self, call: str, service: str, operation: str) -> None:
        """From now on let a call meet an error: some times, or until it is mended."""
        met = drawn(self.rng, service, operation)
        times = self.rng.choice([self.rng.randint(1, self.MOST_TIMES), float("inf")])
        self._errors[call] = met, times
        self.told.append(f"{call} {met.response['Error']['Code']} {times}")

    def mend(self) -> None:
        """Let all calls be answered."""
        self._errors.clear()
        self.told.append("mended")

    def meet(self, call: str, as_adapter: Callable[[ClientError], object] = lambda _: None) -> None:
        """Raise what a call meets, or what an adapter makes of it; nothing for most calls."""
        met, times = self._errors.get(call, (None, 0))
        if met is None:
            return
        self.met += 1
        if times > 1:
            self._errors[call] = met, times - 1
        else:
            del self._errors[call]
        as_adapter(met)
        raise met
