"""The probes, each on its own, in the order in which they are asked."""

from logferry.acceptance.probes import (
    deliveries,
    events,
    exports,
    functions,
    metrics,
    objects,
    parts,
    permissions,
    policies,
    written,
)

PROBES = (
    *exports.PROBES,
    *written.PROBES,
    *parts.PROBES,
    *objects.PROBES,
    *events.PROBES,
    *policies.PROBES,
    *metrics.PROBES,
    *functions.PROBES,
    *deliveries.PROBES,
    *permissions.PROBES,
)
