"""What doctor looks at with: credentials, configuration, and the time."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from logferry import __version__, drift
from logferry.checkout import TEMPLATES
from logferry.config import Config, SourceConfig
from logferry.doctor_finding import Finding, wrong
from logferry.drift_resource import Clients, comparable
from logferry.hub import stacks_of
from logferry.stack import Stack, Stacks
from logferry.template import load_template
from logferry.typed import typed

if TYPE_CHECKING:
    import boto3


@functools.cache
def _of_checkout(template: str) -> tuple[str, Any]:
    """Return the text of a template of this checkout, which sources share, and what compares."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    return text, comparable(load_template(text))


_OF_ZIPS = ("CodeKey", "Architecture")
_VERSION = re.compile(r"[^/]+/(?P<version>[^/-]+)-[0-9a-f]{64}\.zip")
"""Of a zip's key in the artifact bucket, as `hub_stacks.code_key` makes it."""


@dataclass(frozen=True)
class Looking:
    """What each look goes by.

    Attributes:
        session: Of the hub's account, or of a source's.
        config: What is deployed.
        sources: Of the configuration; these alone are looked at.
        file: The configuration's, as it was typed.
        now: Aware.
    """

    session: "boto3.Session"
    config: Config
    sources: Sequence[SourceConfig]
    file: str
    now: Callable[[], datetime]

    @functools.cached_property
    def _clients(self) -> Clients:
        """Those in the hub's Region, one for all that this looks at."""
        return drift.clients_of(self.session, self.config.region)

    def _client(self, service: str) -> Any:
        """Return a client in the hub's Region."""
        return self._clients(service)

    @functools.cached_property
    def _stacks(self) -> Stacks:
        return stacks_of(self.session, self.config)

    def command(self, command: str, *options: str) -> str:
        """Return a command of this one with the configuration's file, as it is to be typed."""
        return typed(command, self.file, *options)

    def as_deployed(self, wanted: Stack, mend: str) -> Iterator[Finding]:
        """Yield how a stack differs from configuration, checkout and its own template."""
        there = self._stacks.deployed(wanted.name)
        if there is None:
            yield wrong("stack", wanted.name, "not deployed", mend)
            return
        text, template = _of_checkout(wanted.template)
        differs = there.template != text and comparable(load_template(there.template)) != template
        code = _VERSION.fullmatch(there.parameters.get("CodeKey", ""))
        version = __version__ if code is None else code["version"]
        if version != __version__ or differs:
            why = f"deployed by another release than this checkout, {__version__}"
            if version != __version__:
                why += f": its code is of {version}"
            yield wrong("stack", wanted.name, why, mend)
        for name, value in wanted.parameters.items():
            actual = there.parameters.get(name)
            is_found_out = value.startswith(f"/{self.config.name}/") or name in _OF_ZIPS
            if actual is not None and actual != value and not is_found_out:
                why = f"{name} is {actual or 'empty'}, and {value or 'empty'} in {self.file}"
                yield wrong("stack", wanted.name, why, mend)
        for change in drift.find(self._clients, there):
            parts = ", ".join(each.name for each in change.differences)
            why = f"changed by hand: {change.resource_type}: {parts}"
            yield wrong("resource", f"{wanted.name} {change.logical_id}", why, mend)
