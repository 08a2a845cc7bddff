"""What a process that runs tests tells of them: what is shown, as each word is written and read."""

from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what nobody reads of tests that pass, where it costs as much as a small test.

    Of each test, pytest-xdist sends six messages, with all words that the test can be chosen by in
    three of them; of one that passes, a quiet run shows a dot.
    """
    shown = config.option.verbose > 0 or config.option.durations is not None
    if shown or config.option.xmlpath:
        return
    for plugin in config.pluginmanager.get_plugins():
        # It is run as a script of another name than its module has.
        if type(plugin).__name__ == "WorkerInteractor":
            plugin.sendevent = _saying_less(plugin.sendevent)


def _saying_less(send: Any) -> Any:
    def tell(name: str, **told: Any) -> None:
        if name in {"logstart", "logfinish"}:
            return
        if name == "testreport" and told["data"]["outcome"] == "passed":
            report = told["data"]
            if report["when"] != "call":
                return
            told = {"data": {**report, "keywords": {}, "sections": []}}
        send(name, **told)

    return tell
