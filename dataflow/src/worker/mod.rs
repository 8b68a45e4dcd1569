//! The data plane: what each worker thread does.
//!
//! Carry out commands, let timely work, show what is complete. Commands come through a dataflow of their own that worker 0
//! feeds and that reaches every worker of every process in one order.

mod commands;
mod lost;
mod peers;
mod traces;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use compiler::mir::CollectionId;
use compiler::{Error, SqlState};
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{self, AllocatorBuilder, WorkerGuards};
use timely::worker::Worker;

use crate::command::{Build, Command, CommandSender, DataflowId, Response, Slice, Tick};
use crate::in_use::{Count, One};
use crate::render::{self, Built, ShardInput};
use crate::storage::Timestamp;

use commands::Commands;
use peers::Group;
use traces::Traces;

pub use lost::{group_ends, lost, wait_for_others};

/// The longest that a worker sleeps when nothing wakes it.
const PARK_MAX: Duration = Duration::from_millis(250);

/// Hears what the workers say in process 0.
pub type Respond = Arc<dyn Fn(Response) + Send + Sync>;

/// Starts the workers of process 0; returns how to command them.
pub fn start(config: timely::Config, local_workers: usize, respond: Respond) -> Result<CommandSender, Error> {
    let (sender, commands) = commands::channel();
    let guards = execute(config, local_workers, commands, respond)?;
    // Dropping the guards would wait for the workers; they end with the process.
    std::mem::forget(guards);
    Ok(sender)
}

/// Runs the workers of a process other than 0 until the group ends; then this process ends too.
pub fn serve(config: timely::Config, local_workers: usize) -> Result<(), Error> {
    let (_, commands) = commands::channel();
    drop(execute(config, local_workers, commands, Arc::new(|_| {}))?);
    Ok(())
}

fn execute(
    config: timely::Config,
    local_workers: usize,
    commands: Commands,
    respond: Respond,
) -> Result<WorkerGuards<()>, Error> {
    lost::end_the_process();
    let run =
        move |worker: &mut Worker| State::new(worker, local_workers, &commands, respond.clone()).run(worker);
    let cannot = |error: String| {
        Error::new(SqlState::CANNOT_CONNECT_NOW, format!("the workers cannot start: {error}"))
    };
    let (builders, others) = match config.communication {
        communication::Config::Cluster { threads, process, addresses, zerocopy, .. } => {
            let sockets = Group { addresses: &addresses, process, workers: threads }.connect()?;
            join_group(sockets, process, threads, zerocopy).map_err(|error| cannot(error.to_string()))?
        }
        alone => alone.try_build().map_err(cannot)?,
    };
    timely::execute::execute_from(builders, others, config.worker, run).map_err(cannot)
}

/// What timely's own configuration makes of a group, over sockets that are there already.
fn join_group(
    sockets: Vec<Option<std::net::TcpStream>>,
    process: usize,
    workers: usize,
    zerocopy: bool,
) -> std::io::Result<(Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>)> {
    let hooks = communication::Hooks::default();
    let within = if zerocopy { ProcessBuilder::new_bytes_vector } else { ProcessBuilder::new_typed_vector };
    let within = within(workers, hooks.refill.clone(), hooks.spill.clone());
    let (builders, guard) = initialize_networking_from_sockets(within, sockets, process, workers, hooks)?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

/// What one worker has.
struct State {
    /// This worker's number among all, and how many there are.
    index: usize,
    /// This worker's number in its process.
    local: usize,
    queue: Rc<RefCell<VecDeque<Command>>>,
    respond: commands::Responder,
    dataflows: HashMap<DataflowId, Running>,
    traces: Traces,
    /// The dataflows that read each shard themselves.
    readers: BTreeMap<CollectionId, Vec<DataflowId>>,
}

/// A dataflow as this worker runs it.
struct Running {
    built: Built,
    inputs: BTreeMap<CollectionId, Input>,
    until: Option<Timestamp>,
    _counted: Option<One>,
}

/// A shard's way into a dataflow. Live updates flow from the start; time stands still until the snapshot is loaded.
struct Input {
    shard: ShardInput,
    loaded: bool,
    upto: Timestamp,
}

impl State {
    fn new(worker: &mut Worker, local_workers: usize, commands: &Commands, respond: Respond) -> State {
        let queue = commands.listen(worker);
        let respond = commands::Responder::new(worker, local_workers, respond);
        State {
            index: worker.index(),
            local: worker.index() % local_workers,
            queue,
            respond,
            dataflows: HashMap::new(),
            traces: Traces::default(),
            readers: BTreeMap::new(),
        }
    }

    fn run(mut self, worker: &mut Worker) {
        loop {
            while let Some(command) = self.next_command() {
                if matches!(command, Command::Shutdown) {
                    return self.shut_down(worker);
                }
                self.carry_out(command, worker);
            }
            worker.step_or_park(Some(PARK_MAX));
            self.traces.maintain(self.local, self.index, &self.respond);
        }
    }

    /// Drops every dataflow; a process that only works for process 0 ends.
    fn shut_down(mut self, worker: &mut Worker) {
        lost::group_ends();
        if self.respond.is_remote() {
            std::process::exit(0);
        }
        let dataflows: Vec<_> = self.dataflows.keys().copied().collect();
        dataflows.into_iter().for_each(|dataflow| self.drop_dataflow(dataflow, worker));
    }

    fn next_command(&self) -> Option<Command> {
        self.queue.borrow_mut().pop_front()
    }

    fn carry_out(&mut self, command: Command, worker: &mut Worker) {
        match command {
            Command::Build(build) => self.build(&build, worker),
            Command::Slice { dataflow, shard, worker, updates } => {
                if let Some(Slice { updates, permit: _permit }) = updates.0
                    && worker == self.local
                    && let Some(input) = self.input(dataflow, shard)
                {
                    input.shard.send(&updates);
                }
            }
            Command::Loaded { dataflow, shard, upto } => self.loaded(dataflow, shard, upto),
            Command::Tick(tick) => self.tick(&tick),
            Command::Drop(dataflow) => self.drop_dataflow(dataflow, worker),
            // Sessions read the parts of their own process themselves, and its workers see the holds.
            Command::Peek(peek) if self.respond.is_remote() => self.traces.peek(peek),
            Command::Peek(_) => {}
            Command::Compact(sinces) if self.respond.is_remote() => self.traces.allow_compaction(&sinces),
            Command::Compact(_) => {}
            Command::Shutdown => unreachable!("invariant: the loop takes it itself"),
        }
    }

    fn build(&mut self, build: &Arc<Build>, worker: &mut Worker) {
        let imports = self.traces.lend(&build.imports);
        let sink = self.respond.sink(build, self.index);
        let mut built = render::build(worker, build, imports, sink);
        let inputs = std::mem::take(&mut built.inputs);
        for shard in inputs.keys() {
            self.readers.entry(*shard).or_default().push(build.id);
        }
        if let Some(published) = &build.published.0 {
            published.count_with(built.counters.values().cloned());
        }
        if let Some(exports) = built.exports.take() {
            self.traces.insert(build, exports);
        }
        let inputs = inputs
            .into_iter()
            .map(|(id, shard)| (id, Input { shard, loaded: false, upto: build.as_of }))
            .collect();
        let _counted = build.running.0.as_ref().map(Count::one);
        self.dataflows.insert(build.id, Running { built, inputs, until: build.until, _counted });
        self.respond.send(Response::Built(build.id));
    }

    fn input(&mut self, dataflow: DataflowId, shard: CollectionId) -> Option<&mut Input> {
        self.dataflows.get_mut(&dataflow)?.inputs.get_mut(&shard)
    }

    fn loaded(&mut self, dataflow: DataflowId, shard: CollectionId, upto: Timestamp) {
        let Some(running) = self.dataflows.get_mut(&dataflow) else { return };
        let until = running.until;
        if let Some(input) = running.inputs.get_mut(&shard) {
            input.loaded = true;
            // No further than the shard is: a derived one may have to catch up with the as_of.
            input.upto = input.upto.max(upto);
            input.advance(until);
        }
    }

    /// Feeds committed updates and lets time pass. Rows are fed where their shard's part of process 0 lies: a transaction's
    /// updates go in whole at one worker, exchange spreads them.
    fn tick(&mut self, tick: &Tick) {
        for (turn, (shard, updates)) in tick.updates.0.iter().flatten().enumerate() {
            if turn % self.respond.local_workers() != self.local {
                continue;
            }
            for dataflow in self.readers.get(shard).into_iter().flatten() {
                let running = self.dataflows.get_mut(dataflow).expect("invariant: readers are running");
                if let Some(input) = running.inputs.get_mut(shard) {
                    input.shard.send(updates);
                }
            }
        }
        for (shard, upto) in &tick.advance {
            for dataflow in self.readers.get(shard).into_iter().flatten() {
                let running = self.dataflows.get_mut(dataflow).expect("invariant: readers are running");
                let until = running.until;
                if let Some(input) = running.inputs.get_mut(shard) {
                    input.upto = input.upto.max(*upto);
                    input.advance(until);
                }
            }
        }
    }

    fn drop_dataflow(&mut self, dataflow: DataflowId, worker: &mut Worker) {
        self.traces.remove(dataflow);
        if let Some(running) = self.dataflows.remove(&dataflow) {
            for shard in running.inputs.keys() {
                if let Some(readers) = self.readers.get_mut(shard) {
                    readers.retain(|reader| *reader != dataflow);
                }
            }
            drop(running.inputs);
            running.built.close(worker);
        }
    }
}

impl Input {
    fn advance(&mut self, until: Option<Timestamp>) {
        if self.loaded {
            match until {
                Some(until) if self.upto >= until => self.shard.close(),
                _ => self.shard.advance_to(self.upto),
            }
        }
    }
}
