//! Computing with dates, timestamps and intervals in New York, as PostgreSQL 15 answers.

use bumpalo::Bump;

use super::*;
use crate::repr::text::{TextSettings, format, parse};
use crate::repr::{Datum, Interval, Numeric, Type};

struct Session {
    settings: TextSettings,
    arena: Bump,
}

impl Session {
    fn read(&self, typ: Type, text: &str) -> Datum<'_> {
        parse(&typ, text, &self.settings, &self.arena).unwrap()
    }

    fn timestamp(&self, text: &str) -> i64 {
        match self.read(Type::Timestamp(None), text) {
            Datum::Timestamp(micros) => micros,
            other => panic!("{other:?}"),
        }
    }

    fn timestamptz(&self, text: &str) -> i64 {
        match self.read(Type::TimestampTz(None), text) {
            Datum::TimestampTz(micros) => micros,
            other => panic!("{other:?}"),
        }
    }

    fn date(&self, text: &str) -> i32 {
        match self.read(Type::Date, text) {
            Datum::Date(days) => days,
            other => panic!("{other:?}"),
        }
    }

    fn interval(&self, text: &str) -> Interval {
        match self.read(Type::Interval(None), text) {
            Datum::Interval(interval) => interval,
            other => panic!("{other:?}"),
        }
    }

    fn compute(&self, operation: &str, args: &[&str]) -> Result<Datum<'_>> {
        let zone = &self.settings.timezone;
        let first = args[0];
        let second = args.get(1).copied().unwrap_or("");
        let field = |typ| Field::named_for(first, typ);
        let named = || TimeZone::named(second).unwrap();
        let number = |value: Option<Numeric<'static>>| value.map_or(Datum::Null, Datum::Numeric);
        Ok(match operation {
            "timestamp +" => Datum::Timestamp(timestamp_add(self.timestamp(first), self.interval(second))?),
            "timestamptz +" => {
                Datum::TimestampTz(timestamptz_add(self.timestamptz(first), self.interval(second), zone)?)
            }
            "timestamp -" => {
                Datum::Interval(timestamp_difference(self.timestamp(first), self.timestamp(second))?)
            }
            "age" => Datum::Interval(age(self.timestamp(first), self.timestamp(second))?),
            "trunc timestamp" => Datum::Timestamp(truncate_timestamp(
                field("timestamp without time zone")?,
                self.timestamp(second),
            )?),
            "trunc timestamptz" => Datum::TimestampTz(truncate_timestamptz(
                field("timestamp with time zone")?,
                self.timestamptz(second),
                zone,
            )?),
            "trunc interval" => {
                Datum::Interval(truncate_interval(field("interval")?, self.interval(second))?)
            }
            "extract timestamp" => {
                let field = field("timestamp without time zone")?;
                let value = extract_timestamp(field, self.timestamp(second), &self.arena)?;
                value.map_or(Datum::Null, Datum::Numeric)
            }
            "extract timestamptz" => {
                let field = field("timestamp with time zone")?;
                let value = extract_timestamptz(field, self.timestamptz(second), zone, &self.arena)?;
                value.map_or(Datum::Null, Datum::Numeric)
            }
            "extract date" => number(extract_date(field("date")?, self.date(second))?),
            "extract interval" => {
                Datum::Numeric(extract_interval(field("interval")?, self.interval(second))?)
            }
            "bin" => {
                let origin = self.timestamp(args[2]);
                Datum::Timestamp(bin(self.interval(first), self.timestamp(second), origin)?)
            }
            "interval *" => Datum::Interval(self.interval(first).checked_mul(second.parse().unwrap())?),
            "interval /" => Datum::Interval(self.interval(first).checked_div(second.parse().unwrap())?),
            "interval +" => Datum::Interval(self.interval(first).checked_add(self.interval(second))?),
            "justify_hours" => Datum::Interval(self.interval(first).justify_hours()),
            "justify_days" => Datum::Interval(self.interval(first).justify_days()),
            "justify" => Datum::Interval(self.interval(first).justify()),
            "date +" => Datum::Date(date_add_days(self.date(first), second.parse().unwrap())?),
            "timestamp at" => Datum::TimestampTz(timestamp_to_timestamptz(self.timestamp(first), &named())?),
            "timestamptz at" => {
                Datum::Timestamp(timestamptz_to_timestamp(self.timestamptz(first), &named())?)
            }
            "date to timestamptz" => Datum::TimestampTz(date_to_timestamptz(self.date(first), zone)?),
            "timestamptz to date" => Datum::Date(timestamptz_to_date(self.timestamptz(first), zone)?),
            other => panic!("no operation {other}"),
        })
    }
}

#[test]
fn dates_timestamps_and_intervals_compute_as_in_postgres() {
    let timezone = TimeZone::setting("America/New_York").unwrap();
    let settings = TextSettings { timezone, ..TextSettings::default() };
    let session = Session { settings, arena: Bump::new() };
    for (operation, args, expected) in CASES {
        let result = match session.compute(operation, args) {
            Ok(Datum::Null) => "<null>".to_owned(),
            Ok(datum) => {
                let mut out = String::new();
                format(datum, &Type::Unknown, &session.settings, &mut out);
                out
            }
            Err(error) => {
                let detail =
                    error.detail.as_ref().map_or(String::new(), |detail| std::format!(" | {detail}"));
                std::format!("{}: {}{detail}", error.code.code(), error.message)
            }
        };
        assert_eq!(result, *expected, "{operation} {args:?}");
    }
}

#[test]
fn days_and_civil_dates_are_inverse() {
    for days in (-2_451_545..2_145_031_949i64).step_by(999_983).chain(-800_000..-799_000) {
        let (year, month, day) = civil_from_days(days);
        assert_eq!(days_from_civil(year, month, day), days);
        assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
    }
}

#[rustfmt::skip]
const CASES: &[(&str, &[&str], &str)] = &[
    ("timestamp +", &["2024-01-31", "1 mon"], "2024-02-29 00:00:00"),
    ("timestamp +", &["2023-01-31", "1 mon"], "2023-02-28 00:00:00"),
    ("timestamp +", &["2024-02-29", "1 year"], "2025-02-28 00:00:00"),
    ("timestamp +", &["2024-03-31", "-1 mon"], "2024-02-29 00:00:00"),
    ("timestamp +", &["2024-01-01", "1 mon 1 day 01:00"], "2024-02-02 01:00:00"),
    ("timestamp +", &["infinity", "1 day"], "infinity"),
    ("timestamp +", &["294276-12-31", "1 day"], "22008: timestamp out of range"),
    ("timestamp +", &["2024-01-01", "-5000000 days"], "22008: timestamp out of range"),
    ("timestamptz +", &["2024-03-09 02:30", "1 day"], "2024-03-10 03:30:00-04"),
    ("timestamptz +", &["2024-03-09 02:30", "24 hours"], "2024-03-10 03:30:00-04"),
    ("timestamptz +", &["2024-11-02 01:30", "1 day"], "2024-11-03 01:30:00-05"),
    ("timestamptz +", &["2024-11-03 01:30 EDT", "1 hour"], "2024-11-03 01:30:00-05"),
    ("timestamptz +", &["2024-02-10 02:30", "1 mon"], "2024-03-10 03:30:00-04"),
    ("timestamp -", &["2024-01-03 01:00", "2024-01-01 02:00"], "1 day 23:00:00"),
    ("timestamp -", &["2024-01-01", "2024-01-03 01:00"], "-2 days -01:00:00"),
    ("age", &["2024-03-15", "2024-01-31"], "1 mon 15 days"),
    ("age", &["2024-01-31", "2024-03-15"], "-1 mons -15 days"),
    ("age", &["2023-03-01", "2023-01-31 12:00"], "1 mon 12:00:00"),
    ("age", &["2000-02-29", "1999-02-28"], "1 year 1 day"),
    ("age", &["2024-01-01", "0001-01-01"], "2023 years"),
    ("trunc timestamp", &["milliseconds", "2021-01-03 15:16:17.123456"], "2021-01-03 15:16:17.123"),
    ("trunc timestamp", &["minute", "2021-01-03 15:16:17.123456"], "2021-01-03 15:16:00"),
    ("trunc timestamp", &["day", "2021-01-03 15:16:17.123456"], "2021-01-03 00:00:00"),
    ("trunc timestamp", &["week", "2021-01-03 15:16:17.123456"], "2020-12-28 00:00:00"),
    ("trunc timestamp", &["month", "2021-01-03 15:16:17.123456"], "2021-01-01 00:00:00"),
    ("trunc timestamp", &["quarter", "2021-01-03 15:16:17.123456"], "2021-01-01 00:00:00"),
    ("trunc timestamp", &["year", "2021-01-03 15:16:17.123456"], "2021-01-01 00:00:00"),
    ("trunc timestamp", &["decade", "2021-01-03 15:16:17.123456"], "2020-01-01 00:00:00"),
    ("trunc timestamp", &["century", "2021-01-03 15:16:17.123456"], "2001-01-01 00:00:00"),
    ("trunc timestamp", &["millennium", "2021-01-03 15:16:17.123456"], "2001-01-01 00:00:00"),
    ("trunc timestamp", &["dow", "2021-01-03 15:16:17.123456"], "22023: unit \"dow\" not recognized for type timestamp without time zone"),
    ("trunc timestamp", &["timezone", "2021-01-03 15:16:17.123456"], "0A000: unit \"timezone\" not supported for type timestamp without time zone"),
    ("trunc timestamp", &["nosuch", "2021-01-03 15:16:17.123456"], "22023: unit \"nosuch\" not recognized for type timestamp without time zone"),
    ("trunc timestamp", &["week", "0001-01-01"], "0001-01-01 00:00:00"),
    ("trunc timestamp", &["decade", "0005-03-01 BC"], "0011-01-01 00:00:00 BC"),
    ("trunc timestamp", &["century", "0005-03-01 BC"], "0100-01-01 00:00:00 BC"),
    ("trunc timestamp", &["millennium", "2000-12-31"], "1001-01-01 00:00:00"),
    ("trunc timestamp", &["century", "2000-12-31"], "1901-01-01 00:00:00"),
    ("trunc timestamp", &["day", "infinity"], "infinity"),
    ("trunc timestamptz", &["day", "2024-11-03 23:00"], "2024-11-03 00:00:00-04"),
    ("trunc timestamptz", &["hour", "2024-11-03 01:30 EST"], "2024-11-03 01:00:00-05"),
    ("trunc timestamptz", &["hour", "2024-11-03 01:30 EDT"], "2024-11-03 01:00:00-04"),
    ("trunc timestamptz", &["month", "2024-03-20 12:00"], "2024-03-01 00:00:00-05"),
    ("trunc interval", &["hour", "-1.5 hours"], "-01:00:00"),
    ("trunc interval", &["year", "-25 mons"], "-2 years"),
    ("trunc interval", &["quarter", "11 mons"], "9 mons"),
    ("trunc interval", &["week", "1 mon"], "0A000: unit \"week\" not supported for type interval | Months usually have fractional weeks."),
    ("extract timestamp", &["microseconds", "2021-01-03 15:16:17.123456"], "17123456"),
    ("extract timestamp", &["milliseconds", "2021-01-03 15:16:17.123456"], "17123.456"),
    ("extract timestamp", &["second", "2021-01-03 15:16:17.123456"], "17.123456"),
    ("extract timestamp", &["minute", "2021-01-03 15:16:17.123456"], "16"),
    ("extract timestamp", &["hour", "2021-01-03 15:16:17.123456"], "15"),
    ("extract timestamp", &["day", "2021-01-03 15:16:17.123456"], "3"),
    ("extract timestamp", &["week", "2021-01-03 15:16:17.123456"], "53"),
    ("extract timestamp", &["month", "2021-01-03 15:16:17.123456"], "1"),
    ("extract timestamp", &["quarter", "2021-01-03 15:16:17.123456"], "1"),
    ("extract timestamp", &["year", "2021-01-03 15:16:17.123456"], "2021"),
    ("extract timestamp", &["decade", "2021-01-03 15:16:17.123456"], "202"),
    ("extract timestamp", &["century", "2021-01-03 15:16:17.123456"], "21"),
    ("extract timestamp", &["millennium", "2021-01-03 15:16:17.123456"], "3"),
    ("extract timestamp", &["dow", "2021-01-03 15:16:17.123456"], "0"),
    ("extract timestamp", &["isodow", "2021-01-03 15:16:17.123456"], "7"),
    ("extract timestamp", &["doy", "2021-01-03 15:16:17.123456"], "3"),
    ("extract timestamp", &["isoyear", "2021-01-03 15:16:17.123456"], "2020"),
    ("extract timestamp", &["julian", "2021-01-03 15:16:17.123456"], "2459218.63630929925925925926"),
    ("extract timestamp", &["epoch", "2021-01-03 15:16:17.123456"], "1609686977.123456"),
    ("extract timestamp", &["timezone", "2021-01-03 15:16:17.123456"], "0A000: unit \"timezone\" not supported for type timestamp without time zone"),
    ("extract timestamp", &["year", "0005-03-01 BC"], "-5"),
    ("extract timestamp", &["century", "0100-01-01 BC"], "-1"),
    ("extract timestamp", &["century", "0101-01-01 BC"], "-2"),
    ("extract timestamp", &["millennium", "2001-01-01"], "3"),
    ("extract timestamp", &["isoyear", "2024-12-30"], "2025"),
    ("extract timestamp", &["week", "2024-12-30"], "1"),
    ("extract timestamp", &["year", "infinity"], "Infinity"),
    ("extract timestamp", &["day", "-infinity"], "<null>"),
    ("extract timestamptz", &["hour", "2024-07-01 00:00"], "0"),
    ("extract timestamptz", &["timezone", "2024-07-01 00:00"], "-14400"),
    ("extract timestamptz", &["timezone_hour", "2024-07-01 00:00"], "-4"),
    ("extract timestamptz", &["epoch", "2024-07-01 00:00"], "1719806400.000000"),
    ("extract date", &["epoch", "1970-01-02"], "86400"),
    ("extract date", &["julian", "2000-01-01"], "2451545"),
    ("extract date", &["hour", "2000-01-01"], "0A000: unit \"hour\" not supported for type date"),
    ("extract date", &["doy", "2024-12-31"], "366"),
    ("extract date", &["epoch", "infinity"], "Infinity"),
    ("extract interval", &["epoch", "1 year 1 mon 1.5 days"], "34279200.000000"),
    ("extract interval", &["hour", "-25:30"], "-25"),
    ("extract interval", &["minute", "-25:30"], "-30"),
    ("extract interval", &["second", "1.5"], "1.500000"),
    ("extract interval", &["quarter", "11 mons"], "4"),
    ("extract interval", &["century", "-1200 mons"], "-1"),
    ("extract interval", &["dow", "1 day"], "0A000: unit \"dow\" not supported for type interval"),
    ("bin", &["15 min", "2024-01-01 00:22", "2001-01-01"], "2024-01-01 00:15:00"),
    ("bin", &["15 min", "2024-01-01 00:15", "2025-01-01"], "2024-01-01 00:15:00"),
    ("bin", &["7 days", "2024-01-01 00:22", "2025-01-01 01:00"], "2023-12-27 01:00:00"),
    ("bin", &["1 mon", "2024-01-01", "2000-01-01"], "0A000: timestamps cannot be binned into intervals containing months or years"),
    ("bin", &["0", "2024-01-01", "2000-01-01"], "22008: stride must be greater than zero"),
    ("interval *", &["1 mon", "0.5"], "15 days"),
    ("interval *", &["1 mon 1 day", "0.1"], "3 days 02:24:00"),
    ("interval *", &["1 year", "1e10"], "22008: interval out of range"),
    ("interval *", &["100 days", "0.333"], "33 days 07:12:00"),
    ("interval *", &["-1 mon 1 day", "1.5"], "-1 mons -14 days +12:00:00"),
    ("interval /", &["1 mon 1 day", "7"], "4 days 10:17:08.546743"),
    ("interval /", &["1 day", "0"], "22012: division by zero"),
    ("interval /", &["1 hour", "3"], "00:20:00"),
    ("justify_hours", &["1 mon -1 hour"], "1 mon -01:00:00"),
    ("justify_days", &["1 mon -1 hour"], "1 mon -01:00:00"),
    ("justify", &["1 mon -1 hour"], "29 days 23:00:00"),
    ("justify_hours", &["-35 days 1 mon"], "1 mon -35 days"),
    ("justify_days", &["-35 days 1 mon"], "-5 days"),
    ("justify", &["-35 days 1 mon"], "-5 days"),
    ("justify_hours", &["40 days 25 hours"], "41 days 01:00:00"),
    ("justify_days", &["40 days 25 hours"], "1 mon 10 days 25:00:00"),
    ("justify", &["40 days 25 hours"], "1 mon 11 days 01:00:00"),
    ("justify_hours", &["-1 mon 30 days"], "-1 mons +30 days"),
    ("justify_days", &["-1 mon 30 days"], "00:00:00"),
    ("justify", &["-1 mon 30 days"], "00:00:00"),
    ("interval +", &["2147483647 days", "1 day"], "22008: interval out of range"),
    ("interval +", &["1 mon", "1 day"], "1 mon 1 day"),
    ("date +", &["2024-02-28", "2"], "2024-03-01"),
    ("date +", &["5874897-12-31", "1"], "22008: date out of range"),
    ("timestamp at", &["2024-07-01 12:00", "America/New_York"], "2024-07-01 12:00:00-04"),
    ("timestamp at", &["2024-07-01 12:00", "+05"], "2024-07-01 13:00:00-04"),
    ("timestamp at", &["2024-07-01 12:00", "EST"], "2024-07-01 13:00:00-04"),
    ("timestamp at", &["2024-07-01 12:00", "UTC-3"], "2024-07-01 05:00:00-04"),
    ("timestamptz at", &["2024-07-01 12:00", "Asia/Tokyo"], "2024-07-02 01:00:00"),
    ("date to timestamptz", &["2024-03-10"], "2024-03-10 00:00:00-05"),
    ("timestamptz to date", &["2024-03-10 23:30"], "2024-03-10"),
];
