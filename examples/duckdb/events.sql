-- Read the archive's log files as a table of events: one row per event, whatever its lines.
--
--   SELECT * FROM log_events('archive/shop/aws/lambda/orders/2026/11/22/**/*.gz');
--
-- A carriage return ends a line to DuckDB, and cannot be told from a newline afterwards. A file that
-- has one is therefore refused by its name, unless that is as good as a newline to you:
--
--   SELECT * FROM log_events('...', cr_as_newline := true);

-- DuckDB 1 reads the first half of a file that was cut off without an error.
SET VARIABLE logferry_version_checked = CASE
  WHEN split_part(ltrim(version(), 'v'), '.', 1)::INT < 2
  THEN error('log_events needs DuckDB 2 or newer, and this is ' || version()) END;

-- at_utc has no zone: compared with a time that has one, it counts as a time of the session's.
SET TimeZone = 'UTC';

CREATE OR REPLACE MACRO log_lines(files, comment_begins) AS TABLE
-- A line is one column: what separates columns ends the line anyway, and nothing quotes or escapes.
SELECT filename AS file, coalesce(line, '') AS line
FROM read_csv(
  files, columns = {'line': 'VARCHAR'}, filename = true, hive_partitioning = false,
  compression = 'gzip', header = false, auto_detect = false, strict_mode = false,
  max_line_size = 4194304, delim = chr(10), new_line = '\n', quote = '', escape = '',
  comment = comment_begins
);

CREATE OR REPLACE MACRO log_events(files, cr_as_newline := false) AS TABLE
WITH lines AS (
  SELECT
    *, parse_dirpath(file) AS folder, row_number() OVER () AS n,
    CASE WHEN regexp_matches(
      line, '^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z '
    ) THEN try_cast(line[:23] AS TIMESTAMP) END AS at_utc
  FROM log_lines(files, '')
),
begun AS (SELECT * FROM lines WHERE at_utc IS NOT NULL),
gone_on AS (
  -- A line without a time goes on with the event before it.
  SELECT
    begun.n, rest.folder, arg_min(rest.file, rest.n) AS file,
    string_agg(rest.line, chr(10) ORDER BY rest.n) AS lines
  FROM (SELECT * FROM lines WHERE at_utc IS NULL) AS rest
  ASOF LEFT JOIN begun ON begun.folder = rest.folder AND begun.n < rest.n
  GROUP BY begun.n, rest.folder
),
events AS (
  SELECT at_utc, line[26:] || coalesce(chr(10) || gone_on.lines, '') AS message, folder, file
  FROM begun LEFT JOIN (SELECT n, lines FROM gone_on) AS gone_on USING (n)
  UNION ALL
  SELECT NULL, lines, folder, file FROM gone_on WHERE n IS NULL
),
with_cr AS (
  -- Were a carriage return to begin a comment, its file would have fewer lines.
  SELECT file
  FROM (SELECT file, count(*) AS n FROM lines GROUP BY file) AS every
  LEFT JOIN (SELECT file, count(*) AS n FROM log_lines(files, chr(13)) GROUP BY file) AS kept
  USING (file)
  WHERE NOT cr_as_newline AND every.n > coalesce(kept.n, 0)
)
SELECT
  at_utc, message,
  -- Where a slash separates, a backslash is a character as others are.
  coalesce(nullif(regexp_extract(file, '([^/]+)/[0-9]+\.gz$', 1), ''), parse_filename(folder)) AS stream,
  file
FROM events
WHERE (
  SELECT CASE WHEN count(*) = 0 THEN true ELSE error(
    min(file) || ' has carriage returns, which DuckDB takes for newlines, as have '
    || count(*) - 1 || ' other files: read them with logferry_contracts.archive, leave them out, '
    || 'or say log_events(files, cr_as_newline := true)'
  ) END
  FROM with_cr
) AND CASE WHEN current_setting('TimeZone') = 'UTC' THEN true ELSE error(
  'at_utc has no time zone, and would be compared as a time of ' || current_setting('TimeZone')
  || ': SET TimeZone = ''UTC'''
) END;
