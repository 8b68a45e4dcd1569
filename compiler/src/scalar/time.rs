//! Functions of times of day, and the digits of the second that a type of times keeps.

use super::EvalError;
use super::cast::CastContext::{Assignment, Implicit};
use super::datetime::{as_float, in_zone, offset, zone};
use super::declare::functions;
use super::function::Context;
use super::native::{Clock, Days, Micros, MicrosTz};
use crate::error::SqlState;
use crate::repr::datetime::{self, Field, MICROS_PER_SECOND, TimeTz, TimeZone};
use crate::repr::{Interval, Type};

functions! { pub(super) ARITHMETIC;
    /// The time of a day.
    "+"(Date, Time) -> Timestamp, errs(): "date '2001-09-28' + time '03:00'" => "2001-09-28 03:00:00"
        = { |_, a: Days, t: Clock| datetime::date_add_time(a.0, t.0).map(Micros) };
    /// The time of a day.
    "+"(Time, Date) -> Timestamp, errs(): "time '03:00' + date '2001-09-28'" => "2001-09-28 03:00:00"
        = { |_, t: Clock, a: Days| datetime::date_add_time(a.0, t.0).map(Micros) };
    /// The time of a day.
    "+"(Date, TimeTz) -> TimestampTz, errs(): "date '2001-09-28' + timetz '03:00+01'" => "2001-09-28 02:00:00+00"
        = { |_, a: Days, t: TimeTz| date_add(a, t) };
    /// The time of a day.
    "+"(TimeTz, Date) -> TimestampTz, errs(): "timetz '03:00+01' + date '2001-09-28'" => "2001-09-28 02:00:00+00"
        = { |_, t: TimeTz, a: Days| date_add(a, t) };
    /// The time on the clock an interval later.
    "+"(Time, Interval) -> Time: "time '23:00' + interval '3 hours'" => "02:00:00"
        = { |_, t: Clock, i: Interval| Clock(datetime::time_add(t.0, i)) };
    /// The time on the clock an interval later.
    "+"(Interval, Time) -> Time: "interval '3 hours' + time '01:00'" => "04:00:00"
        = { |_, i: Interval, t: Clock| Clock(datetime::time_add(t.0, i)) };
    /// The time on the clock an interval earlier.
    "-"(Time, Interval) -> Time, errs(): "time '01:00' - interval '2 hours'" => "23:00:00"
        = { |_, t: Clock, i: Interval| Ok::<_, EvalError>(Clock(datetime::time_add(t.0, i.checked_neg()?))) };
    /// The time on the clock an interval later.
    "+"(TimeTz, Interval) -> TimeTz: "timetz '23:00+01' + interval '3 hours'" => "02:00:00+01" = { |_, t: TimeTz, i: Interval| add(t, i) };
    /// The time on the clock an interval later.
    "+"(Interval, TimeTz) -> TimeTz: "interval '3 hours' + timetz '01:00+01'" => "04:00:00+01" = { |_, i: Interval, t: TimeTz| add(t, i) };
    /// The time on the clock an interval earlier.
    "-"(TimeTz, Interval) -> TimeTz, errs(): "timetz '01:00+01' - interval '2 hours'" => "23:00:00+01"
        = { |_, t: TimeTz, i: Interval| Ok::<_, EvalError>(add(t, i.checked_neg()?)) };
    /// The time from the second to the first.
    "-"(Time, Time) -> Interval: "time '05:00' - time '03:00'" => "02:00:00" = { |_, a: Clock, b: Clock| Interval::new(0, 0, a.0 - b.0) };
}

functions! { pub(super) CASTS;
    /// The time in the session's time zone.
    "timetz"(Time) -> TimeTz, errs(), cast(Implicit), zone(): "time '04:05'::timetz" => "04:05:00+00"
        = { |_, t: Clock, z: Option<&str>| in_zone(z, |z| Ok(TimeTz { micros: t.0, offset: z.offset_at(0) })) };
    /// The time on the clock.
    "time"(TimeTz) -> Time, cast(Assignment): "timetz '04:05+02'::time" => "04:05:00" = { |_, t: TimeTz| Clock(t.micros) };
    /// The time since midnight.
    "interval"(Time) -> Interval, cast(Implicit): "time '04:05'::interval" => "04:05:00" = { |_, t: Clock| Interval::new(0, 0, t.0) };
    /// The time after midnight by an interval, which may pass more midnights.
    "time"(Interval) -> Time, cast(Assignment): "interval '1 day 25 hours'::time" => "01:00:00"
        = { |_, i: Interval| Clock(datetime::time_add(0, i)) };
    /// The time of the day.
    "time"(Timestamp) -> Time, maybe_null(), cast(Assignment): "timestamp '2024-02-29 12:00'::time" => "12:00:00"
        = { |_, a: Micros| datetime::timestamp_to_time(a.0).map(Clock) };
    /// The time of the day in the session's time zone.
    "time"(TimestampTz) -> Time, errs(), maybe_null(), cast(Assignment), zone(): "timestamptz '2024-02-29 12:00Z'::time" => "12:00:00"
        = { |_, a: MicrosTz, z: Option<&str>| in_zone(z, |z| Ok(datetime::timestamptz_to_timetz(a.0, z).map(|t| Clock(t.micros)))) };
    /// The time of the day in the session's time zone, with its offset.
    "timetz"(TimestampTz) -> TimeTz, errs(), maybe_null(), cast(Assignment), zone(): "timestamptz '2024-02-29 12:00Z'::timetz" => "12:00:00+00"
        = { |_, a: MicrosTz, z: Option<&str>| in_zone(z, |z| Ok(datetime::timestamptz_to_timetz(a.0, z))) };
    /// The time with the digits of the second that the target keeps.
    "time"(Time) -> Time, called_by_cast(): "time '04:05:06.789'" => "04:05:06.789"
        = { |cx, t: Clock| Clock(datetime::round_time(t.0, precision(cx))) };
    /// The time with the digits of the second that the target keeps.
    "timetz"(TimeTz) -> TimeTz, called_by_cast(): "timetz '04:05:06.789+00'" => "04:05:06.789+00"
        = { |cx, t: TimeTz| TimeTz { micros: datetime::round_time(t.micros, precision(cx)), ..t } };
    /// The time with the digits of the second that the target keeps.
    "timestamp"(Timestamp) -> Timestamp, errs(), called_by_cast(): "timestamp '2024-01-01 04:05:06.7'" => "2024-01-01 04:05:06.7"
        = { |cx, a: Micros| datetime::round_timestamp(a.0, precision(cx)).map(Micros) };
    /// The time with the digits of the second that the target keeps.
    "timestamptz"(TimestampTz) -> TimestampTz, errs(), called_by_cast(): "timestamptz '2024-01-01 04:05:06.7Z'" => "2024-01-01 04:05:06.7+00"
        = { |cx, a: MicrosTz| datetime::round_timestamp(a.0, precision(cx)).map(MicrosTz) };
    /// The interval with the fields that the target keeps.
    "interval"(Interval) -> Interval, called_by_cast(): "interval '1 day 04:05'" => "1 day 04:05:00"
        = { |cx, a: Interval| if let Type::Interval(Some(typmod)) = cx.typ { typmod.apply(a) } else { a } };
}

functions! { pub(super) FUNCTIONS;
    /// The same time in a zone; SQL writes `AT TIME ZONE`.
    "timezone"(Text, TimeTz) -> TimeTz, errs(): "timezone('UTC', timetz '05:34:17-05')" => "10:34:17+00"
        = { |_, z: &str, t: TimeTz| at_zone(t, &zone(z)?) };
    /// The same time at an offset from UTC; SQL writes `AT TIME ZONE`.
    "timezone"(Interval, TimeTz) -> TimeTz, errs(): "timezone(interval '2 hours', timetz '05:34:17-05')" => "12:34:17+02"
        = { |_, z: Interval, t: TimeTz| at_zone(t, &offset(z)?) };
    /// A field of the time.
    "extract"(Text, Time) -> Numeric, errs(): "extract('minute' from time '04:05:06')" => "5"
        = { |_, f: &str, t: Clock| datetime::extract_time(Field::named_for(f, TIME)?, t.0) };
    /// A field of the time.
    "extract"(Text, TimeTz) -> Numeric, errs(): "extract('timezone_hour' from timetz '04:05:06-08')" => "-8"
        = { |_, f: &str, t: TimeTz| datetime::extract_timetz(Field::named_for(f, TIMETZ)?, t) };
    /// A field of the time, as a float.
    "date_part"(Text, Time) -> Float8, errs(), maybe_null(): "date_part('second', time '04:05:06.5')" => "6.5"
        = { |_, f: &str, t: Clock| as_float(Some(datetime::extract_time(Field::named_for(f, TIME)?, t.0)?)) };
    /// A field of the time, as a float.
    "date_part"(Text, TimeTz) -> Float8, errs(), maybe_null(): "date_part('hour', timetz '04:05:06-08')" => "4"
        = { |_, f: &str, t: TimeTz| as_float(Some(datetime::extract_timetz(Field::named_for(f, TIMETZ)?, t)?)) };
    /// The time of an hour, minute and second.
    "make_time"(Int4, Int4, Float8) -> Time, errs(): "make_time(8, 15, 23.5)" => "08:15:23.5"
        = { |_, h: i64, m: i64, s: f64| datetime::make_time(h as i32, m as i32, s).map(Clock) };
}

const TIME: &str = "time without time zone";
const TIMETZ: &str = "time with time zone";

fn precision(cx: Context<'_>) -> Option<u8> {
    match cx.typ {
        Type::Time(digits) | Type::TimeTz(digits) | Type::Timestamp(digits) | Type::TimestampTz(digits) => {
            *digits
        }
        _ => None,
    }
}

fn add(time: TimeTz, interval: Interval) -> TimeTz {
    TimeTz { micros: datetime::time_add(time.micros, interval), ..time }
}

fn date_add(date: Days, time: TimeTz) -> Result<MicrosTz, EvalError> {
    let local = datetime::date_add_time(date.0, time.micros)?;
    if !datetime::is_finite_timestamp(local) {
        return Ok(MicrosTz(local));
    }
    let offset = time.offset as i128 * MICROS_PER_SECOND as i128;
    datetime::check_timestamp(local as i128 - offset).map(MicrosTz)
}

/// Which offset a zone has depends on the day, which a time does not tell.
fn at_zone(time: TimeTz, zone: &TimeZone) -> Result<TimeTz, EvalError> {
    if !zone.is_fixed() {
        let message =
            format!("a time with time zone cannot be brought to \"{}\" without its date", zone.name());
        return Err(EvalError::new(SqlState::FEATURE_NOT_SUPPORTED, message)
            .hint("Use a timestamp with time zone, or a fixed offset."));
    }
    Ok(time.at_offset(zone.offset_at(0)))
}
