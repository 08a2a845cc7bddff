-- Read the archive's log files as a table of events: one row per event, whatever its lines.
--
--   SELECT * FROM log_events('archive/shop/aws/lambda/orders/2026/11/22/**/*.gz');

CREATE OR REPLACE MACRO log_events(files) AS TABLE
WITH lines AS (
  -- A line is one column: no character of it separates, quotes or escapes.
  SELECT filename AS file, coalesce(line, '') AS line, row_number() OVER () AS n
  FROM read_csv(
    files, columns = {'line': 'VARCHAR'}, filename = true, compression = 'gzip',
    header = false, auto_detect = false, strict_mode = false, max_line_size = 4194304,
    delim = chr(1), quote = '', escape = '', new_line = '\n'
  )
),
numbered AS (
  -- A line without a time goes on with the event before it.
  SELECT *, parse_dirpath(file) AS folder, sum(begins::INT) OVER (ORDER BY n) AS event
  FROM (
    SELECT *, regexp_matches(line, '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ') AS begins FROM lines
  )
)
SELECT
  CASE WHEN bool_or(begins) THEN arg_min(line, n)[:23]::TIMESTAMP END AS at_utc,
  string_agg(line, chr(10) ORDER BY n)[CASE WHEN bool_or(begins) THEN 26 ELSE 1 END:] AS message,
  parse_filename(folder) AS stream,
  arg_min(file, n) AS file
FROM numbered
GROUP BY folder, event;
