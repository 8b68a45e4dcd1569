//! What each type reads, prints and refuses: input, and the output or the error, as PostgreSQL 15 answers.

use bumpalo::Bump;

use super::{TextSettings, format, parse};
use crate::repr::datetime::TimeZone;
use crate::repr::{Datum, Row, Type, row};

fn typ(name: &str) -> Type {
    let (name, modifiers) = name.split_once('(').unwrap_or((name, ""));
    let modifiers = modifiers.trim_end_matches(')').split(',').filter(|m| !m.is_empty());
    let modifiers: Vec<i64> = modifiers.map(|m| m.parse().unwrap()).collect();
    Type::named(name).unwrap().with_modifiers(&modifiers).unwrap()
}

/// The text after a round trip through a packed row, or the error.
fn read_and_print(typ: &Type, text: &str, settings: &TextSettings) -> String {
    let arena = Bump::new();
    let datum = match parse(typ, text, settings, &arena) {
        Ok(datum) => datum,
        Err(error) => {
            let detail = error.detail.as_ref().map_or(String::new(), |detail| std::format!(" | {detail}"));
            return std::format!("{}: {}{detail}", error.code.code(), error.message);
        }
    };
    let row = Row::pack([datum]);
    assert_eq!(row::validate(row.bytes()), Ok(1));
    let mut out = String::new();
    format(row.unpack()[0], typ, settings, &mut out);
    out
}

fn check(cases: &[(&str, &str, &str)]) {
    for (name, text, expected) in cases {
        let printed = read_and_print(&typ(name), text, &TextSettings::default());
        assert_eq!(printed, *expected, "{text:?}::{name}");
    }
}

#[test]
fn zones_shift_what_is_read_and_printed() {
    for (zone, text, expected) in [
        ("America/New_York", "2024-03-10 02:30", "2024-03-10 03:30:00-04"),
        ("America/New_York", "2024-11-03 01:30", "2024-11-03 01:30:00-05"),
        ("america/new_york", "2024-11-03 01:30 EDT", "2024-11-03 01:30:00-04"),
        ("Asia/Kolkata", "2024-07-01 00:00", "2024-07-01 00:00:00+05:30"),
        ("Australia/Lord_Howe", "1850-06-01 12:00", "1850-06-01 12:00:00+10:36:20"),
        ("Europe/Berlin", "250000-07-01 12:00", "250000-07-01 12:00:00+02"),
        ("-3.5", "2024-01-01", "2024-01-01 00:00:00-03:30"),
        ("UTC+3", "2024-01-01Z", "2023-12-31 21:00:00-03"),
    ] {
        let settings = TextSettings { timezone: TimeZone::setting(zone).unwrap(), ..TextSettings::default() };
        assert_eq!(read_and_print(&Type::TimestampTz(None), text, &settings), expected, "{zone}");
    }
}

#[test]
fn words_for_the_present_need_a_clock() {
    let now = 762_000_000_000_000;
    let timezone = TimeZone::setting("America/New_York").unwrap();
    let settings = TextSettings { timezone, now: Some(now), ..TextSettings::default() };
    for (text, expected) in [
        ("now", "2024-02-23 05:40:00-05"),
        ("today", "2024-02-23 00:00:00-05"),
        ("tomorrow 10:00", "2024-02-24 10:00:00-05"),
        ("yesterday allballs", "2024-02-21 19:00:00-05"),
    ] {
        assert_eq!(read_and_print(&Type::TimestampTz(None), text, &settings), expected);
    }
}

#[test]
fn records_quote_what_would_not_read_back() {
    let fields =
        Row::pack([Datum::Int(1), Datum::Text("a b"), Datum::Null, Datum::Text(""), Datum::Text("\"\\")]);
    let typ = Type::anonymous_record([Type::Int4, Type::Text, Type::Text, Type::Text, Type::Text]);
    let mut out = String::new();
    format(Datum::Record(fields.bytes()), &typ, &TextSettings::default(), &mut out);
    assert_eq!(out, r#"(1,"a b",,"","""\\")"#);
}

#[test]
fn texts_with_nul_are_refused() {
    let printed = read_and_print(&Type::Text, "a\0b", &TextSettings::default());
    assert_eq!(printed, "22021: invalid byte sequence for encoding \"UTF8\": 0x00");
}

#[test]
fn simple_are_read_and_printed_as_in_postgres() {
    check(&[
        ("bool", "t", "t"),
        ("bool", "FALSE", "f"),
        ("bool", " yes ", "t"),
        ("bool", "of", "f"),
        ("bool", "o", "22P02: invalid input syntax for type boolean: \"o\""),
        ("bool", "2", "22P02: invalid input syntax for type boolean: \"2\""),
        ("bool", "", "22P02: invalid input syntax for type boolean: \"\""),
        ("int2", "-32768", "-32768"),
        ("int2", "32768", "22003: value \"32768\" is out of range for type smallint"),
        ("int2", "x", "22P02: invalid input syntax for type smallint: \"x\""),
        ("int4", " 12 ", "12"),
        ("int4", "+5", "5"),
        ("int4", "2147483648", "22003: value \"2147483648\" is out of range for type integer"),
        ("int4", "1.5", "22P02: invalid input syntax for type integer: \"1.5\""),
        ("int4", "", "22P02: invalid input syntax for type integer: \"\""),
        ("int8", "-9223372036854775808", "-9223372036854775808"),
        (
            "int8",
            "9223372036854775808",
            "22003: value \"9223372036854775808\" is out of range for type bigint",
        ),
        ("oid", "4294967295", "4294967295"),
        ("oid", "-1", "4294967295"),
        ("oid", "4294967296", "22003: value \"4294967296\" is out of range for type oid"),
        ("float8", "1", "1"),
        ("float8", "-0", "-0"),
        ("float8", "1e15", "1e+15"),
        ("float8", "100000000000000", "100000000000000"),
        ("float8", "1e-4", "0.0001"),
        ("float8", "1e-5", "1e-05"),
        ("float8", "1e23", "9.999999999999999e+22"),
        ("float8", "5e-324", "5e-324"),
        ("float8", "1e309", "22003: \"1e309\" is out of range for type double precision"),
        ("float8", "1e-400", "22003: \"1e-400\" is out of range for type double precision"),
        ("float8", "NaN", "NaN"),
        ("float8", "-inf", "-Infinity"),
        ("float8", "1.7976931348623157e308", "1.7976931348623157e+308"),
        ("float8", "0.1", "0.1"),
        ("float8", "123456.789e3", "123456789"),
        ("float8", "1e", "22P02: invalid input syntax for type double precision: \"1e\""),
        ("float8", "x", "22P02: invalid input syntax for type double precision: \"x\""),
        ("numeric", "1.50", "1.50"),
        ("numeric", "-0.00", "0.00"),
        ("numeric", ".5", "0.5"),
        ("numeric", "1.5e-3", "0.0015"),
        ("numeric", "1e5", "100000"),
        ("numeric", "NaN", "NaN"),
        ("numeric", "-inf", "-Infinity"),
        ("numeric", "1e131072", "22003: value overflows numeric format"),
        ("numeric", "1e-16384", "22003: value overflows numeric format"),
        ("numeric", "+ 5", "22P02: invalid input syntax for type numeric: \"+ 5\""),
        ("numeric", "1e", "22P02: invalid input syntax for type numeric: \"1e\""),
        (
            "numeric",
            "123456789012345678901234567890123456789012345678901234567890.123",
            "123456789012345678901234567890123456789012345678901234567890.123",
        ),
        ("numeric(5,2)", "999.994", "999.99"),
        (
            "numeric(5,2)",
            "999.995",
            "22003: numeric field overflow | A field with precision 5, scale 2 must round to an absolute value less than 10^3.",
        ),
        (
            "numeric(5,2)",
            "inf",
            "22003: numeric field overflow | A field with precision 5, scale 2 cannot hold an infinite value.",
        ),
        ("numeric(3,-2)", "12345", "12300"),
        (
            "numeric(3,-2)",
            "99950",
            "22003: numeric field overflow | A field with precision 3, scale -2 must round to an absolute value less than 10^5.",
        ),
        (
            "numeric(2,4)",
            "0.00999",
            "22003: numeric field overflow | A field with precision 2, scale 4 must round to an absolute value less than 10^-2.",
        ),
        (
            "numeric(2,4)",
            "0.01",
            "22003: numeric field overflow | A field with precision 2, scale 4 must round to an absolute value less than 10^-2.",
        ),
        ("varchar(3)", "abc  ", "abc"),
        ("varchar(3)", "abcd", "22001: value too long for type character varying(3)"),
        ("varchar(3)", "äöü", "äöü"),
        ("bytea", "\\xdeadBEEF", "\\xdeadbeef"),
        ("bytea", "\\x de ad", "\\xdead"),
        ("bytea", "\\xd", "22023: invalid hexadecimal data: odd number of digits"),
        ("bytea", "\\xzz", "22023: invalid hexadecimal digit: \"z\""),
        ("bytea", "a\\\\b\\001", "\\x615c6201"),
        ("bytea", "a\\400", "22P02: invalid input syntax for type bytea"),
        ("regtype", "int4", "integer"),
        ("regtype", "timestamp with time zone", "timestamp with time zone"),
        ("regtype", "text[]", "text[]"),
        ("regtype", "23", "integer"),
        ("regtype", "nosuch", "42704: type \"nosuch\" does not exist"),
    ]);
}

#[test]
fn dates_are_read_and_printed_as_in_postgres() {
    check(&[
        ("date", "1999-01-08", "1999-01-08"),
        ("date", "January 8, 1999", "1999-01-08"),
        ("date", "1/8/1999", "1999-01-08"),
        ("date", "1/18/1999", "1999-01-18"),
        ("date", "18/1/1999", "22008: date/time field value out of range: \"18/1/1999\""),
        ("date", "01/02/03", "2003-01-02"),
        ("date", "08-Jan-99", "1999-01-08"),
        ("date", "Jan-08-1999", "1999-01-08"),
        ("date", "19990108", "1999-01-08"),
        ("date", "990108", "1999-01-08"),
        ("date", "1999.008", "1999-01-08"),
        ("date", "J2451187", "1999-01-08"),
        ("date", "January 8, 99 BC", "0099-01-08 BC"),
        ("date", "2024-02-30", "22008: date/time field value out of range: \"2024-02-30\""),
        ("date", "2024-13-01", "22008: date/time field value out of range: \"2024-13-01\""),
        ("date", "0000-01-01", "22008: date/time field value out of range: \"0000-01-01\""),
        ("date", "infinity", "infinity"),
        ("date", "epoch", "1970-01-01"),
        ("date", "today", "22007: invalid input syntax for type date: \"today\""),
        ("date", "x", "22007: invalid input syntax for type date: \"x\""),
        ("date", "5874897-12-31", "5874897-12-31"),
        ("date", "5874898-01-01", "22008: date out of range: \"5874898-01-01\""),
        ("date", "4714-11-23 BC", "22008: date out of range: \"4714-11-23 BC\""),
        ("date", "2024-01", "22007: invalid input syntax for type date: \"2024-01\""),
        ("timestamp", "1999-01-08 04:05:06.789", "1999-01-08 04:05:06.789"),
        ("timestamp", "2024-01-15T10:00:00Z", "2024-01-15 10:00:00"),
        ("timestamp", "20240115T101112", "2024-01-15 10:11:12"),
        ("timestamp", "2024-01-15 24:00:00", "2024-01-16 00:00:00"),
        ("timestamp", "2024-01-15 25:00", "22008: date/time field value out of range: \"2024-01-15 25:00\""),
        ("timestamp", "2024-01-15 10:00:60", "2024-01-15 10:01:00"),
        ("timestamp", "2024-01-15 10:11:12.9999999", "2024-01-15 10:11:13"),
        ("timestamp", "2024-01-15 12:00 AM", "2024-01-15 00:00:00"),
        ("timestamp", "2024-01-15 12:30 PM", "2024-01-15 12:30:00"),
        (
            "timestamp",
            "2024-01-15 13:00 PM",
            "22008: date/time field value out of range: \"2024-01-15 13:00 PM\"",
        ),
        ("timestamp", "Mon Jan 15 10:00:00 2024 PST", "2024-01-15 10:00:00"),
        ("timestamp", "1999-01-08 040506", "1999-01-08 04:05:06"),
        ("timestamp", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"),
        ("timestamp", "294277-01-01", "22008: timestamp out of range: \"294277-01-01\""),
        ("timestamp", "10:00", "22007: invalid input syntax for type timestamp: \"10:00\""),
        (
            "timestamp",
            "2024-01-15 10:00 10:00",
            "22007: invalid input syntax for type timestamp: \"2024-01-15 10:00 10:00\"",
        ),
        ("timestamp", "0044-03-15 10:00 BC", "0044-03-15 10:00:00 BC"),
        ("timestamp", "-infinity", "-infinity"),
        ("timestamptz", "2024-01-15 10:00:00+05:30", "2024-01-15 04:30:00+00"),
        ("timestamptz", "2024-01-15 10:00:00-0830", "2024-01-15 18:30:00+00"),
        (
            "timestamptz",
            "2024-01-15 10:00:00+16",
            "22009: time zone displacement out of range: \"2024-01-15 10:00:00+16\"",
        ),
        ("timestamptz", "2024-07-15 10:00 America/New_York", "2024-07-15 14:00:00+00"),
        ("timestamptz", "2024-01-15 10:00 EST", "2024-01-15 15:00:00+00"),
        ("timestamptz", "2024-01-15 10:00 Nosuch/Zone", "22023: time zone \"nosuch/zone\" not recognized"),
        ("timestamptz", "2024-01-15 10:00:00 utc+3", "2024-01-15 13:00:00+00"),
        ("timestamptz", "2024-01-15 allballs", "2024-01-15 00:00:00+00"),
    ]);
}

#[test]
fn intervals_are_read_and_printed_as_in_postgres() {
    check(&[
        ("interval", "1 day", "1 day"),
        ("interval", "1 year 2 mons 3 days 04:05:06.789", "1 year 2 mons 3 days 04:05:06.789"),
        ("interval", "-1 day +04:05", "-1 days +04:05:00"),
        ("interval", "1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("interval", "-1-2", "-1 years -2 mons"),
        ("interval", "@ 1 minute ago", "-00:01:00"),
        ("interval", "P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
        ("interval", "P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
        ("interval", "P2W", "14 days"),
        ("interval", "1.5 months", "1 mon 15 days"),
        ("interval", "1.5 years", "1 year 6 mons"),
        ("interval", "0.01 years", "00:00:00"),
        ("interval", "1.5 weeks", "10 days 12:00:00"),
        ("interval", "1.0000015 s", "00:00:01.000001"),
        ("interval", "1500 us", "00:00:00.0015"),
        ("interval", "5", "00:00:05"),
        ("interval", "5.5", "00:00:05.5"),
        ("interval", "04:05", "04:05:00"),
        ("interval", "5:06.7", "00:05:06.7"),
        ("interval", "10:70", "22015: interval field value out of range: \"10:70\""),
        ("interval", "x", "22007: invalid input syntax for type interval: \"x\""),
        ("interval", "", "22007: invalid input syntax for type interval: \"\""),
        ("interval", "1 day 1 day", "22007: invalid input syntax for type interval: \"1 day 1 day\""),
        ("interval", "178956970 years", "178956970 years"),
        ("interval", "178956971 years", "22008: interval out of range"),
        ("interval", "2147483648 days", "22015: interval field value out of range: \"2147483648 days\""),
        ("interval", "1 mon 30 days", "1 mon 30 days"),
        ("interval", "1-13", "22015: interval field value out of range: \"1-13\""),
        ("interval", "1 year -2 mons", "10 mons"),
        ("interval", "1 century 1 millennium", "1100 years"),
    ]);
}

#[test]
fn nested_are_read_and_printed_as_in_postgres() {
    check(&[
        ("int4[]", "{}", "{}"),
        ("int4[]", "{1,NULL, 3 }", "{1,NULL,3}"),
        ("int4[]", "{{1,2},{3,4}}", "{{1,2},{3,4}}"),
        (
            "int4[]",
            "{{1,2},{3}}",
            "22P02: malformed array literal: \"{{1,2},{3}}\" | Multidimensional arrays must have sub-arrays with matching dimensions.",
        ),
        ("int4[]", "{{1},2}", "22P02: malformed array literal: \"{{1},2}\" | Unexpected array element."),
        ("int4[]", "[2:3]={1,2}", "[2:3]={1,2}"),
        ("int4[]", "[1:2]={1,2}", "{1,2}"),
        (
            "int4[]",
            "[2:3]={1,2,3}",
            "22P02: malformed array literal: \"[2:3]={1,2,3}\" | Specified array dimensions do not match array contents.",
        ),
        ("int4[]", "[3:2]={1}", "2202E: upper bound cannot be less than lower bound"),
        ("int4[]", "{1,2", "22P02: malformed array literal: \"{1,2\" | Unexpected end of input."),
        (
            "int4[]",
            "1,2",
            "22P02: malformed array literal: \"1,2\" | Array value must start with \"{\" or dimension information.",
        ),
        ("int4[]", "{1,2}x", "22P02: malformed array literal: \"{1,2}x\" | Junk after closing right brace."),
        ("int4[]", "{1,}", "22P02: malformed array literal: \"{1,}\" | Unexpected \"}\" character."),
        ("int4[]", "{x}", "22P02: invalid input syntax for type integer: \"x\""),
        (
            "int4[]",
            "{{{{{{{1}}}}}}}",
            "54000: number of array dimensions (7) exceeds the maximum allowed (6)",
        ),
        ("text[]", "{a,b c, d }", "{a,\"b c\",d}"),
        (
            "text[]",
            "{\"a \\\"b\",\"c\\\\d\",\"NULL\",null,\"\"}",
            "{\"a \\\"b\",\"c\\\\d\",\"NULL\",NULL,\"\"}",
        ),
        ("text[]", "{a\\,b}", "{\"a,b\"}"),
        ("text[]", "{\"a\"b}", "22P02: malformed array literal: \"{\"a\"b}\" | Unexpected array element."),
        ("timestamp[]", "{\"2024-01-01 10:00\"}", "{\"2024-01-01 10:00:00\"}"),
        ("jsonb", "{}", "{}"),
        ("jsonb", "[]", "[]"),
        ("jsonb", "{\"bb\":1,\"a\":2,\"a\":[true,null,1.50]}", "{\"a\": [true, null, 1.50], \"bb\": 1}"),
        ("jsonb", "[1e5,-0,100e-2]", "[100000, 0, 1.00]"),
        ("jsonb", "\"\\u00e9\\ud83d\\ude00\\n\\u001f\"", "\"é😀\\n\\u001f\""),
        (
            "jsonb",
            "\"\\u0000\"",
            "22P05: unsupported Unicode escape sequence | \\u0000 cannot be converted to text.",
        ),
        (
            "jsonb",
            "\"\\ud83d\"",
            "22P02: invalid input syntax for type json | Unicode low surrogate must follow a high surrogate.",
        ),
        (
            "jsonb",
            "\"\\x\"",
            "22P02: invalid input syntax for type json | Escape sequence \"\\x\" is invalid.",
        ),
        ("jsonb", "tru", "22P02: invalid input syntax for type json | Token \"tru\" is invalid."),
        ("jsonb", "[1,2", "22P02: invalid input syntax for type json | The input string ended unexpectedly."),
        (
            "jsonb",
            "[1,]",
            "22P02: invalid input syntax for type json | Expected JSON value, but found \"]\".",
        ),
        (
            "jsonb",
            "{\"a\" 1}",
            "22P02: invalid input syntax for type json | Expected \":\", but found \"1\".",
        ),
        (
            "jsonb",
            "{\"a\":1,}",
            "22P02: invalid input syntax for type json | Expected string, but found \"}\".",
        ),
        (
            "jsonb",
            "1 2",
            "22P02: invalid input syntax for type json | Expected end of input, but found \"2\".",
        ),
        ("jsonb", "01", "22P02: invalid input syntax for type json | Token \"01\" is invalid."),
        ("jsonb", "", "22P02: invalid input syntax for type json | The input string ended unexpectedly."),
    ]);
}
