//! What happened to the frames of a network.

/// A number of frames and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, len: usize) {
        self.frames += 1;
        self.bytes += len as u64;
    }
}

/// Counters since the network was made.
///
/// `sent + duplicated` equals `delivered`, the three kinds of drops and what is in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Accepted by `send`.
    pub sent: Tally,
    /// Second copies made by [`Faults::duplicate`](crate::Faults::duplicate).
    pub duplicated: Tally,
    /// Returned by `recv`.
    pub delivered: Tally,
    /// Dropped by loss or a partition.
    pub dropped_by_fault: Tally,
    /// Dropped because the receiver's queue for the link was full.
    pub dropped_by_full_queue: Tally,
    /// Under way when the link went down or the receiver closed.
    pub dropped_by_link_down: Tally,
}
