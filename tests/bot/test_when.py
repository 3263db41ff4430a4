"""The grammar of WHEN: what is understood, refused and asked back, and that what is shown reads back."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.recurrence import (
    Cron,
    Daily,
    Interval,
    MonthDay,
    Monthly,
    Occurrence,
    Once,
    Pattern,
    Rule,
    Weekday,
    Weekly,
    Yearly,
    occurrences,
)
from bot.schedule_line import parse_line
from bot.when import (
    LONGEST,
    MOST_TIMES,
    Ambiguous,
    WhenError,
    ahead,
    instants,
    parse_duration,
    parse_when,
    read_rule,
    show_duration,
    show_rule,
)
from bot.when.cron import cron_of
from bot.zone_names import local, zone_named

LONDON = "Europe/London"
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp()
"""A Friday."""

# What is written, and the rule in the one form that rules are shown in; in London where no zone is said.
TIMES = {
    "at 18:00": "at 2026-11-20 18:00",
    "18:00": "at 2026-11-20 18:00",
    "AT 18:00": "at 2026-11-20 18:00",
    "  at   18:00  ": "at 2026-11-20 18:00",
    "at 9:05": "at 2026-11-21 09:05",
    "9:05": "at 2026-11-21 09:05",
    "09:05": "at 2026-11-21 09:05",
    "at 09:05": "at 2026-11-21 09:05",
    "at 18:00:30": "at 2026-11-20 18:00:30",
    "18:00:00": "at 2026-11-20 18:00",
    "6pm": "at 2026-11-20 18:00",
    "6 pm": "at 2026-11-20 18:00",
    "6PM": "at 2026-11-20 18:00",
    "6 P.M.": "at 2026-11-20 18:00",
    "6p.m.": "at 2026-11-20 18:00",
    "6:30 pm": "at 2026-11-20 18:30",
    "6:30pm": "at 2026-11-20 18:30",
    "6:30 PM": "at 2026-11-20 18:30",
    "6:30:15 pm": "at 2026-11-20 18:30:15",
    "11:59 am": "at 2026-11-21 11:59",
    "12am": "at 2026-11-21 00:00",
    "12 am": "at 2026-11-21 00:00",
    "12:00 am": "at 2026-11-21 00:00",
    "12pm": "at 2026-11-21 12:00",
    "12 pm": "at 2026-11-21 12:00",
    "12:30 am": "at 2026-11-21 00:30",
    "12:30 pm": "at 2026-11-21 12:30",
    "1am": "at 2026-11-21 01:00",
    "11pm": "at 2026-11-20 23:00",
    "at noon": "at 2026-11-21 12:00",
    "noon": "at 2026-11-21 12:00",
    "at midday": "at 2026-11-21 12:00",
    "midnight": "at 2026-11-21 00:00",
    "at midnight": "at 2026-11-21 00:00",
    "12 noon": "at 2026-11-21 12:00",
    "12 midnight": "at 2026-11-21 00:00",
    "0:00": "at 2026-11-21 00:00",
    "00:00": "at 2026-11-21 00:00",
    "23:59": "at 2026-11-20 23:59",
    "23:59:59": "at 2026-11-20 23:59:59",
    "at 15:00": "at 2026-11-21 15:00",
    "at 15:01": "at 2026-11-20 15:01",
    "at 15:00:01": "at 2026-11-20 15:00:01",
    "at 3pm": "at 2026-11-21 15:00",
    "at 3:01pm": "at 2026-11-20 15:01",
    "at 14:59": "at 2026-11-21 14:59",
    "at 18:00 UTC": "at 2026-11-20 18:00 UTC",
    "at 18:00 utc": "at 2026-11-20 18:00 UTC",
    "at 18:00 in UTC": "at 2026-11-20 18:00 UTC",
    "at 18:00 Europe/Paris": "at 2026-11-20 18:00 Europe/Paris",
    "at 18:00 in Europe/Paris": "at 2026-11-20 18:00 Europe/Paris",
    "at 18:00 EUROPE/PARIS": "at 2026-11-20 18:00 Europe/Paris",
    "at 18:00 America/New_York": "at 2026-11-20 18:00 America/New_York",
    "at 18:00 america/new york": "at 2026-11-20 18:00 America/New_York",
    "at 18:00 Asia/Tokyo": "at 2026-11-21 18:00 Asia/Tokyo",
    "at 18:00 GMT": "at 2026-11-20 18:00 GMT",
    "at 18:00 Etc/GMT-5": "at 2026-11-21 18:00 Etc/GMT-5",
    "at 18:00 America/Argentina/Buenos_Aires": "at 2026-11-20 18:00 America/Argentina/Buenos_Aires",
    "at 18:00 Asia/Kathmandu": "at 2026-11-21 18:00 Asia/Kathmandu",
    "at 18:00 Australia/Lord_Howe": "at 2026-11-21 18:00 Australia/Lord_Howe",
    "at 1:00 Pacific/Kiritimati": "at 2026-11-22 01:00 Pacific/Kiritimati",
    "18:00 Africa/Porto-Novo": "at 2026-11-20 18:00 Africa/Porto-Novo",
    "18:00, Europe/Paris": "at 2026-11-20 18:00 Europe/Paris",
}
SPELLINGS = {
    "at\u00a018:00\u2003UTC": "at 2026-11-20 18:00 UTC",
    "\u202fat\t18:00\n": "at 2026-11-20 18:00",
    "at\u300018:00": "at 2026-11-20 18:00",
    "at １８：００": "at 2026-11-20 18:00",
    "ａｔ 18:00": "at 2026-11-20 18:00",
    "６ｐｍ": "at 2026-11-20 18:00",
    "every mon–fri at 9:30": "every mon-fri at 09:30",
    "every mon—fri at 9:30": "every mon-fri at 09:30",
    "at\u200b18:00": "at 2026-11-20 18:00",
    "in ２h３０m": "at 2026-11-20 17:30",
}
DAYS = {
    "tomorrow 9:00": "at 2026-11-21 09:00",
    "tomorrow at 9:00": "at 2026-11-21 09:00",
    "Tomorrow At 9:00": "at 2026-11-21 09:00",
    "tomorrow, 9:00": "at 2026-11-21 09:00",
    "tomorrow 9am": "at 2026-11-21 09:00",
    "tomorrow at noon": "at 2026-11-21 12:00",
    "tomorrow at midnight": "at 2026-11-21 00:00",
    "tomorrow midnight": "at 2026-11-21 00:00",
    "tomorrow 18:00 Asia/Tokyo": "at 2026-11-22 18:00 Asia/Tokyo",
    "tomorrow 9:00 Pacific/Auckland": "at 2026-11-22 09:00 Pacific/Auckland",
    "9:00 tomorrow": "at 2026-11-21 09:00",
    "at 9:00 tomorrow": "at 2026-11-21 09:00",
    "at 9am tomorrow Europe/Paris": "at 2026-11-21 09:00 Europe/Paris",
    "noon tomorrow": "at 2026-11-21 12:00",
    "today 16:00": "at 2026-11-20 16:00",
    "today at 6pm": "at 2026-11-20 18:00",
    "6pm today": "at 2026-11-20 18:00",
    "day after tomorrow 9:00": "at 2026-11-22 09:00",
    "the day after tomorrow at 9:00": "at 2026-11-22 09:00",
    "friday 14:00": "at 2026-11-27 14:00",
    "friday 15:00": "at 2026-11-27 15:00",
    "friday 15:01": "at 2026-11-20 15:01",
    "friday at 18:00": "at 2026-11-20 18:00",
    "on friday at 18:00": "at 2026-11-20 18:00",
    "on friday 18:00": "at 2026-11-20 18:00",
    "fri 18:00": "at 2026-11-20 18:00",
    "Fri at 6pm": "at 2026-11-20 18:00",
    "FRIDAY 18:00": "at 2026-11-20 18:00",
    "sat 9:00": "at 2026-11-21 09:00",
    "saturday at 9:00": "at 2026-11-21 09:00",
    "sun 9:00": "at 2026-11-22 09:00",
    "sunday noon": "at 2026-11-22 12:00",
    "mon 9:00": "at 2026-11-23 09:00",
    "monday 9:00": "at 2026-11-23 09:00",
    "tue 9:00": "at 2026-11-24 09:00",
    "tues 9:00": "at 2026-11-24 09:00",
    "tuesday 9:00": "at 2026-11-24 09:00",
    "wed 9:00": "at 2026-11-25 09:00",
    "wednesday 9:00": "at 2026-11-25 09:00",
    "thu 9:00": "at 2026-11-26 09:00",
    "thur 9:00": "at 2026-11-26 09:00",
    "thurs 9:00": "at 2026-11-26 09:00",
    "thursday 9:00": "at 2026-11-26 09:00",
    "monday, 9:00": "at 2026-11-23 09:00",
    "mon. 9:00": "at 2026-11-23 09:00",
    "coming friday 9:00": "at 2026-11-27 09:00",
    "9:00 on friday": "at 2026-11-27 09:00",
    "at 9:00 on friday": "at 2026-11-27 09:00",
    "18:00 friday": "at 2026-11-20 18:00",
    "9am on monday Europe/Paris": "at 2026-11-23 09:00 Europe/Paris",
    "monday 9:00 Asia/Tokyo": "at 2026-11-23 09:00 Asia/Tokyo",
    "sat 3:00 Asia/Tokyo": "at 2026-11-21 03:00 Asia/Tokyo",
}
DATES = {
    "2026-12-24 18:00": "at 2026-12-24 18:00",
    "2026-12-24 at 18:00": "at 2026-12-24 18:00",
    "on 2026-12-24 at 18:00": "at 2026-12-24 18:00",
    "at 2026-12-24 18:00": "at 2026-12-24 18:00",
    "at 2026-12-24 18:00:30": "at 2026-12-24 18:00:30",
    "2026-12-24 18:00 Europe/Paris": "at 2026-12-24 18:00 Europe/Paris",
    "2026-12-24 18:00 in Europe/Paris": "at 2026-12-24 18:00 Europe/Paris",
    "2026-12-24 6pm": "at 2026-12-24 18:00",
    "2026-12-24T18:00": "at 2026-12-24 18:00",
    "2026-12-24T18:00:00": "at 2026-12-24 18:00",
    "2026-12-24T17:00:00Z": "at 2026-12-24 17:00 UTC",
    "2026-12-24 17:00Z": "at 2026-12-24 17:00 UTC",
    "thu 2026-12-24 18:00 Europe/Paris": "at 2026-12-24 18:00 Europe/Paris",
    "Thursday 2026-12-24 18:00": "at 2026-12-24 18:00",
    "Thu, 2026-12-24, 18:00": "at 2026-12-24 18:00",
    "2026-11-20 15:01": "at 2026-11-20 15:01",
    "2026-11-20 18:00": "at 2026-11-20 18:00",
    "24 dec 2026 18:00": "at 2026-12-24 18:00",
    "24 dec 2026 at 18:00": "at 2026-12-24 18:00",
    "24 december 2026 18:00": "at 2026-12-24 18:00",
    "24 December 18:00": "at 2026-12-24 18:00",
    "24 dec 18:00": "at 2026-12-24 18:00",
    "24 Dec at 6pm": "at 2026-12-24 18:00",
    "24 dec. 18:00": "at 2026-12-24 18:00",
    "24th dec 18:00": "at 2026-12-24 18:00",
    "24th of december at 18:00": "at 2026-12-24 18:00",
    "the 24th of december at 18:00": "at 2026-12-24 18:00",
    "on the 24th of December 2026, 18:00": "at 2026-12-24 18:00",
    "dec 24 2026 18:00": "at 2026-12-24 18:00",
    "dec 24 18:00": "at 2026-12-24 18:00",
    "december 24 18:00": "at 2026-12-24 18:00",
    "december 24th, 2026, 6pm": "at 2026-12-24 18:00",
    "December the 24th at 18:00": "at 2026-12-24 18:00",
    "dec 24, 2026 at 18:00": "at 2026-12-24 18:00",
    "thu 24 dec 18:00": "at 2026-12-24 18:00",
    "thursday, 24 december 2026, 18:00": "at 2026-12-24 18:00",
    "24-dec-2026 18:00": "at 2026-12-24 18:00",
    "24dec 18:00": "at 2026-12-24 18:00",
    "18:00 24 dec": "at 2026-12-24 18:00",
    "18:00 on 24 dec": "at 2026-12-24 18:00",
    "at 18:00 on 2026-12-24": "at 2026-12-24 18:00",
    "6pm on dec 24": "at 2026-12-24 18:00",
    "20 nov 18:00": "at 2026-11-20 18:00",
    "20 nov 14:00": "at 2027-11-20 14:00",
    "19 nov 9:00": "at 2027-11-19 09:00",
    "1 jan 0:00": "at 2027-01-01 00:00",
    "1 jan at midnight": "at 2027-01-01 00:00",
    "31 dec 23:59:59": "at 2026-12-31 23:59:59",
    "29 feb 9:00": "at 2028-02-29 09:00",
    "29 feb 2028 at 9:00": "at 2028-02-29 09:00",
    "28 feb 9:00": "at 2027-02-28 09:00",
    "31 jan 9:00": "at 2027-01-31 09:00",
    "30 apr 9:00": "at 2027-04-30 09:00",
    "1st may 9:00": "at 2027-05-01 09:00",
    "2nd june 9:00": "at 2027-06-02 09:00",
    "3rd july 9:00": "at 2027-07-03 09:00",
    "15 sept 9:00": "at 2027-09-15 09:00",
    "15 sep 9:00": "at 2027-09-15 09:00",
    "15 august 9:00": "at 2027-08-15 09:00",
    "15 mar 9:00": "at 2027-03-15 09:00",
    "15 oct 9:00": "at 2027-10-15 09:00",
    "2027-02-28 9:00": "at 2027-02-28 09:00",
    "2030-01-01 0:00 UTC": "at 2030-01-01 00:00 UTC",
    "8999-12-31 23:59 UTC": "at 8999-12-31 23:59 UTC",
}
DURATIONS = {
    "in 2h30m": "at 2026-11-20 17:30",
    "in 2h 30m": "at 2026-11-20 17:30",
    "in 2H30M": "at 2026-11-20 17:30",
    "in 2 h 30 m": "at 2026-11-20 17:30",
    "in 90m": "at 2026-11-20 16:30",
    "in 1d12h": "at 2026-11-22 03:00",
    "in 45 minutes": "at 2026-11-20 15:45",
    "in 45 min": "at 2026-11-20 15:45",
    "in 45 mins": "at 2026-11-20 15:45",
    "in 2 hours 30 minutes": "at 2026-11-20 17:30",
    "in 2 hours and 30 minutes": "at 2026-11-20 17:30",
    "in 2 hours, 30 minutes": "at 2026-11-20 17:30",
    "in 600s": "at 2026-11-20 15:10",
    "in 1s": "at 2026-11-20 15:00:01",
    "in 30 seconds": "at 2026-11-20 15:00:30",
    "in 30 sec": "at 2026-11-20 15:00:30",
    "in 1 minute": "at 2026-11-20 15:01",
    "in a minute": "at 2026-11-20 15:01",
    "in an hour": "at 2026-11-20 16:00",
    "in one hour": "at 2026-11-20 16:00",
    "in 1 hr": "at 2026-11-20 16:00",
    "in 2 hrs": "at 2026-11-20 17:00",
    "in half an hour": "at 2026-11-20 15:30",
    "in a day": "at 2026-11-21 15:00",
    "in 3 days": "at 2026-11-23 15:00",
    "in 1 week": "at 2026-11-27 15:00",
    "in a week": "at 2026-11-27 15:00",
    "in 2w": "at 2026-12-04 15:00",
    "in 30m2h": "at 2026-11-20 17:30",
    "in 1d1h1m1s": "at 2026-11-21 16:01:01",
    "in 100 days": "at 2027-02-28 15:00",
    "in 2h30m UTC": "at 2026-11-20 17:30 UTC",
    "in 2h30m Europe/Paris": "at 2026-11-20 18:30 Europe/Paris",
    "in 2h30m in Europe/Paris": "at 2026-11-20 18:30 Europe/Paris",
    "in 2 hours in Asia/Tokyo": "at 2026-11-21 02:00 Asia/Tokyo",
}
DAILY = {
    "every day at 09:00": "every day at 09:00",
    "every day at 9:00": "every day at 09:00",
    "every day 9:00": "every day at 09:00",
    "every day at 9am": "every day at 09:00",
    "every day at noon": "every day at 12:00",
    "every day at midnight": "every day at 00:00",
    "Every Day At 9:00": "every day at 09:00",
    "each day at noon": "every day at 12:00",
    "everyday at 9:00": "every day at 09:00",
    "daily at 9:00": "every day at 09:00",
    "daily 9:00": "every day at 09:00",
    "every 2 days at 9:00": "every 2 days at 09:00",
    "every 1 day at 9:00": "every day at 09:00",
    "every other day at 9:00": "every 2 days at 09:00",
    "every 2d at 9:00": "every 2 days at 09:00",
    "every 10 days at 18:30 Europe/Paris": "every 10 days at 18:30 Europe/Paris",
    "every day at 9:00 Europe/Paris": "every day at 09:00 Europe/Paris",
    "every day at 9:00 in UTC": "every day at 09:00 UTC",
    "every day at 18:00:30": "every day at 18:00:30",
    "9:00 every day": "every day at 09:00",
    "at 9:00 every day": "every day at 09:00",
    "9:00 daily": "every day at 09:00",
    "every day at 9:00 5 times": "every day at 09:00 5 times",
    "every day at 9:00 for 5 times": "every day at 09:00 5 times",
    "every day at 9:00 1 time": "every day at 09:00 1 times",
    "every day at 9:00 until 2026-12-24": "every day at 09:00 until 2026-12-24",
    "every day at 9:00 until 24 dec": "every day at 09:00 until 2026-12-24",
    "every day at 9:00 until dec 24 2026": "every day at 09:00 until 2026-12-24",
    "every day at 9:00 till 24 dec": "every day at 09:00 until 2026-12-24",
    "every day at 9:00 until tomorrow": "every day at 09:00 until 2026-11-21",
    "every day at 18:00 until today": "every day at 18:00 until 2026-11-20",
    "every day at 9:00 until sunday": "every day at 09:00 until 2026-11-22",
    "every day at 9:00 starting 2026-12-01": "every day at 09:00 starting 2026-12-01",
    "every day at 9:00 starting 1 dec": "every day at 09:00 starting 2026-12-01",
    "every day at 9:00 from 1 dec": "every day at 09:00 starting 2026-12-01",
    "every day at 9:00 starting tomorrow": "every day at 09:00 starting 2026-11-21",
    "every day at 9:00 starting 2026-01-01": "every day at 09:00 starting 2026-01-01",
    "every day at 9:00 starting 1 dec until 24 dec": "every day at 09:00 starting 2026-12-01 until 2026-12-24",
    "every day at 9:00 until 24 dec starting 1 dec": "every day at 09:00 starting 2026-12-01 until 2026-12-24",
    "every day at 9:00 starting 1 dec until 15 jan": "every day at 09:00 starting 2026-12-01 until 2027-01-15",
    "every day at 9:00 starting 2026-12-01 until 2026-12-24 5 times UTC": (
        "every day at 09:00 starting 2026-12-01 until 2026-12-24 5 times UTC"
    ),
    "every day at 9:00, starting 1 dec, until 24 dec": "every day at 09:00 starting 2026-12-01 until 2026-12-24",
    "every day at 9:00 starting dec 1, 2026, 5 times in UTC": "every day at 09:00 starting 2026-12-01 5 times UTC",
    "every day at 9:00 5 times starting 1 dec": "every day at 09:00 starting 2026-12-01 5 times",
}
WEEKLY = {
    "every weekday at 9:00": "every mon-fri at 09:00",
    "weekdays at 9am": "every mon-fri at 09:00",
    "weekdays 9:00": "every mon-fri at 09:00",
    "every mon at 9:00": "every mon at 09:00",
    "every monday at 9:00": "every mon at 09:00",
    "every mondays at 9:00": "every mon at 09:00",
    "mondays at 9:00": "every mon at 09:00",
    "mondays 9:00": "every mon at 09:00",
    "mondays and thursdays at 9:00": "every mon,thu at 09:00",
    "on mondays at 9:00": "every mon at 09:00",
    "every mon,thu at 9:30": "every mon,thu at 09:30",
    "every mon, thu, 9:30": "every mon,thu at 09:30",
    "9:30, every mon,thu": "every mon,thu at 09:30",
    "every mon,thu at 9:30 utc until 24 dec": "every mon,thu at 09:30 until 2026-12-24 UTC",
    "every mon, thu at 9:30": "every mon,thu at 09:30",
    "every mon , thu at 9:30": "every mon,thu at 09:30",
    "every thu,mon at 9:30": "every mon,thu at 09:30",
    "every mon,mon at 9:30": "every mon at 09:30",
    "every monday and thursday at 9:30": "every mon,thu at 09:30",
    "every monday & thursday at 9:30": "every mon,thu at 09:30",
    "every monday, wednesday and friday at 9:30": "every mon,wed,fri at 09:30",
    "every monday, wednesday, and friday at 9:30": "every mon,wed,fri at 09:30",
    "every mon,thu at 9:30 Europe/Paris": "every mon,thu at 09:30 Europe/Paris",
    "every mon-fri at 9:00": "every mon-fri at 09:00",
    "every mon - fri at 9:00": "every mon-fri at 09:00",
    "every mon to fri at 9:00": "every mon-fri at 09:00",
    "every monday to friday at 9:00": "every mon-fri at 09:00",
    "every mon through wed at 9:00": "every mon-wed at 09:00",
    "every mon-sun at 9:00": "every mon-sun at 09:00",
    "every fri-mon at 9:00": "every mon,fri-sun at 09:00",
    "every sat,sun at 10:00": "every sat,sun at 10:00",
    "every sat-sun at 10:00": "every sat,sun at 10:00",
    "every mon-wed,sat at 10:00": "every mon-wed,sat at 10:00",
    "every weekday and sat at 10:00": "every mon-sat at 10:00",
    "every week on fri at 17:00": "every fri at 17:00",
    "every week on mon,thu at 17:00": "every mon,thu at 17:00",
    "every week fri at 17:00": "every fri at 17:00",
    "every weeks on fri at 17:00": "every fri at 17:00",
    "every 1 week on fri at 17:00": "every fri at 17:00",
    "every 1 weeks on fri at 17:00": "every fri at 17:00",
    "every 2 weeks on fri at 17:00": "every 2 weeks on fri at 17:00",
    "every 2 weeks on fri 17:00": "every 2 weeks on fri at 17:00",
    "every 2 weeks on friday at 5pm": "every 2 weeks on fri at 17:00",
    "every 2 weeks on mon,thu at 17:00": "every 2 weeks on mon,thu at 17:00",
    "every 2 weeks on mon-fri at 17:00": "every 2 weeks on mon-fri at 17:00",
    "every 2 weeks on monday and thursday at 17:00": "every 2 weeks on mon,thu at 17:00",
    "every 2 weeks fri at 17:00": "every 2 weeks on fri at 17:00",
    "every 2w on fri at 17:00": "every 2 weeks on fri at 17:00",
    "every 3 weeks on sun at 8:00 until 2027-06-01": "every 3 weeks on sun at 08:00 until 2027-06-01",
    "every other week on fri at 17:00": "every 2 weeks on fri at 17:00",
    "weekly on fri at 17:00": "every fri at 17:00",
    "each tue at 7:15": "every tue at 07:15",
    "every tues,thurs at 7:15": "every tue,thu at 07:15",
    "9:30 every mon,thu": "every mon,thu at 09:30",
    "at 17:00 every 2 weeks on fri": "every 2 weeks on fri at 17:00",
    "9:00 on weekdays": "every mon-fri at 09:00",
    "every 2nd week on fri at 17:00": "every 2 weeks on fri at 17:00",
}
MONTHLY = {
    "every month on the last day at 12:00": "every month on the last day at 12:00",
    "every month on last day at 12:00": "every month on the last day at 12:00",
    "every month on the 1st at 12:00": "every month on the 1st at 12:00",
    "every month on 1st at 12:00": "every month on the 1st at 12:00",
    "every month on the 1 at 12:00": "every month on the 1st at 12:00",
    "every month on the 1st,15th at 12:00": "every month on the 1st,15th at 12:00",
    "every month on the 1st, 15th at 12:00": "every month on the 1st,15th at 12:00",
    "every month on the 1st and 15th at 12:00": "every month on the 1st,15th at 12:00",
    "every month on the 1st and the 15th at 12:00": "every month on the 1st,15th at 12:00",
    "every month on the 15th,1st at 12:00": "every month on the 15th,1st at 12:00",
    "every month on the 1st,last day at 12:00": "every month on the 1st,last day at 12:00",
    "every month on the first mon at 12:00": "every month on the first mon at 12:00",
    "every month on the first monday at 12:00": "every month on the first mon at 12:00",
    "every month on the 1st mon at 12:00": "every month on the first mon at 12:00",
    "every month on the 2nd tue at 12:00": "every month on the second tue at 12:00",
    "every month on the second tue at 12:00": "every month on the second tue at 12:00",
    "every month on the third wed at 12:00": "every month on the third wed at 12:00",
    "every month on the fourth thu at 12:00": "every month on the fourth thu at 12:00",
    "every month on the fifth fri at 12:00": "every month on the fifth fri at 12:00",
    "every month on the 5th fri at 12:00": "every month on the fifth fri at 12:00",
    "every month on the last fri at 12:00": "every month on the last fri at 12:00",
    "every month on the last friday at 12:00": "every month on the last fri at 12:00",
    "every month on last sun at 12:00": "every month on the last sun at 12:00",
    "every month on the first mon,last fri at 12:00": "every month on the first mon,last fri at 12:00",
    "every month on the 31st at 12:00": "every month on the 31st at 12:00",
    "every month on the 29th at 12:00": "every month on the 29th at 12:00",
    "every month on day 10 at 12:00": "every month on the 10th at 12:00",
    "every month on the first at 12:00": "every month on the 1st at 12:00",
    "every month on the 1st,1st at 12:00": "every month on the 1st at 12:00",
    "every 2 months on the 15th at 9:00": "every 2 months on the 15th at 09:00",
    "every 3 months on the last day at 9:00": "every 3 months on the last day at 09:00",
    "every 12 months on the first mon at 9:00": "every 12 months on the first mon at 09:00",
    "every other month on the 1st at 9:00": "every 2 months on the 1st at 09:00",
    "every 1 month on the 1st at 9:00": "every month on the 1st at 09:00",
    "monthly on the 1st at 9:00": "every month on the 1st at 09:00",
    "monthly on the last day at 17:00 America/New_York": "every month on the last day at 17:00 America/New_York",
    "the last day of every month at 12:00": "every month on the last day at 12:00",
    "on the last day of every month at 12:00": "every month on the last day at 12:00",
    "the 1st of every month at 9:00": "every month on the 1st at 09:00",
    "on the 1st and 15th of each month at 9:00": "every month on the 1st,15th at 09:00",
    "the last friday of every month at 9:00": "every month on the last fri at 09:00",
    "the first mon of every 3 months at 9:00": "every 3 months on the first mon at 09:00",
    "every first monday of the month at 9:00": "every month on the first mon at 09:00",
    "every last fri at 9:00": "every month on the last fri at 09:00",
    "every last fri of the month at 9:00": "every month on the last fri at 09:00",
    "every last day of the month at 9:00": "every month on the last day at 09:00",
    "every first mon at 9:00": "every month on the first mon at 09:00",
    "every 15th at 9:00": "every month on the 15th at 09:00",
    "every 2nd day of the month at 9:00": "every month on the 2nd at 09:00",
    "every second fri of the month at 9:00": "every month on the second fri at 09:00",
    "every 3rd month on the 1st at 9:00": "every 3 months on the 1st at 09:00",
    "at 12:00 every month on the last day": "every month on the last day at 12:00",
}
YEARLY = {
    "every year on 24 dec at 18:00": "every year on 24 dec at 18:00",
    "every year on dec 24 at 18:00": "every year on 24 dec at 18:00",
    "every year on the 24th of december at 18:00": "every year on 24 dec at 18:00",
    "every year on 24 december at 6pm": "every year on 24 dec at 18:00",
    "every year on 29 feb at 9:00": "every year on 29 feb at 09:00",
    "every year on 1 jan at midnight": "every year on 1 jan at 00:00",
    "every year 24 dec at 18:00": "every year on 24 dec at 18:00",
    "every 1 year on 24 dec at 18:00": "every year on 24 dec at 18:00",
    "every 24 dec at 18:00": "every year on 24 dec at 18:00",
    "every 24th of december at 18:00": "every year on 24 dec at 18:00",
    "every dec 24 at 18:00": "every year on 24 dec at 18:00",
    "yearly on 24 dec at 18:00": "every year on 24 dec at 18:00",
    "annually on 24 dec at 18:00": "every year on 24 dec at 18:00",
    "every year on 24 dec at 18:00 3 times Europe/Paris": "every year on 24 dec at 18:00 3 times Europe/Paris",
}
INTERVALS = {
    "every 15m": "every 15m",
    "every 15 m": "every 15m",
    "every 15 min": "every 15m",
    "every 15 minutes": "every 15m",
    "every 90 minutes": "every 1h30m",
    "every 2h": "every 2h",
    "every 2 hours": "every 2h",
    "every 2h30m": "every 2h30m",
    "every 2 hours 30 minutes": "every 2h30m",
    "every 2 hours and 30 minutes": "every 2h30m",
    "every hour": "every 1h",
    "every minute": "every 1m",
    "every 1 hour": "every 1h",
    "every other hour": "every 2h",
    "hourly": "every 1h",
    "every 10s": "every 10s",
    "every 30 seconds": "every 30s",
    "every half hour": "every 30m",
    "every half an hour": "every 30m",
    "every an hour": "every 1h",
    "every 1d12h": "every 1d12h",
    "every 24h": "every 24h",
    "every 48h": "every 48h",
    "every 36h": "every 1d12h",
    "every 1h until 2026-12-24": "every 1h until 2026-12-24",
    "every 15m starting 2026-12-01": "every 15m starting 2026-12-01",
    "every 15m 5 times": "every 15m 5 times",
    "every 15m UTC": "every 15m UTC",
    "every 15m in Europe/Paris": "every 15m Europe/Paris",
    "each hour": "every 1h",
    "every 15m 5 times until tomorrow Europe/Paris": "every 15m until 2026-11-21 5 times Europe/Paris",
}
CRONS = {
    "cron 0 9 * * mon-fri": "cron 0 9 * * mon-fri",
    "CRON 0 9 * * MON-FRI": "cron 0 9 * * mon-fri",
    "cron 0 9 * * 1-5": "cron 0 9 * * mon-fri",
    "cron 0 9 * * 0": "cron 0 9 * * sun",
    "cron 0 9 * * 7": "cron 0 9 * * sun",
    "cron 0 9 * * sun": "cron 0 9 * * sun",
    "cron 0 9 * * 0,7": "cron 0 9 * * sun",
    "cron 0 9 * * 5-7": "cron 0 9 * * fri-sun",
    "cron 0 9 * * fri-mon": "cron 0 9 * * mon,fri-sun",
    "cron 0 9 * * sat-sun": "cron 0 9 * * sat,sun",
    "cron 0 9 * * 6,0": "cron 0 9 * * sat,sun",
    "cron 0 9 * * 0-7": "cron 0 9 * * mon-sun",
    "cron 0 9 * * 1,3,5": "cron 0 9 * * mon,wed,fri",
    "cron 0 9 * * */2": "cron 0 9 * * tue,thu,sat,sun",
    "cron 0 9 * * mon,wed-fri": "cron 0 9 * * mon,wed-fri",
    "cron * * * * *": "cron * * * * *",
    "cron */5 * * * *": "cron */5 * * * *",
    "cron */15 * * * *": "cron */15 * * * *",
    "cron */1 * * * *": "cron * * * * *",
    "cron 0-59 * * * *": "cron * * * * *",
    "cron 10-50/10 * * * *": "cron 10-50/10 * * * *",
    "cron 0,30 * * * *": "cron */30 * * * *",
    "cron 0, 30 * * * *": "cron */30 * * * *",
    "cron 5,10,20 * * * *": "cron 5,10,20 * * * *",
    "cron 1-3,7 9-17 * * *": "cron 1-3,7 9-17 * * *",
    "cron 0 */2 * * *": "cron 0 */2 * * *",
    "cron 0 9-17/2 * * *": "cron 0 9-17/2 * * *",
    "cron 0 0 1 * *": "cron 0 0 1 * *",
    "cron 0 0 1,15 * *": "cron 0 0 1,15 * *",
    "cron 0 0 1-7 * mon": "cron 0 0 1-7 * mon",
    "cron 0 0 13 * fri": "cron 0 0 13 * fri",
    "cron 0 0 */2 * *": "cron 0 0 */2 * *",
    "cron 0 0 1-31 * *": "cron 0 0 1-31 * *",
    "cron 0 0 */1 * *": "cron 0 0 * * *",
    "cron 0 0 29 2 *": "cron 0 0 29 feb *",
    "cron 0 0 31 * *": "cron 0 0 31 * *",
    "cron 0 0 1 jan *": "cron 0 0 1 jan *",
    "cron 0 0 1 jan-mar *": "cron 0 0 1 jan-mar *",
    "cron 0 0 1 1,4,7,10 *": "cron 0 0 1 */3 *",
    "cron 0 0 1 */3 *": "cron 0 0 1 */3 *",
    "cron 0 0 1 JAN,jul *": "cron 0 0 1 jan,jul *",
    "cron 30 18 24 12 * Europe/Paris": "cron 30 18 24 dec * Europe/Paris",
    "cron 0 9 * * mon-fri until 2026-12-24": "cron 0 9 * * mon-fri until 2026-12-24",
    "cron 0 9 * * mon-fri 5 times": "cron 0 9 * * mon-fri 5 times",
    "cron 0 9 * * 1 5 times UTC": "cron 0 9 * * mon 5 times UTC",
    "cron 0 9 * * mon starting dec 1, 2026 in Europe/Paris": "cron 0 9 * * mon starting 2026-12-01 Europe/Paris",
    "cron 00 09 * * 01": "cron 0 9 * * mon",
}

PHRASES = {
    **TIMES,
    **SPELLINGS,
    **DAYS,
    **DATES,
    **DURATIONS,
    **DAILY,
    **WEEKLY,
    **MONTHLY,
    **YEARLY,
    **INTERVALS,
    **CRONS,
}

WEEKDAYS: tuple[Weekday, ...] = (0, 1, 2, 3, 4)
RULES: dict[str, Rule] = {
    "at 2026-12-24 18:00:30 Europe/Paris": Rule(Once(datetime(2026, 12, 24, 18, 0, 30)), "Europe/Paris"),
    "every day at 09:00 UTC": Rule(Daily(time(9)), "UTC"),
    "every 3 days at 09:00 UTC": Rule(Daily(time(9), 3), "UTC"),
    "every mon-fri at 09:00 UTC": Rule(Weekly(time(9), WEEKDAYS), "UTC"),
    "every mon,thu at 09:30 UTC": Rule(Weekly(time(9, 30), (0, 3)), "UTC"),
    "every 2 weeks on fri at 17:00 UTC": Rule(Weekly(time(17), (4,), 2), "UTC"),
    "every month on the last day at 12:00 UTC": Rule(Monthly(time(12), (MonthDay(-1),)), "UTC"),
    "every 2 months on the 1st,15th at 12:00 UTC": Rule(Monthly(time(12), (MonthDay(1), MonthDay(15)), 2), "UTC"),
    "every month on the first mon,last fri at 12:00 UTC": Rule(
        Monthly(time(12), (MonthDay(1, 0), MonthDay(-1, 4))), "UTC"
    ),
    "every month on the 2nd,3rd,11th,12th,13th,21st,22nd,23rd,30th at 12:00 UTC": Rule(
        Monthly(time(12), tuple(map(MonthDay, (2, 3, 11, 12, 13, 21, 22, 23, 30)))), "UTC"
    ),
    "every year on 29 feb at 18:00 UTC": Rule(Yearly(time(18), 2, 29), "UTC"),
    "every 1h30m UTC": Rule(Interval(5_400), "UTC"),
    "every 48h UTC": Rule(Interval(172_800), "UTC"),
    "cron 0 9 * * mon-fri UTC": Rule(
        Cron(frozenset({0}), frozenset({9}), None, frozenset(range(1, 13)), frozenset(WEEKDAYS), "0 9 * * mon-fri"),
        "UTC",
    ),
    "cron */15 0 1-31 jan sun UTC": Rule(
        Cron(
            frozenset({0, 15, 30, 45}),
            frozenset({0}),
            frozenset(range(1, 32)),
            frozenset({1}),
            frozenset({6}),
            "*/15 0 1-31 jan sun",
        ),
        "UTC",
    ),
    "every day at 09:00 starting 2026-12-01 until 2026-12-24 5 times UTC": Rule(
        Daily(time(9)), "UTC", date(2026, 12, 1), date(2026, 12, 24), 5
    ),
}

# When it is, in which zone, what is written, and the first instants that it means.
INSTANTS = (
    ("2027-03-27T20:00", "Europe/Berlin", "tomorrow 2:30", ["Sun 2027-03-28 03:00"]),
    ("2027-03-28T00:30", "Europe/Berlin", "2:30", ["Sun 2027-03-28 03:00"]),
    ("2027-03-28T01:00", "Europe/Berlin", "2:30", ["Mon 2027-03-29 02:30"]),
    ("2027-03-26T20:00", "Europe/Berlin", "every day at 2:30", ["Sat 2027-03-27 02:30", "Sun 2027-03-28 03:00"]),
    ("2026-10-24T20:00", "Europe/Berlin", "sun 2:30", ["Sun 2026-10-25 02:30"]),
    ("2026-10-25T00:45", "Europe/Berlin", "at 2:30", ["Mon 2026-10-26 02:30"]),
    ("2026-10-24T23:30", "Europe/Berlin", "in 1h", ["Sun 2026-10-25 02:30"]),
    ("2026-10-24T23:30", "Europe/Berlin", "in 2h", ["Sun 2026-10-25 02:30"]),
    ("2026-10-24T23:30", "Europe/Berlin", "in 3h", ["Sun 2026-10-25 03:30"]),
    ("2026-03-07T12:00", "America/New_York", "tomorrow 2:30", ["Sun 2026-03-08 03:00"]),
    ("2026-11-20T15:00", "Asia/Kathmandu", "today 21:00", ["Fri 2026-11-20 21:00"]),
    ("2026-11-20T18:14", "Asia/Kathmandu", "0:00", ["Sat 2026-11-21 00:00"]),
    ("2026-11-20T15:00", "Pacific/Kiritimati", "tomorrow 9:00", ["Sun 2026-11-22 09:00"]),
    ("2026-11-20T11:00", "Pacific/Pago_Pago", "tomorrow 9:00", ["Sat 2026-11-21 09:00"]),
    ("2026-11-20T10:59", "Pacific/Pago_Pago", "tomorrow 9:00", ["Fri 2026-11-20 09:00"]),
    ("2026-12-31T23:59", "UTC", "tomorrow 0:00", ["Fri 2027-01-01 00:00"]),
    ("2026-12-31T12:00", "UTC", "31 dec 11:59", ["Fri 2027-12-31 11:59"]),
    ("2026-12-31T12:00", "UTC", "1 jan 0:00", ["Fri 2027-01-01 00:00"]),
    ("2028-02-28T12:00", "UTC", "tomorrow 9:00", ["Tue 2028-02-29 09:00"]),
    ("2028-02-29T12:00", "UTC", "29 feb 9:00", ["Sun 2032-02-29 09:00"]),
    ("2028-02-29T08:00", "UTC", "29 feb 9:00", ["Tue 2028-02-29 09:00"]),
    ("2096-03-01T08:00", "UTC", "29 feb 9:00", ["Fri 2104-02-29 09:00"]),
    ("2027-01-30T12:00", "UTC", "every month on the 31st at 9:00", ["Sun 2027-01-31 09:00", "Wed 2027-03-31 09:00"]),
    (
        "2027-01-30T12:00",
        "UTC",
        "every month on the last day at 9:00",
        ["Sun 2027-01-31 09:00", "Sun 2027-02-28 09:00"],
    ),
    ("2026-11-20T15:00", "UTC", "every 2 weeks on mon,fri at 16:00", ["Fri 2026-11-20 16:00", "Mon 2026-11-30 16:00"]),
    ("2026-11-20T15:00", "UTC", "every 15m", ["Fri 2026-11-20 15:15", "Fri 2026-11-20 15:30"]),
    ("2026-11-20T15:00", "UTC", "cron 0 9 * * 0", ["Sun 2026-11-22 09:00", "Sun 2026-11-29 09:00"]),
    (
        "2026-11-20T15:00",
        "UTC",
        "cron 0 9 1 * mon",
        ["Mon 2026-11-23 09:00", "Mon 2026-11-30 09:00", "Tue 2026-12-01 09:00"],
    ),
)

# What is refused, and words that its answer holds.
REFUSED = {
    "": "say when it is sent, as in tomorrow 9:00",
    ",": "something is missing before the comma",
    "at": "something is missing after “at”",
    "on": "something is missing after “on”",
    "in": "say how long",
    "every": "every what? As in every day at 9:00, or every 15m",
    "each": "every what? As in every day at 9:00, or every 15m",
    "cron": "cron has five fields (minute, hour, day of the month, month, day of the week), not 0",
    "at 24": "24:00 is midnight, when the next day begins",
    "at 25": "“25” is no time of day",
    "24:00": "24:00 is midnight, when the next day begins",
    "tomorrow at 24:00": "24:00 is midnight, when the next day begins",
    "at 25:00": "“25:00” is no time of day",
    "at 9:60": "“9:60” is no time of day",
    "at 9:5": "“9:5” is no time of day",
    "at 9:05:60": "“9:05:60” is no time of day",
    "at 123:45": "“123:45” is no time of day",
    "18:00 pm": "“18:00 pm” is no time of day",
    "0:30 am": "“0:30 am” is no time of day",
    "13pm": "“13pm” is no time of day",
    "at 0pm": "“0pm” is no time of day",
    "at 2575": "“2575” is no time of day",
    "at nine": "“nine” is not understood there",
    "2026-11-20 15:00": "that is past",
    "2026-11-17 15:00": "that is past",
    "2020-01-01 9:00": "that is past",
    "1 jan 2026 9:00": "that is past",
    "0001-01-01 9:00": "that is past",
    "9999-12-31 9:00": "“9999-12-31” is too far ahead",
    "30 feb 9:00": "“30 feb” is no date: February has at most 29 days",
    "31 april 9:00": "“31 april” is no date: April has 30 days",
    "29 feb 2027 9:00": "“29 feb 2027” is no date: February 2027 has 28 days",
    "2026-02-30 9:00": "“2026-02-30” is no date: February 2026 has 28 days",
    "2026-13-01 9:00": "“2026-13-01” is no date",
    "2026-00-10 9:00": "“2026-00-10” is no date",
    "32 dec 9:00": "“32 dec” is no date",
    "0 dec 9:00": "“0 dec” is no date",
    "2026-1-5 9:00": "that is past",
    "40/50 18:00": "“40/50” is no date",
    "next month": "“next” is not understood there",
    "next week": "“next” is not understood there",
    "fri 2026-12-24 18:00": "2026-12-24 is a Thursday and no Friday",
    "mon 24 dec 18:00": "2026-12-24 is a Thursday and no Monday",
    "in 0m": "in 0 is now, and a schedule is for later",
    "in 0s": "in 0 is now, and a schedule is for later",
    "in 2 months": "months and years differ in length",
    "in 1 year": "months and years differ in length",
    "in soon": "“soon” does not say how long",
    "in 2h2h": "hours, minutes and the like stand there once each",
    "in 9999999999d": "that is further ahead than the calendar goes",
    "in 2h at 9:00": "what comes after in is counted from now, so no time of day can follow",
    "in 3 days at 9:00": "what comes after in is counted from now, so no time of day can follow",
    "in 2h 5 times": "starting, until and 5 times are for what is sent again and again",
    "in -5m": "“-5m” does not say how long",
    "in 1,500m": "“1,500m” is no duration: write whole numbers",
    "every 1.333h": "“1.333h” is no duration: write whole numbers",
    "in 0,0h": "“0,0h” is no duration",
    "every 1,5 days at 9:00": "every 1d12h is counted from now, so no time of day goes with it",
    "cron * * * * * 999999999 times": "999,999,999 times are too many, 10,000 are the most",
    "every day at 9:00 10001 times UTC": "10,001 times are too many",
    "every day at 9:00 10000000000 times": "“10000000000” times are too many",
    "every day at 9:00 until 24 dec 1800": "after until comes a date without a time",
    "at 18:00 5 times": "starting, until and 5 times are for what is sent again and again",
    "tomorrow 9:00 until 24 dec": "starting, until and 5 times are for what is sent again and again",
    "every day at nine": "“nine” is no time of day",
    "every 2 weeks on the 1st at 9:00": "“the 1st” is not a weekday",
    "every 0 days at 9:00": "every 0 is not possible: the number is from 1 to 1000",
    "every 0 weeks on fri at 9:00": "every 0 is not possible: the number is from 1 to 1000",
    "every 5000 days at 9:00": "every 5000 is not possible: the number is from 1 to 1000",
    "every month on mon at 9:00": "“mon” is not a day of the month",
    "every month on the 32nd at 9:00": "“32nd” is no day of a month, 1st to 31st",
    "every month on the 0th at 9:00": "“0th” is no day of a month, 1st to 31st",
    "every month on the 6th mon at 9:00": "“6th” is no weekday of a month",
    "every month on the last weekday at 9:00": "“the last” is not a day of the month",
    "every year on 30 feb at 9:00": "“30 feb” is no date",
    "every year on 24 dec 2026 at 9:00": "leave the year out of a date that comes every year",
    "every 2 years on 24 dec at 9:00": "years cannot be counted, only months",
    "every 24 dec 2026 at 9:00": "a date with a year comes only once",
    "every morning": "“morning” is not understood there",
    "every 5s": "that is too often: the shortest is every 10s",
    "every 0m": "that is too often: the shortest is every 10s",
    "every second": "that is too often: the shortest is every 10s",
    "every 15m at 9:00": "is counted from now, so no time of day goes with it",
    "every hour at 9:00": "is counted from now, so no time of day goes with it",
    "9:00 every 15m": "is counted from now, so no time of day goes with it",
    "every 9999999999999h": "“9999999999999h” is not understood there",
    "every day at 9:00 and 17:00": "“and 17:00” is too much there: one schedule has one time",
    "every day at 9:00, 17:00": "“17:00” is too much there",
    "every day at 9:00 0 times": "0 times is never",
    "every day at 9:00 until 2026-11-01": "until 2026-11-01 is past, today is 2026-11-20",
    "every day at 9:00 until yesterday": "“yesterday” is no date for until",
    "every day at 9:00 until": "until needs a date",
    "every day at 9:00 until 24 dec 18:00": "after until comes a date without a time, and all of that day counts",
    "every day at 9:00 until 24 dec at 9": "after until comes a date without a time, and all of that day counts",
    "every day at 9:00 until 24 dec until 25 dec": "until is given twice, once is enough",
    "every day at 9:00 5 times 6 times": "times is given twice, once is enough",
    "every day at 9:00 starting 2026-12-01 until 2026-11-30": "until 2026-11-30 ends before the first time",
    "every day at 9:00 starting": "starting needs a date",
    "every day at 9:00 starting 30 feb": "“30 feb” is no date",
    "every day at 9:00 until today": "until 2026-11-20 ends before the first time",
    "every mon at 9:00 until sunday": "until 2026-11-22 ends before the first time",
    "every 1h until 2026-11-01": "until 2026-11-01 is past, today is 2026-11-20",
    "every day at 9:00 except sunday": "“except sunday” is not understood there, and is no time zone",
    "at 18:00 in Nowhere": "“Nowhere” is not understood there, and is no time zone",
    "at 18:00 in": "the time zone is missing after in",
    "at 18:00 foo": "“foo” is not understood there, and is no time zone",
    "at 18:00 UTC+2": "“UTC+2” is no time zone",
    "at 18:00 +02:00": "“+02:00” is no time zone",
    "at 18:00 Europe/Paris Europe/London": "“Europe/London” is not understood there",
    "at 18:00 at 19:00": "“at 19:00” is too much there",
    "at 18:00 tomorrow friday": "“friday” is too much there",
    "at 18:00 on": "something is missing after “on”",
    "every dya at 9:00": "“dya” is not understood there",
    "hello": "“hello” is not understood there",
    "hello world": "“hello” is not understood there",
    "when the cows come home": "“when” is not understood there",
    "9:00 9:00": "“9:00” is too much there",
    "-": "“-” is not understood there",
    "|": "“|” is not understood there",
    "@": "“@” is not understood there",
    "cron 0 9 * *": "cron has five fields (minute, hour, day of the month, month, day of the week), not 4",
    "cron 0 9 * * mon 2026": "cron has five fields, without seconds and years",
    "cron 0 9 * * * *": "cron has five fields, without seconds and years",
    "cron 60 9 * * *": "“60” is no minute of cron",
    "cron 0 24 * * *": "“24” is no hour of cron",
    "cron 0 9 0 * *": "“0” is no day of the month of cron",
    "cron 0 9 32 * *": "“32” is no day of the month of cron",
    "cron 0 9 * 13 *": "“13” is no month of cron",
    "cron 0 9 * * 8": "“8” is no day of the week of cron",
    "cron 0 9 * foo *": "“foo” is no month of cron",
    "cron 0 9 ? * mon": "“?” is no field of cron here",
    "cron 0 9 L * *": "“l” is no field of cron here",
    "cron 0 9 15W * *": "“15w” is no field of cron here",
    "cron 0 9 * * 5#2": "“5#2” is no field of cron here",
    "cron 0 9 * * 5L": "“5l” is no field of cron here",
    "cron 0 9 * * friL": "“fril” is no field of cron here",
    "cron */0 * * * *": "“*/0” has a step of 0",
    "cron 10/5 * * * *": "“10/5” has a step without a range",
    "cron 50-10 * * * *": "“50-10” ends before it begins",
    "cron 1,,2 * * * *": "“” is no minute of cron",
    "cron 1- * * * *": "“1-” is no minute of cron",
    "cron 0 0 30 2 *": "that never fires",
    "cron 0 0 31 4,6,9,11 *": "that never fires",
    "cron 0 0 31 feb *": "that never fires",
    "cron 0 9 * * mon until 2026-11-20": "until 2026-11-20 ends before the first time",
    "cron hello": "cron has five fields (minute, hour, day of the month, month, day of the week), not 1",
    "@reboot": "“@reboot” is not understood there",
    "cron @never": "“@never” is not understood",
    "12/5/7 9:00": "“12/5/7” is no date",
    "1.2.3.4": "“1.2.3.4” is not understood there",
    "at 18:00 on friday at 9:00": "“at 9:00” is too much there",
    "every day at 9:00 for": "“for” is too much there",
    "every day at 9:00 Factory": "“Factory” is not understood there, and is no time zone",
    "every day at 9:00 in": "the time zone is missing after in",
    "at half past nine": "“half” is not understood there",
    "in two hours": "“two” does not say how long",
    "in a month": "months and years differ in length",
    "every 3 mondays at 9:00": "“mondays at 9:00” is too much there",
    "every month on the 31st february at 9:00": "“february at 9:00” is too much there",
    "at 09:00 Mars/Phobos": "“Mars/Phobos” is not understood there, and is no time zone",
    "every 10 years on 24 dec at 9:00": "years cannot be counted, only months",
    "x" * 301: "that is too long: at most 300 characters",
    "9" * 300: "“9999999999999999999999999999999999999999…” is not understood there",
    "every " * 50: "“every” is not understood there",
    "a" * 10000: "that is too long: at most 300 characters",
    "at 18:00 BST": "“BST” is not understood there, and is no time zone",
    "every day on 9:00": "“on 9:00” is too much there",
    "cron a b c d e": "“a” is no minute of cron",
    "cron 0 9 * * mon,": "“” is no day of the week of cron",
    "cron 0-60 * * * *": "“0-60” is no minute of cron",
    "every month on the 1st,32nd at 9:00": "“32nd” is no day of a month, 1st to 31st",
}

# What is asked back, and what its buttons say.
ASKED = {
    "in 1.5h": ["1h30m"],
    "in 1,5h": ["1h30m"],
    "in 1,5 hours Europe/Paris": ["1h30m"],
    "every 1,5h": ["1h30m"],
    "every 1.5h": ["1h30m"],
    "every 1.5 hours until 24 dec": ["1h30m"],
    "24 dec 1800": ["18:00"],
    "dec 24, 0930 Europe/Paris": ["9:30"],
    "every year on 24 dec 1800": ["18:00"],
    "tomorrow at": ["9:00", "12:00", "18:00"],
    "at 9": ["9:00", "21:00"],
    "9": ["9:00", "21:00"],
    "at 12": ["12:00", "0:00"],
    "at 0": ["0:00"],
    "at 18": ["18:00"],
    "at 9.30": ["9:30"],
    "at 9h30": ["9:30"],
    "at 1800": ["18:00"],
    "at 0930": ["9:30"],
    "9 o'clock": ["9:00", "21:00"],
    "tomorrow": ["9:00", "12:00", "18:00"],
    "friday": ["9:00", "12:00", "18:00"],
    "24 dec": ["9:00", "12:00", "18:00"],
    "2026-12-24": ["9:00", "12:00", "18:00"],
    "tomorrow at 9": ["9:00", "21:00"],
    "friday at 9": ["9:00", "21:00"],
    "24 dec at 9": ["9:00", "21:00"],
    "today": ["18:00"],
    "tonight": ["19:00", "20:00", "21:00", "22:00"],
    "12/05 18:00": ["5 December", "12 May"],
    "12/05": [
        "5 December, 9:00",
        "5 December, 12:00",
        "5 December, 18:00",
        "12 May, 9:00",
        "12 May, 12:00",
        "12 May, 18:00",
    ],
    "12/05/2026 18:00": ["5 December 2026"],
    "24/12 18:00": ["24 December"],
    "24.12. 18:00": ["24 December"],
    "24.12.2026 18:00": ["24 December 2026"],
    "12-05 18:00": ["5 December", "12 May"],
    "12/05/27 18:00": ["5 December 2027", "12 May 2027"],
    "2026/12/24 18:00": ["24 December 2026"],
    "9.12": [
        "12 September, 9:00",
        "12 September, 12:00",
        "12 September, 18:00",
        "9 December, 9:00",
        "9 December, 12:00",
        "9 December, 18:00",
        "9:12",
    ],
    "next friday at 9:00": ["Friday 27 November", "Friday 4 December"],
    "next friday at 9": [
        "9:00, Friday 27 November",
        "9:00, Friday 4 December",
        "21:00, Friday 20 November",
        "21:00, Friday 27 November",
    ],
    "next friday": [
        "9:00, Friday 27 November",
        "9:00, Friday 4 December",
        "12:00, Friday 27 November",
        "12:00, Friday 4 December",
        "18:00, Friday 20 November",
        "18:00, Friday 27 November",
    ],
    "this friday at 18:00": ["Friday 20 November", "Friday 27 November"],
    "next week tuesday 14:00": ["Tuesday 24 November", "Tuesday 1 December"],
    "in 5": ["5 minutes", "5 hours", "5 days"],
    "in 90": ["90 minutes", "90 hours", "90 days"],
    "every day": ["9:00", "12:00", "18:00"],
    "daily": ["9:00", "12:00", "18:00"],
    "every weekday": ["9:00", "12:00", "18:00"],
    "every mon,thu": ["9:00", "12:00", "18:00"],
    "mondays": ["9:00", "12:00", "18:00"],
    "every day at": ["9:00", "12:00", "18:00"],
    "every day at 9": ["9:00", "21:00"],
    "every 2 days": ["9:00", "12:00", "18:00"],
    "every 2d": ["every 2 days at 9:00", "every 2 days at 12:00", "every 2 days at 18:00", "every 48h"],
    "every 1d": ["every day at 9:00", "every day at 12:00", "every day at 18:00", "every 24h"],
    "every 2 weeks": [
        "Mondays, 9:00",
        "Tuesdays, 9:00",
        "Wednesdays, 9:00",
        "Thursdays, 9:00",
        "Fridays, 9:00",
        "Saturdays, 9:00",
        "Sundays, 9:00",
    ],
    "every 2 weeks at 9:00": ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"],
    "every week at 9:00": ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"],
    "every 1w": [
        "Mondays, 9:00",
        "Tuesdays, 9:00",
        "Wednesdays, 9:00",
        "Thursdays, 9:00",
        "Fridays, 9:00",
        "Saturdays, 9:00",
        "Sundays, 9:00",
    ],
    "every 2 weeks on fri": ["9:00", "12:00", "18:00"],
    "every month": [
        "the 1st, 9:00",
        "the 1st, 12:00",
        "the 15th, 9:00",
        "the 15th, 12:00",
        "the last day, 9:00",
        "the last day, 12:00",
        "the first Monday, 9:00",
        "the first Monday, 12:00",
    ],
    "every month at 9:00": ["the 1st", "the 15th", "the last day", "the first Monday"],
    "every 2 months at 9:00": ["the 1st", "the 15th", "the last day", "the first Monday"],
    "monthly": [
        "the 1st, 9:00",
        "the 1st, 12:00",
        "the 15th, 9:00",
        "the 15th, 12:00",
        "the last day, 9:00",
        "the last day, 12:00",
        "the first Monday, 9:00",
        "the first Monday, 12:00",
    ],
    "every month on the 1st": ["9:00", "12:00", "18:00"],
    "every year at 9:00": ["1 January", "31 December"],
    "every second fri at 9:00": ["the second fri of every month", "every 2 weeks on fri"],
    "every 3rd mon at 9:00": ["the 3rd mon of every month", "every 3 weeks on mon"],
    "every 2nd day at 9:00": ["every 2 days", "day 2 of every month"],
    "every other fri at 9:00": ["every 2 weeks on fri"],
    "every weekend at 9:00": ["Sat and Sun", "Fri and Sat"],
    "every 5": ["5 minutes", "5 hours", "5 days, 9:00", "5 days, 12:00", "5 days, 18:00"],
    "mon and thu at 9:00": ["every mon,thu"],
    "mon-fri at 9:00": ["every mon-fri"],
    "the 15th at 9:00": ["every month on the 15th"],
    "on the last fri at 9:00": ["every month on the last fri"],
    "every day at 9:00 until 12/05": ["5 December", "12 May"],
    "every day at 9:00 until next friday": ["Friday 27 November"],
    "at 18:00 london": ["Europe/London"],
    "at 18:00 Europe/Pari": ["Europe/Paris", "Europe/Madrid", "Europe/Riga"],
    "18:00 on the 15th": ["every month on the 15th"],
    "tomorow 9:00": ["tomorrow"],
    "every mnoday at 9:00": ["monday"],
    "evry day at 9:00": ["every"],
    "0 9 * * mon-fri": ["cron"],
    "*/5 * * * *": ["cron"],
    "@daily": ["cron 0 0 * * *"],
    "cron @hourly": ["cron 0 * * * *"],
    "cron 0 9 * * mon Nowhere/Land": ["Africa/Luanda"],
    "tonight at 8": ["20:00"],
    "tonight at 9:30": ["today 21:30"],
    "9:30:15 tonight Europe/Paris": ["today 21:30:15"],
    "today 14:00": ["tomorrow 14:00"],
    "today at 15:00 Europe/London": ["tomorrow 15:00"],
    "14:30 today": ["tomorrow 14:30"],
    "tonight at midnight": ["tomorrow 00:00"],
    "2027-1-5 9:00": ["5 January 2027"],
    "every day at 9:00 until 12.24.2026": ["24 December 2026"],
    "at 18:00 Lodnon": ["Europe/London"],
    "thurzday 9:00": ["thursday"],
    "at 18:00 PST": ["PST8PDT"],
    "every tuedsay at 9:00": ["tuesday"],
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def whole(shown: str) -> str:
    """A rule as the tables have it, with its zone."""
    return shown if zone_named(shown.split()[-1]) else f"{shown} {LONDON}"


def test_the_tables_are_as_long_as_they_were_promised() -> None:
    assert len(PHRASES) >= 300
    assert len(REFUSED) + len(ASKED) >= 100
    assert not REFUSED.keys() & ASKED.keys()


@pytest.mark.parametrize(("phrase", "meaning"), PHRASES.items())
def test_a_phrase_means_one_rule(phrase: str, meaning: str) -> None:
    rule = parse_when(phrase, now=NOW, zone=LONDON)
    assert show_rule(rule) == whole(meaning)
    assert parse_when(show_rule(rule), now=NOW, zone="Asia/Tokyo") == rule
    assert next(occurrences(rule, made_at=NOW)).at > NOW


@pytest.mark.parametrize(("shown", "rule"), RULES.items())
def test_a_rule_is_written_in_one_form(shown: str, rule: Rule) -> None:
    assert show_rule(rule) == shown
    assert parse_when(shown, now=NOW, zone=LONDON) == rule


@pytest.mark.parametrize(("now", "zone", "phrase", "expected"), INSTANTS)
def test_what_a_phrase_means_on_the_clock(now: str, zone: str, phrase: str, expected: list[str]) -> None:
    rule = parse_when(phrase, now=at(now), zone=zone)
    found = occurrences(rule, made_at=at(now))
    assert [local(next(found).at, ZoneInfo(zone)) for _ in expected] == [f"{each} {zone}" for each in expected]


def test_the_second_pass_of_a_time_that_exists_twice_is_written_in_utc() -> None:
    before = at("2026-10-24T23:30")
    first = parse_when("in 1h", now=before, zone="Europe/Berlin")
    second = parse_when("in 2h", now=before, zone="Europe/Berlin")
    assert show_rule(first) == "at 2026-10-25 02:30 Europe/Berlin"
    assert show_rule(second) == "at 2026-10-25 01:30 UTC"
    assert [next(occurrences(rule, made_at=before)).at - before for rule in (first, second)] == [3_600, 7_200]


def test_a_part_of_a_second_is_left_out() -> None:
    assert show_rule(parse_when("in 10s", now=NOW + 0.7, zone="UTC")) == "at 2026-11-20 15:00:10 UTC"
    assert show_rule(parse_when("at 15:00", now=NOW - 0.1, zone="UTC")) == "at 2026-11-20 15:00 UTC"


# --- refused and asked -----------------------------------------------------------------------------------


def refusal(phrase: str, *, now: float = NOW) -> WhenError:
    with pytest.raises(WhenError) as caught:
        parse_when(phrase, now=now, zone=LONDON)
    return caught.value


def check_example(error: WhenError) -> None:
    """What the sentence gives for an example is right, or a date by itself."""
    words = re.split(r"(?:as in|for example) ", str(error), flags=re.IGNORECASE)[-1]
    phrase = re.split(r", (?:or|and) ", words)[0]
    try:
        parse_when(phrase, now=NOW, zone=LONDON)
    except Ambiguous as question:
        assert "At which time?" in str(question), phrase


@pytest.mark.parametrize(("phrase", "words"), REFUSED.items())
def test_what_is_refused_says_why_and_gives_a_right_example(phrase: str, words: str) -> None:
    error = refusal(phrase)
    assert not isinstance(error, Ambiguous)
    assert words in str(error)
    assert len(str(error)) < 300 and str(error).isprintable()
    check_example(error)


@pytest.mark.parametrize(("phrase", "labels"), ASKED.items())
def test_what_may_mean_several_things_is_asked_back_with_all_that_can_be_kept(phrase: str, labels: list[str]) -> None:
    error = refusal(phrase)
    assert isinstance(error, Ambiguous)
    assert [label for label, _ in error.choices] == labels
    check_example(error)
    lines = [line for _, line in error.choices]
    assert [show_rule(parse_when(line, now=NOW, zone="Asia/Tokyo")) for line in lines] == lines


@pytest.mark.parametrize(
    ("phrase", "choices"),
    [
        ("at 9", {"9:00": "at 2026-11-21 09:00", "21:00": "at 2026-11-20 21:00"}),
        ("12/05 at 9:00", {"5 December": "at 2026-12-05 09:00", "12 May": "at 2027-05-12 09:00"}),
        (
            "next friday at 16:00",
            {"Friday 20 November": "at 2026-11-20 16:00", "Friday 27 November": "at 2026-11-27 16:00"},
        ),
        (
            "every day until 24 dec UTC",
            {
                "9:00": "every day at 09:00 until 2026-12-24 UTC",
                "12:00": "every day at 12:00 until 2026-12-24 UTC",
                "18:00": "every day at 18:00 until 2026-12-24 UTC",
            },
        ),
        (
            "every 2d",
            {
                "every 2 days at 9:00": "every 2 days at 09:00",
                "every 2 days at 12:00": "every 2 days at 12:00",
                "every 2 days at 18:00": "every 2 days at 18:00",
                "every 48h": "every 48h",
            },
        ),
        ("at 18:00 london", {"Europe/London": "at 2026-11-20 18:00"}),
        ("18:00 on the 15th", {"every month on the 15th": "every month on the 15th at 18:00"}),
    ],
)
def test_a_choice_keeps_all_else_that_was_written(phrase: str, choices: dict[str, str]) -> None:
    error = refusal(phrase)
    assert isinstance(error, Ambiguous)
    assert dict(error.choices) == {label: whole(line) for label, line in choices.items()}


@pytest.mark.parametrize(
    ("now", "phrase", "meaning"),
    [
        ("2026-11-20T15:00", "tonight at 20:00", "at 2026-11-20 20:00"),
        ("2026-11-20T15:00", "8pm tonight", "at 2026-11-20 20:00"),
        ("2026-11-20T15:00", "on tonight 17:00", "at 2026-11-20 17:00"),
        ("2026-11-20T00:30", "tonight at 2:00", "at 2026-11-20 02:00"),
        ("2026-11-20T21:00", "tonight at 20:00", {"tomorrow 20:00": "at 2026-11-21 20:00"}),
        ("2026-11-20T21:00", "today at 20:00", {"tomorrow 20:00": "at 2026-11-21 20:00"}),
        ("2026-11-20T06:00", "tonight at 8", {"20:00": "at 2026-11-20 20:00"}),
        (
            "2026-11-20T06:00",
            "tonight at 8:00",
            {"today 20:00": "at 2026-11-20 20:00", "today 08:00": "at 2026-11-20 08:00"},
        ),
        ("2026-11-20T06:00", "tonight at 14:00", {"today 14:00": "at 2026-11-20 14:00"}),
    ],
)
def test_today_and_tonight_are_today_or_asked(now: str, phrase: str, meaning: str | dict[str, str]) -> None:
    if isinstance(meaning, str):
        assert show_rule(parse_when(phrase, now=at(now), zone=LONDON)) == whole(meaning)
        return
    error = refusal(phrase, now=at(now))
    assert isinstance(error, Ambiguous)
    assert dict(error.choices) == {label: whole(line) for label, line in meaning.items()}


@pytest.mark.parametrize("phrase", ["next friday", "next friday at 9", "next friday 9:00", "Next  Friday at 9 UTC"])
def test_which_week_next_is_in_is_said_whatever_else_is_asked(phrase: str) -> None:
    said = str(refusal(phrase)).lower()
    assert said.startswith("“next friday” may be the one of this week or the one of the week after.")
    assert said.count("may be the one of") == 1


@pytest.mark.parametrize(
    ("phrase", "typed"),
    [
        ("at 18:00 Europe/Lodnon", "There is no time zone “Europe/Lodnon”, is Europe/London or "),
        ("TOMOROW 9:00", "“TOMOROW” is not understood, is tomorrow meant?"),
        ("Hello", "“Hello” is not understood there"),
        ("every day at 9:00 except\u3000Sunday", "“except Sunday” is not understood there"),
    ],
)
def test_words_are_repeated_as_they_were_typed(phrase: str, typed: str) -> None:
    assert typed in str(refusal(phrase))


@pytest.mark.parametrize("phrase", [*REFUSED, *ASKED])
def test_no_answer_speaks_the_language_of_the_grammar(phrase: str) -> None:
    said = str(refusal(phrase))
    assert not re.search(r"WHEN|DURATION|ZONE|YYYY|elapsed|recur|token|parse", said)


def test_a_question_is_not_asked_where_no_answer_could_be_kept() -> None:
    error = refusal("today", now=at("2026-11-20T23:00"))
    assert not isinstance(error, Ambiguous)
    assert "that is past: 2026-11-20 09:00 Europe/London was 14 hours ago" in str(error)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(Daily(time(9)), LONDON, times=123_456_789),
        Rule(Daily(time(9)), LONDON, starting=date(2020, 1, 1), until=date(2020, 2, 1), times=MOST_TIMES),
        Rule(Once(datetime(2020, 12, 24, 18)), LONDON),
        Rule(
            cron_of(
                minutes=set(range(0, 60, 3)) | set(range(1, 60, 7)),
                hours=set(range(0, 24, 5)) | set(range(1, 24, 7)),
                month_days=set(range(1, 32, 3)) | set(range(2, 32, 5)),
                months={1, 2, 4, 6, 7, 9, 11},
                weekdays={0, 2, 4, 6},
            ),
            "America/Argentina/ComodRivadavia",
            starting=date(2026, 12, 24),
            until=date(2028, 12, 24),
            times=100,
        ),
    ],
)
def test_what_is_kept_is_read_without_the_limits_of_what_is_written(rule: Rule) -> None:
    assert read_rule(show_rule(rule)) == rule


def test_what_is_shown_can_be_given_back_even_where_it_is_longer_than_what_was_written() -> None:
    written = (
        "cron */3,1-59/3 */3,1-23/3 */3,2-31/3 */3,2-12/3 mon,wed,fri,sat starting 2026-12-24 until 2028-12-24 100"
        " times America/Argentina/ComodRivadavia"
    )
    rule = parse_when(written, now=NOW, zone=LONDON)
    shown = show_rule(rule)
    assert len(written) < LONGEST < len(shown)
    assert parse_when(shown, now=NOW, zone=LONDON) == rule
    assert show_rule(parse_line(f"{shown} | x:1 | Hello", now=NOW, zone=LONDON).rule or rule) == shown
    with pytest.raises(WhenError, match="too long"):
        parse_when(shown.replace(" ", "  "), now=NOW, zone=LONDON)


def test_a_long_one_that_is_kept_has_more_than_people_may_write() -> None:
    spaced = "every day at 09:00".replace(" ", " " * LONGEST)
    assert read_rule(f"{spaced} UTC") == Rule(Daily(time(9)), "UTC")
    with pytest.raises(WhenError, match="too long"):
        parse_when(spaced, now=NOW, zone="UTC")


@pytest.mark.parametrize("text", ["", "whatever", "at 9", "every day at 09:00 Factory", "12/05 at 9:00"])
def test_what_was_not_written_by_us_is_refused(text: str) -> None:
    with pytest.raises(WhenError) as caught:
        read_rule(text)
    assert not isinstance(caught.value, Ambiguous)


def test_when_that_is_too_long_is_not_read() -> None:
    longest = "at 18:00".ljust(LONGEST)
    assert show_rule(parse_when(longest, now=NOW, zone=LONDON)) == "at 2026-11-20 18:00 Europe/London"
    assert str(LONGEST) in str(refusal(longest + " "))


# --- rules there and back --------------------------------------------------------------------------------

EARLY = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59), st.sampled_from((0, 0, 0, 1, 59)))
counts = st.integers(1, 1_000)
some_weekdays = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
month_days = st.one_of(
    st.builds(MonthDay, st.sampled_from((-1, *range(1, 32)))),
    st.builds(MonthDay, st.sampled_from((-1, 1, 2, 3, 4, 5)), st.integers(0, 6)),
)
crons = st.builds(
    cron_of,
    minutes=st.sets(st.integers(0, 59), min_size=1),
    hours=st.sets(st.integers(0, 23), min_size=1) | st.sampled_from((range(0, 24, 2), range(9, 18))),
    month_days=st.none() | st.sets(st.integers(1, 31), min_size=1) | st.sampled_from((range(1, 32), range(1, 32, 2))),
    months=st.sets(st.integers(1, 12), min_size=1) | st.sampled_from((range(1, 13), range(2, 12, 3))),
    weekdays=st.none() | st.sets(st.integers(0, 6), min_size=1),
)
patterns: st.SearchStrategy[Pattern] = st.one_of(
    st.builds(Daily, clocks, counts),
    st.builds(Weekly, clocks, some_weekdays, counts),
    st.builds(Monthly, clocks, st.lists(month_days, min_size=1, max_size=5, unique=True).map(tuple), counts),
    st.dates(date(2020, 1, 1), date(2020, 12, 31)).flatmap(
        lambda day: st.builds(Yearly, clocks, st.just(day.month), st.just(day.day))
    ),
    st.builds(Interval, st.integers(10, 100_000_000) | st.sampled_from((86_400, 604_800, 3_600, 90_000))),
    crons,
)
zones = st.sampled_from(("UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Kathmandu", "GB"))
days = st.none() | st.dates(date(2020, 2, 1), date(2090, 1, 1))
rules = st.builds(Rule, patterns, zones, starting=days, until=days, times=st.none() | st.integers(1, 10_000))
moments = st.datetimes(datetime(2020, 1, 3), datetime(8999, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
once = st.builds(Rule, st.builds(Once, moments), zones)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much], derandomize=True)
@given(rule=rules | once, zone=zones)
def test_what_is_shown_reads_back_as_the_same_rule(rule: Rule, zone: str) -> None:
    assume(next(occurrences(rule, made_at=EARLY), None) is not None)
    shown = show_rule(rule)
    assume(len(shown) <= LONGEST)
    read = parse_when(shown, now=EARLY, zone=zone)
    assert read == rule
    assert show_rule(read) == shown
    assert parse_when(shown.upper(), now=EARLY, zone=zone) == rule


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seconds=st.integers(1, 10**9))
def test_a_duration_that_is_shown_reads_back(seconds: int) -> None:
    assert parse_duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h30m", 9_000), ("90 minutes", 5_400), ("1d12h", 129_600), (" 10 S ", 10), ("1w", 604_800), ("an hour", 3_600)],
)
def test_a_duration(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "5", "soon", "-5m", "2h!", "1h1h", "2 months", "9" * 200, "1h " * 50])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(WhenError, match="2h30m"):
        parse_duration(text)


# --- instants --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (0.4, "now"),
        (1, "in 1 second"),
        (59, "in 59 seconds"),
        (60, "in 1 minute"),
        (90, "in 1 minute 30 seconds"),
        (299.6, "in 5 minutes"),
        (299, "in 5 minutes"),
        (7_200, "in 2 hours"),
        (9_000, "in 2 hours 30 minutes"),
        (86_399, "in 1 day"),
        (100_000, "in 1 day 4 hours"),
        (3 * 86_400, "in 3 days"),
        (3 * 86_400 - 20, "in 3 days"),
        (34 * 86_400 + 5 * 3_600, "in 34 days"),
        (-1, "1 second ago"),
        (-3 * 86_400, "3 days ago"),
        (-5_400, "1 hour 30 minutes ago"),
    ],
)
def test_how_far_ahead(seconds: float, words: str) -> None:
    assert ahead(seconds) == words


def test_instants_have_weekday_date_time_zone_and_distance_and_say_what_a_gap_moved() -> None:
    now = at("2027-03-26T20:00")
    found = occurrences(parse_when("every day at 2:30", now=now, zone="Europe/Paris"), made_at=now)
    assert instants([next(found), next(found)], zone="Europe/Paris", now=now) == [
        "Sat 2027-03-27 02:30 Europe/Paris, in 5 hours 30 minutes",
        "Sun 2027-03-28 03:00 Europe/Paris, in 1 day 5 hours (02:30 does not exist on that day)",
    ]
    assert instants([Occurrence(now + 61)], zone="UTC", now=now) == [
        "Fri 2027-03-26 20:01:01 UTC, in 1 minute 1 second"
    ]
