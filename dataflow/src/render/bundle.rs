//! A collection between operators, and what operators write it with.
//!
//! A collection is two streams: `oks`, its rows, and `errs`, the evaluation errors that are the collection's and not one
//! row's (a predicate, a join key or a table function that failed). The stream of errs is absent where nothing can fail, which
//! spares every operator downstream an edge.
//!
//! ```text
//!   err      key      the key of the row that failed, or nothing: then whoever reads any key is told
//!            value    the packed error
//! ```
//!
//! The key is known where the operator that fails gives the rows of an arrangement, and is carried on as far as the next key follows
//! from it ([`rekey`](super::finish::rekey)). Reading another key does not fail.

use std::collections::VecDeque;
use std::rc::Rc;

use compiler::scalar::EvalError;
use timely::Container;
use timely::container::{ContainerBuilder, NoopBuilder, PushInto};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Concatenate, InputCapability};
use timely::dataflow::{Scope, Stream};
use timely::progress::operate::FrontierInterest;

use crate::fuel::Fuel;
use crate::spine::{Diff, RowStream, Rows, RowsBuilder, Timestamp};

/// A collection in the dataflow that is being built.
#[derive(Clone)]
pub struct Collection<'s> {
    pub oks: RowStream<'s>,
    pub errs: Option<RowStream<'s>>,
}

impl<'s> Collection<'s> {
    /// A collection in which nothing can fail.
    pub fn infallible(oks: RowStream<'s>) -> Collection<'s> {
        Collection { oks, errs: None }
    }

    /// The same rows with more errors.
    pub fn with_errs(self, more: impl IntoIterator<Item = Option<RowStream<'s>>>) -> Collection<'s> {
        let scope = self.oks.scope();
        let errs = std::iter::once(self.errs).chain(more);
        Collection { oks: self.oks, errs: concatenate(scope, errs.flatten().collect()) }
    }
}

/// The streams as one; none if there are none.
pub fn concatenate<'s>(
    scope: Scope<'s, Timestamp>,
    mut streams: Vec<RowStream<'s>>,
) -> Option<RowStream<'s>> {
    match streams.len() {
        0 | 1 => streams.pop(),
        _ => Some(scope.concatenate(streams)),
    }
}

/// Rows and errors on their way out of an operator.
#[derive(Default)]
pub struct Emit {
    oks: RowsBuilder,
    errs: RowsBuilder,
    packed: Vec<u8>,
}

impl Emit {
    #[inline]
    pub fn ok(&mut self, key: &[u8], value: &[u8], time: Timestamp, diff: Diff) {
        self.oks.push_into((key, value, time, diff));
    }

    /// A row of which the first `key_len` bytes are the key.
    #[inline]
    pub fn row(&mut self, row: &[u8], key_len: usize, time: Timestamp, diff: Diff) {
        let (key, value) = row.split_at(key_len);
        self.ok(key, value, time, diff);
    }

    /// Takes out all that was emitted: keys and values of rows, and errors.
    pub fn drain(&mut self, mut each: impl FnMut(Result<(&[u8], &[u8]), &[u8]>)) {
        while let Some(rows) = self.oks.finish() {
            rows.borrow().iter().for_each(|(key, value, ..)| each(Ok((key, value))));
            rows.clear();
        }
        while let Some(errs) = self.errs.finish() {
            errs.borrow().iter().for_each(|(_, error, ..)| each(Err(error)));
            errs.clear();
        }
    }

    /// An error of the row with this key; without one, of the whole collection.
    #[cold]
    pub fn err(&mut self, key: &[u8], error: &EvalError, time: Timestamp, diff: Diff) {
        self.packed.clear();
        error.encode(&mut self.packed);
        self.errs.push_into((key, &self.packed[..], time, diff));
    }
}

/// The right to write to an operator's outputs at a time and after.
pub struct Held {
    oks: Capability<Timestamp>,
    errs: Option<Capability<Timestamp>>,
}

impl Held {
    /// The time from which on updates may be written.
    pub fn time(&self) -> Timestamp {
        *self.oks.time()
    }

    /// Gives up the right to write before `time`. A time before this one's own changes nothing.
    pub fn downgrade(&mut self, time: Timestamp) {
        let held = std::iter::once(&mut self.oks).chain(&mut self.errs);
        held.for_each(|capability| {
            let _ = capability.try_downgrade(&time);
        });
    }
}

type Output = OutputBuilder<Timestamp, NoopBuilder<Rows>>;

/// The outputs of an operator that gives a [`Collection`].
pub struct Outputs {
    oks: Output,
    errs: Option<Output>,
    pub emit: Emit,
}

impl Outputs {
    /// Adds the outputs to an operator; `fallible` says whether it may ever emit an error.
    pub fn new<'s>(
        builder: &mut OperatorBuilder<'s, Timestamp>,
        fallible: bool,
    ) -> (Outputs, Collection<'s>) {
        let (oks, ok_stream) = builder.new_output();
        let errs = fallible.then(|| builder.new_output());
        let (errs, err_stream) = errs.unzip();
        let outputs = Outputs {
            oks: oks.into_output(),
            errs: errs.map(IntoOutput::into_output),
            emit: Emit::default(),
        };
        (outputs, Collection { oks: ok_stream, errs: err_stream })
    }

    /// Keeps the right to answer a message; nothing if the message carries none.
    pub fn retain(&self, capability: &InputCapability<Timestamp>) -> Option<Held> {
        let oks = capability.retain_least(0)?;
        let errs = self.errs.as_ref().and_then(|_| capability.retain_least(1));
        Some(Held { oks, errs })
    }

    /// The right that an operator has from the start.
    pub fn initial(&self, capabilities: Vec<Capability<Timestamp>>) -> Held {
        let mut capabilities = capabilities.into_iter();
        let oks = capabilities.next().expect("invariant: one capability per output");
        Held { oks, errs: capabilities.next() }
    }

    /// Sends the containers that are full.
    pub fn send_full(&mut self, held: &Held) {
        self.send(held, RowsBuilder::extract);
    }

    /// Sends all that was emitted. What was emitted under one right must be sent before it is given up.
    pub fn flush(&mut self, held: &Held) {
        self.send(held, RowsBuilder::finish);
    }

    fn send(&mut self, held: &Held, take: fn(&mut RowsBuilder) -> Option<&mut Rows>) {
        give(&mut self.oks, &held.oks, &mut self.emit.oks, take);
        match (&mut self.errs, &held.errs) {
            (Some(errs), Some(capability)) => give(errs, capability, &mut self.emit.errs, take),
            _ => debug_assert!(
                take(&mut self.emit.errs).is_none(),
                "invariant: only a fallible operator emits errors"
            ),
        }
    }
}

/// The most that a container is given before it asks: one huge row says nothing of the next ones.
const ROOM_BYTES_MAX: usize = 1 << 20;

fn give(
    output: &mut Output,
    capability: &Capability<Timestamp>,
    builder: &mut RowsBuilder,
    take: fn(&mut RowsBuilder) -> Option<&mut Rows>,
) {
    while let Some(container) = take(builder) {
        let rows = container.borrow();
        // Full ones come in rows: the next is given its room at once, instead of growing to it.
        let room = container.is_full().then(|| (rows.len(), rows.bytes.len()));
        output.activate().session_with_builder(capability).give_container(container);
        match room {
            // The last row is seldom as long as the last one was.
            Some((rows, bytes)) => {
                let bytes = (bytes + bytes / 8).min(ROOM_BYTES_MAX);
                *container = Rows::with_capacity(rows + rows / 8, bytes);
            }
            None => container.clear(),
        }
    }
}

trait IntoOutput {
    fn into_output(self) -> Output;
}

impl IntoOutput for timely::dataflow::channels::pushers::Output<Timestamp, Rows> {
    fn into_output(self) -> Output {
        OutputBuilder::from(self)
    }
}

/// An operator without memory: it works off one container of updates after the other, a millisecond at a time, and is not run when
/// time passes. `begin` makes work of a container; `work` goes on with it until fuel is spent, and says whether it is done.
pub fn work_off<'s, C: Container + Default, W: 'static>(
    stream: Stream<'s, Timestamp, C>,
    name: &str,
    fallible: bool,
    begin: fn(C) -> W,
    mut work: impl FnMut(&mut W, &mut Fuel, &mut Emit) -> bool + 'static,
) -> Collection<'s> {
    let scope = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), scope);
    let mut input = builder.new_input(stream, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (mut outputs, collection) = Outputs::new(&mut builder, fallible);
    let activator = scope.activator_for(Rc::clone(&builder.operator_info().address));
    builder.build(move |_| {
        let mut todo: VecDeque<(Held, W)> = VecDeque::new();
        move |_| {
            input.for_each(|capability, container| {
                if let Some(held) = outputs.retain(&capability) {
                    todo.push_back((held, begin(std::mem::take(container))));
                }
            });
            let mut fuel = Fuel::for_backlog(todo.len());
            while let Some((held, at_hand)) = todo.front_mut() {
                let done = work(at_hand, &mut fuel, &mut outputs.emit);
                outputs.flush(held);
                if !done {
                    activator.activate();
                    break;
                }
                todo.pop_front();
            }
        }
    });
    collection
}
