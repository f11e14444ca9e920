//! A tiny engine in memory that can fail, to test what is above engines.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gossip_core::StoreResult;
use gossip_core::proto::Fault;

use crate::{
    Edit, Edits, Engine, EngineStats, Failure, KeyValue, Opener, Opening, Order, Rows, Span, Table, Value,
    View,
};

pub(super) type Tables = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// What outlives the engine.
#[derive(Debug, Default)]
pub(super) struct Ground {
    pub(super) rows: Mutex<Tables>,
    pub(super) opened: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) fail_syncs: AtomicBool,
    pub(super) reads: AtomicU64,
    /// Engines that were opened and not dropped yet.
    pub(super) open: AtomicU64,
    /// One more than the batches that are applied before they fail; 0 is no bound.
    pub(super) batches: AtomicU64,
    /// It applies batches at once, and how many it did.
    pub(super) swift: AtomicBool,
    pub(super) at_once: AtomicU64,
    /// What comes of it instead: 1 it fails, 2 it panics.
    pub(super) trouble: AtomicU64,
}

pub(super) struct Tiny(Arc<Ground>);

impl Tiny {
    pub(super) fn opener(ground: &Arc<Ground>) -> Opener<Self> {
        let ground = ground.clone();
        Box::new(move |_| {
            ground.opened.fetch_add(1, Ordering::Relaxed);
            ground.open.fetch_add(1, Ordering::Relaxed);
            Ok(Self(ground.clone()))
        })
    }
}

pub(super) struct Copy(Tables, Arc<Ground>);

impl Engine for Tiny {
    const NAME: &'static str = "tiny";
    type Options = ();
    type View<'e> = Copy;

    fn opener(_: PathBuf, (): ()) -> Opener<Self> {
        Box::new(|_: Opening| -> StoreResult<Self> {
            let ground = Arc::new(Ground::default());
            ground.open.fetch_add(1, Ordering::Relaxed);
            Ok(Self(ground))
        })
    }

    fn view(&self) -> Result<Copy, Failure> {
        Ok(Copy(self.0.rows.lock().unwrap().clone(), self.0.clone()))
    }

    fn apply(&self, edits: Edits, sync: bool) -> Result<(), Failure> {
        match self.0.batches.load(Ordering::Relaxed) {
            0 => {}
            1 => return Err(Failure::engine(Fault::Transient, "the process is gone")),
            left => self.0.batches.store(left - 1, Ordering::Relaxed),
        }
        let mut rows = self.0.rows.lock().unwrap();
        for edit in edits.iter().cloned() {
            match edit {
                Edit::Put { table, key, value } => {
                    drop(rows.insert((table, key), value.joined().into_owned()))
                }
                Edit::Delete { table, key } => drop(rows.remove(&(table, key))),
                Edit::DeleteRange { table, from, to } => {
                    rows.retain(|(place, key), _| *place != table || *key < from || *key >= to);
                }
            }
        }
        drop(rows);
        if sync { self.sync() } else { Ok(()) }
    }

    fn apply_at_once(&self, edits: &Edits) -> Result<bool, Failure> {
        match self.0.trouble.load(Ordering::Relaxed) {
            0 => {}
            1 => return Err(Failure::broken(Fault::Unknown, "the disk says no")),
            _ => panic!("an engine that panics"),
        }
        if !self.0.swift.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.0.at_once.fetch_add(1, Ordering::Relaxed);
        self.apply(edits.clone(), false).map(|()| true)
    }

    fn sync(&self) -> Result<(), Failure> {
        self.0.syncs.fetch_add(1, Ordering::Relaxed);
        match self.0.fail_syncs.load(Ordering::Relaxed) {
            true => Err(Failure::broken(Fault::Unknown, "the disk says no")),
            false => Ok(()),
        }
    }

    fn stats(&self) -> Result<EngineStats, Failure> {
        Ok(EngineStats::default())
    }

    fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl View for Copy {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        self.1.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.get(&(table, key.to_vec())).map(Value::new))
    }

    fn scan(&self, table: Table, span: &Span, order: Order) -> Result<Box<dyn Rows + '_>, Failure> {
        self.1.reads.fetch_add(1, Ordering::Relaxed);
        let inside = |key: &[u8]| std::ops::RangeBounds::<[u8]>::contains(&span.bounds(), key);
        let rows = self.0.iter().filter(|((place, key), _)| *place == table && inside(key));
        let mut rows: Vec<_> = rows.map(|((_, key), value)| (&key[..], &value[..])).collect();
        if order == Order::Up {
            rows.reverse();
        }
        Ok(Box::new(Listed(rows)))
    }
}

struct Listed<'v>(Vec<(&'v [u8], &'v [u8])>);

impl Rows for Listed<'_> {
    fn next(&mut self) -> Result<Option<KeyValue<'_>>, Failure> {
        Ok(self.0.pop())
    }
}
