//! The control plane: one thread, one loop over one closed [`Event`] enum. Nothing in it waits or computes for long.
//!
//! It turns durable commits into ticks for the workers, decides which fragments are built and which are there already,
//! chooses every as_of, and drops what nobody uses. The order of a commit is fixed here: durable, then `read_ts`, then
//! workers, then the writer. Hence `since <= upper - 1 <= read_ts` everywhere.

pub mod boot;
pub mod commit;
pub mod derive;
pub mod fragments;
pub mod load;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use compiler::lir;
use compiler::mir::CollectionId;
use tokio::sync::{Notify, oneshot};

use crate::command::{Command, CommandSender, DataflowId, Local, OwnedUpdates, Response, Tick};
use crate::coordinator::commit::{Commit, Sequencer};
use crate::coordinator::fragments::Fragments;
use crate::output::Output;
use crate::published::{Hold, Published};
use crate::storage::{ShardId, Storage, Timestamp, Update, Updates};

/// How long shards that nothing touches may lag behind the clock.
const NUDGE: Duration = Duration::from_secs(1);
/// How long until the next try to begin time, in a store that was never written to.
const BEGINNING: Duration = Duration::from_millis(5);
/// How long history stays readable by AS OF, in microseconds.
const RETENTION: Timestamp = 3_600_000_000;
/// How many events one tick may gather: a tick closes all that is committed in one step.
const GATHER: usize = 1024;

/// Everything that can happen to the control plane.
pub enum Event {
    /// A transaction's fate is known. They arrive in the order of their timestamps.
    Committed(Commit),
    /// Run a dataflow: for a catalog item, for a session, or for a derived stream.
    Install(Install),
    /// The user of an installed dataflow is gone.
    Release(DataflowId),
    /// All slices of a shard's snapshot were sent to the dataflow.
    Loaded {
        dataflow: DataflowId,
        shard: CollectionId,
    },
    /// A derived stream has appended: its shard is complete before `upper`.
    Derived {
        shard: CollectionId,
        updates: Option<Arc<Updates>>,
        upper: Timestamp,
    },
    /// A worker says something.
    Response(Response),
    /// Every item of the catalog is installed: from here on it is known who needs which history.
    Recovered,
    /// The shard is a stream's: when its rows came is part of what they say, and is kept.
    Log {
        shard: CollectionId,
    },
    /// Let history go: no read may name a time before this one any more.
    Forget {
        shard: CollectionId,
    },
    /// Somebody wants the clock to move on although nothing was written.
    Nudge,
    Close(Sender<()>),
}

/// A dataflow to run and what for.
pub struct Install {
    pub name: String,
    pub dataflow: lir::Dataflow,
    /// The time from which it is definite; None: now.
    pub as_of: Option<Timestamp>,
    pub until: Until,
    /// Where a stream's updates go.
    pub output: Option<Arc<Output>>,
    pub reply: oneshot::Sender<Installed>,
}

/// Whether a dataflow goes on with its inputs, or answers as of its as_of and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Forever,
    AsOf,
    At(Timestamp),
}

/// An installed dataflow: its body (or the fragment that is its body), to be released with [`Event::Release`].
#[derive(Debug)]
pub struct Installed {
    pub dataflow: DataflowId,
    pub as_of: Timestamp,
    pub published: Option<Arc<Published>>,
    /// Of the shards that it depends on.
    pub clocks: Vec<Arc<ShardClock>>,
}

impl Installed {
    /// The time that it must have passed for its result at `at` to be whole: the last change, and hydration.
    pub fn needed(&self, at: Timestamp) -> Timestamp {
        needed(&self.clocks, self.as_of, at)
    }
}

/// When a shard last changed; shared with every session that reads what depends on it.
#[derive(Debug, Default)]
pub struct ShardClock {
    last: AtomicU64,
}

impl ShardClock {
    /// The time of the shard's last durable change.
    pub fn last(&self) -> Timestamp {
        self.last.load(Ordering::Acquire)
    }

    fn changed(&self, at: Timestamp) {
        self.last.fetch_max(at, Ordering::AcqRel);
    }
}

/// The time that what depends on shards with these clocks, and is definite from `as_of` on, must have passed to be complete at `at`.
pub fn needed(clocks: &[Arc<ShardClock>], as_of: Timestamp, at: Timestamp) -> Timestamp {
    clocks.iter().map(|clock| clock.last().min(at)).fold(as_of, Timestamp::max)
}

/// The last time that every reader may use, and a way to wait until transactions are decided.
#[derive(Debug)]
pub struct ReadTimestamp {
    last: AtomicU64,
    settled: Notify,
}

impl ReadTimestamp {
    pub fn new(last: Timestamp) -> ReadTimestamp {
        ReadTimestamp { last: AtomicU64::new(last), settled: Notify::new() }
    }

    pub fn get(&self) -> Timestamp {
        self.last.load(Ordering::Acquire)
    }

    /// All transactions up to `last` are readable or refused.
    fn settle(&self, last: Timestamp) {
        self.last.fetch_max(last, Ordering::AcqRel);
        self.settled.notify_waiters();
    }

    /// Waits until `done` holds; asked now, and whenever transactions were decided.
    pub async fn wait_until(&self, done: impl Fn(Timestamp) -> bool) {
        loop {
            // Listening before asking: what is decided in between is heard.
            let settled = self.settled.notified();
            if done(self.get()) {
                return;
            }
            settled.await;
        }
    }
}

pub struct Coordinator {
    storage: Storage,
    sequencer: Arc<Sequencer>,
    commands: CommandSender,
    events: Sender<Event>,
    fragments: Fragments,
    /// The last time that every reader may use: all before and at it is durable and on its way to the workers.
    read_ts: Arc<ReadTimestamp>,
    clocks: BTreeMap<CollectionId, Arc<ShardClock>>,
    /// Derived shards and how far each is; all others are complete up to `read_ts`.
    derived: HashMap<CollectionId, Timestamp>,
    /// The shards of streams, which keep the times of all their updates.
    logs: HashSet<CollectionId>,
    /// What keeps imports readable until every worker has built the importer.
    building: HashMap<DataflowId, Building>,
    workers: usize,
    recovered: bool,
}

struct Building {
    holds: Vec<Hold>,
    waiting: usize,
}

/// What the coordinator starts from.
pub struct Start {
    pub storage: Storage,
    pub sequencer: Arc<Sequencer>,
    pub commands: CommandSender,
    pub events: Sender<Event>,
    pub fragments: Fragments,
    pub read_ts: Arc<ReadTimestamp>,
    /// Workers of all processes.
    pub workers: usize,
}

impl Coordinator {
    pub fn new(start: Start) -> Coordinator {
        Coordinator {
            storage: start.storage,
            sequencer: start.sequencer,
            commands: start.commands,
            events: start.events,
            fragments: start.fragments,
            read_ts: start.read_ts,
            clocks: BTreeMap::new(),
            derived: HashMap::new(),
            logs: HashSet::new(),
            building: HashMap::new(),
            workers: start.workers,
            recovered: false,
        }
    }

    /// The loop. Ends with [`Event::Close`], or when nobody can send events any more.
    pub fn run(mut self, events: Receiver<Event>) {
        let mut nudge_at = Instant::now() + self.patience();
        let mut gathered = Vec::new();
        loop {
            match events.recv_timeout(nudge_at.saturating_duration_since(Instant::now())) {
                Ok(event) => gathered.push(event),
                Err(RecvTimeoutError::Timeout) => gathered.push(Event::Nudge),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while gathered.len() < GATHER
                && let Ok(event) = events.try_recv()
            {
                gathered.push(event);
            }
            let mut commits = Vec::new();
            for event in gathered.drain(..) {
                match event {
                    Event::Committed(commit) => commits.push(commit),
                    other => {
                        // What was committed before comes first, so that an as_of covers it.
                        self.tick(std::mem::take(&mut commits));
                        if matches!(other, Event::Nudge) {
                            nudge_at = Instant::now() + self.patience();
                        }
                        if let Event::Close(done) = other {
                            (self.commands)(Command::Shutdown);
                            let _ = done.send(());
                            return;
                        }
                        self.react(other);
                    }
                }
            }
            self.tick(commits);
        }
    }

    /// How long the clock may stand still.
    fn patience(&self) -> Duration {
        if self.read_ts.get() == 0 { BEGINNING } else { NUDGE }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Install(install) => self.install(install),
            Event::Release(dataflow) => self.release(dataflow),
            Event::Loaded { dataflow, shard } => {
                let upto = self.shard_upper(shard);
                (self.commands)(Command::Loaded { dataflow, shard, upto });
            }
            Event::Derived { shard, updates, upper } => self.derived(shard, updates, upper),
            Event::Response(response) => self.respond(response),
            Event::Forget { shard } => {
                self.clocks.remove(&shard);
                self.derived.remove(&shard);
                self.logs.remove(&shard);
            }
            Event::Log { shard } => drop(self.logs.insert(shard)),
            Event::Nudge => self.nudge(),
            Event::Recovered => self.recovered = true,
            Event::Committed(_) | Event::Close(_) => unreachable!("invariant: the loop takes these itself"),
        }
    }

    /// Shows durable commits to readers, workers and their writers, in this order.
    fn tick(&mut self, commits: Vec<Commit>) {
        if commits.is_empty() {
            return;
        }
        let mut updates = Vec::new();
        let mut touched = BTreeSet::new();
        let mut replies = Vec::new();
        let mut last = self.read_ts.get();
        let settled = commits.len();
        for commit in commits {
            match commit.outcome {
                Ok(()) => {
                    last = last.max(commit.time);
                    for (shard, rows) in commit.updates {
                        self.clock(shard).changed(commit.time);
                        touched.insert(shard);
                        updates.push((shard, rows));
                    }
                    replies.push((commit.reply, Ok(commit.time)));
                }
                Err(error) => replies.push((commit.reply, Err(error))),
            }
        }
        self.read_ts.settle(last);
        self.compact();
        touched.iter().for_each(|shard| self.sequencer.tables().forget(*shard, last));
        if !touched.is_empty() {
            let advance = self.fragments.read_with(&touched);
            let advance = advance.into_iter().filter(|shard| !self.derived.contains_key(shard));
            let advance = advance.map(|shard| (shard, last + 1)).collect();
            (self.commands)(Command::Tick(Arc::new(Tick { updates: updates.into(), advance })));
        }
        self.sequencer.settled(settled);
        for (reply, outcome) in replies {
            let _ = reply.send(outcome);
        }
    }

    /// Lets time pass for shards that nothing has touched, so that progress can be seen.
    fn nudge(&mut self) {
        self.forget_history();
        self.compact();
        self.sequencer.tables().forget_all(self.read_ts.get());
        let Some(now) = self.sequencer.advance() else { return };
        self.read_ts.settle(now);
        let shards = self.fragments.shards().into_iter().filter(|shard| !self.derived.contains_key(shard));
        let advance: Vec<_> = shards.map(|shard| (shard, now + 1)).collect();
        if !advance.is_empty() {
            (self.commands)(Command::Tick(Arc::new(Tick { updates: Local::none(), advance })));
        }
    }

    /// Tells other processes what history of their arrangements nobody can ask for any more.
    fn compact(&mut self) {
        let sinces = self.fragments.compactions();
        if !sinces.is_empty() {
            (self.commands)(Command::Compact(Arc::new(sinces)));
        }
    }

    /// Lets storage compact what is older than the retention, except what a derived stream has still to take in.
    fn forget_history(&self) {
        if !self.recovered {
            return;
        }
        let since = self.read_ts.get().saturating_sub(RETENTION);
        for shard in self.clocks.keys().filter(|shard| !self.logs.contains(shard)) {
            let taken_in =
                self.derived.iter().filter(|(derived, _)| self.fragments.derives_from(**derived, *shard));
            let least = taken_in.map(|(_, upper)| upper.saturating_sub(1)).min().unwrap_or(Timestamp::MAX);
            self.storage.allow_compaction(ShardId(shard.0), since.min(least));
        }
    }

    fn derived(&mut self, shard: CollectionId, updates: Option<Arc<Updates>>, upper: Timestamp) {
        self.derived.insert(shard, upper);
        if let Some(updates) = &updates {
            let last = updates.times().iter().copied().max().unwrap_or(0);
            self.clock(shard).changed(last);
        }
        let updates = updates.map(|updates| vec![(shard, updates)]);
        (self.commands)(Command::Tick(Arc::new(Tick {
            updates: Local(updates),
            advance: vec![(shard, upper)],
        })));
    }

    fn respond(&mut self, response: Response) {
        match response {
            Response::Built(dataflow) => {
                if let Some(building) = self.building.get_mut(&dataflow) {
                    building.waiting -= 1;
                    if building.waiting == 0 {
                        let done = self.building.remove(&dataflow).expect("invariant: found above");
                        drop(done.holds);
                    }
                }
            }
            Response::Upper { dataflow, worker, upper, updates } => {
                self.fragments.publish_remote(dataflow, worker, upper, updates)
            }
            Response::Updates { dataflow, worker, rows, errs, upper } => {
                if let Some(output) = self.fragments.output(dataflow) {
                    output.push_errs(borrowed(&errs));
                    output.push(worker, borrowed(&rows), upper);
                }
            }
            Response::Peeked { peek, rows, error } => self.fragments.peeked(peek, rows, error),
        }
    }

    /// The clock of a shard, made when first asked for.
    pub fn clock(&mut self, shard: CollectionId) -> Arc<ShardClock> {
        self.clocks.entry(shard).or_default().clone()
    }

    /// All before it has been sent to the workers.
    fn shard_upper(&self, shard: CollectionId) -> Timestamp {
        match self.derived.get(&shard) {
            Some(upper) => *upper,
            None => self.read_ts.get() + 1,
        }
    }

    fn install(&mut self, install: Install) {
        let now = self.read_ts.get();
        let as_of = install.as_of.unwrap_or_else(|| self.beginning(&install.dataflow, now));
        let historical = as_of < now;
        if let lir::Body::Shard { to, .. } = &install.dataflow.body {
            let upper = self.storage.frontiers(ShardId(to.0)).upper;
            self.derived.insert(*to, upper.max(as_of));
        }
        let until = match install.until {
            Until::Forever => None,
            Until::AsOf => Some(as_of + 1),
            Until::At(time) => Some(time),
        };
        let plan = self.fragments.resolve(&install, as_of, until, historical);
        let shards: Vec<_> = plan.published_shards().iter().copied().collect();
        for shard in shards {
            let clock = self.clock(shard);
            self.fragments.add_clock(shard, clock);
        }
        let built: Vec<_> = plan.builds.iter().map(|(build, _)| build.id).collect();
        self.fragments.show(&built);
        let depends_on = self.fragments.depends_on(plan.root);
        let clocks = depends_on.iter().map(|shard| self.clock(*shard)).collect();
        let published = plan.published.clone();
        let installed = Installed { dataflow: plan.root, as_of, published, clocks };
        for (build, holds) in plan.builds {
            let (sources, logs) = (build.body.node().shards(), build.body.node().logs());
            self.building.insert(build.id, Building { holds, waiting: self.workers });
            let dataflow = build.id;
            (self.commands)(Command::Build(Arc::new(build)));
            for shard in sources {
                let complete = self.shard_upper(shard).saturating_sub(1);
                let (log, output) = (logs.contains(&shard), install.output.clone());
                let wanted = self.fragments.wanted(dataflow);
                let counted = self.fragments.counts().loads.one();
                self.load(load::Load {
                    dataflow,
                    shard,
                    as_of,
                    complete,
                    historical,
                    log,
                    until,
                    output,
                    wanted,
                    counted,
                });
            }
        }
        self.catch_up(depends_on, now);
        let _ = install.reply.send(installed);
    }

    /// The as_of of a dataflow that begins: the present, or the earliest time that its shards can be read at until it holds their history.
    fn beginning(&self, dataflow: &lir::Dataflow, now: Timestamp) -> Timestamp {
        if !matches!(dataflow.body, lir::Body::Shard { from_earliest: true, .. }) {
            return now;
        }
        let kept = |shard: CollectionId| {
            let since = self.storage.frontiers(ShardId(shard.0)).since;
            // What may be let go is let go at any time.
            if self.logs.contains(&shard) { since } else { since.max(now.saturating_sub(RETENTION)) }
        };
        dataflow.shards().into_iter().map(kept).max().unwrap_or(now).min(now)
    }

    /// Tells the shards that a dataflow depends on what time it is: those that the last commits did not touch lag behind, and it would
    /// wait for the next nudge.
    fn catch_up(&self, shards: BTreeSet<CollectionId>, now: Timestamp) {
        let shards = shards.into_iter();
        let advance: Vec<_> =
            shards.filter(|shard| !self.derived.contains_key(shard)).map(|shard| (shard, now + 1)).collect();
        if !advance.is_empty() {
            (self.commands)(Command::Tick(Arc::new(Tick { updates: Local::none(), advance })));
        }
    }

    fn load(&self, load: load::Load) {
        let (storage, commands, events) = (self.storage.clone(), self.commands.clone(), self.events.clone());
        load::start(load, storage, commands, events, self.fragments.local_workers());
    }

    fn release(&mut self, dataflow: DataflowId) {
        for dropped in self.fragments.release(dataflow) {
            self.building.remove(&dropped);
            (self.commands)(Command::Drop(dropped));
        }
    }
}

fn borrowed(updates: &OwnedUpdates) -> impl Iterator<Item = Update<'_>> {
    updates.iter().map(|(row, time, diff)| (row.as_slice(), *time, *diff))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn whoever_waits_for_a_transaction_is_woken_when_it_is_decided() {
        let read_ts = ReadTimestamp::new(5);
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = pin!(read_ts.wait_until(|now| now >= 7));
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        read_ts.settle(6);
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        read_ts.settle(7);
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
        // A transaction that was refused leaves the time where it was.
        let refused = std::cell::Cell::new(false);
        let mut waiting = pin!(read_ts.wait_until(|now| now >= 9 || refused.get()));
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        refused.set(true);
        read_ts.settle(7);
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
