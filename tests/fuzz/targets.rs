//! What is fuzzed: everything that reads bytes which somebody else may have written. Each target takes any bytes, must not panic,
//! and says what must be true of what it accepts.

use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use compiler::repr::row;
use dataflow::exchange::{Abomonated, Codec, Flat};
use dataflow::spine::Rows;
use dataflow::storage::{Append, Disk, Memory, Options, ShardAppend, ShardId, Storage, Updates};
use pgwire::codec::{Frame, FrameReader};
use pgwire::message::FrontendMessage;

/// Every target by its name, which is also its corpus's folder.
pub const TARGETS: &[(&str, fn(&[u8]))] =
    &[("parse", parse), ("frames", frames), ("row", row), ("exchange", exchange), ("log", log)];

/// A statement that is accepted prints as a text that means the same: it is accepted, and prints as itself.
pub fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(statements) = compiler::parse::parse(text) else { return };
    for statement in statements {
        let printed = compiler::ast::print::statement(&statement.node);
        let again = compiler::parse::parse_canonical(&printed);
        let again = again.unwrap_or_else(|error| panic!("{text:?} prints as {printed:?}: {error}"));
        assert_eq!(again.len(), 1, "{printed:?}");
        assert_eq!(compiler::ast::print::statement(&again[0].node), printed, "{text:?}");
    }
}

/// However the bytes are cut on their way, they are the same frames; each body is decoded or refused.
pub fn frames(data: &[u8]) {
    let cut = |sizes: &[usize]| {
        let (mut reader, mut buf, mut frames) = (FrameReader::default(), BytesMut::new(), Vec::new());
        let (mut rest, mut turn) = (data, 0);
        loop {
            match reader.next(&mut buf) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) if rest.is_empty() => return (joined(frames), None),
                Ok(None) => {
                    let (piece, after) = rest.split_at(sizes[turn % sizes.len()].min(rest.len()));
                    buf.extend_from_slice(piece);
                    (rest, turn) = (after, turn + 1);
                }
                Err(lost) => return (joined(frames), Some(lost)),
            }
        }
    };
    let whole = cut(&[data.len().max(1)]);
    assert_eq!(whole, cut(&[1, 7, 2, 64]));
    for (tag, body) in whole.0 {
        let _ = FrontendMessage::decode(tag, body.into());
    }
}

/// Pieces of a CopyData's body come as they arrive: together they are what counts.
fn joined(frames: Vec<Frame>) -> Vec<(u8, Vec<u8>)> {
    let mut joined: Vec<(u8, Vec<u8>)> = Vec::new();
    for frame in frames {
        match (frame, joined.last_mut()) {
            (Frame::Message { tag: b'd', body }, Some((b'd', last))) => last.extend(&body),
            (Frame::Message { tag, body }, _) => joined.push((tag, body.to_vec())),
            (Frame::Oversized { tag, length }, _) => joined.push((tag, length.to_le_bytes().to_vec())),
        }
    }
    joined
}

/// What is taken for a row packs to rows that read the same.
pub fn row(data: &[u8]) {
    let mut datums = Vec::new();
    if row::try_decode(data, &mut datums).is_err() {
        return;
    }
    assert_eq!(row::validate(data).ok(), Some(datums.len()));
    let packed = row::Row::pack(datums.iter().copied());
    assert_eq!(row::validate(packed.bytes()).ok(), Some(datums.len()), "{datums:?}");
    // The encoding is one to one: identity is of bytes.
    assert_eq!(packed.unpack(), datums);
}

/// Columns arrive as they were; a message that was damaged, other than in its padding, is taken for none.
pub fn exchange(data: &[u8]) {
    fn refused_or_whole<C: Codec>(data: &[u8]) {
        let shared = |bytes: Vec<u8>| timely::bytes::arc::BytesMut::from(bytes).freeze();
        let _ = C::decode(shared(data.to_vec())).map(|view| C::view(&view).to_columns());
        let mut rows = Rows::default();
        for (number, value) in data.chunks(9).enumerate() {
            let (key, value) = value.split_at(value.len() / 3);
            rows.push(key, value, number as u64, number as i64 - 4);
        }
        let columns = rows.borrow().to_columns();
        let mut message = Vec::new();
        C::encode(&columns, &mut message).expect("a vector takes what is written");
        let arrived = C::decode(shared(message.clone())).map(|view| C::view(&view).to_columns());
        assert_eq!(arrived.as_ref(), Ok(&columns));
        // The data says where the message is damaged, too.
        if let [place, bit, ..] = data {
            let at = usize::from(*place) * 31 % message.len();
            message[at] ^= 1 << (bit % 8);
            let damaged = C::decode(shared(message)).map(|view| C::view(&view).to_columns());
            assert!(damaged.is_err() || damaged == arrived, "byte {at} is not checked");
        }
    }
    refused_or_whole::<Flat>(data);
    refused_or_whole::<Abomonated>(data);
}

/// A store whose log is overwritten at some place opens with a prefix of what was appended, or is refused.
pub fn log(data: &[u8]) {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let [low, high, patch @ ..] = data else { return };
    let disk = Memory::default();
    for (name, contents) in FILES.get_or_init(killed) {
        let mut contents = contents.clone();
        if name.starts_with("log-") {
            let at = usize::from(u16::from_le_bytes([*low, *high])) % contents.len().min(2048);
            let end = contents.len().min(at + patch.len());
            contents[at..end].copy_from_slice(&patch[..end - at]);
        }
        let mut file = disk.create(name).expect("memory does not fail");
        file.write_at(0, &contents).expect("memory does not fail");
    }
    let Ok((storage, _)) = Storage::open(Arc::new(disk), Options { store_id: 7, ..Options::default() })
    else {
        return;
    };
    let upper = storage.frontiers(SHARD).upper;
    assert!(upper <= APPENDS + 1, "{upper}");
    if upper > 1 {
        let slices = storage.snapshot(SHARD, upper - 1).expect("it was recovered");
        let rows: usize = slices.map(|slice| slice.expect("it was recovered").len()).sum();
        assert_eq!(rows as u64, upper - 1, "what is there is a prefix");
    }
    storage.close().expect("memory does not fail");
}

const SHARD: ShardId = ShardId(9);
const APPENDS: u64 = 12;

/// The files of a store that was cut off after some appends.
fn killed() -> Vec<(String, Vec<u8>)> {
    let disk = Memory::default();
    let options = Options { store_id: 7, ..Options::default() };
    let (storage, _) = Storage::open(Arc::new(disk.clone()), options).expect("a new store opens");
    for time in 1..=APPENDS {
        let updates: Updates = [(&time.to_le_bytes()[..], time, 1)].into_iter().collect();
        let part =
            ShardAppend { shard: SHARD, lower: if time == 1 { 0 } else { time }, updates: Arc::new(updates) };
        let (done, outcome) = std::sync::mpsc::channel();
        storage.append(Append { upper: time + 1, shards: vec![part] }, move |result| {
            let _ = done.send(result);
        });
        outcome.recv().expect("it is answered").expect("memory does not fail");
    }
    let names = disk.list().expect("memory does not fail").into_iter();
    let files = names.map(|name| {
        let len = disk.len(&name).expect("memory does not fail") as usize;
        let contents = disk.read(&name, 0, len).expect("memory does not fail");
        (name, contents)
    });
    files.collect()
}
