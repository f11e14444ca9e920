//! A map: for each key the last write in the order of the stream is the value.

use std::collections::BTreeMap;

use bytes::Bytes;
use gossip_core::proto::LogEntry;
use gossip_core::{FoldError, FoldOrder, StateMaterializer};
use minicbor::{Decoder, Encoder};

use crate::register::Register;
use crate::{ended, not_an_operation};

const SET: u8 = 0;
const REMOVE: u8 = 1;

/// Text keys with byte values; for each key the last operation in the order of the stream wins.
///
/// An operation is the CBOR array `[0, key, value]` (set) or `[1, key]` (remove). The state
/// keeps the place of each winner, removals included, so operations may be folded in any order;
/// the price is that a removed key keeps a small record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LwwMap;

impl LwwMap {
    /// The operation that puts `value` under `key`.
    #[must_use]
    pub fn set(key: &str, value: impl AsRef<[u8]>) -> Bytes {
        let value = value.as_ref();
        let mut encoder = Encoder::new(Vec::with_capacity(key.len() + value.len() + 12));
        let whole = encoder.array(3).and_then(|e| e.u8(SET)?.str(key)?.bytes(value));
        whole.expect("a Vec takes every write");
        encoder.into_writer().into()
    }

    /// The operation that takes `key` out.
    #[must_use]
    pub fn remove(key: &str) -> Bytes {
        let mut encoder = Encoder::new(Vec::with_capacity(key.len() + 7));
        let whole = encoder.array(2).and_then(|e| e.u8(REMOVE)?.str(key));
        whole.expect("a Vec takes every write");
        encoder.into_writer().into()
    }
}

impl StateMaterializer for LwwMap {
    type State = Map;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> Map {
        Map::default()
    }

    fn fold(&self, state: &mut Map, entry: &LogEntry) -> Result<(), FoldError> {
        let (key, value) = parse(entry.payload())?;
        // Copied, not sliced: a small value must not keep a whole received frame in memory.
        let value = value.map(Bytes::copy_from_slice);
        state.slots.entry(key.to_owned()).or_default().write(entry.key(), value);
        Ok(())
    }
}

/// Key, and value unless it is a removal.
fn parse(payload: &[u8]) -> Result<(&str, Option<&[u8]>), FoldError> {
    let mut decoder = Decoder::new(payload);
    let operation = (|| {
        let len = decoder.array()?;
        let kind = decoder.u8()?;
        let key = decoder.str()?;
        match (len, kind) {
            (Some(3), SET) => Ok((key, Some(decoder.bytes()?))),
            (Some(2), REMOVE) => Ok((key, None)),
            _ => Err(minicbor::decode::Error::message("neither set nor remove")),
        }
    })()
    .map_err(|error| not_an_operation("map", error))?;
    ended("map", decoder.position(), payload.len())?;
    Ok(operation)
}

/// State of an [`LwwMap`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    slots: BTreeMap<String, Register<Option<Bytes>>>,
}

impl Map {
    /// The value under a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Bytes> {
        self.slots.get(key)?.value()?.as_ref()
    }

    /// Keys and values, in order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.slots.iter().filter_map(|(key, slot)| Some((&key[..], slot.value()?.as_ref()?)))
    }

    /// How many keys have a value. Counts: linear in the number of keys ever used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no key has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// How many keys were removed and are still remembered.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.slots.len() - self.len()
    }
}
