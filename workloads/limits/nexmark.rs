//! Nexmark q1 to q4, typed by hand.
//!
//! The input is what each query reads and nothing else: bids of four integers, unless the query carries the strings.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use compiler::repr::{Datum, Row};
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::CountTotal;
use differential_dataflow::{Data, VecCollection};
use timely::dataflow::{ProbeHandle, Scope};
use timely::worker::Worker;

use crate::answer::Answer;
use crate::resources;

/// The queries, and q1 once more with every column of a bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    Q1,
    Q1Whole,
    Q2,
    Q3,
    Q4,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    pub id: u64,
    pub name: String,
    pub city: String,
    pub state: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Auction {
    pub id: u64,
    pub seller: u64,
    pub category: u64,
    /// Milliseconds since the Unix epoch, as all times here.
    pub date_time: u64,
    pub expires: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bid {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub date_time: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WholeBid {
    pub bid: Bid,
    pub channel: String,
    pub url: String,
    pub extra: String,
}

/// What arrives at one time.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub people: Vec<Person>,
    pub auctions: Vec<Auction>,
    pub bids: Vec<Bid>,
    pub whole_bids: Vec<WholeBid>,
}

/// What came out of a program.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub updates: usize,
    /// The collection's digest, where the answer and not the speed is asked for.
    pub answer: Option<Answer>,
}

/// Runs a query over the batches, one after the other, each until the result is complete; gives `output` what comes out. Returns
/// the CPU time that this took, without building the dataflow.
pub fn run(worker: &mut Worker, query: Query, batches: &[Batch], output: &Rc<RefCell<Output>>) -> Duration {
    let probe = ProbeHandle::new();
    let mut inputs = worker.dataflow::<u64, _, _>(|scope| Inputs::query(scope, query, output, &probe));
    let start = resources::cpu_time();
    for (batch, time) in batches.iter().zip(1..) {
        inputs.feed(batch, query);
        inputs.advance_to(time);
        worker.step_while(|| probe.less_than(&time));
    }
    resources::cpu_time() - start
}

struct Inputs {
    people: InputSession<u64, Person, isize>,
    auctions: InputSession<u64, Auction, isize>,
    bids: InputSession<u64, Bid, isize>,
    whole_bids: InputSession<u64, WholeBid, isize>,
}

type Collection<'s, D> = VecCollection<'s, u64, D, isize>;

impl Inputs {
    fn query(
        scope: Scope<'_, u64>,
        query: Query,
        output: &Rc<RefCell<Output>>,
        probe: &ProbeHandle<u64>,
    ) -> Inputs {
        let (people_input, people) = scope.new_collection();
        let (auctions_input, auctions) = scope.new_collection();
        let (bids_input, bids) = scope.new_collection();
        let (whole_bids_input, whole_bids) = scope.new_collection();
        let output = output.clone();
        match query {
            Query::Q1 => deliver(q1(bids), output, probe, |bid| bid.pack()),
            Query::Q1Whole => deliver(q1_whole(whole_bids), output, probe, WholeBid::pack),
            Query::Q2 => {
                deliver(q2(bids), output, probe, |(auction, price)| Row::pack([int(*auction), int(*price)]))
            }
            Query::Q3 => deliver(q3(auctions, people), output, probe, |(name, city, state, id)| {
                Row::pack([Datum::Text(name), Datum::Text(city), Datum::Text(state), int(*id)])
            }),
            Query::Q4 => deliver(q4(auctions, bids), output, probe, |(category, sum, count)| {
                Row::pack([int(*category), Datum::Int((*sum as i128 * 1000 / *count as i128) as i64)])
            }),
        }
        Inputs {
            people: people_input,
            auctions: auctions_input,
            bids: bids_input,
            whole_bids: whole_bids_input,
        }
    }

    /// Gives the query what it reads of the batch.
    fn feed(&mut self, batch: &Batch, query: Query) {
        match query {
            Query::Q1 | Query::Q2 => insert(&mut self.bids, &batch.bids),
            Query::Q1Whole => insert(&mut self.whole_bids, &batch.whole_bids),
            Query::Q3 => {
                insert(&mut self.people, &batch.people);
                insert(&mut self.auctions, &batch.auctions);
            }
            Query::Q4 => {
                insert(&mut self.auctions, &batch.auctions);
                insert(&mut self.bids, &batch.bids);
            }
        }
    }

    fn advance_to(&mut self, time: u64) {
        advance(&mut self.people, time);
        advance(&mut self.auctions, time);
        advance(&mut self.bids, time);
        advance(&mut self.whole_bids, time);
    }
}

fn insert<D: Data>(input: &mut InputSession<u64, D, isize>, records: &[D]) {
    records.iter().for_each(|record| input.insert(record.clone()));
}

fn advance<D: Data>(input: &mut InputSession<u64, D, isize>, time: u64) {
    input.advance_to(time);
    input.flush();
}

/// Prices in another currency.
fn q1(bids: Collection<'_, Bid>) -> Collection<'_, Bid> {
    bids.map(|bid| Bid { price: bid.price * 908 / 1000, ..bid })
}

fn q1_whole(bids: Collection<'_, WholeBid>) -> Collection<'_, WholeBid> {
    bids.map(|whole| WholeBid { bid: Bid { price: whole.bid.price * 908 / 1000, ..whole.bid }, ..whole })
}

/// Bids for some auctions.
fn q2(bids: Collection<'_, Bid>) -> Collection<'_, (u64, u64)> {
    bids.flat_map(|bid| (bid.auction % 123 == 0).then_some((bid.auction, bid.price)))
}

/// Who sells in one category and lives in one of three states.
fn q3<'s>(
    auctions: Collection<'s, Auction>,
    people: Collection<'s, Person>,
) -> Collection<'s, (String, String, String, u64)> {
    let people = people.flat_map(|person| {
        matches!(&person.state[..], "or" | "id" | "ca")
            .then_some((person.id, (person.name, person.city, person.state)))
    });
    let auctions =
        auctions.flat_map(|auction| (auction.category == 10).then_some((auction.seller, auction.id)));
    auctions.join_map(people, |_, id, (name, city, state)| (name.clone(), city.clone(), state.clone(), *id))
}

/// The average of the highest bids of each category: category, sum, count.
fn q4<'s>(
    auctions: Collection<'s, Auction>,
    bids: Collection<'s, Bid>,
) -> Collection<'s, (u64, isize, isize)> {
    let bids = bids.map(|bid| (bid.auction, (bid.price, bid.date_time)));
    let auctions =
        auctions.map(|auction| (auction.id, (auction.category, auction.date_time, auction.expires)));
    bids.arrange_by_key()
        .join_core(auctions.arrange_by_key(), |id, (price, at), (category, opened, expires)| {
            (opened <= at && at <= expires).then_some(((*id, *category), *price))
        })
        .reduce(|_, prices, highest| {
            let (price, _) = prices.last().expect("invariant: a group has a row");
            highest.push((**price, 1isize));
        })
        .explode(|((_, category), price)| Some((category, (price as isize, 1isize))))
        .count_total()
        .map(|(category, (sum, count))| (category, sum, count))
}

/// Counts what comes out of a collection, and adds up its answer if that is asked for.
fn deliver<'s, D: Data>(
    collection: Collection<'s, D>,
    output: Rc<RefCell<Output>>,
    probe: &ProbeHandle<u64>,
    pack: impl Fn(&D) -> Row + 'static,
) {
    let counted = collection.inspect_batch(move |_, updates| {
        let output = &mut *output.borrow_mut();
        output.updates += updates.len();
        if let Some(answer) = &mut output.answer {
            updates.iter().for_each(|(record, _, diff)| answer.add_row(&pack(record), *diff as i64));
        }
    });
    counted.probe_with(probe);
}

impl Bid {
    fn pack(&self) -> Row {
        let Bid { auction, bidder, price, date_time } = *self;
        Row::pack([int(auction), int(bidder), int(price), timestamp(date_time)])
    }
}

impl WholeBid {
    fn pack(&self) -> Row {
        let Bid { auction, bidder, price, date_time } = self.bid;
        let texts = [&self.channel, &self.url, &self.extra].map(|text| Datum::Text(text));
        let [channel, url, extra] = texts;
        Row::pack([int(auction), int(bidder), int(price), channel, url, timestamp(date_time), extra])
    }
}

/// An integer as SQL's.
pub fn int(value: u64) -> Datum<'static> {
    Datum::Int(i64::try_from(value).expect("invariant: the generator's numbers are small"))
}

/// Milliseconds since 1970 as SQL's timestamp, which counts microseconds from 2000.
pub fn timestamp(unix_ms: u64) -> Datum<'static> {
    const UNIX_TO_2000_MS: i64 = 946_684_800_000;
    let unix_ms = i64::try_from(unix_ms).expect("invariant: the generator's times are near");
    Datum::Timestamp((unix_ms - UNIX_TO_2000_MS) * 1000)
}
