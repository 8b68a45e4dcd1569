//! Nexmark's events in both forms: what the typed programs read, and packed rows of the relations of `schema.sql`.
//!
//! The generator is the public one with its own defaults, but for a fixed time of the first event: the same events in every
//! process and every run.

use std::collections::BTreeMap;
use std::sync::Arc;

use compiler::repr::{Datum, RowBuf};
use dataflow::storage::Updates;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use workloads::limits::nexmark::{Auction, Batch, Bid, Person, Query, WholeBid, int, timestamp};

/// 2026-01-01 00:00 UTC.
const FIRST_EVENT_UNIX_MS: u64 = 1_767_225_600_000;

/// The relations that events are rows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    Person,
    Auction,
    Bid,
}

impl Relation {
    pub const ALL: [Relation; 3] = [Relation::Person, Relation::Auction, Relation::Bid];

    pub fn name(self) -> &'static str {
        match self {
            Relation::Person => "person",
            Relation::Auction => "auction",
            Relation::Bid => "bid",
        }
    }

    fn of(event: &Event) -> Relation {
        match event {
            Event::Person(_) => Relation::Person,
            Event::Auction(_) => Relation::Auction,
            Event::Bid(_) => Relation::Bid,
        }
    }
}

/// Packed rows that arrive at one time, by relation.
pub type PackedBatch = BTreeMap<Relation, Arc<Updates>>;

fn events(count: usize) -> impl Iterator<Item = Event> {
    let config = NexmarkConfig { base_time: FIRST_EVENT_UNIX_MS, ..NexmarkConfig::default() };
    EventGenerator::new(config).take(count)
}

/// `count` events in batches of `size`, in each only what the query's typed program reads.
pub fn typed(query: Query, count: usize, size: usize) -> Vec<Batch> {
    let mut batches = vec![Batch::default(); count.div_ceil(size)];
    for (number, event) in events(count).enumerate() {
        let batch = &mut batches[number / size];
        match (event, query) {
            (Event::Person(person), Query::Q3) => batch.people.push(typed_person(person)),
            (Event::Auction(auction), Query::Q3 | Query::Q4) => batch.auctions.push(typed_auction(&auction)),
            (Event::Bid(bid), Query::Q1 | Query::Q2 | Query::Q4) => batch.bids.push(typed_bid(&bid)),
            (Event::Bid(bid), Query::Q1Whole) => {
                let whole = typed_bid(&bid);
                let nexmark::event::Bid { channel, url, extra, .. } = bid;
                batch.whole_bids.push(WholeBid { bid: whole, channel, url, extra });
            }
            _ => {}
        }
    }
    batches
}

fn typed_person(person: nexmark::event::Person) -> Person {
    Person { id: person.id as u64, name: person.name, city: person.city, state: person.state }
}

fn typed_auction(auction: &nexmark::event::Auction) -> Auction {
    Auction {
        id: auction.id as u64,
        seller: auction.seller as u64,
        category: auction.category as u64,
        date_time: auction.date_time,
        expires: auction.expires,
    }
}

fn typed_bid(bid: &nexmark::event::Bid) -> Bid {
    Bid {
        auction: bid.auction as u64,
        bidder: bid.bidder as u64,
        price: bid.price as u64,
        date_time: bid.date_time,
    }
}

/// `count` events in batches of `size` as whole rows of these relations; a batch's time is its number, from 1.
pub fn packed(relations: &[Relation], count: usize, size: usize) -> Vec<PackedBatch> {
    let mut batches = Vec::with_capacity(count.div_ceil(size));
    let mut events = events(count).peekable();
    let mut row = RowBuf::default();
    while events.peek().is_some() {
        let time = batches.len() as u64 + 1;
        let mut batch: BTreeMap<Relation, Updates> = BTreeMap::new();
        for event in events.by_ref().take(size) {
            let relation = Relation::of(&event);
            if relations.contains(&relation) {
                row.clear();
                pack(&event, &mut row);
                batch.entry(relation).or_default().push(row.bytes(), time, 1);
            }
        }
        batches.push(batch.into_iter().map(|(relation, updates)| (relation, Arc::new(updates))).collect());
    }
    batches
}

/// An event as a row of its relation: the columns in the order of `schema.sql`.
fn pack(event: &Event, row: &mut RowBuf) {
    let mut push = |datums: &[Datum<'_>]| datums.iter().for_each(|datum| row.push(*datum));
    match event {
        Event::Person(person) => push(&[
            int(person.id as u64),
            Datum::Text(&person.name),
            Datum::Text(&person.email_address),
            Datum::Text(&person.credit_card),
            Datum::Text(&person.city),
            Datum::Text(&person.state),
            timestamp(person.date_time),
            Datum::Text(&person.extra),
        ]),
        Event::Auction(auction) => push(&[
            int(auction.id as u64),
            Datum::Text(&auction.item_name),
            Datum::Text(&auction.description),
            int(auction.initial_bid as u64),
            int(auction.reserve as u64),
            timestamp(auction.date_time),
            timestamp(auction.expires),
            int(auction.seller as u64),
            int(auction.category as u64),
            Datum::Text(&auction.extra),
        ]),
        Event::Bid(bid) => push(&[
            int(bid.auction as u64),
            int(bid.bidder as u64),
            int(bid.price as u64),
            Datum::Text(&bid.channel),
            Datum::Text(&bid.url),
            timestamp(bid.date_time),
            Datum::Text(&bid.extra),
        ]),
    }
}
