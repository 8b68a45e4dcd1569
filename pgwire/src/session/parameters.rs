//! The parameters of a session: what SET changes, SHOW prints and ParameterStatus reports.
//!
//! [`DEFINITIONS`] is the closed list, in the order SHOW ALL prints it; names with a dot are the client's own. Values are
//! kept in the form that SHOW prints, which is made when a value is set: a value that is kept is valid. A change belongs
//! to its transaction: rollback undoes SET, the end of the transaction undoes SET LOCAL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compiler::repr::datetime::TimeZone;
use compiler::repr::text::{BadDateStyle, DateStyle, IntervalStyle, TextSettings};
use compiler::{Error, SqlState};

/// What is reported as `server_version`: clients choose their catalog queries by it.
pub const SERVER_VERSION: &str = concat!("15.0 (Tidewater ", env!("CARGO_PKG_VERSION"), ")");

/// A parameter that the server knows.
pub struct Definition {
    pub name: &'static str,
    kind: Kind,
    default: &'static str,
    /// Whether clients are told of each change.
    report: bool,
    pub description: &'static str,
}

enum Kind {
    Bool,
    /// A boolean that has only one value here: setting it to that is fine.
    AlwaysBool(&'static str),
    Int {
        min: i64,
        max: i64,
        unit: Unit,
    },
    OneOf(&'static [&'static str]),
    Text,
    DateStyle,
    Encoding,
    TimeZone,
    /// Known at build time or at startup; cannot be set.
    Fixed,
}

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    None,
    Milliseconds,
    Kilobytes,
}

const ISOLATION: Kind = Kind::OneOf(&["read committed", "read uncommitted"]);
const MESSAGES: Kind = Kind::OneOf(&[
    "debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error",
]);
const TIMEOUT: Kind = Kind::Int { min: 0, max: i32::MAX as i64, unit: Unit::Milliseconds };

const fn parameter(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { name, kind, default, report: false, description }
}

const fn reported(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { name, kind, default, report: true, description }
}

/// Every parameter, sorted by name without regard to case.
#[rustfmt::skip]
pub const DEFINITIONS: &[Definition] = &[
    reported("application_name", Kind::Text, "", "Sets the application name to be reported in statistics and logs."),
    parameter("backslash_quote", Kind::OneOf(&["safe_encoding", "on", "off"]), "safe_encoding", "Sets whether \"\\'\" is allowed in string literals."),
    parameter("bytea_output", Kind::OneOf(&["escape", "hex"]), "hex", "Sets the output format for bytea."),
    parameter("check_function_bodies", Kind::Bool, "on", "Check routine bodies during creation; there are none."),
    reported("client_encoding", Kind::Encoding, "UTF8", "Sets the client's character set encoding."),
    parameter("client_min_messages", MESSAGES, "notice", "Sets the message levels that are sent to the client."),
    reported("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values."),
    parameter("default_table_access_method", Kind::Text, "heap", "Sets the default table access method; there is one."),
    parameter("default_tablespace", Kind::Text, "", "Sets the default tablespace; there is none."),
    parameter("default_transaction_deferrable", Kind::Bool, "off", "Sets the default deferrable status of new transactions."),
    parameter("default_transaction_isolation", ISOLATION, "read committed", "Sets the transaction isolation level of each new transaction."),
    reported("default_transaction_read_only", Kind::Bool, "off", "Sets the default read-only status of new transactions."),
    parameter("escape_string_warning", Kind::Bool, "on", "Warn about backslash escapes in ordinary string literals."),
    parameter("extra_float_digits", Kind::Int { min: -15, max: 3, unit: Unit::None }, "1", "Sets the number of digits displayed for floating-point values; above zero, the shortest that read back the same."),
    parameter("idle_in_transaction_session_timeout", TIMEOUT, "0", "Sets the maximum allowed idle time between queries, when in a transaction."),
    parameter("idle_session_timeout", TIMEOUT, "0", "Sets the maximum allowed idle time between queries, when not in a transaction."),
    reported("in_hot_standby", Kind::Fixed, "off", "Shows whether hot standby is currently active."),
    reported("integer_datetimes", Kind::Fixed, "on", "Shows whether datetimes are integer based."),
    reported("IntervalStyle", Kind::OneOf(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "postgres", "Sets the display format for interval values."),
    reported("is_superuser", Kind::Fixed, "on", "Shows whether the current user is a superuser."),
    parameter("jit", Kind::Bool, "off", "Allow JIT compilation; there is none."),
    parameter("lc_collate", Kind::Fixed, "C", "Shows the collation order locale."),
    parameter("lc_ctype", Kind::Fixed, "C", "Shows the character classification and case conversion locale."),
    parameter("lc_messages", Kind::Text, "C", "Sets the language in which messages are displayed; it is English."),
    parameter("lc_monetary", Kind::Text, "C", "Sets the locale for formatting monetary amounts."),
    parameter("lc_numeric", Kind::Text, "C", "Sets the locale for formatting numbers."),
    parameter("lc_time", Kind::Text, "C", "Sets the locale for formatting date and time values."),
    parameter("lock_timeout", TIMEOUT, "0", "Sets the maximum allowed duration of any wait for a lock."),
    parameter("max_identifier_length", Kind::Fixed, "63", "Shows the maximum identifier length."),
    parameter("max_index_keys", Kind::Fixed, "32", "Shows the maximum number of index keys."),
    parameter("password_encryption", Kind::OneOf(&["md5", "scram-sha-256"]), "scram-sha-256", "Chooses the algorithm for encrypting passwords."),
    parameter("recursion_limit", Kind::Int { min: 1, max: i32::MAX as i64, unit: Unit::None }, "5000", "Sets after how many rounds a recursive query whose rows still change is an error; a view keeps its own."),
    parameter("row_security", Kind::Bool, "on", "Enable row security; there is none."),
    parameter("search_path", Kind::Text, "\"$user\", public", "Sets the schema search order for names that are not schema-qualified."),
    reported("server_encoding", Kind::Fixed, "UTF8", "Shows the server (database) character set encoding."),
    reported("server_version", Kind::Fixed, SERVER_VERSION, "Shows the server version."),
    parameter("server_version_num", Kind::Fixed, "150000", "Shows the server version as an integer."),
    reported("session_authorization", Kind::Fixed, "", "Shows the session user name."),
    reported("standard_conforming_strings", Kind::AlwaysBool("on"), "on", "Causes '...' strings to treat backslashes literally."),
    parameter("statement_timeout", TIMEOUT, "0", "Sets the maximum allowed duration of any statement."),
    parameter("synchronize_seqscans", Kind::Bool, "on", "Enable synchronized sequential scans; there are none."),
    parameter("synchronous_commit", Kind::AlwaysBool("on"), "on", "Sets the current transaction's synchronization level: a commit is answered when it is on disk."),
    reported("TimeZone", Kind::TimeZone, "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    parameter("transaction_deferrable", Kind::Bool, "off", "Whether to defer a read-only serializable transaction."),
    parameter("transaction_isolation", ISOLATION, "read committed", "Sets the current transaction's isolation level."),
    parameter("transaction_read_only", Kind::Bool, "off", "Sets the current transaction's read-only status."),
    parameter("tw.portal_fill", Kind::Bool, "off", "Makes a row-limited Execute on a SUBSCRIBE wait until its rows are all there."),
    parameter("work_mem", Kind::Int { min: 64, max: i32::MAX as i64, unit: Unit::Kilobytes }, "4MB", "Accepted for PostgreSQL's clients; the engine sizes its own memory."),
    parameter("xmloption", Kind::OneOf(&["content", "document"]), "content", "Sets whether XML data is considered documents or fragments; there is no XML."),
];

/// The transaction's modes and where their defaults are.
const MODES: [(usize, usize); 3] = [
    (index("transaction_isolation"), index("default_transaction_isolation")),
    (index("transaction_read_only"), index("default_transaction_read_only")),
    (index("transaction_deferrable"), index("default_transaction_deferrable")),
];

/// What is asked for with every statement, by its place in the list.
pub const TRANSACTION_READ_ONLY: usize = index("transaction_read_only");
pub const PORTAL_FILL: usize = index("tw.portal_fill");
pub const STATEMENT_TIMEOUT: usize = index("statement_timeout");
pub const IDLE_SESSION_TIMEOUT: usize = index("idle_session_timeout");
pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: usize = index("idle_in_transaction_session_timeout");
const SEARCH_PATH: usize = index("search_path");
const TIME_ZONE: usize = index("TimeZone");
const DATE_STYLE: usize = index("DateStyle");
const INTERVAL_STYLE: usize = index("IntervalStyle");
const FLOAT_DIGITS: usize = index("extra_float_digits");
const BYTEA_OUTPUT: usize = index("bytea_output");

/// What [`Parameters::text`] is made of.
const TEXT_SETTINGS: [usize; 5] = [TIME_ZONE, DATE_STYLE, INTERVAL_STYLE, FLOAT_DIGITS, BYTEA_OUTPUT];

/// The place of a name that is in the list, found by the compiler.
const fn index(name: &str) -> usize {
    let mut at = 0;
    while at < DEFINITIONS.len() {
        if same(DEFINITIONS[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("not in DEFINITIONS")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// A session's values, as SHOW prints them.
#[derive(Clone, PartialEq)]
struct Values {
    known: Vec<Arc<str>>,
    custom: BTreeMap<String, Arc<str>>,
}

/// The parameters of one session and what its transaction did to them.
pub struct Parameters {
    /// What RESET goes back to: the defaults and what the startup message said.
    initial: Arc<Values>,
    /// What holds when the transaction commits.
    session: Arc<Values>,
    /// What holds now: with the transaction's SET LOCAL.
    current: Arc<Values>,
    /// What held when the transaction began.
    before: Arc<Values>,
    /// What the client has been told.
    reported: Option<Arc<Values>>,
    /// What the parameters of [`TEXT_SETTINGS`] say.
    text: TextSettings,
    /// The values that `text` was read from.
    text_read: Arc<Values>,
}

/// The values that the meaning of a statement's text rests on.
#[derive(Clone)]
pub struct Planning(Arc<Values>);

/// The values at one moment of a transaction.
pub struct Mark {
    session: Arc<Values>,
    current: Arc<Values>,
}

impl Planning {
    pub fn same(&self, other: &Planning) -> bool {
        let mut indexes = TEXT_SETTINGS.iter().chain(&[SEARCH_PATH]);
        Arc::ptr_eq(&self.0, &other.0) || indexes.all(|index| self.0.known[*index] == other.0.known[*index])
    }
}

/// How far a SET reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Session,
    Transaction,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters::of(Values {
            known: DEFINITIONS.iter().map(|d| d.default.into()).collect(),
            custom: BTreeMap::new(),
        })
    }
}

impl Parameters {
    /// The defaults, changed by what the startup message said.
    pub fn at_startup(user: &str, settings: &[(String, String)]) -> Result<Parameters, Error> {
        let mut parameters = Parameters::default();
        for (name, value) in settings {
            parameters.set(name, value, Reach::Session)?;
        }
        let mut values = Arc::unwrap_or_clone(parameters.session);
        let user_index = find("session_authorization").expect("invariant: in DEFINITIONS");
        values.known[user_index] = user.into();
        Ok(Parameters::of(values))
    }

    fn of(values: Values) -> Parameters {
        let values = Arc::new(values);
        Parameters {
            initial: Arc::clone(&values),
            session: Arc::clone(&values),
            current: Arc::clone(&values),
            before: Arc::clone(&values),
            reported: None,
            text: values.text_settings(),
            text_read: values,
        }
    }

    /// Called whenever [`Parameters::current`] may say something else about text.
    fn read_text_settings(&mut self) {
        let (read, now) = (&self.text_read.known, &self.current.known);
        if TEXT_SETTINGS.iter().any(|index| read[*index] != now[*index]) {
            self.text = self.current.text_settings();
            self.text_read = Arc::clone(&self.current);
        }
    }

    /// How values are read and printed.
    pub fn text(&self) -> &TextSettings {
        &self.text
    }

    /// The values that a plan compiled now rests on.
    pub fn planning(&self) -> Planning {
        Planning(Arc::clone(&self.current))
    }

    /// The value of `name` as SHOW prints it.
    pub fn show(&self, name: &str) -> Result<&str, Error> {
        match find(name) {
            Some(index) => Ok(&self.current.known[index]),
            None => {
                let value = self.current.custom.get(&name.to_ascii_lowercase());
                value.map(|v| &**v).ok_or_else(|| unrecognized(name))
            }
        }
    }

    /// The name as it is defined, for a column heading.
    pub fn canonical_name(name: &str) -> String {
        find(name).map_or_else(|| name.to_ascii_lowercase(), |index| DEFINITIONS[index].name.to_owned())
    }

    /// Name, value and description of all, as SHOW ALL prints them.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        DEFINITIONS.iter().zip(&self.current.known).map(|(d, value)| (d.name, &**value, d.description))
    }

    pub fn set(&mut self, name: &str, value: &str, reach: Reach) -> Result<(), Error> {
        let place = place(name)?;
        let value: Arc<str> = match place {
            Place::Known(index) => {
                DEFINITIONS[index].kind.normalize(name, value, &self.current.known[index])?.into()
            }
            Place::Custom(_) => value.into(),
        };
        self.put(&place, Some(value), reach);
        Ok(())
    }

    /// RESET name, or SET name TO DEFAULT.
    pub fn reset(&mut self, name: &str, reach: Reach) -> Result<(), Error> {
        let place = place(name)?;
        let value = match &place {
            Place::Known(index) if matches!(DEFINITIONS[*index].kind, Kind::Fixed) => {
                return Err(fixed(name));
            }
            Place::Known(index) => Some(Arc::clone(&self.initial.known[*index])),
            Place::Custom(name) => self.initial.custom.get(name).cloned(),
        };
        self.put(&place, value, reach);
        Ok(())
    }

    pub fn reset_all(&mut self) {
        self.session = Arc::clone(&self.initial);
        self.current = Arc::clone(&self.initial);
        self.read_text_settings();
    }

    fn put(&mut self, place: &Place, value: Option<Arc<str>>, reach: Reach) {
        if reach == Reach::Session {
            Arc::make_mut(&mut self.session).put(place, value.clone());
        }
        Arc::make_mut(&mut self.current).put(place, value);
        self.read_text_settings();
    }

    /// A transaction begins, with the modes that are the session's defaults.
    pub fn begin(&mut self) {
        self.before = Arc::clone(&self.session);
        for (mode, default) in MODES {
            if self.current.known[mode] != self.current.known[default] {
                let value = Arc::clone(&self.current.known[default]);
                Arc::make_mut(&mut self.current).known[mode] = value;
            }
        }
    }

    pub fn commit(&mut self) {
        self.current = Arc::clone(&self.session);
        self.read_text_settings();
    }

    pub fn rollback(&mut self) {
        self.session = Arc::clone(&self.before);
        self.current = Arc::clone(&self.before);
        self.read_text_settings();
    }

    /// The values now, to which [`Parameters::undo_to`] goes back.
    pub fn mark(&self) -> Mark {
        Mark { session: Arc::clone(&self.session), current: Arc::clone(&self.current) }
    }

    pub fn undo_to(&mut self, mark: &Mark) {
        self.session = Arc::clone(&mark.session);
        self.current = Arc::clone(&mark.current);
        self.read_text_settings();
    }

    /// Tells `report` each reported parameter that changed since the last call; all of them at the first.
    pub fn report_changes(&mut self, mut report: impl FnMut(&str, &str)) {
        let told = self.reported.replace(Arc::clone(&self.current));
        if told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &self.current)) {
            return;
        }
        for (index, definition) in DEFINITIONS.iter().enumerate().filter(|(_, d)| d.report) {
            let value = &self.current.known[index];
            if told.as_ref().is_none_or(|told| told.known[index] != *value) {
                report(definition.name, value);
            }
        }
    }

    /// `None` when there is no limit.
    pub fn timeout(&self, index: usize) -> Option<Duration> {
        let text = &*self.current.known[index];
        if text == "0" {
            return None;
        }
        let millis = parse_int(text, Unit::Milliseconds).expect("invariant: a duration was set");
        (millis > 0).then(|| Duration::from_millis(millis as u64))
    }

    pub fn is_on(&self, index: usize) -> bool {
        &*self.current.known[index] == "on"
    }

    /// The value of a parameter of [`DEFINITIONS`].
    pub fn known(&self, name: &'static str) -> &str {
        &self.current.known[find(name).expect("invariant: callers name parameters of DEFINITIONS")]
    }
}

impl Values {
    /// Values that are kept are valid.
    fn text_settings(&self) -> TextSettings {
        let invalid = "invariant: a value that is kept is valid";
        TextSettings {
            timezone: TimeZone::setting(&self.known[TIME_ZONE]).expect(invalid),
            now: None,
            date_style: DateStyle::default().set(&self.known[DATE_STYLE]).expect(invalid),
            interval_style: IntervalStyle::named(&self.known[INTERVAL_STYLE]).expect(invalid),
            float_digits: self.known[FLOAT_DIGITS].parse().expect(invalid),
            bytes_escaped: &*self.known[BYTEA_OUTPUT] == "escape",
        }
    }

    fn put(&mut self, place: &Place, value: Option<Arc<str>>) {
        match (place, value) {
            (Place::Known(index), Some(value)) => self.known[*index] = value,
            (Place::Known(_), None) => unreachable!("invariant: known parameters have a value at startup"),
            (Place::Custom(name), Some(value)) => drop(self.custom.insert(name.clone(), value)),
            (Place::Custom(name), None) => drop(self.custom.remove(name)),
        }
    }
}

enum Place {
    Known(usize),
    Custom(String),
}

fn place(name: &str) -> Result<Place, Error> {
    match find(name) {
        Some(index) => Ok(Place::Known(index)),
        None if is_custom(name) => Ok(Place::Custom(name.to_ascii_lowercase())),
        None => Err(unrecognized(name)),
    }
}

fn find(name: &str) -> Option<usize> {
    DEFINITIONS.iter().position(|d| d.name.eq_ignore_ascii_case(name))
}

fn is_custom(name: &str) -> bool {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80)
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80)
    };
    name.contains('.') && name.split('.').all(is_word)
}

fn unrecognized(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

fn fixed(name: &str) -> Error {
    Error::new(SqlState::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{name}\" cannot be changed"))
}

fn invalid(name: &str, value: &str) -> Error {
    let message = format!("invalid value for parameter \"{name}\": \"{value}\"");
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

impl Kind {
    /// The form in which SHOW prints `value`. Of the wrong value of a parameter that is free text, PostgreSQL tells by the parameter's own
    /// name, of others by the name that was given.
    fn normalize(&self, name: &str, value: &str, current: &str) -> Result<String, Error> {
        match self {
            Kind::Bool => boolean(name, value).map(str::to_owned),
            Kind::AlwaysBool(only) => match boolean(name, value)? {
                given if given == *only => Ok(given.to_owned()),
                given => {
                    Err(Error::unsupported(format!("parameter \"{name}\" cannot be set to \"{given}\"")))
                }
            },
            Kind::Int { min, max, unit } => integer(name, value, *min, *max, *unit),
            Kind::OneOf(choices) => one_of(name, value, choices),
            Kind::Text => Ok(value.to_owned()),
            Kind::DateStyle => date_style(value, current),
            Kind::Encoding => encoding(value),
            Kind::TimeZone => {
                let zone = TimeZone::setting(value).ok_or_else(|| invalid("TimeZone", value))?;
                Ok(zone.name().to_owned())
            }
            Kind::Fixed => Err(fixed(name)),
        }
    }
}

/// PostgreSQL takes any unambiguous beginning of true, false, yes, no, on, off.
fn boolean(name: &str, value: &str) -> Result<&'static str, Error> {
    let given = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| given.len() >= least && word.starts_with(&given);
    if given == "1" || begins("on", 2) || begins("true", 1) || begins("yes", 1) {
        Ok("on")
    } else if given == "0" || begins("off", 2) || begins("false", 1) || begins("no", 1) {
        Ok("off")
    } else {
        let message = format!("parameter \"{name}\" requires a Boolean value");
        Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
    }
}

fn one_of(name: &str, value: &str, choices: &[&str]) -> Result<String, Error> {
    let given = value.to_ascii_lowercase();
    match choices.iter().find(|choice| **choice == given) {
        Some(choice) => Ok((*choice).to_owned()),
        None => Err(invalid(name, value).hint(format!("Available values: {}.", choices.join(", ")))),
    }
}

fn integer(name: &str, value: &str, min: i64, max: i64, unit: Unit) -> Result<String, Error> {
    let number = parse_int(value, unit).ok_or_else(|| invalid(name, value))?;
    if !(min..=max).contains(&number) {
        let suffix = match unit {
            Unit::None => "",
            Unit::Milliseconds => " ms",
            Unit::Kilobytes => " kB",
        };
        let message = format!(
            "{number}{suffix} is outside the valid range for parameter \"{name}\" ({min}{suffix} .. {max}{suffix})"
        );
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    Ok(print_int(number, unit))
}

/// The units of each kind from the greatest down, in terms of the base unit.
fn units(unit: Unit) -> &'static [(&'static str, i64)] {
    match unit {
        Unit::None => &[],
        Unit::Milliseconds => {
            &[("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)]
        }
        Unit::Kilobytes => &[("TB", 1 << 30), ("GB", 1 << 20), ("MB", 1 << 10), ("kB", 1)],
    }
}

/// A duration as SET takes it, milliseconds where no unit is given.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse_int(text, Unit::Milliseconds)
        .and_then(|millis| u64::try_from(millis).ok())
        .map(Duration::from_millis)
}

fn parse_int(text: &str, unit: Unit) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = (text[..split].trim_end(), &text[split..]);
    let factor = match suffix {
        "" => 1.0,
        "us" if unit == Unit::Milliseconds => 0.001,
        "B" if unit == Unit::Kilobytes => 1.0 / 1024.0,
        suffix => units(unit).iter().find(|(name, _)| *name == suffix)?.1 as f64,
    };
    let number = number.parse::<f64>().ok().filter(|n| n.is_finite())? * factor;
    (number.abs() < 1e18).then(|| number.round_ties_even() as i64)
}

fn print_int(number: i64, unit: Unit) -> String {
    match units(unit).iter().find(|(_, factor)| number != 0 && number % factor == 0) {
        Some((name, factor)) => format!("{}{name}", number / factor),
        None => number.to_string(),
    }
}

/// What is not said of format and order stays as it is.
fn date_style(value: &str, current: &str) -> Result<String, Error> {
    let name = DEFINITIONS[DATE_STYLE].name;
    let current = DateStyle::default().set(current).unwrap_or_default();
    match current.set(value) {
        Ok(style) => Ok(style.to_string()),
        Err(BadDateStyle::Unknown(word)) => {
            Err(invalid(name, value).detail(format!("Unrecognized key word: \"{word}\".")))
        }
        Err(BadDateStyle::Conflict) => {
            Err(invalid(name, value).detail("Conflicting \"datestyle\" specifications."))
        }
    }
}

fn encoding(value: &str) -> Result<String, Error> {
    let plain: String =
        value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        "utf8" | "unicode" => Ok("UTF8".to_owned()),
        "sqlascii" | "win1252" | "win1250" | "win1251" => Err(only_utf8(value)),
        latin if latin.starts_with("latin") || latin.starts_with("iso8859") => Err(only_utf8(value)),
        _ => Err(invalid("client_encoding", value)),
    }
}

fn only_utf8(value: &str) -> Error {
    Error::unsupported(format!("conversion between {value} and UTF8 is not supported"))
        .hint("Set client_encoding to UTF8.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<String, String> {
        let mut parameters = Parameters::default();
        parameters.set(name, value, Reach::Session).map_err(|e| e.to_string())?;
        Ok(parameters.show(name).unwrap().to_owned())
    }

    #[test]
    fn definitions_are_sorted_and_their_defaults_valid() {
        assert!(DEFINITIONS.is_sorted_by_key(|d| d.name.to_ascii_lowercase()));
        for d in DEFINITIONS.iter().filter(|d| !matches!(d.kind, Kind::Fixed)) {
            assert_eq!(d.kind.normalize(d.name, d.default, d.default).unwrap(), d.default, "{}", d.name);
        }
    }

    #[test]
    fn values_print_as_postgresql_prints_them() {
        assert_eq!(set("STATEMENT_TIMEOUT", "5000").unwrap(), "5s");
        assert_eq!(set("statement_timeout", "1.5min").unwrap(), "90s");
        assert_eq!(set("statement_timeout", "0").unwrap(), "0");
        assert_eq!(set("datestyle", "iso, dmy").unwrap(), "ISO, DMY");
        assert_eq!(set("client_encoding", "'utf-8'").unwrap(), "UTF8");
        assert_eq!(set("jit", "t").unwrap(), "on");
        assert_eq!(set("my.own", "x").unwrap(), "x");
    }

    #[test]
    fn bad_values_are_refused() {
        let cases = [
            ("nope", "1", "42704: unrecognized configuration parameter \"nope\""),
            ("jit", "o", "22023: parameter \"jit\" requires a Boolean value"),
            ("server_version", "9", "55P02: parameter \"server_version\" cannot be changed"),
            ("intervalstyle", "x", "22023: invalid value for parameter \"intervalstyle\": \"x\""),
            (
                "statement_timeout",
                "-1",
                "22023: -1 ms is outside the valid range for parameter \"statement_timeout\" (0 ms .. 2147483647 ms)",
            ),
            ("client_encoding", "LATIN1", "0A000: conversion between LATIN1 and UTF8 is not supported"),
            (
                "client_encoding",
                "martian",
                "22023: invalid value for parameter \"client_encoding\": \"martian\"",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(set(name, value).unwrap_err(), expected);
        }
    }

    #[test]
    fn changes_belong_to_their_transaction() {
        let mut p = Parameters::default();
        p.begin();
        p.set("application_name", "a", Reach::Session).unwrap();
        p.set("application_name", "b", Reach::Transaction).unwrap();
        assert_eq!(p.show("application_name").unwrap(), "b");
        p.commit();
        assert_eq!(p.show("application_name").unwrap(), "a");
        p.begin();
        p.set("application_name", "c", Reach::Session).unwrap();
        p.rollback();
        assert_eq!(p.show("application_name").unwrap(), "a");
        p.reset("application_name", Reach::Session).unwrap();
        assert_eq!(p.show("application_name").unwrap(), "");
    }

    #[test]
    fn zones_are_kept_by_a_name_that_can_be_set_again() {
        for (value, shown) in [("utc", "UTC"), ("europe/paris", "Europe/Paris"), ("-3.5", "<-03:30>+03:30")] {
            let mut parameters = Parameters::default();
            parameters.set("timezone", value, Reach::Session).unwrap();
            assert_eq!((parameters.known("TimeZone"), parameters.text().timezone.name()), (shown, shown));
        }
        assert_eq!(
            set("timezone", "x").unwrap_err(),
            "22023: invalid value for parameter \"TimeZone\": \"x\""
        );
    }

    #[test]
    fn a_change_is_reported_once() {
        let mut p = Parameters::default();
        let mut told = Vec::new();
        p.report_changes(|name, _| told.push(name.to_owned()));
        assert_eq!(told.len(), DEFINITIONS.iter().filter(|d| d.report).count());
        told.clear();
        p.set("timezone", "Europe/Paris", Reach::Session).unwrap();
        p.set("search_path", "x", Reach::Session).unwrap();
        p.report_changes(|name, value| told.push(format!("{name}={value}")));
        p.report_changes(|name, _| told.push(name.to_owned()));
        assert_eq!(told, ["TimeZone=Europe/Paris"]);
    }
}
