"""What can go wrong, sorted by what has to happen next."""


class PlanRefusedError(Exception):
    """A well-formed request that only a person can mend: dead-letter it, trying again is idle.

    Attributes:
        field: What is wrong, such as ``time_zone``.
        value: What it is, such as ``Europe/Berln``.
        rule: What it should be, such as ``is not an IANA time zone``.
    """

    def __init__(self, field: str, value: str, rule: str) -> None:
        """Say it as a sentence, such as ``time_zone Europe/Berln is not an IANA time zone``."""
        super().__init__(f"{field} {value} {rule}")
        self.field = field
        self.value = value
        self.rule = rule

    @property
    def reason(self) -> str:
        """The reason code of the dead letter, such as ``refused_time_zone``."""
        return f"refused_{self.field}"


class LedgerUnreadableError(Exception):
    """An object in the control bucket breaks its contract: page.

    Attributes:
        body: What it says.
    """

    def __init__(self, problem: str, body: bytes) -> None:
        """Say which object and what is wrong with it."""
        super().__init__(problem)
        self.body = body


class LedgerBusyError(Exception):
    """A record could neither be created nor read, as others were writing it: retry the plan."""


class MessagesNotSentError(Exception):
    """SQS did not take some messages: retry the plan.

    Nothing is lost: their ledger records say ``requested``, so the next run sends them again.
    """


class BackfillStuckError(Exception):
    """A backfill has not gone on for hours, and says why in its note: page."""


class WorklistDamagedError(Exception):
    """A backfill's worklist cannot be read, and is made anew: page, as somebody has changed it."""


class InfrastructureBusyError(Exception):
    """Others were changing an exporter's queue or function all the time: retry the plan."""


class ChangingError(Exception):
    """A queue or function is new, or somebody else is changing it: look again in a while."""


class AwsError(Exception):
    """AWS refused or failed a call: retry the plan.

    Attributes:
        operation: AWS's name of the call, such as ``PutObject``.
        code: AWS's error code, such as ``SlowDown``; or the class of an answer that did not come.
    """

    def __init__(self, operation: str, subject: str, code: str, message: str) -> None:
        """Name the call, what it was about, and what AWS said."""
        super().__init__(f"{operation} of {subject}: {code}: {message}")
        self.operation = operation
        self.code = code
