//! One write: what it reads, what it changes, and what is remembered when it has happened.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use gossip_core::proto::{LogId, LogName};

use crate::edits::Edits;
use crate::engine::{Engine, Order, Rows, Table, Value, View};
use crate::fault::Failure;
use crate::head::{Held, Moving};
use crate::keys::Span;
use crate::layout::{decode_name, encode_name};
use crate::memory::{Memory, Tail};
use crate::notes::{TAKEN, put_number};
use crate::numbers::Numbers;

/// A write in the making. Changes are collected and applied at the end: reading shows what was there
/// before, except heads, numbers and the tail of the arrivals, which show what this write made of them.
pub(crate) struct Turn<'e> {
    view: &'e dyn View,
    memory: &'e Memory,
    pub(crate) edits: Edits,
    kept: Kept,
    may_be_lost: bool,
}

/// What is to be remembered of a turn once its changes were applied.
#[derive(Default)]
pub(crate) struct Kept {
    heads: BTreeMap<LogId, Held>,
    numbers: Option<Numbers>,
    tail: Option<Tail>,
    /// Nothing that was remembered before holds any more, save the numbers.
    forget: bool,
}

/// What is stored of a log.
pub(crate) enum Known {
    /// Nothing.
    No,
    /// Something that cannot be read: of no use any more.
    Damaged,
    /// Its head.
    Yes(Box<Held>),
}

impl<'e> Turn<'e> {
    pub(crate) fn new(view: &'e dyn View, memory: &'e Memory) -> Self {
        Self { view, memory, edits: Edits::default(), kept: Kept::default(), may_be_lost: false }
    }

    pub(crate) fn view(&self) -> &'e dyn View {
        self.view
    }

    /// The head of a log as this write leaves it.
    pub(crate) fn head(&self, log: LogId) -> Result<Option<Held>, Failure> {
        match self.kept.heads.get(&log).or_else(|| self.memory.head(log)) {
            Some(held) => Ok(Some(held.clone())),
            None => stored_head(self.view, log),
        }
    }

    /// The head of a log whose name is at hand; a damaged name is healed with it.
    pub(crate) fn head_of(&mut self, name: &LogName, log: LogId) -> Result<Known, Failure> {
        if let Some(held) = self.memory.head(log) {
            return Ok(Known::Yes(Box::new(held.clone())));
        }
        let Some(row) = self.view.get(Table::Heads, &log.0)? else { return Ok(Known::No) };
        let Some(moving) = Moving::decode(log, &row) else { return Ok(Known::Damaged) };
        let named = self.view.get(Table::Names, &log.0)?;
        if named.and_then(|bytes| decode_name(log, &bytes)).is_none() {
            self.edits.put(Table::Names, log.0, encode_name(name));
        }
        Ok(Known::Yes(Box::new(moving.with(name.clone()))))
    }

    /// Writes the head of a known log.
    pub(crate) fn put_head(&mut self, log: LogId, held: Held) {
        self.edits.put(Table::Heads, log.0, held.encode(log));
        self.kept.heads.insert(log, held);
    }

    pub(crate) fn numbers(&mut self) -> Result<Numbers, Failure> {
        if let Some(numbers) = self.kept.numbers.or(self.memory.numbers) {
            return Ok(numbers);
        }
        let numbers = Numbers::read(self.view)?;
        // Read is as good as written: they are remembered either way.
        self.kept.numbers = Some(numbers);
        Ok(numbers)
    }

    /// Raises the numbers; lower ones change nothing.
    pub(crate) fn raise(&mut self, arrival: u64, clock: u64) -> Result<(), Failure> {
        let before = self.numbers()?;
        let after = Numbers { arrival: before.arrival.max(arrival), clock: before.clock.max(clock) };
        if after != before {
            after.put(&mut self.edits);
        }
        self.kept.numbers = Some(after);
        Ok(())
    }

    /// The newest arrival row, as far as it is known without a look.
    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.kept.tail.as_ref().or(self.memory.tail.as_ref())
    }

    pub(crate) fn set_tail(&mut self, tail: Tail) {
        self.kept.tail = Some(tail);
    }

    /// Heads and rows are taken away: what is remembered of them must go as well, and the numbers they
    /// had stay used even if nothing else tells them.
    pub(crate) fn taken_away(&mut self) -> Result<(), Failure> {
        self.kept.forget = true;
        let newest = self.numbers()?.arrival;
        put_number(&mut self.edits, TAKEN, newest);
        Ok(())
    }

    /// Nobody misses this write if a loss of power takes it.
    pub(crate) fn may_be_lost(&mut self) {
        self.may_be_lost = true;
    }

    /// Whether it need not be synced, whatever the caller asked for.
    pub(crate) fn is_lax(&self) -> bool {
        self.may_be_lost
    }

    pub(crate) fn finish(self) -> (Edits, Kept) {
        (self.edits, self.kept)
    }
}

impl Kept {
    pub(crate) fn remember(self, memory: &mut Memory) {
        if self.forget {
            *memory = Memory::new(memory.of, memory.numbers);
        }
        for (log, held) in self.heads {
            memory.keep(log, held);
        }
        memory.numbers = self.numbers.or(memory.numbers);
        memory.tail = self.tail.or(memory.tail.take());
    }
}

/// The head of a log, `None` when there is none that can be read.
pub(crate) fn stored_head(view: &dyn View, log: LogId) -> Result<Option<Held>, Failure> {
    let Some(row) = view.get(Table::Heads, &log.0)? else { return Ok(None) };
    let name = view.get(Table::Names, &log.0)?.and_then(|bytes| decode_name(log, &bytes));
    let held = Moving::decode(log, &row).zip(name).map(|(moving, name)| moving.with(name));
    if held.is_none() {
        tracing::error!(%log, "the head of a log is damaged: the log is left out until it comes in again");
    }
    Ok(held)
}

/// A snapshot that is taken when something is read: an append usually reads nothing.
pub(crate) struct Lazy<'e, E: Engine> {
    engine: &'e E,
    view: OnceCell<E::View<'e>>,
}

impl<'e, E: Engine> Lazy<'e, E> {
    pub(crate) fn new(engine: &'e E) -> Self {
        Self { engine, view: OnceCell::new() }
    }

    fn view(&self) -> Result<&E::View<'e>, Failure> {
        if let Some(view) = self.view.get() {
            return Ok(view);
        }
        let view = self.engine.view()?;
        Ok(self.view.get_or_init(|| view))
    }
}

impl<E: Engine> View for Lazy<'_, E> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        self.view()?.get(table, key)
    }

    fn scan(&self, table: Table, span: &Span, order: Order) -> Result<Box<dyn Rows + '_>, Failure> {
        self.view()?.scan(table, span, order)
    }
}
