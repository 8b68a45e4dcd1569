//! What text input and output depend on beside the value and its type: the session's TimeZone, DateStyle, IntervalStyle,
//! extra_float_digits and bytea_output.
//!
//! A conversion to or from text that is part of a plan carries them as a text argument ([`TextSettings::argument`]), as far as its
//! type is concerned and no further: the plans of sessions that print such a value alike are alike, and what a view's text means
//! is what its creator's settings said.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use super::super::Type;
use super::super::datetime::TimeZone;

/// The settings of a session, or those that a stored query was created under.
#[derive(Clone, Debug)]
pub struct TextSettings {
    pub timezone: TimeZone,
    /// What `now`, `today`, `tomorrow` and `yesterday` mean: microseconds since 2000-01-01 UTC. Without it they are
    /// refused.
    pub now: Option<i64>,
    pub date_style: DateStyle,
    pub interval_style: IntervalStyle,
    /// `extra_float_digits`: above 0, the shortest digits that read back the same; else so many more than 15.
    pub float_digits: i8,
    /// `bytea_output` is `escape`.
    pub bytes_escaped: bool,
}

impl Default for TextSettings {
    fn default() -> TextSettings {
        TextSettings {
            timezone: TimeZone::utc(),
            now: None,
            date_style: DateStyle::default(),
            interval_style: IntervalStyle::default(),
            float_digits: 1,
            bytes_escaped: false,
        }
    }
}

/// How dates are printed, and in which order their numbers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateStyle {
    pub format: DateFormat,
    pub order: DateOrder,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateFormat {
    /// `1997-12-17 07:37:16-08`
    #[default]
    Iso,
    /// `Wed Dec 17 07:37:16 1997 PST`
    Postgres,
    /// `12/17/1997 07:37:16 PST`
    Sql,
    /// `17.12.1997 07:37:16 PST`
    German,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    #[default]
    Mdy,
    Dmy,
    Ymd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`
    #[default]
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`
    Verbose,
    /// `+1-2 +3 +4:05:06`
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`
    Iso,
}

const FORMATS: [(DateFormat, &str); 4] = [
    (DateFormat::Iso, "ISO"),
    (DateFormat::Postgres, "Postgres"),
    (DateFormat::Sql, "SQL"),
    (DateFormat::German, "German"),
];
const ORDERS: [(DateOrder, &str); 3] =
    [(DateOrder::Mdy, "MDY"), (DateOrder::Dmy, "DMY"), (DateOrder::Ymd, "YMD")];
const INTERVAL_STYLES: [(IntervalStyle, &str); 4] = [
    (IntervalStyle::Postgres, "postgres"),
    (IntervalStyle::Verbose, "postgres_verbose"),
    (IntervalStyle::SqlStandard, "sql_standard"),
    (IntervalStyle::Iso, "iso_8601"),
];

/// Why SET DateStyle is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDateStyle {
    Unknown(String),
    Conflict,
}

impl DateStyle {
    /// The style after SET: words between commas, of which each says a format or an order. What is not said stays as it is,
    /// but with the German format the day comes first.
    pub fn set(self, text: &str) -> Result<DateStyle, BadDateStyle> {
        let (mut format, mut order) = (None, None);
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            let lower = word.to_ascii_lowercase();
            let (said_format, said_order) = match lower.as_str() {
                "iso" => (Some(DateFormat::Iso), None),
                "sql" => (Some(DateFormat::Sql), None),
                "german" => (Some(DateFormat::German), None),
                postgres if postgres.starts_with("postgres") => (Some(DateFormat::Postgres), None),
                "ymd" => (None, Some(DateOrder::Ymd)),
                "dmy" => (None, Some(DateOrder::Dmy)),
                "mdy" | "us" => (None, Some(DateOrder::Mdy)),
                euro if euro.starts_with("euro") => (None, Some(DateOrder::Dmy)),
                us if us.starts_with("noneuro") => (None, Some(DateOrder::Mdy)),
                "default" => {
                    let default = DateStyle::default();
                    format = format.or(Some(default.format));
                    order = order.or(Some(default.order));
                    continue;
                }
                _ => return Err(BadDateStyle::Unknown(word.to_owned())),
            };
            if said_format.is_some_and(|said| format.is_some_and(|known| known != said))
                || said_order.is_some_and(|said| order.is_some_and(|known| known != said))
            {
                return Err(BadDateStyle::Conflict);
            }
            (format, order) = (said_format.or(format), said_order.or(order));
        }
        if format == Some(DateFormat::German) {
            order = order.or(Some(DateOrder::Dmy));
        }
        Ok(DateStyle { format: format.unwrap_or(self.format), order: order.unwrap_or(self.order) })
    }
}

/// As SHOW prints it: `ISO, MDY`.
impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = FORMATS.iter().find(|(format, _)| *format == self.format).map_or("", |(_, name)| name);
        let order = ORDERS.iter().find(|(order, _)| *order == self.order).map_or("", |(_, name)| name);
        write!(f, "{format}, {order}")
    }
}

impl IntervalStyle {
    pub fn named(name: &str) -> Option<IntervalStyle> {
        INTERVAL_STYLES.iter().find(|(_, known)| *known == name).map(|(style, _)| *style)
    }
}

impl fmt::Display for IntervalStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = INTERVAL_STYLES.iter().find(|(style, _)| style == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

/// Which settings the text of a type depends on.
#[derive(Clone, Copy, Default)]
struct Concerns {
    zone: bool,
    date: bool,
    interval: bool,
    float: bool,
    bytes: bool,
}

impl Concerns {
    fn of(typ: &Type) -> Concerns {
        let mut concerns = Concerns::default();
        concerns.add(typ);
        concerns
    }

    fn add(&mut self, typ: &Type) {
        match typ {
            Type::TimestampTz(_) => (self.zone, self.date) = (true, true),
            Type::TimeTz(_) => self.zone = true,
            Type::Date | Type::Timestamp(_) => self.date = true,
            Type::Interval(_) => self.interval = true,
            Type::Float4 | Type::Float8 => self.float = true,
            Type::Bytea => self.bytes = true,
            Type::Array(element) => self.add(element),
            Type::Record(fields) => fields.iter().for_each(|field| self.add(&field.typ)),
            _ => {}
        }
    }
}

/// The settings as a conversion's argument.
impl TextSettings {
    /// What a conversion between text and this type is told; None where it does what it does for everybody. A zone's name alone
    /// stands for the default of all else.
    pub fn argument(&self, typ: &Type) -> Option<String> {
        let concerns = Concerns::of(typ);
        let default = TextSettings::default();
        let mut parts = Vec::new();
        if concerns.zone {
            parts.push(self.timezone.name().to_owned());
        }
        if concerns.date && self.date_style != default.date_style {
            parts.push(format!("DateStyle={}", self.date_style));
        }
        if concerns.interval && self.interval_style != default.interval_style {
            parts.push(format!("IntervalStyle={}", self.interval_style));
        }
        if concerns.float && self.float_digits < 1 {
            parts.push(format!("extra_float_digits={}", self.float_digits));
        }
        if concerns.bytes && self.bytes_escaped {
            parts.push("bytea_output=escape".to_owned());
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The settings that [`TextSettings::argument`] tells of; None if it has not made this text.
    pub fn of_argument(text: &str) -> Option<TextSettings> {
        thread_local! {
            static KNOWN: RefCell<HashMap<String, TextSettings>> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| {
            if let Some(settings) = known.get(text) {
                return Some(settings.clone());
            }
            let settings = TextSettings::read_argument(text)?;
            known.insert(text.to_owned(), settings.clone());
            Some(settings)
        })
    }

    fn read_argument(text: &str) -> Option<TextSettings> {
        let mut settings = TextSettings::default();
        for part in text.split("; ") {
            match part.split_once('=') {
                None => settings.timezone = TimeZone::setting(part)?,
                Some(("DateStyle", style)) => settings.date_style = DateStyle::default().set(style).ok()?,
                Some(("IntervalStyle", style)) => settings.interval_style = IntervalStyle::named(style)?,
                Some(("extra_float_digits", digits)) => settings.float_digits = digits.parse().ok()?,
                Some(("bytea_output", "escape")) => settings.bytes_escaped = true,
                Some(_) => return None,
            }
        }
        Some(settings)
    }

    /// The same zone, and everything else in the form that is the same for everybody: what JSON holds.
    pub fn standard(&self) -> TextSettings {
        TextSettings { timezone: self.timezone.clone(), now: self.now, ..TextSettings::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(from: &str, text: &str) -> Result<String, BadDateStyle> {
        let from = DateStyle::default().set(from).expect("the first style is known");
        from.set(text).map(|style| style.to_string())
    }

    #[test]
    fn date_styles_are_set_word_by_word() {
        for (from, text, expected) in [
            ("ISO, MDY", "dmy", "ISO, DMY"),
            ("ISO, DMY", "sql", "SQL, DMY"),
            ("ISO, MDY", "German", "German, DMY"),
            ("ISO, MDY", "German, ymd", "German, YMD"),
            ("SQL, YMD", "European", "SQL, DMY"),
            ("SQL, YMD", "postgresql US", "Postgres, MDY"),
            ("SQL, YMD", "noneuropean", "SQL, MDY"),
            ("SQL, YMD", "default", "ISO, MDY"),
            ("SQL, YMD", "", "SQL, YMD"),
        ] {
            assert_eq!(style(from, text).as_deref(), Ok(expected), "{from} then {text}");
        }
        assert_eq!(style("ISO", "ISO, SQL"), Err(BadDateStyle::Conflict));
        assert_eq!(style("ISO", "dmy, us"), Err(BadDateStyle::Conflict));
        assert_eq!(style("ISO", "dym"), Err(BadDateStyle::Unknown("dym".to_owned())));
    }

    #[test]
    fn an_argument_says_what_its_type_depends_on_and_no_more() {
        let settings = TextSettings {
            timezone: TimeZone::setting("Europe/Paris").expect("it is known"),
            date_style: DateStyle { format: DateFormat::German, order: DateOrder::Dmy },
            interval_style: IntervalStyle::Iso,
            float_digits: -2,
            bytes_escaped: true,
            ..TextSettings::default()
        };
        let array = Type::TimestampTz(None).array_of();
        for (typ, expected) in [
            (Type::Int4, None),
            (Type::Date, Some("DateStyle=German, DMY")),
            (array, Some("Europe/Paris; DateStyle=German, DMY")),
            (Type::Interval(None), Some("IntervalStyle=iso_8601")),
            (Type::Float8, Some("extra_float_digits=-2")),
            (Type::Bytea, Some("bytea_output=escape")),
        ] {
            let argument = settings.argument(&typ);
            assert_eq!(argument.as_deref(), expected, "{typ}");
            if let Some(argument) = argument {
                let read = TextSettings::of_argument(&argument).expect("it is read back");
                assert_eq!(read.argument(&typ), Some(argument));
            }
        }
        let default = TextSettings::default();
        assert_eq!(default.argument(&Type::Date), None);
        assert_eq!(default.argument(&Type::TimestampTz(None)).as_deref(), Some("UTC"));
    }
}
