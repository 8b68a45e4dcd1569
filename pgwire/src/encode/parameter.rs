//! Parameters of a Bind: bytes from a client become datums, or an error that says which parameter is wrong.
//!
//! Nothing here trusts a count or a length: room is made for what the bytes can hold.

use bumpalo::Bump;
use bytes::Buf;
use compiler::repr::array::{Dimension, MAX_DIMENSIONS};
use compiler::repr::datetime::{self, TimeTz};
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Array, Datum, Interval, Numeric, Row, Type};
use compiler::{Error, SqlState};

use super::Format;
use super::binary::{JSONB_VERSION, sign};
use crate::message::utf8;

/// A parameter as it came: `None` is NULL.
pub type Parameter<'a> = Option<&'a [u8]>;

/// PostgreSQL's MaxArraySize.
const ARRAY_ELEMENTS_MAX: u64 = 134_217_727;

/// PostgreSQL's first and last day, and its first and last microsecond, counted from 2000.
const DATES: std::ops::RangeInclusive<i32> = -2_451_545..=2_145_031_948;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A row of one datum per type. `codes` are a Bind's format codes: none, one for all, or one each.
pub fn decode_parameters<'a>(
    types: &[Type],
    codes: &[i16],
    values: impl ExactSizeIterator<Item = Parameter<'a>>,
    settings: &TextSettings,
) -> Result<Row, Error> {
    let arena = Bump::new();
    let mut datums = Vec::with_capacity(values.len());
    for (index, (value, typ)) in values.zip(types).enumerate() {
        let format = Format::at(codes, index)?;
        datums.push(match value {
            None => Datum::Null,
            Some(bytes) => decode_parameter(bytes, typ, format, settings, &arena)
                .map_err(|e| name_parameter(e, index))?,
        });
    }
    Ok(Row::pack(datums))
}

/// PostgreSQL's words for bytes that are left over name the parameter.
fn name_parameter(error: Error, index: usize) -> Error {
    match error.message.strip_suffix("bind parameter") {
        Some(start) => Error { message: format!("{start}bind parameter {}", index + 1), ..error },
        None => error,
    }
}

/// One value that is not NULL.
pub fn decode_parameter<'a>(
    bytes: &[u8],
    typ: &Type,
    format: Format,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Datum<'a>, Error> {
    match format {
        Format::Text => Ok(text::parse(typ, plain_text(bytes)?, settings, arena)?),
        Format::Binary => {
            let mut rest = bytes;
            let datum = take_binary(&mut rest, typ, settings, arena)?;
            if rest.is_empty() {
                Ok(datum)
            } else {
                Err(malformed("incorrect binary data format in bind parameter"))
            }
        }
    }
}

/// Text without NUL, which no text value can hold.
fn plain_text(bytes: &[u8]) -> Result<&str, Error> {
    if bytes.contains(&0) {
        let message = "invalid byte sequence for encoding \"UTF8\": 0x00";
        return Err(Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message));
    }
    utf8(bytes)
}

/// Takes one value off `rest`. Values of variable length take all of it.
fn take_binary<'a>(
    rest: &mut &[u8],
    typ: &Type,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Datum<'a>, Error> {
    Ok(match typ {
        Type::Bool => Datum::Bool(take::<1>(rest)?[0] != 0),
        Type::Int2 => Datum::Int(i16::from_be_bytes(take(rest)?).into()),
        Type::Int4 => Datum::Int(i32::from_be_bytes(take(rest)?).into()),
        Type::Int8 => Datum::Int(i64::from_be_bytes(take(rest)?)),
        Type::Oid
        | Type::Xid
        | Type::Regclass
        | Type::Regtype
        | Type::Regproc
        | Type::Regnamespace
        | Type::Regrole => Datum::Int(u32::from_be_bytes(take(rest)?).into()),
        Type::Float8 => Datum::Float(f64::from_be_bytes(take(rest)?)),
        Type::Float4 => Datum::Float4(f32::from_be_bytes(take(rest)?)),
        Type::Numeric(typmod) => {
            let value = take_numeric(rest, arena)?;
            Datum::Numeric(match typmod {
                Some(typmod) => value.with_typmod(*typmod, arena)?,
                None => value,
            })
        }
        Type::Text | Type::Name | Type::Unknown | Type::NodeTree | Type::AclItem | Type::Void => {
            Datum::Text(arena.alloc_str(plain_text(take_all(rest))?))
        }
        Type::InternalChar | Type::Varchar(_) | Type::Bpchar(_) | Type::Json | Type::Enum(_) => {
            text::parse(typ, plain_text(take_all(rest))?, settings, arena)?
        }
        Type::Bytea => Datum::Bytes(arena.alloc_slice_copy(take_all(rest))),
        Type::Date => Datum::Date(date(i32::from_be_bytes(take(rest)?))?),
        Type::Time(digits) => Datum::Time(time(i64::from_be_bytes(take(rest)?), *digits)?),
        Type::TimeTz(digits) => {
            let micros = time(i64::from_be_bytes(take(rest)?), *digits)?;
            Datum::TimeTz(TimeTz { micros, offset: offset(i32::from_be_bytes(take(rest)?))? })
        }
        Type::Timestamp(digits) => Datum::Timestamp(timestamp(i64::from_be_bytes(take(rest)?), *digits)?),
        Type::TimestampTz(digits) => Datum::TimestampTz(timestamp(i64::from_be_bytes(take(rest)?), *digits)?),
        Type::Interval(typmod) => {
            let (micros, days) = (i64::from_be_bytes(take(rest)?), i32::from_be_bytes(take(rest)?));
            let interval = Interval::new(i32::from_be_bytes(take(rest)?), days, micros);
            Datum::Interval(typmod.map_or(interval, |typmod| typmod.apply(interval)))
        }
        Type::Uuid => Datum::Uuid(arena.alloc(take(rest)?)),
        Type::Jsonb => {
            let version = take::<1>(rest)?[0];
            if version != JSONB_VERSION {
                let message = format!("unsupported jsonb version number {version}");
                return Err(Error::new(SqlState::INTERNAL_ERROR, message));
            }
            text::parse(typ, plain_text(take_all(rest))?, settings, arena)?
        }
        Type::Array(element) => Datum::Array(take_array(rest, element, settings, arena)?),
        Type::Int2Vector => Datum::Array(take_array(rest, &Type::Int2, settings, arena)?),
        Type::OidVector => Datum::Array(take_array(rest, &Type::Oid, settings, arena)?),
        Type::Record(_) => {
            return Err(Error::unsupported("input of anonymous composite types is not implemented"));
        }
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or_else(insufficient)?;
    *rest = after;
    Ok(*taken)
}

fn take_all<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    std::mem::take(rest)
}

fn date(days: i32) -> Result<i32, Error> {
    match days {
        i32::MIN | i32::MAX => Ok(days),
        days if DATES.contains(&days) => Ok(days),
        _ => Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range")),
    }
}

fn time(micros: i64, digits: Option<u8>) -> Result<i64, Error> {
    match micros {
        0..=datetime::MICROS_PER_DAY => Ok(datetime::round_time(micros, digits)),
        _ => Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "time out of range")),
    }
}

/// Seconds east of UTC of an offset as it is sent, west of it.
fn offset(west: i32) -> Result<i32, Error> {
    /// PostgreSQL's offsets are less than 16 hours.
    const LIMIT: i32 = 16 * 3600;
    match west {
        west if (1 - LIMIT..LIMIT).contains(&west) => Ok(-west),
        _ => {
            let message = "time zone displacement out of range";
            Err(Error::new(SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE, message))
        }
    }
}

fn timestamp(micros: i64, digits: Option<u8>) -> Result<i64, Error> {
    match micros {
        i64::MIN | i64::MAX => Ok(micros),
        micros if TIMESTAMPS.contains(&micros) => Ok(datetime::round_timestamp(micros, digits)?),
        _ => Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")),
    }
}

/// Reads base 10000 digits as decimal text, which numeric's own input then reads: one place knows its limits.
fn take_numeric<'a>(rest: &mut &[u8], arena: &'a Bump) -> Result<Numeric<'a>, Error> {
    let count = u16::from_be_bytes(take(rest)?) as usize;
    let weight = i16::from_be_bytes(take(rest)?);
    let sign = u16::from_be_bytes(take(rest)?);
    let scale = u16::from_be_bytes(take(rest)?);
    match sign {
        sign::NAN => return Ok(Numeric::NAN),
        sign::INFINITY => return Ok(Numeric::INFINITY),
        sign::NEG_INFINITY => return Ok(Numeric::NEG_INFINITY),
        sign::POSITIVE | sign::NEGATIVE => {}
        _ => return Err(malformed("invalid sign in external \"numeric\" value")),
    }
    if scale > 0x3fff {
        return Err(malformed("invalid scale in external \"numeric\" value"));
    }
    if rest.len() < count * 2 {
        return Err(insufficient());
    }
    let digits: Vec<u16> = (0..count).map(|_| rest.get_u16()).collect();
    if digits.iter().any(|digit| *digit > 9999) {
        return Err(malformed("invalid digit in external \"numeric\" value"));
    }
    Ok(Numeric::parse(&decimal_text(&digits, weight.into(), sign == sign::NEGATIVE, scale.into()), arena)?)
}

/// The number as text; digits beyond the scale are cut off, as PostgreSQL does.
fn decimal_text(digits: &[u16], weight: i32, negative: bool, scale: usize) -> String {
    let group =
        |place: i32| usize::try_from(weight - place).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = String::from(if negative { "-0" } else { "0" });
    for place in (0..=weight).rev() {
        text.push_str(&format!("{:04}", group(place)));
    }
    text.push('.');
    let point = text.len();
    for place in 1..=scale.div_ceil(4) {
        text.push_str(&format!("{:04}", group(-(place as i32))));
    }
    text.truncate(point + scale);
    if scale == 0 {
        text.truncate(point - 1);
    }
    text
}

fn take_array<'a>(
    rest: &mut &[u8],
    element: &Type,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Array<'a>, Error> {
    let count = i32::from_be_bytes(take(rest)?);
    let flags = i32::from_be_bytes(take(rest)?);
    let oid = u32::from_be_bytes(take(rest)?);
    if count < 0 {
        return Err(malformed(format!("invalid number of dimensions: {count}")));
    }
    if count as usize > MAX_DIMENSIONS {
        return Err(too_large(format!(
            "number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
        )));
    }
    if flags != 0 && flags != 1 {
        return Err(malformed("invalid array flags"));
    }
    if oid != element.oid() {
        return Err(wrong_element(oid, element));
    }
    let dimensions = (0..count).map(|_| take_dimension(rest)).collect::<Result<Vec<_>, _>>()?;
    let length = element_count(&dimensions)?;
    if rest.len() < length as usize * 4 {
        return Err(insufficient());
    }
    let mut elements = Vec::with_capacity(length as usize);
    for _ in 0..length {
        elements.push(take_element(rest, element, settings, arena)?);
    }
    let dimensions = if length == 0 { &[][..] } else { &dimensions[..] };
    Ok(Array::pack_in(elements, dimensions, arena))
}

fn take_dimension(rest: &mut &[u8]) -> Result<Dimension, Error> {
    let length = i32::from_be_bytes(take(rest)?);
    let lower = i32::from_be_bytes(take(rest)?);
    let length = u32::try_from(length).map_err(|_| array_too_large())?;
    if lower.checked_add_unsigned(length).is_none() {
        return Err(too_large(format!("array lower bound is too large: {lower}")));
    }
    Ok(Dimension { length, lower })
}

fn element_count(dimensions: &[Dimension]) -> Result<u64, Error> {
    let product = dimensions.iter().try_fold(1u64, |all, d| all.checked_mul(d.length.into()));
    let count = if dimensions.is_empty() { Some(0) } else { product };
    count.filter(|count| *count <= ARRAY_ELEMENTS_MAX).ok_or_else(array_too_large)
}

fn take_element<'a>(
    rest: &mut &[u8],
    typ: &Type,
    settings: &TextSettings,
    arena: &'a Bump,
) -> Result<Datum<'a>, Error> {
    let length = i32::from_be_bytes(take(rest)?);
    if length == -1 {
        return Ok(Datum::Null);
    }
    let length = usize::try_from(length).map_err(|_| insufficient())?;
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(insufficient)?;
    *rest = after;
    let mut bytes = bytes;
    let datum = take_binary(&mut bytes, typ, settings, arena)?;
    if bytes.is_empty() { Ok(datum) } else { Err(malformed("improper binary format in array element")) }
}

fn wrong_element(oid: u32, element: &Type) -> Error {
    let given = Type::from_oid(oid, -1).map_or_else(|| "???".to_owned(), |typ| typ.to_string());
    let message = format!(
        "binary data has array element type {oid} ({given}) instead of expected {} ({element})",
        element.oid()
    );
    Error::new(SqlState::DATATYPE_MISMATCH, message)
}

fn array_too_large() -> Error {
    too_large(format!("array size exceeds the maximum allowed ({ARRAY_ELEMENTS_MAX})"))
}

fn too_large(message: String) -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message)
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(SqlState::INVALID_BINARY_REPRESENTATION, message)
}

fn insufficient() -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, "insufficient data left in message")
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use compiler::repr::Bpchar;

    use super::super::put_binary;
    use super::*;

    fn from_binary(typ: &Type, bytes: &[u8]) -> Result<Row, String> {
        let types = std::slice::from_ref(typ);
        decode_parameters(types, &[1], [Some(bytes)].into_iter(), &TextSettings::default())
            .map_err(|e| e.to_string())
    }

    fn binary_of(row: &Row, typ: &Type) -> BytesMut {
        let mut buf = BytesMut::new();
        let datum = row.iter().next().unwrap();
        put_binary(datum, typ, &TextSettings::default(), &mut buf).unwrap();
        buf
    }

    #[track_caller]
    fn round_trip(datum: Datum<'_>, typ: &Type, bytes: &[u8]) {
        let row = Row::pack([datum]);
        assert_eq!(&binary_of(&row, typ)[..], bytes, "{row:?}");
        assert_eq!(from_binary(typ, bytes).unwrap(), row);
    }

    #[test]
    fn scalars_round_trip() {
        let arena = Bump::new();
        round_trip(Datum::Bool(true), &Type::Bool, &[1]);
        round_trip(Datum::Int(-2), &Type::Int2, &[0xff, 0xfe]);
        round_trip(Datum::Int(-2), &Type::Int4, &[0xff, 0xff, 0xff, 0xfe]);
        round_trip(Datum::Int(1 << 40), &Type::Int8, &[0, 0, 1, 0, 0, 0, 0, 0]);
        round_trip(Datum::Int(0xffff_fffe), &Type::Oid, &[0xff, 0xff, 0xff, 0xfe]);
        round_trip(Datum::Float(1.5), &Type::Float8, &1.5f64.to_be_bytes());
        round_trip(Datum::Text("é"), &Type::Text, "é".as_bytes());
        round_trip(Datum::Bytes(&[0, 255]), &Type::Bytea, &[0, 255]);
        round_trip(Datum::Date(1), &Type::Date, &[0, 0, 0, 1]);
        round_trip(Datum::Float4(1.5), &Type::Float4, &1.5f32.to_be_bytes());
        round_trip(Datum::JsonText("[1]"), &Type::Json, b"[1]");
        round_trip(Datum::Uuid(&[7; 16]), &Type::Uuid, &[7; 16]);
        round_trip(Datum::Time(1), &Type::Time(None), &[0, 0, 0, 0, 0, 0, 0, 1]);
        let time = TimeTz { micros: 1, offset: 3600 };
        round_trip(
            Datum::TimeTz(time),
            &Type::TimeTz(None),
            &[0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xf1, 0xf0],
        );
        let padded = Bpchar::new_in("ab  ", &arena);
        round_trip(Datum::Bpchar(padded), &Type::Bpchar(Some(4)), b"ab  ");
        round_trip(Datum::Timestamp(i64::MAX), &Type::Timestamp(None), &i64::MAX.to_be_bytes());
        let interval = Interval::new(3, 2, 1);
        round_trip(
            Datum::Interval(interval),
            &Type::Interval(None),
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
        );
    }

    #[test]
    fn numerics_round_trip() {
        let arena = Bump::new();
        let cases: &[(&str, &[u16])] = &[
            ("0", &[0, 0, 0, 0]),
            ("0.00", &[0, 0, 0, 2]),
            ("1", &[1, 0, 0, 0, 1]),
            ("-1.5", &[2, 0, 0x4000, 1, 1, 5000]),
            ("10000", &[1, 1, 0, 0, 1]),
            ("12345.678900", &[4, 1, 0, 6, 1, 2345, 6789]),
            ("0.0001", &[1, 0xffff, 0, 4, 1]),
            ("0.00000010", &[1, 0xfffe, 0, 8, 10]),
            ("NaN", &[0, 0, 0xc000, 0]),
            ("Infinity", &[0, 0, 0xd000, 32]),
            ("-Infinity", &[0, 0, 0xf000, 32]),
        ];
        for (text, words) in cases {
            let mut words = words.to_vec();
            words[0] = words.len() as u16 - 4;
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            round_trip(Datum::Numeric(Numeric::parse(text, &arena).unwrap()), &Type::Numeric(None), &bytes);
        }
        let long = "9".repeat(200) + "." + &"7".repeat(77);
        let row = Row::pack([Datum::Numeric(Numeric::parse(&long, &arena).unwrap())]);
        assert_eq!(from_binary(&Type::Numeric(None), &binary_of(&row, &Type::Numeric(None))).unwrap(), row);
    }

    #[test]
    fn arrays_round_trip() {
        let arena = Bump::new();
        let ints = Type::Array(Box::new(Type::Int4));
        let array = Array::pack_flat_in([Datum::Int(7), Datum::Null], &arena);
        let mut bytes = Vec::new();
        for word in [1, 1, 23, 2, 1, 4, 7, -1i32] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        round_trip(Datum::Array(array), &ints, &bytes);
        round_trip(
            Datum::Array(Array::pack_flat_in([], &arena)),
            &ints,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23],
        );
        let dimensions = [Dimension { length: 2, lower: 0 }, Dimension { length: 1, lower: -3 }];
        let square = Array::pack_in([Datum::Int(1), Datum::Int(2)], &dimensions, &arena);
        let row = Row::pack([Datum::Array(square)]);
        assert_eq!(from_binary(&ints, &binary_of(&row, &ints)).unwrap(), row);
    }

    #[test]
    fn bad_binaries_are_refused() {
        let ints = Type::Array(Box::new(Type::Int4));
        let words = |words: &[i32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let numeric = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let cases = [
            (Type::Int4, vec![0; 3], "08P01: insufficient data left in message"),
            (Type::Int4, vec![0; 5], "22P03: incorrect binary data format in bind parameter 1"),
            (
                Type::Numeric(None),
                numeric(&[0, 0, 0x1234, 0]),
                "22P03: invalid sign in external \"numeric\" value",
            ),
            (
                Type::Numeric(None),
                numeric(&[1, 0, 0, 0, 10_000]),
                "22P03: invalid digit in external \"numeric\" value",
            ),
            (Type::Numeric(None), numeric(&[9, 0, 0, 0, 1]), "08P01: insufficient data left in message"),
            (Type::Jsonb, vec![2, b'1'], "XX000: unsupported jsonb version number 2"),
            (Type::Timestamp(None), (i64::MAX - 1).to_be_bytes().to_vec(), "22008: timestamp out of range"),
            (Type::Date, (i32::MAX - 1).to_be_bytes().to_vec(), "22008: date out of range"),
            (Type::Text, vec![0], "22021: invalid byte sequence for encoding \"UTF8\": 0x00"),
            (Type::Text, vec![0xff], "22021: invalid byte sequence for encoding \"UTF8\": 0xff"),
            (
                ints.clone(),
                words(&[7, 0, 23]),
                "54000: number of array dimensions (7) exceeds the maximum allowed (6)",
            ),
            (ints.clone(), words(&[-1, 0, 23]), "22P03: invalid number of dimensions: -1"),
            (ints.clone(), words(&[1, 0, 23, i32::MAX, 1]), "54000: array lower bound is too large: 1"),
            (
                ints.clone(),
                words(&[1, 0, 23, i32::MAX, 0]),
                "54000: array size exceeds the maximum allowed (134217727)",
            ),
            (ints.clone(), words(&[1, 0, 23, 100_000_000, 1]), "08P01: insufficient data left in message"),
            (
                ints,
                words(&[1, 0, 25, 0, 1]),
                "42804: binary data has array element type 25 (text) instead of expected 23 (integer)",
            ),
        ];
        for (typ, bytes, expected) in cases {
            assert_eq!(from_binary(&typ, &bytes).unwrap_err(), expected, "{typ}");
        }
    }
}
