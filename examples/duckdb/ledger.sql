-- Read the ledger as a table: one row per export, with what became of it.
--
--   SELECT * FROM ledger('ledger/111122223333/eu-central-1/**/*.json') WHERE state = 'failed';

SET VARIABLE logferry_version_checked = CASE
  WHEN split_part(ltrim(version(), 'v'), '.', 1)::INT < 2
  THEN error('ledger needs DuckDB 2 or newer, and this is ' || version()) END;

-- Its times have no zone: compared with a time that has one, they count as times of the session's.
SET TimeZone = 'UTC';

CREATE OR REPLACE MACRO ledger(files) AS TABLE
SELECT
  source.profile,
  log_group.name AS log_group,
  make_timestamp_ms("window".from_ms) AS from_utc,
  make_timestamp_ms("window".to_ms) AS to_utc,
  generation,
  state,
  coalesce(skipped.reason, failed.reason) AS reason,
  completed.manifest.object_count AS objects,
  completed.manifest.total_bytes AS stored_bytes,
  export_id
FROM read_json(
  files,
  columns = {
    'source': 'STRUCT(profile VARCHAR)',
    'log_group': 'STRUCT(name VARCHAR)',
    'window': 'STRUCT(from_ms BIGINT, to_ms BIGINT)',
    'generation': 'INTEGER',
    'state': 'VARCHAR',
    'skipped': 'STRUCT(reason VARCHAR)',
    'failed': 'STRUCT(reason VARCHAR)',
    'completed': 'STRUCT(manifest STRUCT(object_count BIGINT, total_bytes BIGINT))',
    'export_id': 'VARCHAR'
  },
  hive_partitioning = false
)
WHERE CASE WHEN current_setting('TimeZone') = 'UTC' THEN true ELSE error(
  'from_utc and to_utc have no time zone, and would be compared as times of '
  || current_setting('TimeZone') || ': SET TimeZone = ''UTC'''
) END;
