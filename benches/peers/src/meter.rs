//! What a figure is and how it is taken.

use std::time::Duration;

use serde::Serialize;

/// Bytes of each entry.
pub(crate) const PAYLOAD: usize = 100;
/// Documents or streams where there are many.
pub(crate) const STREAMS: usize = 1_000;
/// Authors in each of them.
pub(crate) const AUTHORS: usize = 10;
/// Entries of each author in each stream where a million are held.
pub(crate) const EACH: usize = 100;

/// One figure, as `gossip-bench` reads it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Figure {
    workload: String,
    system: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beyond: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_us: Option<f64>,
    note: String,
}

impl Figure {
    pub(crate) fn new(workload: &str, system: &str) -> Self {
        Self { workload: workload.to_owned(), system: system.to_owned(), ..Self::default() }
    }

    /// What was said, and what of it was not payload.
    pub(crate) fn said(self, said: Said, payload: usize) -> Self {
        let (bytes, messages) = (Some(said.bytes as f64), Some(said.messages));
        Self { bytes, messages, beyond: Some(said.bytes as f64 - payload as f64), ..self }
    }

    /// What was said, where entries themselves are not sent.
    pub(crate) fn only_beyond(self, said: Said) -> Self {
        Self { messages: Some(said.messages), beyond: Some(said.bytes as f64), ..self }
    }

    /// Bytes of one entry that is sent alone.
    pub(crate) fn per_entry(self, bytes: f64, payload: usize) -> Self {
        Self { bytes: Some(bytes), beyond: Some(bytes - payload as f64), ..self }
    }

    pub(crate) fn cpu(self, used: Duration) -> Self {
        Self { cpu_us: Some(used.as_secs_f64() * 1e6), ..self }
    }

    pub(crate) fn times(self, p50_us: f64, p99_us: f64) -> Self {
        Self { p50_us: Some(p50_us), p99_us: Some(p99_us), ..self }
    }

    pub(crate) fn note(self, note: &str) -> Self {
        Self { note: note.to_owned(), ..self }
    }

    pub(crate) fn print(&self) -> crate::Outcome {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Messages and their bytes, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    pub(crate) bytes: usize,
    pub(crate) messages: u64,
}

impl Said {
    pub(crate) fn count(&mut self, message: &[u8]) {
        self.bytes += message.len();
        self.messages += 1;
    }
}

/// Names of the workloads, as `gossip-bench` gives them.
pub(crate) fn cold(entries: usize) -> String {
    format!("cold, {entries} entries")
}

pub(crate) const EQUAL: &str = "equal, 1,000 x 10 logs";

pub(crate) fn missing(logs: usize, more: usize) -> String {
    format!("{} missing in {logs} of 10,000 logs", logs * more)
}

/// What is missing: in so many logs so many entries each.
pub(crate) const MISSING: [(usize, usize); 4] = [(1, 1), (100, 1), (100, 100), (1_000, 10)];

/// Whether the log of this number is one of those that have more.
pub(crate) fn is_longer(log: usize, longer: usize) -> bool {
    let logs = STREAMS * AUTHORS;
    log * longer / logs != (log + 1) * longer / logs
}

/// Processor time of this process so far.
pub(crate) fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Random bytes, never the same twice.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(count).collect()
    }

    pub(crate) fn payload(&mut self) -> Vec<u8> {
        self.bytes(PAYLOAD)
    }
}
