//! What a materializer is: rules that fold entries into state.

use gossip_proto::LogEntry;

/// In which order entries are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FoldOrder {
    /// Folding commutes: entries are folded as they arrive.
    Any,
    /// Entries are folded in the order of the stream, the same on every replica; a late entry
    /// takes the view back to a checkpoint before it.
    Total,
}

/// An entry could not be folded; it is skipped and reported. It must fail the same way on every
/// replica, so the reason may depend on the entry and the state only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FoldError(pub String);

/// Rules that fold the entries of a stream into state.
///
/// Contract, checked by `materializer_conformance!`: `fold` is a pure function of the state and
/// the entry; when it fails it leaves the state as it was; with [`FoldOrder::Any`] any order of
/// the same entries (each author's own in sequence) gives the same state. Hollow entries (payload
/// absent) are not folded.
pub trait StateMaterializer: Send + Sync + 'static {
    /// The running result. Readers get clones behind an `Arc`.
    type State: Clone + Send + Sync + 'static;

    /// In which order entries are folded.
    const ORDER: FoldOrder = FoldOrder::Total;

    /// State before any entry.
    fn initial(&self) -> Self::State;

    /// Folds one entry into the state.
    ///
    /// # Errors
    /// [`FoldError`] skips the entry, the same on every replica.
    fn fold(&self, state: &mut Self::State, entry: &LogEntry) -> Result<(), FoldError>;
}
