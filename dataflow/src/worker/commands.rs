//! How commands reach every worker in one order, and how answers come back.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel as std_channel};
use std::sync::{Arc, Mutex};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::vec::Broadcast;
use timely::scheduling::{Activator, SyncActivator};
use timely::worker::Worker;

use crate::command::{Build, Command, CommandSender, DataflowId, OwnedUpdates, Response};
use crate::output::Output;
use crate::render::Sink;
use crate::spine::RowsRef;
use crate::storage::Timestamp;

use super::Respond;

/// The workers' end of the command channel.
#[derive(Clone)]
pub(super) struct Commands {
    received: Arc<Mutex<Option<Receiver<Command>>>>,
    /// Wakes worker 0; there once its dataflow is.
    wake: Arc<Mutex<Option<SyncActivator>>>,
}

/// A channel to worker 0. Commands sent before it runs wait for it.
pub(super) fn channel() -> (CommandSender, Commands) {
    let (sender, receiver) = std_channel();
    let commands = Commands { received: Arc::new(Mutex::new(Some(receiver))), wake: Arc::default() };
    let wake = commands.wake.clone();
    let send = move |command| {
        let _ = sender.send(command);
        if let Some(activator) = &*wake.lock().expect("invariant: nothing panics while it wakes") {
            let _ = activator.activate();
        }
    };
    (Arc::new(send), commands)
}

impl Commands {
    /// Builds the dataflow that spreads commands; what arrives here is queued in order. The first dataflow of every worker.
    pub(super) fn listen(&self, worker: &mut Worker) -> Rc<RefCell<VecDeque<Command>>> {
        let queue = Rc::new(RefCell::new(VecDeque::new()));
        let arrived = queue.clone();
        let receiver = match worker.index() {
            0 => self.received.lock().expect("invariant: nothing panics while it takes the receiver").take(),
            _ => None,
        };
        let wake = self.wake.clone();
        worker.dataflow::<u64, _, _>(|scope| {
            let commands = source::<_, CapacityContainerBuilder<Vec<Command>>, _, _>(
                scope,
                "commands",
                |capability, info| {
                    if receiver.is_some() {
                        let activator = scope.worker().sync_activator_for(info.address.to_vec());
                        *wake.lock().expect("invariant: nothing panics while it wakes") = Some(activator);
                    }
                    let mut feed = receiver.map(|receiver| (receiver, capability));
                    move |output| {
                        let mut ended = false;
                        if let Some((receiver, capability)) = &feed {
                            let mut session = output.session(capability);
                            while let Ok(command) = receiver.try_recv() {
                                ended |= matches!(command, Command::Shutdown);
                                session.give(command);
                            }
                        }
                        if ended {
                            feed = None;
                        }
                    }
                },
            );
            commands.broadcast().sink(Pipeline, "queue", move |(input, _)| {
                input.for_each(|_, commands| arrived.borrow_mut().extend(commands.drain(..)));
            });
        });
        queue
    }
}

/// A worker's way of answering: straight to the coordinator in process 0, through an exchange to worker 0 elsewhere.
pub(super) struct Responder {
    way: Way,
    local_workers: usize,
}

enum Way {
    Direct(Respond),
    Exchange { waiting: Rc<RefCell<Vec<Response>>>, activator: Activator },
}

impl Responder {
    /// Builds the dataflow that carries answers. The second dataflow of every worker.
    pub(super) fn new(worker: &mut Worker, local_workers: usize, respond: Respond) -> Responder {
        let waiting: Rc<RefCell<Vec<Response>>> = Rc::default();
        let outgoing = waiting.clone();
        let direct = worker.index() < local_workers;
        let deliver = respond.clone();
        let activator = worker.dataflow::<u64, _, _>(|scope| {
            let mut activator = None;
            let answers = source::<_, CapacityContainerBuilder<Vec<Response>>, _, _>(
                scope,
                "answers",
                |capability, info| {
                    activator = Some(scope.activator_for(info.address));
                    let capability: Option<Capability<u64>> = (!direct).then_some(capability);
                    move |output| {
                        if let Some(capability) = &capability {
                            output.session(capability).give_iterator(outgoing.borrow_mut().drain(..));
                        }
                    }
                },
            );
            answers.sink(Exchange::new(|_| 0), "deliver", move |(input, _)| {
                input.for_each(|_, answers| answers.drain(..).for_each(|answer| deliver(answer)));
            });
            activator.expect("invariant: the source's constructor ran")
        });
        let way = if direct { Way::Direct(respond) } else { Way::Exchange { waiting, activator } };
        Responder { way, local_workers }
    }

    pub(super) fn local_workers(&self) -> usize {
        self.local_workers
    }

    pub(super) fn is_remote(&self) -> bool {
        matches!(self.way, Way::Exchange { .. })
    }

    pub(super) fn send(&self, response: Response) {
        self.sender()(response);
    }

    /// Where a stream's updates go: into its output, or to process 0 as answers.
    pub(super) fn sink(&self, build: &Build, worker: usize) -> Sink {
        match &build.output.0 {
            Some(output) => local_sink(output.clone(), worker),
            None => remote_sink(build.id, worker, self.sender()),
        }
    }

    fn sender(&self) -> Box<dyn Fn(Response)> {
        match &self.way {
            Way::Direct(respond) => {
                let respond = respond.clone();
                Box::new(move |response| respond(response))
            }
            Way::Exchange { waiting, activator } => {
                let (waiting, activator) = (waiting.clone(), activator.clone());
                Box::new(move |response| {
                    waiting.borrow_mut().push(response);
                    activator.activate();
                })
            }
        }
    }
}

fn local_sink(output: Arc<Output>, worker: usize) -> Sink {
    let errs = output.clone();
    let ends = output.clone();
    Sink {
        oks: Box::new(move |rows: RowsRef<'_>| {
            output.push(worker, rows.iter().map(|(_, row, time, diff)| (row, time, diff)), 0)
        }),
        errs: Box::new(move |rows: RowsRef<'_>| {
            errs.push_errs(rows.iter().map(|(_, error, time, diff)| (error, time, diff)))
        }),
        upper: Box::new(move |upper| ends.push(worker, std::iter::empty(), upper.unwrap_or(Timestamp::MAX))),
    }
}

/// Sends what comes to process 0, piece by piece.
fn remote_sink(dataflow: DataflowId, worker: usize, send: Box<dyn Fn(Response)>) -> Sink {
    let send = Rc::new(send);
    let (send_errs, send_upper) = (send.clone(), send.clone());
    let updates = move |rows, errs, upper| Response::Updates { dataflow, worker, rows, errs, upper };
    Sink {
        oks: Box::new(move |rows| {
            send(updates(
                rows.iter().map(|(_, row, t, d)| (row.to_vec(), t, d)).collect(),
                OwnedUpdates::new(),
                0,
            ))
        }),
        errs: Box::new(move |rows| {
            send_errs(updates(
                OwnedUpdates::new(),
                rows.iter().map(|(_, error, t, d)| (error.to_vec(), t, d)).collect(),
                0,
            ))
        }),
        upper: Box::new(move |upper| {
            send_upper(updates(OwnedUpdates::new(), OwnedUpdates::new(), upper.unwrap_or(Timestamp::MAX)))
        }),
    }
}
