//! Functions of dates, timestamps and intervals. Those that depend on the session's time zone take it as a last text
//! argument, which the binder appends; without it they mean UTC.

use std::cell::RefCell;
use std::collections::HashMap;

use super::EvalError;
use super::cast::CastContext::{Assignment, Implicit};
use super::declare::functions;
use super::native::{Days, Micros, MicrosTz};
use crate::error::SqlState;
use crate::repr::datetime::{self, Field, TimeZone};
use crate::repr::text::IntervalStyle;
use crate::repr::{Datum, Interval, Numeric};

functions! { pub(super) ARITHMETIC;
    /// The date so many days later.
    "+"(Date, Int4) -> Date, errs(): "date '2001-09-28' + 7" => "2001-10-05" = { |_, a: Days, n: i64| add_days(a, n) };
    /// The date so many days later.
    "+"(Int4, Date) -> Date, errs(): "7 + date '2001-09-28'" => "2001-10-05" = { |_, n: i64, a: Days| add_days(a, n) };
    /// The date so many days earlier.
    "-"(Date, Int4) -> Date, errs(): "date '2001-10-01' - 7" => "2001-09-24" = { |_, a: Days, n: i64| add_days(a, -n) };
    /// The days from the second date to the first.
    "-"(Date, Date) -> Int4, errs(): "date '2001-10-01' - date '2001-09-28'" => "3"
        = { |_, a: Days, b: Days| datetime::date_difference(a.0, b.0).map(i64::from) };
    /// The time an interval after midnight of the date.
    "+"(Date, Interval) -> Timestamp, errs(): "date '2001-09-28' + interval '1 hour'" => "2001-09-28 01:00:00"
        = { |_, a: Days, i: Interval| add_to_date(a, i) };
    /// The time an interval after midnight of the date.
    "+"(Interval, Date) -> Timestamp, errs(): "interval '1 hour' + date '2001-09-28'" => "2001-09-28 01:00:00"
        = { |_, i: Interval, a: Days| add_to_date(a, i) };
    /// The time an interval before midnight of the date.
    "-"(Date, Interval) -> Timestamp, errs(): "date '2001-09-28' - interval '1 hour'" => "2001-09-27 23:00:00"
        = { |_, a: Days, i: Interval| add_to_date(a, i.checked_neg()?) };
    /// The time an interval later.
    "+"(Timestamp, Interval) -> Timestamp, errs(): "timestamp '2001-01-31 01:00' + interval '1 month'" => "2001-02-28 01:00:00"
        = { |_, a: Micros, i: Interval| datetime::timestamp_add(a.0, i).map(Micros) };
    /// The time an interval later.
    "+"(Interval, Timestamp) -> Timestamp, errs(): "interval '1 day' + timestamp '2001-09-28 01:00'" => "2001-09-29 01:00:00"
        = { |_, i: Interval, a: Micros| datetime::timestamp_add(a.0, i).map(Micros) };
    /// The time an interval earlier.
    "-"(Timestamp, Interval) -> Timestamp, errs(): "timestamp '2001-09-28 23:00' - interval '23 hours'" => "2001-09-28 00:00:00"
        = { |_, a: Micros, i: Interval| datetime::timestamp_add(a.0, i.checked_neg()?).map(Micros) };
    /// The time an interval later, days and months in the session's time zone.
    "+"(TimestampTz, Interval) -> TimestampTz, errs(), zone(): "timestamptz '2001-09-28 01:00Z' + interval '1 day'" => "2001-09-29 01:00:00+00"
        = { |_, a: MicrosTz, i: Interval, z: Option<&str>| in_zone(z, |z| datetime::timestamptz_add(a.0, i, z).map(MicrosTz)) };
    /// The time an interval later, days and months in the session's time zone.
    "+"(Interval, TimestampTz) -> TimestampTz, errs(), zone(): "interval '1 day' + timestamptz '2001-09-28 01:00Z'" => "2001-09-29 01:00:00+00"
        = { |_, i: Interval, a: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::timestamptz_add(a.0, i, z).map(MicrosTz)) };
    /// The time an interval earlier, days and months in the session's time zone.
    "-"(TimestampTz, Interval) -> TimestampTz, errs(), zone(): "timestamptz '2001-09-28 01:00Z' - interval '1 day'" => "2001-09-27 01:00:00+00"
        = { |_, a: MicrosTz, i: Interval, z: Option<&str>| in_zone(z, |z| datetime::timestamptz_add(a.0, i.checked_neg()?, z).map(MicrosTz)) };
    /// The time from the second to the first, whole days apart.
    "-"(Timestamp, Timestamp) -> Interval, errs(): "timestamp '2001-09-29 03:00' - timestamp '2001-07-27 12:00'" => "63 days 15:00:00"
        = { |_, a: Micros, b: Micros| datetime::timestamp_difference(a.0, b.0) };
    /// The time from the second to the first, whole days apart.
    "-"(TimestampTz, TimestampTz) -> Interval, errs(): "timestamptz '2001-09-29 03:00Z' - timestamptz '2001-07-27 12:00Z'" => "63 days 15:00:00"
        = { |_, a: MicrosTz, b: MicrosTz| datetime::timestamp_difference(a.0, b.0) };
    /// The sum.
    "+"(Interval, Interval) -> Interval, errs(): "interval '1 day' + interval '1 hour'" => "1 day 01:00:00"
        = { |_, a: Interval, b: Interval| a.checked_add(b) };
    /// The difference.
    "-"(Interval, Interval) -> Interval, errs(): "interval '1 day' - interval '1 hour'" => "1 day -01:00:00"
        = { |_, a: Interval, b: Interval| a.checked_sub(b) };
    /// The interval in the other direction.
    "-"(Interval) -> Interval, errs(): "- interval '23 hours'" => "-23:00:00" = { |_, a: Interval| a.checked_neg() };
    /// The interval so many times.
    "*"(Interval, Float8) -> Interval, errs(): "interval '1 hour' * float8 '3.5'" => "03:30:00"
        = { |_, a: Interval, n: f64| a.checked_mul(n) };
    /// The interval so many times.
    "*"(Float8, Interval) -> Interval, errs(): "float8 '21' * interval '1 day'" => "21 days"
        = { |_, n: f64, a: Interval| a.checked_mul(n) };
    /// The interval divided by a number.
    "/"(Interval, Float8) -> Interval, errs(): "interval '1 hour' / float8 '1.5'" => "00:40:00"
        = { |_, a: Interval, n: f64| a.checked_div(n) };
}

functions! { pub(super) CASTS;
    /// Midnight of the date.
    "timestamp"(Date) -> Timestamp, errs(), cast(Implicit): "date '2024-02-29'::timestamp" => "2024-02-29 00:00:00"
        = { |_, a: Days| datetime::date_to_timestamp(a.0).map(Micros) };
    /// Midnight of the date in the session's time zone.
    "timestamptz"(Date) -> TimestampTz, errs(), cast(Implicit), zone(): "date '2024-02-29'::timestamptz" => "2024-02-29 00:00:00+00"
        = { |_, a: Days, z: Option<&str>| in_zone(z, |z| datetime::date_to_timestamptz(a.0, z).map(MicrosTz)) };
    /// The day.
    "date"(Timestamp) -> Date, cast(Assignment): "timestamp '2024-02-29 12:00'::date" => "2024-02-29"
        = { |_, a: Micros| Days(datetime::timestamp_to_date(a.0)) };
    /// The day in the session's time zone.
    "date"(TimestampTz) -> Date, errs(), cast(Assignment), zone(): "timestamptz '2024-02-29 12:00Z'::date" => "2024-02-29"
        = { |_, a: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::timestamptz_to_date(a.0, z).map(Days)) };
    /// The time as a local time of the session's time zone.
    "timestamptz"(Timestamp) -> TimestampTz, errs(), cast(Implicit), zone(): "timestamp '2024-02-29 12:00'::timestamptz" => "2024-02-29 12:00:00+00"
        = { |_, a: Micros, z: Option<&str>| in_zone(z, |z| datetime::timestamp_to_timestamptz(a.0, z).map(MicrosTz)) };
    /// The local time in the session's time zone.
    "timestamp"(TimestampTz) -> Timestamp, errs(), cast(Assignment), zone(): "timestamptz '2024-02-29 12:00Z'::timestamp" => "2024-02-29 12:00:00"
        = { |_, a: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::timestamptz_to_timestamp(a.0, z).map(Micros)) };
}

functions! { pub(super) FUNCTIONS;
    /// The local time in a zone; SQL writes `AT TIME ZONE`.
    "timezone"(Text, TimestampTz) -> Timestamp, errs(): "timezone('America/New_York', timestamptz '2024-07-01 12:00Z')" => "2024-07-01 08:00:00"
        = { |_, z: &str, a: MicrosTz| in_zone(Some(z), |z| datetime::timestamptz_to_timestamp(a.0, z).map(Micros)) };
    /// The time that is a local time in a zone; SQL writes `AT TIME ZONE`.
    "timezone"(Text, Timestamp) -> TimestampTz, errs(): "timezone('America/New_York', timestamp '2024-07-01 08:00')" => "2024-07-01 12:00:00+00"
        = { |_, z: &str, a: Micros| in_zone(Some(z), |z| datetime::timestamp_to_timestamptz(a.0, z).map(MicrosTz)) };
    /// The local time at an offset from UTC; SQL writes `AT TIME ZONE`.
    "timezone"(Interval, TimestampTz) -> Timestamp, errs(): "timezone(interval '2 hours', timestamptz '2024-07-01 12:00Z')" => "2024-07-01 14:00:00"
        = { |_, z: Interval, a: MicrosTz| datetime::timestamptz_to_timestamp(a.0, &offset(z)?).map(Micros) };
    /// The time that is a local time at an offset from UTC; SQL writes `AT TIME ZONE`.
    "timezone"(Interval, Timestamp) -> TimestampTz, errs(): "timezone(interval '2 hours', timestamp '2024-07-01 12:00')" => "2024-07-01 10:00:00+00"
        = { |_, z: Interval, a: Micros| datetime::timestamp_to_timestamptz(a.0, &offset(z)?).map(MicrosTz) };
    /// A field of the date.
    "extract"(Text, Date) -> Numeric, errs(), maybe_null(): "extract('year' from date '2024-02-29')" => "2024"
        = { |_, f: &str, a: Days| datetime::extract_date(Field::named_for(f, "date")?, a.0) };
    /// A field of the time.
    "extract"(Text, Timestamp) -> Numeric, errs(), maybe_null(): "extract('second' from timestamp '2024-02-29 12:00:01.5')" => "1.500000"
        = { |cx, f: &str, a: Micros| datetime::extract_timestamp(Field::named_for(f, TIMESTAMP)?, a.0, cx.arena) };
    /// A field of the time in the session's time zone.
    "extract"(Text, TimestampTz) -> Numeric, errs(), maybe_null(), zone(): "extract('epoch' from timestamptz '1970-01-01 00:01Z')" => "60.000000"
        = { |cx, f: &str, a: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::extract_timestamptz(Field::named_for(f, TIMESTAMPTZ)?, a.0, z, cx.arena)) };
    /// A field of the interval.
    "extract"(Text, Interval) -> Numeric, errs(): "extract('hour' from interval '1 day 02:00')" => "2"
        = { |_, f: &str, a: Interval| datetime::extract_interval(Field::named_for(f, "interval")?, a) };
    /// A field of the date, as a float.
    "date_part"(Text, Date) -> Float8, errs(), maybe_null(): "date_part('year', date '2024-02-29')" => "2024"
        = { |_, f: &str, a: Days| as_float(datetime::extract_date(Field::named_for(f, "date")?, a.0)?) };
    /// A field of the time, as a float.
    "date_part"(Text, Timestamp) -> Float8, errs(), maybe_null(): "date_part('second', timestamp '2024-02-29 12:00:01.5')" => "1.5"
        = { |cx, f: &str, a: Micros| as_float(datetime::extract_timestamp(Field::named_for(f, TIMESTAMP)?, a.0, cx.arena)?) };
    /// A field of the time in the session's time zone, as a float.
    "date_part"(Text, TimestampTz) -> Float8, errs(), maybe_null(), zone(): "date_part('epoch', timestamptz '1970-01-01 00:01Z')" => "60"
        = { |cx, f: &str, a: MicrosTz, z: Option<&str>| in_zone(z, |z| as_float(datetime::extract_timestamptz(Field::named_for(f, TIMESTAMPTZ)?, a.0, z, cx.arena)?)) };
    /// A field of the interval, as a float.
    "date_part"(Text, Interval) -> Float8, errs(), maybe_null(): "date_part('hour', interval '1 day 02:00')" => "2"
        = { |_, f: &str, a: Interval| as_float(Some(datetime::extract_interval(Field::named_for(f, "interval")?, a)?)) };
    /// The time cut to a unit.
    "date_trunc"(Text, Timestamp) -> Timestamp, errs(): "date_trunc('hour', timestamp '2024-02-29 12:34:56')" => "2024-02-29 12:00:00"
        = { |_, f: &str, a: Micros| datetime::truncate_timestamp(Field::named_for(f, TIMESTAMP)?, a.0).map(Micros) };
    /// The time cut to a unit in the session's time zone.
    "date_trunc"(Text, TimestampTz) -> TimestampTz, errs(), zone(): "date_trunc('day', timestamptz '2024-02-29 12:34:56Z')" => "2024-02-29 00:00:00+00"
        = { |_, f: &str, a: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::truncate_timestamptz(Field::named_for(f, TIMESTAMPTZ)?, a.0, z).map(MicrosTz)) };
    /// The time cut to a unit in a zone.
    "date_trunc"(Text, TimestampTz, Text) -> TimestampTz, errs(): "date_trunc('day', timestamptz '2024-02-29 12:34Z', 'Asia/Tokyo')" => "2024-02-28 15:00:00+00"
        = { |_, f: &str, a: MicrosTz, z: &str| in_zone(Some(z), |z| datetime::truncate_timestamptz(Field::named_for(f, TIMESTAMPTZ)?, a.0, z).map(MicrosTz)) };
    /// The interval cut to a unit.
    "date_trunc"(Text, Interval) -> Interval, errs(): "date_trunc('hour', interval '2 days 03:40')" => "2 days 03:00:00"
        = { |_, f: &str, a: Interval| datetime::truncate_interval(Field::named_for(f, "interval")?, a) };
    /// The start of the time's bin, of all bins of a length from an origin on.
    "date_bin"(Interval, Timestamp, Timestamp) -> Timestamp, errs(): "date_bin(interval '15 minutes', timestamp '2020-02-11 15:44:17', timestamp '2001-01-01')" => "2020-02-11 15:30:00"
        = { |_, i: Interval, a: Micros, origin: Micros| datetime::bin(i, a.0, origin.0).map(Micros) };
    /// The start of the time's bin, of all bins of a length from an origin on.
    "date_bin"(Interval, TimestampTz, TimestampTz) -> TimestampTz, errs(): "date_bin(interval '15 minutes', timestamptz '2020-02-11 15:44Z', timestamptz '2001-01-01Z')" => "2020-02-11 15:30:00+00"
        = { |_, i: Interval, a: MicrosTz, origin: MicrosTz| datetime::bin(i, a.0, origin.0).map(MicrosTz) };
    /// The time from the second to the first in years, months and days.
    "age"(Timestamp, Timestamp) -> Interval, errs(): "age(timestamp '2001-04-10', timestamp '1957-06-13')" => "43 years 9 mons 27 days"
        = { |_, a: Micros, b: Micros| datetime::age(a.0, b.0) };
    /// The time from the second to the first in years, months and days, in the session's time zone.
    "age"(TimestampTz, TimestampTz) -> Interval, errs(), zone(): "age(timestamptz '2001-04-10Z', timestamptz '1957-06-13Z')" => "43 years 9 mons 27 days"
        = { |_, a: MicrosTz, b: MicrosTz, z: Option<&str>| in_zone(z, |z| datetime::age_tz(a.0, b.0, z)) };
    /// The date of a year, month and day.
    "make_date"(Int4, Int4, Int4) -> Date, errs(): "make_date(2013, 7, 15)" => "2013-07-15"
        = { |_, y: i64, m: i64, d: i64| datetime::make_date(y as i32, m as i32, d as i32).map(Days) };
    /// The time of a year, month, day, hour, minute and second.
    "make_timestamp"(Int4, Int4, Int4, Int4, Int4, Float8) -> Timestamp, errs(): "make_timestamp(2013, 7, 15, 8, 15, 23.5)" => "2013-07-15 08:15:23.5"
        = { |_, y: i64, m: i64, d: i64, h: i64, min: i64, s: f64| {
            datetime::make_timestamp(y as i32, m as i32, d as i32, h as i32, min as i32, s).map(Micros)
        } };
    /// The time of a year, month, day, hour, minute and second in the session's time zone.
    "make_timestamptz"(Int4, Int4, Int4, Int4, Int4, Float8) -> TimestampTz, errs(), zone(): "make_timestamptz(2013, 7, 15, 8, 15, 23.5)" => "2013-07-15 08:15:23.5+00"
        = { |_, y: i64, m: i64, d: i64, h: i64, min: i64, s: f64, z: Option<&str>| {
            let local = datetime::make_timestamp(y as i32, m as i32, d as i32, h as i32, min as i32, s)?;
            in_zone(z, |z| datetime::timestamp_to_timestamptz(local, z).map(MicrosTz))
        } };
    /// The time of a year, month, day, hour, minute and second in a zone.
    "make_timestamptz"(Int4, Int4, Int4, Int4, Int4, Float8, Text) -> TimestampTz, errs(): "make_timestamptz(2013, 7, 15, 8, 15, 23.5, 'America/New_York')" => "2013-07-15 12:15:23.5+00"
        = { |_, y: i64, m: i64, d: i64, h: i64, min: i64, s: f64, z: &str| {
            let local = datetime::make_timestamp(y as i32, m as i32, d as i32, h as i32, min as i32, s)?;
            in_zone(Some(z), |z| datetime::timestamp_to_timestamptz(local, z).map(MicrosTz))
        } };
    /// The interval of years, months, weeks, days, hours, minutes and seconds.
    "make_interval"(Int4, Int4, Int4, Int4, Int4, Int4, Float8) -> Interval, errs(), defaults(&["0", "0", "0", "0", "0", "0", "0"]):
        "make_interval(1, 2, 3, 4, 5, 6, 7.5)" => "1 year 2 mons 25 days 05:06:07.5"
        = { |_, y: i64, m: i64, w: i64, d: i64, h: i64, min: i64, s: f64| make_interval([y, m, w, d, h, min], s) };
    /// The time so many seconds after 1970-01-01 00:00 UTC.
    "to_timestamp"(Float8) -> TimestampTz, errs(): "to_timestamp(float8 '1284352323.5')" => "2010-09-13 04:32:03.5+00"
        = { |_, a: f64| from_unix(a).map(MicrosTz) };
    /// The interval with days of 24 hours carried from its time.
    "justify_hours"(Interval) -> Interval: "justify_hours(interval '27 hours')" => "1 day 03:00:00" = { |_, a: Interval| a.justify_hours() };
    /// The interval with months of 30 days carried from its days.
    "justify_days"(Interval) -> Interval: "justify_days(interval '35 days')" => "1 mon 5 days" = { |_, a: Interval| a.justify_days() };
    /// The interval with months and days carried, and one sign for all.
    "justify_interval"(Interval) -> Interval: "justify_interval(interval '1 mon -1 hour')" => "29 days 23:00:00" = { |_, a: Interval| a.justify() };
    /// Whether the date is not an infinity.
    "isfinite"(Date) -> Bool: "isfinite(date '2001-02-16')" => "t" = { |_, a: Days| datetime::is_finite_date(a.0) };
    /// Whether the time is not an infinity.
    "isfinite"(Timestamp) -> Bool: "isfinite(timestamp 'infinity')" => "f" = { |_, a: Micros| datetime::is_finite_timestamp(a.0) };
    /// Whether the time is not an infinity.
    "isfinite"(TimestampTz) -> Bool: "isfinite(timestamptz 'infinity')" => "f" = { |_, a: MicrosTz| datetime::is_finite_timestamp(a.0) };
    /// Always true: an interval is finite.
    "isfinite"(Interval) -> Bool: "isfinite(interval '4 hours')" => "t" = { |_, _a: Interval| true };
}

functions! { pub(super) CLOCK;
    /// The time at which the transaction began.
    "now"() -> TimestampTz, stable(), errs(): "" => "" = { |_| unbound::<MicrosTz>("now()") };
    /// The time at which the transaction began.
    "transaction_timestamp"() -> TimestampTz, stable(), errs(): "" => "" = { |_| unbound::<MicrosTz>("transaction_timestamp()") };
    /// The time at which the statement came.
    "statement_timestamp"() -> TimestampTz, stable(), errs(): "" => "" = { |_| unbound::<MicrosTz>("statement_timestamp()") };
    /// The time of the call.
    "clock_timestamp"() -> TimestampTz, volatile(), errs(): "" => "" = { |_| unbound::<MicrosTz>("clock_timestamp()") };
    /// The time at which the transaction began; SQL writes it without parentheses.
    "current_timestamp"() -> TimestampTz, stable(), errs(), special(): "" => "" = { |_| unbound::<MicrosTz>("current_timestamp") };
    /// The local time at which the transaction began; SQL writes it without parentheses.
    "localtimestamp"() -> Timestamp, stable(), errs(), special(): "" => "" = { |_| unbound::<Micros>("localtimestamp") };
    /// The day on which the transaction began; SQL writes it without parentheses.
    "current_date"() -> Date, stable(), errs(), special(): "" => "" = { |_| unbound::<Days>("current_date") };
    /// A random number from 0 and below 1: another for each row.
    "random"() -> Float8, volatile(), errs(): "" => "" = { |_| unbound::<f64>("random()") };
}

const TIMESTAMP: &str = "timestamp without time zone";
const TIMESTAMPTZ: &str = "timestamp with time zone";

/// What the binder puts a value in place of.
fn unbound<T>(what: &str) -> Result<T, EvalError> {
    Err(EvalError::internal(format!("{what} has no value where it is evaluated")))
}

thread_local! {
    /// The zones that this thread's expressions name.
    static ZONES: RefCell<HashMap<String, TimeZone>> = RefCell::default();
}

/// The time zone of a name, as sessions and `AT TIME ZONE` name them.
pub(super) fn zone(name: &str) -> Result<TimeZone, EvalError> {
    ZONES.with_borrow_mut(|zones| {
        if let Some(zone) = zones.get(name) {
            return Ok(zone.clone());
        }
        let zone = TimeZone::named(name).or_else(|| TimeZone::setting(name)).ok_or_else(|| {
            let message = format!("time zone \"{name}\" not recognized");
            EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message)
        })?;
        zones.insert(name.to_owned(), zone.clone());
        Ok(zone)
    })
}

/// Runs `f` with the zone, UTC if there is none.
pub(super) fn in_zone<T>(
    name: Option<&str>,
    f: impl FnOnce(&TimeZone) -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    f(&match name {
        Some(name) => zone(name)?,
        None => TimeZone::utc(),
    })
}

/// The zone at an offset from UTC of less than a month.
pub(super) fn offset(interval: Interval) -> Result<TimeZone, EvalError> {
    if interval.months != 0 || interval.days != 0 {
        let mut shown = String::new();
        crate::repr::text::format_interval(interval, IntervalStyle::default(), &mut shown);
        let message = format!("interval time zone \"{shown}\" must not include months or days");
        return Err(EvalError::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    Ok(TimeZone::fixed((interval.micros / datetime::MICROS_PER_SECOND) as i32))
}

fn add_days(date: Days, days: i64) -> Result<Days, EvalError> {
    datetime::date_add_days(date.0, days).map(Days)
}

fn add_to_date(date: Days, interval: Interval) -> Result<Micros, EvalError> {
    datetime::timestamp_add(datetime::date_to_timestamp(date.0)?, interval).map(Micros)
}

pub(super) fn as_float(value: Option<Numeric<'_>>) -> Result<Option<f64>, EvalError> {
    Ok(value.map(|value| value.to_float()))
}

fn make_interval(parts: [i64; 6], seconds: f64) -> Result<Interval, EvalError> {
    let out_of_range = || EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, "interval out of range");
    let [years, months, weeks, days, hours, minutes] = parts;
    let months = i32::try_from(years * 12 + months).map_err(|_| out_of_range())?;
    let days = i32::try_from(weeks * 7 + days).map_err(|_| out_of_range())?;
    let micros = (seconds * datetime::MICROS_PER_SECOND as f64).round_ties_even();
    let time = hours * datetime::MICROS_PER_HOUR + minutes * datetime::MICROS_PER_MINUTE;
    let total = time as f64 + micros;
    if total.is_nan() || total.abs() >= i64::MAX as f64 {
        return Err(out_of_range());
    }
    Ok(Interval::new(months, days, time.saturating_add(micros as i64)))
}

fn from_unix(seconds: f64) -> Result<i64, EvalError> {
    if seconds.is_nan() {
        let message = "timestamp cannot be NaN";
        return Err(EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, message));
    }
    if seconds.is_infinite() {
        let infinity =
            if seconds > 0.0 { datetime::TIMESTAMP_INFINITY } else { datetime::TIMESTAMP_NEG_INFINITY };
        return Ok(infinity);
    }
    let micros = (seconds * datetime::MICROS_PER_SECOND as f64).round_ties_even();
    datetime::check_timestamp(micros as i128 - datetime::EPOCH_UNIX_MICROS as i128).map_err(|_| {
        let message =
            format!("timestamp out of range: \"{}\"", super::string::as_text(Datum::Float(seconds)));
        EvalError::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
    })
}
