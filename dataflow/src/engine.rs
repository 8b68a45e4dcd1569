//! The engine's public handle: what sessions call. Cheap to clone, usable from any thread.
//!
//! ```text
//!   sessions --lock, commit--> tables, sequencer --> log --Committed--> coordinator --Command--> workers
//!            --read--> directory: published arrangements, on the session's thread
//!            --run, subscribe--> coordinator --Build--> workers --updates--> output --> the session
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use compiler::catalog::{Alteration, Catalog, Change, Item, Kind, Sequence, SequenceState};
use compiler::lir::{self, Identity};
use compiler::mir::CollectionId;
use compiler::{Error, SqlState};
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::clock::{Oracle, SystemClock};
use crate::command::{CommandSender, DataflowId};
use crate::contents::Range;
use crate::coordinator::commit::{Sequencer, Write, refused};
use crate::coordinator::derive::{self, Derivation, Deriving};
use crate::coordinator::fragments::{Fragments, Readable, Shown};
use crate::coordinator::{Coordinator, Event, Install, Installed, ReadTimestamp, Start, Until, boot};
use crate::in_use::{Counts, InUse};
use crate::output::{self, Bound, Output};
use crate::peeks::Peeks;
use crate::reads::Read;
use crate::sequences::{Held, Sequences};
use crate::storage::{CATALOG, Diff, Directory, Disk, Memory, Options, ShardId, Storage, Timestamp, Updates};
use crate::subscriptions::{Reads, Subscriptions};
use crate::tables::{Present, Table, Tables, key_length};
use crate::worker;

/// How much a subscriber may lag before it is cut off.
const SUBSCRIBER_LAG_MAX: usize = 256 << 20;

/// What an engine is opened with.
pub struct Config {
    /// None keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// Workers and processes: timely's own flags.
    pub timely: timely::Config,
    /// This process's number and how many there are.
    pub process: usize,
    pub processes: usize,
    /// Workers of each process.
    pub workers: usize,
}

#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    catalog: ArcSwap<Catalog>,
    /// Catalog changes one after the other: held from the check of the version until the dataflows are installed.
    changing: tokio::sync::Mutex<()>,
    storage: Storage,
    sequencer: Arc<Sequencer>,
    tables: Arc<Tables>,
    sequences: Sequences,
    shown: Arc<Shown>,
    peeks: Arc<Peeks>,
    counts: Counts,
    read_ts: Arc<ReadTimestamp>,
    events: Sender<Event>,
    commands: CommandSender,
    local_workers: usize,
    remote_workers: usize,
    subscriptions: Subscriptions,
    /// What each catalog item keeps running.
    running: Mutex<HashMap<CollectionId, Kept>>,
    control: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What runs for a catalog item.
struct Kept {
    dataflow: DataflowId,
    plan: Arc<lir::Dataflow>,
    deriving: Option<Deriving>,
}

/// The right to change some tables: nobody else changes them meanwhile.
pub struct WriteLock {
    engine: Engine,
    tables: Vec<(CollectionId, Arc<Table>, OwnedMutexGuard<()>)>,
}

/// A dataflow that runs for one session; dropping it frees everything that only it used.
pub struct Running {
    output: Arc<Output>,
    installed: Arc<Installed>,
    read_ts: Arc<ReadTimestamp>,
    events: Sender<Event>,
}

/// When a commit's catalog version is no longer the present one: compile the statement again.
#[derive(Debug)]
pub enum CommitError {
    Outdated,
    Failed(Error),
}

impl From<Error> for CommitError {
    fn from(error: Error) -> CommitError {
        CommitError::Failed(error)
    }
}

/// How long storage may take to end.
const CLOSING: Duration = Duration::from_millis(400);

/// What starts an item.
struct Beginning {
    plan: Arc<lir::Dataflow>,
    installed: oneshot::Receiver<Installed>,
    derives: Option<Derives>,
}

/// What a derived stream's dataflow appends to, and from where on.
struct Derives {
    to: CollectionId,
    resume: Option<Timestamp>,
    output: Arc<Output>,
}

impl Engine {
    /// Opens storage, recovers the catalog, starts the workers and rebuilds every dataflow. In processes other than 0 only the
    /// workers run, and this returns when the group ends.
    pub fn open(config: Config) -> Result<Option<Engine>, Error> {
        if config.process != 0 {
            worker::serve(config.timely, config.workers)?;
            return Ok(None);
        }
        let disk: Arc<dyn Disk> = match &config.data_dir {
            Some(dir) => Arc::new(Directory::open(dir).map_err(refused)?),
            None => Arc::new(Memory::default()),
        };
        let (storage, recovered) = Storage::open(disk, Options::default()).map_err(refused)?;
        for warning in &recovered.warnings {
            tracing::warn!("{warning}");
        }
        let (events, received) = channel();
        let start = recovered.greatest.max(recovered.reserved);
        let reserving = storage.clone();
        let reserve = Box::new(move |bound, done: Box<dyn FnOnce(bool) + Send>| {
            reserving.reserve(bound, move |outcome| done(outcome.is_ok()));
        });
        let oracle = Oracle::new(Arc::new(SystemClock), start, reserve);
        let tables = Arc::new(Tables::default());
        let sequencer = Arc::new(Sequencer::new(storage.clone(), oracle, tables.clone(), events.clone()));
        let read_ts = Arc::new(ReadTimestamp::new(start));
        let catalog = boot::catalog(&storage, start)?;
        boot::drop_unowned(&storage, &catalog);
        let sequences = Sequences::open(&storage, &catalog, start)?;

        let responses = events.clone();
        let respond = Arc::new(move |response| drop(responses.send(Event::Response(response))));
        let commands = worker::start(config.timely, config.workers, respond)?;
        let local_workers = config.workers;
        let remote_workers = (config.processes - 1) * config.workers;
        let (shown, peeks) = (Arc::new(Shown::default()), Arc::new(Peeks::default()));
        let counts = Counts::default();
        let coordinator = Coordinator::new(Start {
            storage: storage.clone(),
            sequencer: sequencer.clone(),
            commands: commands.clone(),
            events: events.clone(),
            fragments: Fragments::new(
                local_workers,
                remote_workers,
                shown.clone(),
                peeks.clone(),
                counts.clone(),
            ),
            read_ts: read_ts.clone(),
            workers: local_workers + remote_workers,
        });
        let control =
            std::thread::Builder::new().name("coordinator".into()).spawn(move || coordinator.run(received));
        let control = control.map_err(|error| {
            Error::new(SqlState::OUT_OF_MEMORY, format!("cannot start a thread: {error}"))
        })?;
        let inner = Inner {
            catalog: ArcSwap::from_pointee(catalog),
            changing: tokio::sync::Mutex::default(),
            storage,
            sequencer,
            tables,
            sequences,
            shown,
            peeks,
            counts,
            read_ts,
            events,
            commands,
            local_workers,
            remote_workers,
            subscriptions: Subscriptions::default(),
            running: Mutex::default(),
            control: Mutex::new(Some(control)),
        };
        let engine = Engine { inner: Arc::new(inner) };
        let catalog = engine.catalog();
        for item in catalog.items_in_order() {
            engine.start_item_blocking(item, &catalog);
        }
        let _ = engine.inner.events.send(Event::Recovered);
        Ok(Some(engine))
    }

    /// The present catalog.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalog.load_full()
    }

    /// The time of day in microseconds since the Unix epoch.
    pub fn wall_clock(&self) -> Timestamp {
        self.inner.sequencer.wall()
    }

    /// The latest time that reads may use.
    pub fn read_timestamp(&self) -> Timestamp {
        self.inner.read_ts.get()
    }

    /// Changes the catalog and, in the same transaction, collections. `version` is that of the catalog that the changes were
    /// compiled against. When this returns, what was created is running and what was dropped is gone.
    pub async fn change_catalog(
        &self,
        version: u64,
        changes: Vec<Change>,
        writes: Vec<Write>,
    ) -> Result<Timestamp, CommitError> {
        let engine = self.clone();
        // In a task of its own: a client that goes away does not stop a change half-way.
        let task = tokio::spawn(async move { engine.change(version, changes, writes).await });
        task.await.unwrap_or_else(|error| {
            Err(Error::new(SqlState::INTERNAL_ERROR, format!("a catalog change was interrupted: {error}"))
                .into())
        })
    }

    async fn change(
        &self,
        version: u64,
        changes: Vec<Change>,
        mut writes: Vec<Write>,
    ) -> Result<Timestamp, CommitError> {
        let changing = self.inner.changing.lock().await;
        let before = self.catalog();
        if before.version != version {
            return Err(CommitError::Outdated);
        }
        let after = before.apply_all(&changes)?;
        for change in &changes {
            if let Change::CreateItem(item) = change
                && matches!(item.kind, Kind::Table(_))
            {
                self.inner.tables.create(item.id);
            }
        }
        let updates = boot::encode(&changes, version)?;
        writes.push(Write { collection: CollectionId(CATALOG.0), updates });
        let time = self.sequence(writes).await?;
        self.inner.catalog.store(Arc::new(after));
        let catalog = self.catalog();
        // What runs for altered items goes only when what runs instead has taken over what both share.
        let (mut former, mut begun) = (Vec::new(), Vec::new());
        for change in &changes {
            match change {
                Change::CreateItem(item) => begun.extend(self.start_item(item, &catalog).await),
                Change::DropItem { id } => self.stop_item(*id, &before, time),
                Change::AlterItem(Alteration { item, affected }) => {
                    self.end_of_columns(item, &before, time);
                    for item in std::iter::once(&**item).chain(affected) {
                        former.extend(self.restart_item(item, &catalog).await);
                    }
                }
                Change::CreateSchema(_)
                | Change::DropSchema { .. }
                | Change::RenameSchema { .. }
                | Change::Comment { .. } => {}
            }
        }
        for dataflow in former {
            let _ = self.inner.events.send(Event::Release(dataflow));
        }
        drop(changing);
        for stream in begun {
            let _ = stream.await;
        }
        Ok(time)
    }

    /// Whoever subscribes to a column that the altered item has dropped is told.
    fn end_of_columns(&self, item: &Item, before: &Catalog, time: Timestamp) {
        let Some(former) = before.item(item.id) else { return };
        let pairs = former.columns().iter().zip(item.columns()).enumerate();
        for (at, (column, _)) in pairs.filter(|(_, (column, now))| now.dropped && !column.dropped) {
            self.inner.subscriptions.column_dropped((item.id, at), &item.name, &column.name, time);
        }
    }

    /// Starts what is to run for an altered item, if that is something else; returns what ran for it.
    async fn restart_item(&self, item: &Item, catalog: &Catalog) -> Option<DataflowId> {
        let former = {
            let mut running = self.running();
            let former = running.get(&item.id)?;
            if catalog.dataflow(item.id).is_some_and(|plan| *plan == *former.plan) {
                return None;
            }
            running.remove(&item.id)?
        };
        // A stream goes on from where its shard ends, which must not move meanwhile.
        if let Some(deriving) = former.deriving {
            deriving.end().await;
        }
        self.start_item(item, catalog).await;
        Some(former.dataflow)
    }

    /// Starts what an item keeps running: a table's, a view's or an index's arrangement, a stream's derivation. The receiver learns
    /// when a stream has a resume point.
    async fn start_item(&self, item: &Item, catalog: &Catalog) -> Option<oneshot::Receiver<()>> {
        let Beginning { plan, installed, derives } = self.begin_item(item, catalog)?;
        let installed = installed.await.ok()?;
        self.note_running(item.id, plan, derives, &installed)
    }

    fn start_item_blocking(&self, item: &Item, catalog: &Catalog) {
        if let Some(Beginning { plan, installed, derives }) = self.begin_item(item, catalog)
            && let Ok(installed) = installed.blocking_recv()
        {
            self.note_running(item.id, plan, derives, &installed);
        }
    }

    fn note_running(
        &self,
        id: CollectionId,
        plan: Arc<lir::Dataflow>,
        derives: Option<Derives>,
        installed: &Installed,
    ) -> Option<oneshot::Receiver<()>> {
        let started = derives.map(|Derives { to, resume, output }| {
            derive::start(Derivation {
                shard: to,
                as_of: installed.as_of,
                taken_in: resume,
                output,
                storage: self.inner.storage.clone(),
                events: self.inner.events.clone(),
            })
        });
        let (deriving, begun) = started.unzip();
        self.running().insert(id, Kept { dataflow: installed.dataflow, plan, deriving });
        begun
    }

    fn running(&self) -> MutexGuard<'_, HashMap<CollectionId, Kept>> {
        self.inner.running.lock().expect("invariant: nothing panics while it has the list")
    }

    fn begin_item(&self, item: &Item, catalog: &Catalog) -> Option<Beginning> {
        if matches!(item.kind, Kind::Table(_)) {
            self.inner.tables.create(item.id);
        }
        if matches!(item.kind, Kind::Stream(_)) {
            let _ = self.inner.events.send(Event::Log { shard: item.id });
        }
        let plan = catalog.item(item.id)?.bound.dataflow.clone()?;
        let derives = match &plan.body {
            lir::Body::Shard { to, .. } => {
                let workers = self.inner.local_workers + self.inner.remote_workers;
                let output = Arc::new(Output::recording(workers));
                Some(Derives { to: *to, resume: self.resume(*to, &plan), output })
            }
            lir::Body::Arrangement(_) | lir::Body::Stream(_) => None,
        };
        let as_of = derives.as_ref().and_then(|derives| derives.resume);
        let output = derives.as_ref().map(|derives| derives.output.clone());
        let name = format!("{}.{}", item.schema, item.name);
        let installed = self.install(name, lir::Dataflow::clone(&plan), as_of, Until::Forever, output);
        Some(Beginning { plan, installed, derives })
    }

    /// The time up to which a derived stream has taken in its sources; None if it has said nothing yet. That is the time before its
    /// upper, or a later one if its sources' history has been let go meanwhile: only what it has taken in is.
    fn resume(&self, to: CollectionId, dataflow: &lir::Dataflow) -> Option<Timestamp> {
        let upper = self.inner.storage.frontiers(ShardId(to.0)).upper;
        let sources = dataflow.shards().into_iter();
        let since = sources.map(|source| self.inner.storage.frontiers(ShardId(source.0)).since).max();
        (upper > 0).then(|| since.unwrap_or(0).max(upper - 1))
    }

    fn stop_item(&self, id: CollectionId, before: &Catalog, time: Timestamp) {
        if let Some(item) = before.item(id) {
            self.inner.subscriptions.dropped(id, &item.name, time);
        }
        let running = self.running().remove(&id);
        if let Some(Kept { dataflow, .. }) = running {
            let _ = self.inner.events.send(Event::Release(dataflow));
        }
        if before.item(id).is_some_and(|item| item.has_shard()) {
            self.inner.tables.remove(id);
            self.inner.sequences.remove(id);
            self.inner.sequencer.forget(id);
            self.inner.storage.drop_shard(ShardId(id.0), |_| {});
            let _ = self.inner.events.send(Event::Forget { shard: id });
        }
    }

    fn install(
        &self,
        name: String,
        dataflow: lir::Dataflow,
        as_of: Option<Timestamp>,
        until: Until,
        output: Option<Arc<Output>>,
    ) -> oneshot::Receiver<Installed> {
        let (reply, receiver) = oneshot::channel();
        let install = Install { name, dataflow, as_of, until, output, reply };
        let _ = self.inner.events.send(Event::Install(install));
        receiver
    }

    fn output(&self, bound: Bound) -> Output {
        Output::new(self.inner.local_workers + self.inner.remote_workers, bound)
    }

    /// Hands a transaction to the log; returns when it is durable and visible.
    async fn sequence(&self, writes: Vec<Write>) -> Result<Timestamp, Error> {
        committed(self.inner.sequencer.sequence(writes)).await
    }

    /// Appends to collections that need no check: streams.
    pub async fn append(&self, writes: Vec<Write>) -> Result<Timestamp, Error> {
        self.sequence(writes).await
    }

    /// What a sequence has counted to, and how many values it may give before it writes again.
    pub fn sequence_state(&self, id: CollectionId, sequence: &Sequence) -> (SequenceState, i64) {
        self.inner.sequences.state(id, sequence)
    }

    /// The next value of a sequence, which nobody is ever given again. `wanted`: how many its caller is about to ask for.
    pub async fn next_value(
        &self,
        id: CollectionId,
        sequence: &Sequence,
        name: &str,
        wanted: i64,
    ) -> Result<i64, Error> {
        self.inner.sequences.next(id, sequence, name, wanted, |writes| self.appended(writes)).await
    }

    /// Sets what a sequence has counted to, at once and for everybody.
    pub async fn set_sequence(&self, id: CollectionId, state: SequenceState) -> Result<(), Error> {
        self.inner.sequences.set(id, state, |writes| self.appended(writes)).await
    }

    /// Waits for the right to set sequences together with a transaction's other changes.
    pub async fn hold_sequences(&self, states: &BTreeMap<CollectionId, SequenceState>) -> Held {
        self.inner.sequences.hold(states).await
    }

    fn appended(&self, writes: Vec<Write>) -> impl Future<Output = Result<Timestamp, Error>> + Send + use<> {
        committed(self.inner.sequencer.sequence(writes))
    }

    /// Waits for the right to change these tables. Locks are taken in the order of ids, so nobody waits in a circle.
    pub async fn lock(&self, tables: &BTreeSet<CollectionId>) -> Result<WriteLock, Error> {
        let mut locked = Vec::new();
        for id in tables {
            let missing = || Error::new(SqlState::UNDEFINED_TABLE, "the table was dropped meanwhile");
            let table = self.inner.tables.get(*id).ok_or_else(missing)?;
            let guard = table.lock().await;
            locked.push((*id, table, guard));
        }
        Ok(WriteLock { engine: self.clone(), tables: locked })
    }

    /// A published arrangement.
    pub fn readable(&self, identity: &Identity) -> Option<Arc<Readable>> {
        self.inner.shown.get(identity)
    }

    /// Every published arrangement, for introspection and tests.
    pub fn arrangements(&self) -> Vec<(Identity, Arc<Readable>)> {
        self.inner.shown.list()
    }

    /// How much runs and is kept, for introspection and tests.
    pub fn in_use(&self) -> InUse {
        self.inner.counts.in_use()
    }

    /// Makes these arrangements readable at one time, that of the latest acknowledged commit or later.
    pub fn read(&self, relations: Vec<Arc<Readable>>) -> Read {
        let inner = &self.inner;
        let read_ts = || self.read_timestamp();
        Read::new(relations, read_ts, inner.commands.clone(), inner.peeks.clone(), inner.remote_workers)
    }

    /// Runs a dataflow once, as of now (or of `as_of`): its rows with their multiplicities, sorted by bytes and consolidated. It ends with an
    /// error once it has given more than `bytes_max`. Dropping the future frees it.
    pub async fn run(
        &self,
        dataflow: lir::Dataflow,
        as_of: Option<Timestamp>,
        bytes_max: usize,
    ) -> Result<Updates, Error> {
        let running = self.start(dataflow, as_of, Until::AsOf, Bound::Answer(bytes_max)).await?;
        let mut rows = Updates::new();
        loop {
            match running.next().await? {
                // There is one time, so they mostly come at once.
                output::Event::Updates { rows: more, .. } if rows.is_empty() => rows = more,
                output::Event::Updates { rows: more, .. } => rows.extend(&more),
                output::Event::Progress(_) => {}
                output::Event::End => return Ok(rows),
            }
        }
    }

    /// Runs a dataflow whose updates the session reads as they come, from `as_of` (None: now) up to `up_to`. It ends with an error when one
    /// of the relations or columns is dropped that it `reads`.
    pub async fn subscribe(
        &self,
        dataflow: lir::Dataflow,
        reads: Reads,
        as_of: Option<Timestamp>,
        up_to: Option<Timestamp>,
    ) -> Result<Running, Error> {
        let until = up_to.map_or(Until::Forever, Until::At);
        let running = self.start(dataflow, as_of, until, Bound::Lag(SUBSCRIBER_LAG_MAX)).await?;
        self.inner.subscriptions.add(&running.output, &running.installed, reads.clone());
        // What was dropped before it was known here is not in the catalog any more.
        let catalog = self.catalog();
        let there = |id: &CollectionId| catalog.item(*id).is_some();
        let column_there = |(id, column): &(CollectionId, usize)| {
            catalog.item(*id).and_then(|item| item.columns().get(*column)).is_some_and(|found| !found.dropped)
        };
        match reads.relations.iter().all(there) && reads.columns.iter().all(column_there) {
            true => Ok(running),
            false => Err(Error::new(SqlState::UNDEFINED_TABLE, "a relation was dropped meanwhile")),
        }
    }

    async fn start(
        &self,
        dataflow: lir::Dataflow,
        as_of: Option<Timestamp>,
        until: Until,
        bound: Bound,
    ) -> Result<Running, Error> {
        if let Some(as_of) = as_of {
            self.check_as_of(&dataflow, as_of)?;
        }
        let output = Arc::new(self.output(bound));
        let receiver = self.install("query".into(), dataflow, as_of, until, Some(output.clone()));
        // Whoever gives up waiting must release what is installed after all.
        let mut waiting = Waiting { receiver: Some(receiver), events: self.inner.events.clone() };
        let installed = Arc::new(waiting.installed().await?);
        let (read_ts, events) = (self.inner.read_ts.clone(), self.inner.events.clone());
        Ok(Running { output, installed, read_ts, events })
    }

    fn check_as_of(&self, dataflow: &lir::Dataflow, as_of: Timestamp) -> Result<(), Error> {
        let now = self.read_timestamp();
        if as_of > now {
            let message = format!("AS OF {as_of} is in the future: the present is {now}");
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        for shard in dataflow.shards() {
            let since = self.inner.storage.frontiers(ShardId(shard.0)).since;
            if as_of < since {
                return Err(Error::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("AS OF {as_of} is before {since}, the earliest time that is kept"),
                ));
            }
        }
        Ok(())
    }

    /// Ends the coordinator and the workers and closes storage. Later calls answer that the engine is closed. Workers are told, not
    /// waited for: what they are computing can be computed again.
    pub fn close(&self) {
        worker::group_ends();
        let (done, ended) = channel();
        if self.inner.events.send(Event::Close(done)).is_ok() {
            let _ = ended.recv();
        }
        let control =
            self.inner.control.lock().expect("invariant: nothing panics while it has the thread").take();
        if let Some(control) = control {
            let _ = control.join();
        }
        self.close_storage();
        worker::wait_for_others(self.inner.remote_workers / self.inner.local_workers);
    }

    /// Lets storage finish what it is about, though not for long: all that was acknowledged is durable, and the next start does the rest.
    fn close_storage(&self) {
        let (done, closed) = channel();
        let storage = self.inner.storage.clone();
        std::thread::spawn(move || done.send(storage.close()));
        match closed.recv_timeout(CLOSING) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "storage did not close cleanly"),
            Err(_) => tracing::info!("storage was left with work to do"),
        }
    }
}

/// Waits for a commit's fate.
async fn committed(receiver: oneshot::Receiver<Result<Timestamp, Error>>) -> Result<Timestamp, Error> {
    let closed = |_| Err(Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down"));
    receiver.await.unwrap_or_else(closed)
}

/// An installation that is on its way.
struct Waiting {
    receiver: Option<oneshot::Receiver<Installed>>,
    events: Sender<Event>,
}

impl Waiting {
    async fn installed(&mut self) -> Result<Installed, Error> {
        let receiver = self.receiver.as_mut().expect("invariant: waited for once");
        let installed = receiver.await;
        self.receiver = None;
        installed.map_err(|_| Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(receiver) = self.receiver.take() {
            let events = self.events.clone();
            std::thread::spawn(move || {
                if let Ok(installed) = receiver.blocking_recv() {
                    let _ = events.send(Event::Release(installed.dataflow));
                }
            });
        }
    }
}

impl Running {
    /// The time at which the first rows are definite.
    pub fn as_of(&self) -> Timestamp {
        self.installed.as_of
    }

    /// Once it has passed this time, all has been given that is there now.
    pub fn present(&self) -> Timestamp {
        self.installed.needed(self.read_ts.get())
    }

    /// The next of: all updates of one time, progress, the end.
    pub async fn next(&self) -> Result<output::Event, Error> {
        self.output.next().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.output.close();
        let _ = self.events.send(Event::Release(self.installed.dataflow));
    }
}

impl WriteLock {
    fn table(&self, id: CollectionId) -> Result<&Arc<Table>, Error> {
        let found = self.tables.iter().find(|(locked, ..)| *locked == id);
        found
            .map(|(_, table, _)| table)
            .ok_or_else(|| Error::new(SqlState::INTERNAL_ERROR, "the table is not locked"))
    }

    pub fn holds(&self, table: CollectionId) -> bool {
        self.tables.iter().any(|(locked, ..)| *locked == table)
    }

    /// The greatest id of a locked table.
    pub fn last(&self) -> Option<CollectionId> {
        self.tables.iter().map(|(locked, ..)| *locked).max()
    }

    /// Takes another lock's tables too: a transaction commits with one.
    pub fn join(&mut self, mut other: WriteLock) {
        self.tables.append(&mut other.tables);
    }

    /// Visits the table's records as they are now, by one of its arrangements: what is sequenced counts, durable or not. In no
    /// particular order.
    pub async fn visit(
        &self,
        table: CollectionId,
        identity: &Identity,
        range: &Range,
        visit: &mut (dyn FnMut(&[u8], &[u8], Diff) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        let missing = || Error::new(SqlState::UNDEFINED_TABLE, "the table was dropped meanwhile");
        let readable = self.engine.readable(identity).ok_or_else(missing)?;
        if readable.published.has_remote_parts() {
            return self.visit_everywhere(readable, range, visit).await;
        }
        if !readable.published.complete(readable.as_of).await {
            return Err(missing());
        }
        let present = Present::new(self.table(table)?, readable).await?;
        let _ = present.records(range, visit);
        Ok(())
    }

    /// As [`WriteLock::visit`], where other processes have parts of the table: all that is sequenced is waited for.
    async fn visit_everywhere(
        &self,
        readable: Arc<Readable>,
        range: &Range,
        visit: &mut (dyn FnMut(&[u8], &[u8], Diff) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        self.settle().await;
        let key = readable.layout.key;
        let read = self.engine.read(vec![readable]);
        read.complete().await?;
        let mut going = ControlFlow::Continue(());
        read.visit(0, range, &mut |key, value, diff| {
            going = visit(key, value, diff);
            going
        })?;
        for (record, diff) in read.remote(0, range).await? {
            if going.is_continue() {
                let (key, value) = record.split_at(key_length(&record, key));
                going = visit(key, value, diff);
            }
        }
        Ok(())
    }

    /// Waits until every transaction sequenced so far on the locked tables is readable everywhere, or refused. The locks keep others from
    /// adding to them.
    pub async fn settle(&self) {
        let last = || self.tables.iter().filter_map(|(_, table, _)| table.last_pending()).max();
        self.engine.inner.read_ts.wait_until(|now| last().is_none_or(|last| last <= now)).await;
    }

    /// Gives the transaction its place, then the locks back; returns when it is durable and visible.
    pub async fn commit(self, writes: Vec<Write>) -> Result<Timestamp, Error> {
        let receiver = self.engine.inner.sequencer.sequence(writes);
        drop(self);
        committed(receiver).await
    }
}
