-- Read the ledger as a table: one row per export, with what became of it.
--
--   SELECT * FROM ledger('ledger/111122223333/eu-central-1/**/*.json') WHERE state = 'failed';

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
  }
);
