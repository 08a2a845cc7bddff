"""By when a source's dates have to be planned and sealed, by the configuration."""

from datetime import timedelta

from logferry.config import Config, SourceConfig
from logferry_ledger.scheduled import Scheduled


def scheduled(config: Config, source: SourceConfig) -> Scheduled:
    """Return a source as its schedule has it."""
    rule = source.window_rule
    own = None if rule is None else rule.settle_minutes
    return Scheduled(
        name=config.source_name(source),
        time_zone=config.time_zone_of(source),
        unit="day" if rule is None else rule.unit,
        settle=timedelta(minutes=config.settle_minutes if own is None else own),
        slack=timedelta(hours=config.observability.gap_hours),
        is_on=source.state == "ENABLED",
    )


def sealed_within(config: Config, source: Scheduled) -> timedelta:
    """Return how long after its end a date of a source is sealed at the latest."""
    sealer = config.sealer
    return max(
        timedelta(hours=sealer.seal_after_hours),
        source.settle + timedelta(days=sealer.open_after_days),
    )
