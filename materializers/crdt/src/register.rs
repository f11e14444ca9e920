//! A register: of all writes the last in the order of the stream is the value.

use std::marker::PhantomData;

use bytes::Bytes;
use gossip_core::proto::{LogEntry, OrderKey};
use gossip_core::{FoldError, FoldOrder, StateMaterializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ended, not_an_operation};

/// Deepest nesting of arrays and maps in a value: beyond it a payload is refused, so a hostile
/// one cannot exhaust the stack.
const MAX_NESTING: usize = 64;

/// A value could not be written as CBOR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be encoded: {0}")]
pub struct EncodeError(String);

/// One value of type `T`; the last write in the order of the stream wins.
///
/// An operation is the new value as CBOR, through serde. The state keeps the place of the
/// winner in the stream, so writes may be folded in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LwwRegister<T>(PhantomData<fn() -> T>);

impl<T> LwwRegister<T> {
    /// Rules for values of type `T`.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for LwwRegister<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Serialize> LwwRegister<T> {
    /// The operation that writes `value`.
    ///
    /// # Errors
    /// [`EncodeError`] when serde or CBOR cannot represent the value.
    pub fn set(value: &T) -> Result<Bytes, EncodeError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).map_err(|error| EncodeError(error.to_string()))?;
        Ok(bytes.into())
    }
}

impl<T> StateMaterializer for LwwRegister<T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    type State = Register<T>;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> Register<T> {
        Register::default()
    }

    fn fold(&self, state: &mut Register<T>, entry: &LogEntry) -> Result<(), FoldError> {
        let value = parse(entry.payload())?;
        state.write(entry.key(), value);
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FoldError> {
    let mut rest = payload;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_NESTING)
        .map_err(|error| not_an_operation("register", error))?;
    ended("register", payload.len() - rest.len(), payload.len())?;
    Ok(value)
}

/// State of an [`LwwRegister`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register<T> {
    winner: Option<(OrderKey, T)>,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { winner: None }
    }
}

impl<T> Register<T> {
    /// The value, `None` before the first write.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.winner.as_ref().map(|(_, value)| value)
    }

    /// Who wrote the value and when: the place of its entry in the stream.
    #[must_use]
    pub fn written(&self) -> Option<&OrderKey> {
        self.winner.as_ref().map(|(key, _)| key)
    }

    /// Takes a write that stands at `key`, unless a later one was seen.
    pub(crate) fn write(&mut self, key: OrderKey, value: T) {
        if self.written().is_none_or(|winner| *winner < key) {
            self.winner = Some((key, value));
        }
    }
}
