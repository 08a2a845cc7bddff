"""The probes, each on its own, in the order in which they are asked."""

from logferry.acceptance.probes import (
    events,
    exports,
    functions,
    metrics,
    objects,
    policies,
    written,
)

PROBES = (
    *exports.PROBES,
    *written.PROBES,
    *objects.PROBES,
    *events.PROBES,
    *policies.PROBES,
    *metrics.PROBES,
    *functions.PROBES,
)
