"""What can go wrong, by what the operator does next."""

from logferry_ledger.errors import LogferryError


class ConfigError(LogferryError):
    """The configuration is wrong: mend the file.

    Attributes:
        problems: One ``field: value: rule`` each.
    """

    def __init__(self, where: str, problems: list[str]) -> None:
        """Name every problem of the configuration at ``where``."""
        super().__init__(f"{where}:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


class PackageError(LogferryError):
    """A zip could not be built: mend the machine or the service."""


class DeployError(LogferryError):
    """A stack could not be brought to what its template says: mend what AWS names."""


class DeclinedError(DeployError):
    """Somebody said no to a change. What had been changed before stays."""


class StatusError(LogferryError):
    """The ledger or a queue could not be read: mend what it names."""


class CoverageError(LogferryError):
    """AWS refused to say what there is of a source; names which."""


class ReplayError(LogferryError):
    """Events could not be published again, or not all: mend what it names, and replay again."""


class WaiveError(LogferryError):
    """Nothing could be waived, or not all: mend what it names, and waive again."""


class DisposeError(LogferryError):
    """Nothing could be disposed of, or not all: mend what it names, and say it again."""


class PlanError(LogferryError):
    """The planner could not be asked, or did not plan: mend what it names.

    Attributes:
        reason: The planner's, such as ``refused_region``; None where it has said none.
    """

    def __init__(self, told: str, *, reason: str | None = None) -> None:
        """Say what it did not do."""
        super().__init__(told)
        self.reason = reason


class BackfillError(LogferryError):
    """A backfill could not be begun or changed; says why."""


class ExplainError(LogferryError):
    """The ledger could not be read: mend what it names."""


class RetryError(LogferryError):
    """Nothing could be asked for again, or not all: mend what it names, and ask again."""


class RetentionError(LogferryError):
    """No retention was set, or not all: mend what it names, and say it again."""


class SweepError(LogferryError):
    """The archive could not be swept, or not to the end: mend what it names."""


class SealError(LogferryError):
    """The sealer could not be asked: mend what it names."""


class ProveError(LogferryError):
    """No proof could be made: check the archive with `logferry verify`, and mend what it names."""


class ThawError(LogferryError):
    """Nothing was asked of S3: somebody said no, or nobody could be asked."""


class RebuildError(LogferryError):
    """The ledger could not be made again, or not whole: mend what it names, and go on."""


class AcceptanceError(LogferryError):
    """A run cannot begin, or go on: mend what it names."""
