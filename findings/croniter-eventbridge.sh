#!/usr/bin/env bash
# croniter, cron-descriptor: a schedule of EventBridge is taken, and is of another day, and of sixty times a day
#
# One would guess: a library that knows `?`, `L` and `W`, which no crontab has, reads `cron(10 3 ? * 2 *)` as EventBridge does: Mondays at
# 03:10. EventBridge counts days of the week from 1, a Sunday, and its sixth field is the year:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html#eb-cron-expressions
#
# croniter 7.0.0: 2 is a Tuesday, as in a crontab, and a sixth field is seconds: `*` is each of them, sixty times where EventBridge has
# one. Only a year that is written out is refused, as no second. cron-descriptor 2.2.1 says Tuesday too, unless it is given
# `day_of_week_start_index_zero=False`. A name, `MON`, is the same day to all. aws-croniter 2.1.1 reads all of it as EventBridge does.
# A test or a watch that works out by croniter when a rule is due next waits for the wrong day.
#
# Seen, from Saturday, 2026-11-28, on, the next two times, and how many there are in the first hour that has one:
#   10 3 * * ? *
#     croniter: Sun 03:10:00, Sun 03:10:01; 60 in an hour
#     aws-croniter: Sun 03:10:00, Mon 03:10:00; 1 in an hour
#     cron-descriptor: At 03:10
#   10 3 ? * 2 *
#     croniter: Tue 03:10:00, Tue 03:10:01; 60 in an hour
#     aws-croniter: Mon 03:10:00, Mon 03:10:00; 1 in an hour
#     cron-descriptor: At 03:10, only on Tuesday
#   10 3 ? * MON *
#     croniter: Mon 03:10:00, Mon 03:10:01; 60 in an hour
#     aws-croniter: Mon 03:10:00, Mon 03:10:00; 1 in an hour
#     cron-descriptor: At 03:10, only on Monday
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet croniter==7.0.0 aws-croniter==2.1.1 cron-descriptor==2.2.1

cat > "$folder/seen.py" <<'PYTHON'
"""Asks two libraries when schedules of EventBridge are due, and a third what they mean."""
from datetime import UTC, datetime, timedelta
from aws_croniter import AwsCroniter
from cron_descriptor import get_description
from croniter import croniter

FROM = datetime(2026, 11, 28, 12, tzinfo=UTC)

def by_croniter(schedule):
    times = croniter(schedule, FROM)
    return [times.get_next(datetime) for _ in range(100)]

def by_aws_croniter(schedule):
    return AwsCroniter(schedule).get_next(FROM, 100)

for schedule in ("10 3 * * ? *", "10 3 ? * 2 *", "10 3 ? * MON *"):
    print(schedule)
    for library, next_times in (("croniter", by_croniter), ("aws-croniter", by_aws_croniter)):
        due = next_times(schedule)
        at_once = sum(each < due[0] + timedelta(hours=1) for each in due)
        print(f"  {library}: {due[0]:%a %T}, {due[1]:%a %T}; {at_once} in an hour")
    print(f"  cron-descriptor: {get_description(schedule)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='10 3 * * ? *
  croniter: Sun 03:10:00, Sun 03:10:01; 60 in an hour
  aws-croniter: Sun 03:10:00, Mon 03:10:00; 1 in an hour
  cron-descriptor: At 03:10
10 3 ? * 2 *
  croniter: Tue 03:10:00, Tue 03:10:01; 60 in an hour
  aws-croniter: Mon 03:10:00, Mon 03:10:00; 1 in an hour
  cron-descriptor: At 03:10, only on Tuesday
10 3 ? * MON *
  croniter: Mon 03:10:00, Mon 03:10:01; 60 in an hour
  aws-croniter: Mon 03:10:00, Mon 03:10:00; 1 in an hour
  cron-descriptor: At 03:10, only on Monday'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
