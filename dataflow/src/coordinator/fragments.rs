//! Which arrangements there are, what they are made of, and who uses them.
//!
//! A fragment is known by its identity: the first dataflow that needs it builds it, later ones import it, and it is
//! dropped when nothing uses it any more, whoever built it. Imports go to older fragments only, so nothing waits in a circle.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock, Weak};

use compiler::lir::{self, FragmentIndex, Identity};
use compiler::mir::CollectionId;
use compiler::scalar::Mfp;

use crate::command::{Build, BuildBody, DataflowId, Local};
use crate::coordinator::{Install, ShardClock};
use crate::in_use::Counts;
use crate::output::Output;
use crate::published::{Hold, Published};
use crate::storage::Timestamp;

/// The arrangements that sessions may read, by what they are.
#[derive(Default)]
pub struct Shown {
    readable: RwLock<HashMap<Identity, Arc<Readable>>>,
}

/// An arrangement as sessions read it.
pub struct Readable {
    pub published: Arc<Published>,
    pub layout: lir::Layout,
    /// The first time at which it is definite.
    pub as_of: Timestamp,
    /// From a row of the collection to a record, where the arrangement holds one collection's rows as they are.
    pub form: Option<Mfp>,
    /// A read at T waits until the arrangement has passed the last change at or before T of these.
    pub clocks: Vec<Arc<ShardClock>>,
}

impl Shown {
    pub fn get(&self, identity: &Identity) -> Option<Arc<Readable>> {
        self.readable.read().expect("invariant: nothing panics while it has the list").get(identity).cloned()
    }

    /// Every readable arrangement, for introspection.
    pub fn list(&self) -> Vec<(Identity, Arc<Readable>)> {
        let readable = self.readable.read().expect("invariant: nothing panics while it has the list");
        readable.iter().map(|(identity, readable)| (identity.clone(), readable.clone())).collect()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Identity, Arc<Readable>>)) {
        change(&mut self.readable.write().expect("invariant: nothing panics while it has the list"));
    }
}

pub struct Fragments {
    next: u64,
    local_workers: usize,
    remote_workers: usize,
    by_identity: HashMap<Identity, DataflowId>,
    entries: HashMap<DataflowId, Entry>,
    shown: Arc<Shown>,
    /// For each derived shard, the shards that decide how far it is.
    derived_from: HashMap<CollectionId, BTreeSet<CollectionId>>,
    clocks: HashMap<CollectionId, Arc<ShardClock>>,
    /// For each shard, those that some dataflow reads together with it; forgotten whenever the dataflows change.
    together: HashMap<CollectionId, BTreeSet<CollectionId>>,
    peeks: Arc<crate::peeks::Peeks>,
    counts: Counts,
    /// Arrangements whose parts in other processes have advanced since they were last told how far to compact.
    moved: BTreeSet<DataflowId>,
}

struct Entry {
    identity: Option<Identity>,
    layout: Option<lir::Layout>,
    form: Option<Mfp>,
    as_of: Timestamp,
    /// Installed statements and importing dataflows.
    users: usize,
    imports: Vec<DataflowId>,
    shards: BTreeSet<CollectionId>,
    published: Option<Arc<Published>>,
    /// How far the workers of other processes were told to compact.
    told_since: Timestamp,
    output: Option<Arc<Output>>,
    /// What loads of it look at: there for as long as it is.
    wanted: Arc<()>,
}

/// What installing a dataflow takes: the builds in order, with the holds on what each imports.
pub struct Resolved {
    pub root: DataflowId,
    pub builds: Vec<(Build, Vec<Hold>)>,
    pub published: Option<Arc<Published>>,
    new_shards: BTreeSet<CollectionId>,
}

impl Resolved {
    /// The shards that what was built depends on.
    pub fn published_shards(&self) -> &BTreeSet<CollectionId> {
        &self.new_shards
    }
}

/// What stays the same while one dataflow's fragments are resolved.
struct Resolution<'a> {
    name: &'a str,
    fragments: &'a [lir::Fragment],
    as_of: Timestamp,
    until: Option<Timestamp>,
    historical: bool,
    resolved: Vec<Option<DataflowId>>,
    builds: Vec<(Build, Vec<Hold>)>,
    shards: BTreeSet<CollectionId>,
}

impl Fragments {
    pub fn new(
        local: usize,
        remote: usize,
        shown: Arc<Shown>,
        peeks: Arc<crate::peeks::Peeks>,
        counts: Counts,
    ) -> Fragments {
        Fragments {
            next: 1,
            local_workers: local,
            remote_workers: remote,
            by_identity: HashMap::new(),
            entries: HashMap::new(),
            shown,
            derived_from: HashMap::new(),
            clocks: HashMap::new(),
            together: HashMap::new(),
            peeks,
            counts,
            moved: BTreeSet::new(),
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn local_workers(&self) -> usize {
        self.local_workers
    }

    /// Decides for each fragment that the dataflow needs whether it is there or is to be built; counts the uses.
    pub fn resolve(
        &mut self,
        install: &Install,
        as_of: Timestamp,
        until: Option<Timestamp>,
        historical: bool,
    ) -> Resolved {
        let fragments = &install.dataflow.fragments;
        let mut resolution = Resolution {
            name: &install.name,
            fragments,
            as_of,
            until,
            historical,
            resolved: vec![None; fragments.len()],
            builds: Vec::new(),
            shards: BTreeSet::new(),
        };
        let root = match &install.dataflow.body {
            lir::Body::Arrangement(index) => self.fragment(&mut resolution, *index),
            lir::Body::Stream(node) => self.body(&mut resolution, node, install.output.clone()),
            lir::Body::Shard { node, to, .. } => {
                let root = self.body(&mut resolution, node, install.output.clone());
                let from = self.entries[&root].shards.clone();
                self.derived_from.insert(*to, from);
                root
            }
        };
        self.entries.get_mut(&root).expect("invariant: just made or found").users += 1;
        let published = self.entries[&root].published.clone();
        Resolved { root, builds: resolution.builds, published, new_shards: resolution.shards }
    }

    fn fragment(&mut self, resolution: &mut Resolution<'_>, index: FragmentIndex) -> DataflowId {
        if let Some(id) = resolution.resolved[index.0] {
            return id;
        }
        let fragment = &resolution.fragments[index.0];
        let share = fragment.shareable && !resolution.historical;
        let found = if share { self.by_identity.get(&fragment.identity).copied() } else { None };
        let id = found.unwrap_or_else(|| {
            let imports = self.imports(resolution, &fragment.node);
            let id = self.fresh();
            let published = Published::new(id, self.local_workers, self.remote_workers, &self.counts);
            let published = Arc::new(published);
            let entry = Entry {
                identity: share.then(|| fragment.identity.clone()),
                layout: Some(fragment.layout.clone()),
                form: self.form(resolution, &fragment.node),
                as_of: resolution.as_of,
                users: 0,
                imports,
                shards: fragment.shards.clone(),
                published: Some(published.clone()),
                told_since: resolution.as_of,
                output: None,
                wanted: Arc::default(),
            };
            if share {
                self.by_identity.insert(fragment.identity.clone(), id);
            }
            resolution.shards.extend(fragment.shards.iter().copied());
            self.add(resolution, id, entry, BuildBody::Fragment(fragment.clone()), Some(published), None);
            id
        });
        resolution.resolved[index.0] = Some(id);
        id
    }

    fn body(
        &mut self,
        resolution: &mut Resolution<'_>,
        node: &lir::Node,
        output: Option<Arc<Output>>,
    ) -> DataflowId {
        let imports = self.imports(resolution, node);
        let id = self.fresh();
        let mut shards: BTreeSet<_> = node.shards();
        for import in &imports {
            shards.extend(self.entries[import].shards.iter().copied());
        }
        resolution.shards.extend(shards.iter().copied());
        let entry = Entry {
            identity: None,
            layout: None,
            form: None,
            as_of: resolution.as_of,
            users: 0,
            imports,
            shards,
            published: None,
            told_since: resolution.as_of,
            output: output.clone(),
            wanted: Arc::default(),
        };
        self.add(resolution, id, entry, BuildBody::Stream(node.clone()), None, output);
        id
    }

    /// Resolves what a node refers to, and counts it as a user of each.
    fn imports(&mut self, resolution: &mut Resolution<'_>, node: &lir::Node) -> Vec<DataflowId> {
        let ids: BTreeSet<_> =
            node.fragments().into_iter().map(|index| self.fragment(resolution, index)).collect();
        for id in &ids {
            self.entries.get_mut(id).expect("invariant: resolved above").users += 1;
        }
        ids.into_iter().collect()
    }

    /// How a row becomes the node's record, if the node only rearranges a shard's rows.
    fn form(&self, resolution: &Resolution<'_>, node: &lir::Node) -> Option<Mfp> {
        match &node.op {
            lir::Op::Shard { log: false, mfp, .. } => Some(mfp.clone()),
            lir::Op::Arranged { fragment, lookup: None, mfp } => {
                let import = resolution.resolved[fragment.0]?;
                Some(self.entries[&import].form.clone()?.then(mfp.clone()))
            }
            _ => None,
        }
    }

    fn add(
        &mut self,
        resolution: &mut Resolution<'_>,
        id: DataflowId,
        entry: Entry,
        body: BuildBody,
        published: Option<Arc<Published>>,
        output: Option<Arc<Output>>,
    ) {
        let hold = |import: &DataflowId| {
            let published =
                self.entries[import].published.as_ref().expect("invariant: only fragments are imported");
            published
                .hold(resolution.as_of)
                .expect("invariant: since <= read_ts, and fragments of the past are not shared")
        };
        let holds = entry.imports.iter().map(hold).collect();
        let derived =
            body.node().shards().into_iter().filter(|shard| self.derived_from.contains_key(shard)).collect();
        let build = Build {
            id,
            name: resolution.name.to_owned(),
            body,
            imports: resolution.resolved.clone(),
            as_of: resolution.as_of,
            until: resolution.until.filter(|_| published.is_none()),
            derived,
            published: Local(published),
            output: Local(output),
            running: self.counts.dataflows.clone().into(),
        };
        self.together.clear();
        self.entries.insert(id, entry);
        resolution.builds.push((build, holds));
    }

    fn fresh(&mut self) -> DataflowId {
        self.next += 1;
        DataflowId(self.next)
    }

    /// Gives a shard's clock to the fragments that depend on it, and shows those that are new.
    pub fn add_clock(&mut self, shard: CollectionId, clock: Arc<ShardClock>) {
        self.clocks.insert(shard, clock);
    }

    /// Shows every shared fragment that is not shown yet to sessions.
    pub fn show(&self, builds: &[DataflowId]) {
        for id in builds {
            let entry = &self.entries[id];
            let (Some(identity), Some(published), Some(layout)) =
                (&entry.identity, &entry.published, &entry.layout)
            else {
                continue;
            };
            let clocks = self.clocks_of(&entry.shards);
            let (published, layout, form) = (published.clone(), layout.clone(), entry.form.clone());
            let readable = Readable { published, layout, as_of: entry.as_of, form, clocks };
            self.shown.change(|shown| drop(shown.insert(identity.clone(), Arc::new(readable))));
        }
    }

    /// The clocks of these shards, and for derived ones also of what they are derived from.
    fn clocks_of(&self, shards: &BTreeSet<CollectionId>) -> Vec<Arc<ShardClock>> {
        self.with_sources(shards).iter().filter_map(|shard| self.clocks.get(shard).cloned()).collect()
    }

    fn with_sources(&self, shards: &BTreeSet<CollectionId>) -> BTreeSet<CollectionId> {
        let mut all = shards.clone();
        let mut more: Vec<_> = shards.iter().copied().collect();
        while let Some(shard) = more.pop() {
            for from in self.derived_from.get(&shard).into_iter().flatten() {
                if all.insert(*from) {
                    more.push(*from);
                }
            }
        }
        all
    }

    /// Every shard that some dataflow reads together with one of these, or with what is derived from it: they must advance together.
    pub fn read_with(&mut self, touched: &BTreeSet<CollectionId>) -> BTreeSet<CollectionId> {
        let mut advance = touched.clone();
        for shard in touched {
            if !self.together.contains_key(shard) {
                let reads = |entry: &&Entry| self.with_sources(&entry.shards).contains(shard);
                let readers = self.entries.values().filter(reads);
                let together = readers.flat_map(|entry| entry.shards.iter().copied()).collect();
                self.together.insert(*shard, together);
            }
            advance.extend(&self.together[shard]);
        }
        advance
    }

    /// The shards on which a dataflow depends, and for derived ones those from which they are derived.
    pub fn depends_on(&self, dataflow: DataflowId) -> BTreeSet<CollectionId> {
        self.entries.get(&dataflow).map(|entry| self.with_sources(&entry.shards)).unwrap_or_default()
    }

    /// Whether the derived shard takes in what enters the other.
    pub fn derives_from(&self, derived: CollectionId, shard: CollectionId) -> bool {
        self.derived_from.get(&derived).is_some_and(|from| from.contains(&shard))
    }

    /// Every shard that some dataflow reads.
    pub fn shards(&self) -> BTreeSet<CollectionId> {
        self.entries.values().flat_map(|entry| entry.shards.iter().copied()).collect()
    }

    /// Something that is there for as long as the dataflow is.
    pub fn wanted(&self, dataflow: DataflowId) -> Weak<()> {
        self.entries.get(&dataflow).map(|entry| Arc::downgrade(&entry.wanted)).unwrap_or_default()
    }

    pub fn output(&self, dataflow: DataflowId) -> Option<&Arc<Output>> {
        self.entries.get(&dataflow)?.output.as_ref()
    }

    /// A worker of another process is complete before `upper`; its batches hold so many updates.
    pub fn publish_remote(&mut self, dataflow: DataflowId, worker: usize, upper: Timestamp, updates: usize) {
        let published = self.entries.get(&dataflow).and_then(|entry| entry.published.as_ref());
        if let (Some(published), Some(index)) = (published, worker.checked_sub(self.local_workers)) {
            published.publish_remote(index, upper, updates);
            self.moved.insert(dataflow);
        }
    }

    /// How far the workers of other processes may compact what has moved on since this was asked last: `min(holds, upper - 1)`. A hold
    /// that is granted from now on is not earlier, so whatever is sent behind this can still be read at its time.
    pub fn compactions(&mut self) -> Vec<(DataflowId, Timestamp)> {
        let mut sinces = Vec::new();
        for id in std::mem::take(&mut self.moved) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let Some(published) = &entry.published else { continue };
            let since = published.compaction(published.upper());
            if since > entry.told_since {
                entry.told_since = since;
                sinces.push((id, since));
            }
        }
        sinces
    }

    pub fn peeked(&self, peek: u64, rows: Vec<(Vec<u8>, i64)>, error: Option<Vec<u8>>) {
        self.peeks.answer(peek, rows, error);
    }

    /// One user less. Returns what nothing uses any more, importers before what they import.
    pub fn release(&mut self, dataflow: DataflowId) -> Vec<DataflowId> {
        let mut dropped = Vec::new();
        let mut released = vec![dataflow];
        while let Some(id) = released.pop() {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.users -= 1;
            if entry.users > 0 {
                continue;
            }
            let entry = self.entries.remove(&id).expect("invariant: found above");
            if let Some(identity) = entry.identity {
                self.by_identity.remove(&identity);
                self.shown.change(|shown| drop(shown.remove(&identity)));
            }
            if let Some(output) = entry.output {
                output.close();
            }
            if let Some(published) = entry.published {
                published.drop_dataflow();
            }
            released.extend(entry.imports);
            self.together.clear();
            dropped.push(id);
        }
        dropped
    }
}
