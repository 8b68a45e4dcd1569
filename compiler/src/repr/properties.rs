//! Properties of the encoding, for random values of every type against a comparison written from SQL's rules: byte order
//! is SQL order, canonical bytes are SQL equality, decoding inverts encoding, bytes that are no row are refused.

use std::cmp::Ordering;

use bumpalo::Bump;
use num_bigint::BigInt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::array::Dimension;
use super::json::{Json, Value};
use super::numeric::NumericBuf;
use super::*;

const ROUNDS: usize = 3_000;

/// The kinds of values that are compared with each other.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    Int,
    Float,
    Float4,
    Numeric,
    Text,
    Bpchar,
    Bytes,
    Date,
    Time,
    TimeTz,
    Timestamp,
    Interval,
    Uuid,
    Enum,
    Json,
    Array,
    Record,
}

const KINDS: [Kind; 18] = [
    Kind::Bool,
    Kind::Int,
    Kind::Float,
    Kind::Float4,
    Kind::Numeric,
    Kind::Text,
    Kind::Bpchar,
    Kind::Bytes,
    Kind::Date,
    Kind::Time,
    Kind::TimeTz,
    Kind::Timestamp,
    Kind::Interval,
    Kind::Uuid,
    Kind::Enum,
    Kind::Json,
    Kind::Array,
    Kind::Record,
];

fn int(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..4) {
        0 => rng.random_range(-3..70),
        1 => rng.random_range(-70_000..70_000),
        2 => *[i64::MIN, i64::MAX, 63, 64, 319, 320, -256, -257, 0, -1].choose(rng).unwrap(),
        _ => rng.random::<i64>() >> rng.random_range(0..63),
    }
}

fn float(rng: &mut StdRng) -> f64 {
    match rng.random_range(0..3) {
        0 => *[0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].choose(rng).unwrap(),
        1 => rng.random_range(-5i32..5) as f64 / 2.0,
        _ => f64::from_bits(rng.random()),
    }
}

fn numeric<'a>(rng: &mut StdRng, arena: &'a Bump) -> Numeric<'a> {
    let mantissa: i128 = match rng.random_range(0..4) {
        0 => rng.random_range(-12..12),
        1 => rng.random_range(-12i128..12) * 10i128.pow(rng.random_range(0..30)),
        2 => rng.random::<i128>() >> rng.random_range(0..127),
        _ => match rng.random_range(0..4) {
            0 => return *[Numeric::NAN, Numeric::INFINITY, Numeric::NEG_INFINITY].choose(rng).unwrap(),
            1 => *[i128::MAX, i128::MIN, i128::MAX / 10, 0].choose(rng).unwrap(),
            _ => {
                let big = BigInt::from(rng.random::<i128>()) * BigInt::from(10).pow(rng.random_range(0..60));
                let scale = rng.random_range(0..400);
                return NumericBuf::from_big(big, scale).in_arena(arena);
            }
        },
    };
    let scale = *[0, 0, 1, 2, 3, 10, 29, 254, 255, 300, 16383].choose(rng).unwrap();
    Numeric::from_scaled(mantissa, scale)
}

fn text<'a>(rng: &mut StdRng, arena: &'a Bump) -> &'a str {
    let len = rng.random_range(0..4);
    let text: String =
        (0..len).map(|_| *['a', 'b', '\u{1}', '\u{7f}', 'é', '\u{10ffff}'].choose(rng).unwrap()).collect();
    arena.alloc_str(&text)
}

fn json<'a>(rng: &mut StdRng, depth: usize, arena: &'a Bump) -> Json<'a> {
    match rng.random_range(0..if depth > 2 { 5 } else { 8 }) {
        0 => Json::NULL,
        1 => Json::bool(rng.random()),
        2 | 3 => Json::string(text(rng, arena), arena),
        4 => Json::number(numeric(rng, arena), arena),
        5 | 6 => {
            let elements: Vec<_> = (0..rng.random_range(0..3)).map(|_| json(rng, depth + 1, arena)).collect();
            Json::array(elements, arena)
        }
        _ => {
            let pairs: Vec<_> = (0..rng.random_range(0..3))
                .map(|_| (text(rng, arena), json(rng, depth + 1, arena)))
                .collect();
            Json::object(pairs, arena)
        }
    }
}

fn fields<'a>(rng: &mut StdRng, arena: &'a Bump, kinds: &[Kind]) -> Vec<Datum<'a>> {
    kinds.iter().map(|kind| nullable(rng, *kind, arena)).collect()
}

fn nullable<'a>(rng: &mut StdRng, kind: Kind, arena: &'a Bump) -> Datum<'a> {
    if rng.random_range(0..6) == 0 { Datum::Null } else { datum(rng, kind, arena) }
}

fn array<'a>(rng: &mut StdRng, arena: &'a Bump) -> Array<'a> {
    let lengths = [vec![], vec![1], vec![2], vec![3], vec![1, 2], vec![2, 1]].choose(rng).unwrap().clone();
    let count = if lengths.is_empty() { 0 } else { lengths.iter().product::<u32>() };
    let dimensions: Vec<_> =
        lengths.iter().map(|&length| Dimension { length, lower: rng.random_range(1..3) }).collect();
    let elements: Vec<_> = (0..count).map(|_| nullable(rng, Kind::Numeric, arena)).collect();
    Array::pack_in(elements, &dimensions, arena)
}

fn datum<'a>(rng: &mut StdRng, kind: Kind, arena: &'a Bump) -> Datum<'a> {
    match kind {
        Kind::Bool => Datum::Bool(rng.random()),
        Kind::Int => Datum::Int(int(rng)),
        Kind::Float => Datum::Float(float(rng)),
        Kind::Float4 => Datum::Float4(float(rng) as f32),
        Kind::Bpchar => {
            let padded = format!("{}{}", text(rng, arena), ["", " ", "  "].choose(rng).unwrap());
            Datum::Bpchar(Bpchar::new_in(&padded, arena))
        }
        Kind::Time => Datum::Time(rng.random_range(0..=interval::MICROS_PER_DAY)),
        Kind::TimeTz => {
            let hour = 3_600_000_000;
            let (micros, offset) = (rng.random_range(0..3) * hour, rng.random_range(-2..3) * 3600);
            Datum::TimeTz(datetime::TimeTz { micros, offset })
        }
        Kind::Uuid => Datum::Uuid(arena.alloc([0; 16].map(|_: u8| *[0, 1, 0xff].choose(rng).unwrap()))),
        Kind::Enum => {
            let position = rng.random_range(0..4);
            Datum::Enum(Label::new_in(position, ["z", "b", "", "a"][position as usize], arena))
        }
        Kind::Numeric => Datum::Numeric(numeric(rng, arena)),
        Kind::Text => Datum::Text(text(rng, arena)),
        Kind::Bytes => {
            let bytes: Vec<u8> =
                (0..rng.random_range(0..4)).map(|_| *[0, 1, 2, 0xfe, 0xff].choose(rng).unwrap()).collect();
            Datum::Bytes(arena.alloc_slice_copy(&bytes))
        }
        Kind::Date => Datum::Date(int(rng) as i32),
        Kind::Timestamp => Datum::Timestamp(int(rng)),
        Kind::Interval => {
            let day = interval::MICROS_PER_DAY;
            let micros = *[0, day, -day, 30 * day, int(rng)].choose(rng).unwrap();
            let part = |rng: &mut StdRng| *[0, 1, -1, 30, -30, int(rng) as i32].choose(rng).unwrap();
            Datum::Interval(Interval::new(part(rng), part(rng), micros))
        }
        Kind::Json => Datum::Json(json(rng, 0, arena)),
        Kind::Array => Datum::Array(array(rng, arena)),
        Kind::Record => {
            let row = Row::pack(fields(rng, arena, &[Kind::Bool, Kind::Float, Kind::Text]));
            Datum::Record(arena.alloc_slice_copy(row.bytes()))
        }
    }
}

/// SQL's order of two values of one kind, NULL last.
fn compare(a: &Datum<'_>, b: &Datum<'_>) -> Ordering {
    match (a, b) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Int(a), Datum::Int(b)) | (Datum::Timestamp(a), Datum::Timestamp(b)) => a.cmp(b),
        (Datum::Float(a), Datum::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Datum::Float4(a), Datum::Float4(b)) => {
            a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
        (Datum::Bpchar(a), Datum::Bpchar(b)) => {
            let [a, b] = [a, b].map(|value| value.to_string());
            a.trim_end_matches(' ').as_bytes().cmp(b.trim_end_matches(' ').as_bytes())
        }
        (Datum::Time(a), Datum::Time(b)) => a.cmp(b),
        (Datum::TimeTz(a), Datum::TimeTz(b)) => (a.utc(), -a.offset).cmp(&(b.utc(), -b.offset)),
        (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
        (Datum::Enum(a), Datum::Enum(b)) => a.position().cmp(&b.position()),
        (Datum::Numeric(a), Datum::Numeric(b)) => compare_numeric(*a, *b),
        (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Datum::Bytes(a), Datum::Bytes(b)) => a.cmp(b),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Interval(a), Datum::Interval(b)) => a.length().cmp(&b.length()),
        (Datum::Json(a), Datum::Json(b)) => compare_json(*a, *b, true),
        (Datum::Array(a), Datum::Array(b)) => compare_arrays(*a, *b),
        (Datum::Record(a), Datum::Record(b)) => {
            compare_lists(&row::Datums::new(a).collect::<Vec<_>>(), &row::Datums::new(b).collect::<Vec<_>>())
        }
        _ => panic!("values of different kinds: {a:?} and {b:?}"),
    }
}

fn compare_lists(a: &[Datum<'_>], b: &[Datum<'_>]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
    unequal.unwrap_or(a.len().cmp(&b.len()))
}

fn compare_numeric(a: Numeric<'_>, b: Numeric<'_>) -> Ordering {
    let rank = |value: &NumericBuf| match value {
        NumericBuf::NegInfinity => 0,
        NumericBuf::Finite { .. } => 1,
        NumericBuf::Infinity => 2,
        NumericBuf::NaN => 3,
    };
    match (a.to_owned(), b.to_owned()) {
        (NumericBuf::Finite { mantissa: m, scale: s }, NumericBuf::Finite { mantissa: n, scale: t }) => {
            let up = |mantissa: BigInt, by: u16| mantissa * BigInt::from(10).pow(by as u32);
            up(m, t.saturating_sub(s)).cmp(&up(n, s.saturating_sub(t)))
        }
        (a, b) => rank(&a).cmp(&rank(&b)),
    }
}

fn compare_arrays(a: Array<'_>, b: Array<'_>) -> Ordering {
    let (left, right) = (a.elements().collect::<Vec<_>>(), b.elements().collect::<Vec<_>>());
    let shape = |array: Array<'_>| {
        let dimensions = array.dimensions();
        let lengths: Vec<_> = dimensions.iter().map(|d| d.length).collect();
        let lowers: Vec<_> = dimensions.iter().map(|d| d.lower).collect();
        (dimensions.len(), lengths, lowers)
    };
    compare_lists(&left, &right).then_with(|| {
        let ((n, lengths, lowers), (m, other_lengths, other_lowers)) = (shape(a), shape(b));
        n.cmp(&m).then(lengths.cmp(&other_lengths)).then(lowers.cmp(&other_lowers))
    })
}

fn compare_json(a: Json<'_>, b: Json<'_>, top: bool) -> Ordering {
    let rank = |value: &Value<'_>| match value {
        Value::Array(elements) if top && elements.len() == 0 => 0,
        Value::Null => 1,
        Value::String(_) => 2,
        Value::Number(_) => 3,
        Value::Bool(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    };
    let (left, right) = (a.value(), b.value());
    let order = rank(&left).cmp(&rank(&right));
    if order.is_ne() {
        return order;
    }
    match (left, right) {
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Number(a), Value::Number(b)) => compare_numeric(a, b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.zip(b).map(|(a, b)| compare_json(a, b, false)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }),
        (Value::Object(a), Value::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let pairs = a.zip(b).map(|((k, v), (l, w))| k.cmp(l).then_with(|| compare_json(v, w, false)));
            { pairs }.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }),
        _ => Ordering::Equal,
    }
}

fn encoded(datum: Datum<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    row::encode(datum, &mut bytes);
    bytes
}

fn canonical(datum: Datum<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_canonical(datum, &mut bytes);
    bytes
}

fn for_random_pairs(seed: u64, check: impl Fn(Kind, Datum<'_>, Datum<'_>)) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut arena = Bump::new();
    for round in 0..ROUNDS {
        let kind = KINDS[round % KINDS.len()];
        let (a, b) = (nullable(&mut rng, kind, &arena), nullable(&mut rng, kind, &arena));
        check(kind, a, b);
        arena.reset();
    }
}

#[test]
fn canonical_bytes_order_as_sql_does() {
    for_random_pairs(1, |_, a, b| {
        assert_eq!(canonical(a).cmp(&canonical(b)), compare(&a, &b), "{a:?} {b:?}");
    });
}

#[test]
fn all_bytes_order_unequal_values_as_sql_does() {
    for_random_pairs(2, |kind, a, b| {
        let order = compare(&a, &b);
        // Values nested before the difference may differ in what they print, which comes first in the bytes.
        if order.is_ne() && !matches!(kind, Kind::Json | Kind::Array | Kind::Record) {
            assert_eq!(encoded(a).cmp(&encoded(b)), order, "{a:?} {b:?}");
        }
    });
}

#[test]
fn decoding_inverts_encoding() {
    for_random_pairs(3, |_, a, b| {
        let row = Row::pack([a, b]);
        let mut datums = Vec::new();
        row::try_decode(row.bytes(), &mut datums).unwrap();
        assert_eq!(datums.iter().copied().map(encoded).collect::<Vec<_>>(), [encoded(a), encoded(b)]);
        let (first, rest) = row::split_first(row.bytes());
        assert_eq!((first, rest), (&encoded(a)[..], &encoded(b)[..]));
        assert_eq!(std::format!("{:?}", datums[1]), std::format!("{b:?}"));
        let mut second = Vec::new();
        row::decode_columns(row.bytes(), &[1], &mut second);
        assert_eq!(second, [b]);
    });
}

#[test]
fn canonicalizing_is_idempotent_and_keeps_the_value() {
    for_random_pairs(4, |_, a, b| {
        let row = Row::pack([a, b]);
        let expected = [canonical(a), canonical(b)].concat();
        let once = canonicalize(row.bytes());
        assert_eq!(*once, expected[..], "{a:?}");
        assert!(matches!(canonicalize(&once), std::borrow::Cow::Borrowed(_)), "{a:?} {b:?}");
        assert_eq!(row::validate(&once), Ok(2));
        assert_eq!(compare(&a, &row::decode_first(&once).0), Ordering::Equal);
    });
}

#[test]
fn sort_keys_order_and_delimit_themselves() {
    for_random_pairs(5, |_, a, b| {
        for (desc, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let key = |datum: Datum<'_>| {
                let mut key = Vec::new();
                encode_sort_key(datum, desc, nulls_first, &mut key);
                key
            };
            let expected = match (a.is_null(), b.is_null()) {
                (false, false) if desc => compare(&b, &a),
                (true, false) | (false, true) if nulls_first => compare(&b, &a),
                _ => compare(&a, &b),
            };
            assert_eq!(key(a).cmp(&key(b)), expected, "{a:?} {b:?} {desc} {nulls_first}");
            let both = [key(a), key(b)].concat();
            assert_eq!(row::split_first(&both), (&key(a)[..], &key(b)[..]), "{a:?}");
        }
    });
}

#[test]
fn bytes_that_are_no_row_are_refused_without_a_panic() {
    let mut rng = StdRng::seed_from_u64(6);
    for_random_pairs(6, |_, a, b| {
        let row = Row::pack([a, b]);
        for cut in 0..row.bytes().len().min(40) {
            let _ = row::validate(&row.bytes()[..cut]).map(|_| canonicalize(&row.bytes()[..cut]).len());
        }
    });
    for_random_pairs(7, |_, a, _| {
        let mut bytes = encoded(a);
        let mut rng = StdRng::seed_from_u64(bytes.iter().fold(7, |h, &b| h * 31 % 1_000_003 + b as u64));
        let at = rng.random_range(0..bytes.len());
        bytes[at] = rng.random();
        let mut datums = Vec::new();
        if row::try_decode(&bytes, &mut datums).is_ok() {
            let _ = (std::format!("{datums:?}"), canonicalize(&bytes).len());
        }
    });
    for _ in 0..ROUNDS {
        let bytes: Vec<u8> = (0..rng.random_range(1..20)).map(|_| rng.random()).collect();
        let _ = row::validate(&bytes);
    }
}

#[test]
fn integers_are_short() {
    for (value, len) in [
        (0, 1),
        (63, 1),
        (64, 2),
        (319, 2),
        (320, 3),
        (-1, 2),
        (-256, 2),
        (-257, 3),
        (i64::MAX, 9),
        (i64::MIN, 9),
    ] {
        assert_eq!(encoded(Datum::Int(value)).len(), len, "{value}");
    }
}

#[test]
fn evaluation_errors_survive_their_cell() {
    use crate::error::SqlState;
    use crate::scalar::EvalError;
    let arena = Bump::new();
    let error = EvalError::new(SqlState::DIVISION_BY_ZERO, "division by zero").hint("Do not.");
    let row = Row::pack([error.to_cell(&arena), Datum::Int(1)]);
    let mut datums = Vec::new();
    row::try_decode(row.bytes(), &mut datums).unwrap();
    let Datum::Error(cell) = datums[0] else { panic!("{datums:?}") };
    assert_eq!(cell.to_owned(), error);
    assert_eq!(EvalError::decode(b"\xff\x00").code, SqlState::DATA_CORRUPTED);
}
