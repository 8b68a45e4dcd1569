//! Time zones: names, fixed offsets, and the two directions between local time and UTC.
//!
//! The IANA database is compiled in, so the answers do not depend on the machine. Local times that a clock change skips
//! are read with the offset before it, and those it repeats with the offset after it, as PostgreSQL does.

use jiff::tz::{AmbiguousOffset, Offset};

use super::calendar::{Civil, days_from_civil};
use super::{EPOCH_UNIX_MICROS, MICROS_PER_DAY, MICROS_PER_SECOND};

/// A time zone that is known by name: an IANA zone of the bundled database, or a fixed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    name: String,
    zone: Zone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(jiff::tz::TimeZone),
}

/// The Gregorian calendar repeats after 400 years, weekdays included.
const CYCLE_DAYS: i64 = 146_097;
const CYCLE_YEARS: i64 = 400;

/// Offsets from UTC are less than this many hours.
const MAX_HOURS: i32 = 168;

/// Offsets of the abbreviations that are read, in minutes east of UTC, as in PostgreSQL's default set.
#[rustfmt::skip]
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("acdt", 630), ("acsst", 630), ("acst", 570), ("act", -300), ("acwst", 525), ("adt", -180),
    ("aedt", 660), ("aesst", 660), ("aest", 600), ("aft", 270), ("akdt", -480), ("akst", -540),
    ("almst", 420), ("almt", 360), ("amst", 240), ("amt", -240), ("anast", 720), ("anat", 720),
    ("arst", -180), ("art", -180), ("ast", -240), ("awsst", 540), ("awst", 480), ("azost", 0),
    ("azot", -60), ("azst", 240), ("azt", 240), ("bdst", 120), ("bdt", 360), ("bnt", 480), ("bort", 480),
    ("bot", -240), ("bra", -180), ("brst", -120), ("brt", -180), ("bst", 60), ("btt", 360), ("cadt", 630),
    ("cast", 570), ("cct", 480), ("cdt", -300), ("cest", 120), ("cet", 60), ("cetdst", 120), ("chadt", 825),
    ("chast", 765), ("chut", 600), ("ckt", -600), ("clst", -180), ("clt", -180), ("cot", -300),
    ("cst", -360), ("cxt", 420), ("davt", 420), ("ddut", 600), ("easst", -300), ("east", -300),
    ("eat", 180), ("edt", -240), ("eest", 180), ("eet", 120), ("eetdst", 180), ("egst", 0), ("egt", -60),
    ("est", -300), ("fet", 180), ("fjst", 780), ("fjt", 720), ("fkst", -180), ("fkt", -180), ("fnst", -60),
    ("fnt", -120), ("galt", -360), ("gamt", -540), ("gest", 240), ("get", 240), ("gft", -180),
    ("gilt", 720), ("gmt", 0), ("gyt", -240), ("hkt", 480), ("hst", -600), ("ict", 420), ("idt", 180),
    ("iot", 360), ("irkst", 480), ("irkt", 480), ("irt", 210), ("ist", 120), ("jayt", 540), ("jst", 540),
    ("kdt", 600), ("kgst", 360), ("kgt", 360), ("kost", 660), ("krast", 420), ("krat", 420), ("kst", 540),
    ("lhdt", 660), ("lhst", 630), ("ligt", 600), ("lint", 840), ("lkt", 330), ("magst", 660), ("magt", 660),
    ("mart", -570), ("mawt", 300), ("mdt", -360), ("mest", 120), ("mesz", 120), ("met", 60),
    ("metdst", 120), ("mez", 60), ("mht", 720), ("mmt", 390), ("mpt", 600), ("msd", 240), ("msk", 180),
    ("mst", -420), ("must", 300), ("mut", 240), ("mvt", 300), ("myt", 480), ("ndt", -150), ("nft", -210),
    ("novst", 420), ("novt", 420), ("npt", 345), ("nst", -210), ("nut", -660), ("nzdt", 780), ("nzst", 720),
    ("nzt", 720), ("omsst", 360), ("omst", 360), ("pdt", -420), ("pet", -300), ("petst", 720),
    ("pett", 720), ("pgt", 600), ("pht", 480), ("pkst", 360), ("pkt", 300), ("pmdt", -120), ("pmst", -180),
    ("pont", 660), ("pst", -480), ("pwt", 540), ("pyst", -180), ("pyt", -180), ("ret", 240), ("sadt", 630),
    ("sast", 120), ("sct", 240), ("sgt", 480), ("taht", -600), ("tft", 300), ("tjt", 300), ("tkt", 780),
    ("tmt", 300), ("tot", 780), ("trut", 600), ("tvt", 720), ("uct", 0), ("ulast", 540), ("ulat", 480),
    ("ut", 0), ("utc", 0), ("uyst", -120), ("uyt", -180), ("uzst", 360), ("uzt", 300), ("vet", -240),
    ("vlast", 600), ("vlat", 600), ("volt", 180), ("vut", 660), ("wadt", 480), ("wakt", 720), ("wast", 420),
    ("wat", 60), ("wdt", 540), ("wet", 0), ("wetdst", 60), ("wft", 720), ("wgst", -120), ("wgt", -180),
    ("xjt", 360), ("yakst", 540), ("yakt", 540), ("yapt", 600), ("yekst", 360), ("yekt", 300), ("z", 0),
    ("zulu", 0),
];

impl TimeZone {
    pub fn utc() -> TimeZone {
        TimeZone { name: "UTC".to_owned(), zone: Zone::Fixed(0) }
    }

    /// A zone so many seconds east of UTC, named as SHOW TimeZone does.
    pub fn fixed(seconds: i32) -> TimeZone {
        let mut name = String::from("<");
        push_offset(seconds, &mut name);
        name.push('>');
        push_offset(-seconds, &mut name);
        TimeZone { name, zone: Zone::Fixed(seconds) }
    }

    /// The zone that SET TimeZone chooses: plain hours east of UTC (`-8`, `5.5`), the name that such a zone is shown by, or another name
    /// but no abbreviation.
    pub fn setting(value: &str) -> Option<TimeZone> {
        if let Some((offset, _)) = value.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            return parse_hours(offset).map(TimeZone::fixed).filter(|zone| zone.name == value);
        }
        match value.parse::<f64>() {
            Ok(hours) if hours.abs() < MAX_HOURS as f64 => Some(TimeZone::fixed((hours * 3600.0) as i32)),
            Ok(_) => None,
            Err(_) => TimeZone::full_name(value),
        }
    }

    /// The zone that AT TIME ZONE reads: an abbreviation, or a name.
    pub fn named(name: &str) -> Option<TimeZone> {
        let lower = name.to_ascii_lowercase();
        match abbreviation(&lower) {
            Some(seconds) => Some(TimeZone { name: lower, zone: Zone::Fixed(seconds) }),
            None => TimeZone::full_name(name),
        }
    }

    /// A zone of the IANA database, in any case, or hours *west* of UTC with or without letters before them, as POSIX
    /// writes them (`UTC+3`, `+05:30`).
    fn full_name(name: &str) -> Option<TimeZone> {
        if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("gmt") {
            return Some(TimeZone { name: name.to_ascii_uppercase(), zone: Zone::Fixed(0) });
        }
        if let Ok(zone) = jiff::tz::db().get(name) {
            let shown = zone.iana_name().unwrap_or(name).to_owned();
            return Some(TimeZone { name: shown, zone: Zone::Named(zone) });
        }
        let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
        let west = (letters == 0 || letters >= 3).then(|| parse_hours(&name[letters..])).flatten()?;
        Some(TimeZone { name: name.to_owned(), zone: Zone::Fixed(-west) })
    }

    /// The name as it was chosen, for SHOW TimeZone.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the offset is the same at all times.
    pub fn is_fixed(&self) -> bool {
        match &self.zone {
            Zone::Fixed(_) => true,
            Zone::Named(zone) => zone.to_fixed_offset().is_ok(),
        }
    }

    /// Seconds east of UTC at a finite time in microseconds from 2000-01-01 UTC.
    pub fn offset_at(&self, utc: i64) -> i32 {
        let zone = match &self.zone {
            Zone::Fixed(seconds) => return *seconds,
            Zone::Named(zone) => zone,
        };
        let unix = within_jiff(utc) as i128 + EPOCH_UNIX_MICROS as i128;
        let timestamp = jiff::Timestamp::from_microsecond(unix as i64)
            .expect("invariant: within_jiff keeps times in years that jiff knows");
        zone.to_offset(timestamp).seconds()
    }

    /// Appends what the zone is called at a finite time: `CET`, `UTC`, and an offset where that is all the name there is.
    pub fn push_abbreviation(&self, utc: i64, out: &mut String) {
        const ABBREVIATION_MAX: usize = 10;
        let zone = match &self.zone {
            Zone::Named(zone) => zone,
            Zone::Fixed(seconds) => {
                let letters = self.name.bytes().take_while(u8::is_ascii_alphabetic).count();
                return match letters {
                    0 => push_offset(*seconds, out),
                    letters => out.push_str(&self.name[..letters.min(ABBREVIATION_MAX)]),
                };
            }
        };
        let unix = within_jiff(utc) as i128 + EPOCH_UNIX_MICROS as i128;
        let timestamp = jiff::Timestamp::from_microsecond(unix as i64)
            .expect("invariant: within_jiff keeps times in years that jiff knows");
        let info = zone.to_offset_info(timestamp);
        let abbreviation = info.abbreviation();
        out.push_str(abbreviation.get(..ABBREVIATION_MAX).unwrap_or(abbreviation));
    }

    /// Local microseconds of a finite time, if no further off than the range of i64.
    pub fn to_local(&self, utc: i64) -> i64 {
        utc.saturating_add(self.offset_at(utc) as i64 * MICROS_PER_SECOND)
    }

    /// The offset, in seconds east of UTC, that a finite local time is read with.
    pub fn offset_of_local(&self, local: i64) -> i32 {
        let zone = match &self.zone {
            Zone::Fixed(seconds) => return *seconds,
            Zone::Named(zone) => zone,
        };
        let civil = Civil::from_timestamp(within_jiff(local));
        let datetime = jiff::civil::DateTime::new(
            civil.year as i16,
            civil.month as i8,
            civil.day as i8,
            civil.hour as i8,
            civil.minute as i8,
            civil.second as i8,
            0,
        )
        .expect("invariant: within_jiff keeps times in years that jiff knows");
        let offset: Offset = match zone.to_ambiguous_timestamp(datetime).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } => before,
            AmbiguousOffset::Fold { after, .. } => after,
        };
        offset.seconds()
    }

    /// The time in UTC of a finite local time; it may be out of PostgreSQL's range.
    pub fn to_utc(&self, local: i64) -> i128 {
        local as i128 - self.offset_of_local(local) as i128 * MICROS_PER_SECOND as i128
    }
}

/// Seconds east of UTC of an abbreviation in lower case.
pub fn abbreviation(lower: &str) -> Option<i32> {
    let at = ABBREVIATIONS.binary_search_by(|(name, _)| (*name).cmp(lower)).ok()?;
    Some(ABBREVIATIONS[at].1 * 60)
}

/// Moves a time by whole calendar cycles into the years that jiff knows.
fn within_jiff(micros: i64) -> i64 {
    let last = days_from_civil(9000, 1, 1) * MICROS_PER_DAY;
    if micros <= last {
        return micros;
    }
    let cycle = CYCLE_DAYS * MICROS_PER_DAY;
    debug_assert_eq!(days_from_civil(2000 + CYCLE_YEARS, 1, 1), CYCLE_DAYS);
    micros - (micros - last + cycle - 1) / cycle * cycle
}

/// `+05`, `-08:30`, `+05:30:15`: an offset as timestamps print it.
pub fn push_offset(seconds: i32, out: &mut String) {
    use std::fmt::Write;
    let magnitude = seconds.unsigned_abs();
    let (hours, minutes, rest) = (magnitude / 3600, magnitude / 60 % 60, magnitude % 60);
    let sign = if seconds < 0 { '-' } else { '+' };
    write!(out, "{sign}{hours:02}").expect("invariant: writing to a string cannot fail");
    if minutes != 0 || rest != 0 {
        write!(out, ":{minutes:02}").expect("invariant: writing to a string cannot fail");
    }
    if rest != 0 {
        write!(out, ":{rest:02}").expect("invariant: writing to a string cannot fail");
    }
}

/// Seconds of `5`, `-8` or `+05:30` hours.
fn parse_hours(text: &str) -> Option<i32> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut seconds = 0;
    let mut parts = unsigned.split(':');
    for (unit, limit) in [(3600, MAX_HOURS), (60, 60), (1, 60)] {
        let Some(part) = parts.next() else { break };
        let value: i32 = part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())??;
        if value >= limit {
            return None;
        }
        seconds += value * unit;
    }
    parts.next().is_none().then_some(sign * seconds)
}
