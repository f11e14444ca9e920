//! What a person reads at the end.

use std::fmt;
use std::time::Duration;

use super::percentile::Times;
use super::replica::Equal;

/// The outcome of a replay in which everything was equal.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was replayed.
    pub trace: String,
    /// Who wrote how many.
    pub authors: Vec<(&'static str, usize)>,
    /// What all replicas hold.
    pub equal: Equal,
    /// From `append` to the other's subscription, in the linked phases.
    pub append_to_visible: Times,
    /// Transactions per second asked for in the linked phases.
    pub rate: u32,
    /// And reached in each of them.
    pub reached: [f64; 2],
    /// Who was killed, if anybody.
    pub killed: Option<Killed>,
    /// After the link came back.
    pub healed: Healed,
    /// Bytes on the wire.
    pub wire: Wire,
}

/// A player that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Killed {
    /// Who.
    pub name: &'static str,
    /// Appends acknowledged until then.
    pub durable: usize,
    /// Transactions it found on disk afterwards.
    pub on_disk: usize,
}

/// How the replicas met again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healed {
    /// From putting the wire back to the last node noticing.
    pub linked: Duration,
    /// From putting the wire back to equal replicas.
    pub converged: Duration,
    /// Transactions written while it was cut.
    pub apart: usize,
}

/// Bytes on the wire, both directions and all links together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// From beginning to end.
    pub all: Carried,
    /// While the replicas met again: many entries at once.
    pub healing: Carried,
}

/// Bytes that were carried, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Payload bytes that had to cross: each once for every person who did not write it.
    pub payload: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Equal { entries, payload_bytes } = self.equal;
        let authors: Vec<String> =
            self.authors.iter().map(|(name, wrote)| format!("{name} {wrote}")).collect();
        row(f, "trace", &self.trace)?;
        row(f, "entries", &format!("{entries} ({}), {payload_bytes} payload bytes", authors.join(", ")))?;
        row(f, "replicas", &"equal, entry by entry: ids, authors, stamps, payload bytes, order")?;
        row(f, "source", &"equal: every author's transactions, each once, in their order")?;
        row(f, "linked", &self.linked())?;
        if let Some(Killed { name, durable, on_disk }) = self.killed {
            let text =
                format!("{name} after {durable} acknowledged appends; found {on_disk} on disk and went on");
            row(f, "killed", &text)?;
        }
        let Healed { linked, converged, apart } = self.healed;
        let text = format!("linked after {linked:.1?}, {apart} entries converged after {converged:.1?}");
        row(f, "healed", &text)?;
        row(f, "wire", &self.wire)
    }
}

impl Report {
    fn linked(&self) -> String {
        let show = |percent| match self.append_to_visible.percentile(percent) {
            Some(time) => format!("{time:.2?}"),
            None => "none".into(),
        };
        let [first, last] = self.reached;
        format!(
            "append to visible p50 {}, p99 {} ({} samples; paced at {}/s, reached {first:.0}/s and {last:.0}/s)",
            show(50),
            show(99),
            self.append_to_visible.count(),
            self.rate,
        )
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; while healing {}", self.all, self.healing)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, payload } = *self;
        let times = bytes as f64 / payload.max(1) as f64;
        write!(f, "{bytes} bytes for {payload} of payload ({times:.2} times)")
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, what: &dyn fmt::Display) -> fmt::Result {
    writeln!(f, "{name:<9} {what}")
}
