#!/usr/bin/env python3
"""Each minute of a year, by an implementation that shares nothing with ours.

    cron-year.py PROBE YEAR ZONE EXPRESSION...

Goes through the year minute by minute with Python's own zoneinfo, asks of
each whether the expression fits, and compares that with what PROBE says.
Prints "same COUNT EXPRESSION", or "differs ..." and where.
"""

import datetime
import subprocess
import sys
import zoneinfo

NAMES = {
    3: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(),
    4: 'sun mon tue wed thu fri sat'.split(),
}
LIMITS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
WORDS = {
    '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *', '@weekly': '0 0 * * 0', '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *', '@hourly': '0 * * * *',
}
EPOCH = datetime.datetime(1970, 1, 1)
DAY = EPOCH.toordinal()


def number(text, field):
    if text.lower() in NAMES.get(field, []):
        return NAMES[field].index(text.lower()) + LIMITS[field][0]
    return int(text)


def field_set(text, field):
    low, high = LIMITS[field]
    found = set()
    for item in text.split(','):
        span, _, step = item.partition('/')
        if span == '*':
            first, last = low, min(high, 6) if field == 4 else high
        elif '-' in span:
            first, last = (number(end, field) for end in span.split('-'))
            if field == 4 and span.lower().endswith('-sun') and first:
                last = 7
        else:
            first = number(span, field)
            last = first
            if step:
                last = 6 if field == 4 else high
        found.update(range(first, last + 1, int(step or 1)))
    return {n % 7 for n in found} if field == 4 else found


class Cron:
    def __init__(self, text):
        fields = WORDS.get(text.lower(), text).split()
        self.sets = [field_set(t, i) for i, t in enumerate(fields)]
        self.both = fields[2].startswith('*') or fields[4].startswith('*')
        self.elapsed = fields[1].startswith('*')

    def day(self, date):
        if date.month not in self.sets[3]:
            return False
        day = date.day in self.sets[2]
        weekday = date.isoweekday() % 7 in self.sets[4]
        return day and weekday if self.both else day or weekday

    def minutes(self):
        return {60 * h + m for h in self.sets[1] for m in self.sets[0]}


def main():
    probe, year, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    texts = sys.argv[4:]
    zone = zoneinfo.ZoneInfo(name)
    start = int((datetime.datetime(year, 1, 1) - EPOCH).total_seconds())
    stop = int((datetime.datetime(year + 1, 1, 1) - EPOCH).total_seconds())

    # what the clock on the wall shows, minute by minute, in minutes
    walls = []
    for t in range(start, stop + 60, 60):
        at = datetime.datetime.fromtimestamp(t, zone)
        walls.append((at.toordinal() - DAY) * 1440 + at.hour * 60 + at.minute)

    said = subprocess.run(
        [probe, f'/usr/share/zoneinfo/{name}', str(start), str(stop)],
        input='\n'.join(texts) + '\n', text=True, capture_output=True,
        check=True).stdout.splitlines()

    for text, line in zip(texts, said):
        cron = Cron(text)
        minutes = cron.minutes()
        first, last = min(walls) // 1440, max(walls) // 1440
        days = {d for d in range(first, last + 1)
                if cron.day(datetime.date.fromordinal(d + DAY))}
        times = set()
        top = walls[0]

        for n, wall in enumerate(walls[1:], 1):
            # one minute, or all those that were left out
            some = [wall] if cron.elapsed else range(top + 1, wall + 1)
            for minute in some:
                if minute % 1440 in minutes and minute // 1440 in days:
                    times.add(start + 60 * n)
            top = max(top, wall)

        want = sorted(times)
        have = [int(t) for t in line.split()] if line[:1] != '!' else [line]
        if want == have:
            print('same', len(want), text)
        else:
            odd = sorted(set(map(str, want)) ^ set(map(str, have)))[:3]
            print('differs', text, len(want), len(have), *odd)


main()
