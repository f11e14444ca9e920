//! Facts, which always count, and times, which count while the machine has cores for everything.

use std::time::Duration;

use crate::Outcome;
use crate::program::print;
use crate::told::{Moment, now};

#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: u64,
    failed: u64,
}

impl Report {
    /// Something that must be so.
    pub(crate) fn fact(&mut self, what: &str, holds: bool) -> Outcome {
        self.count(holds);
        print(&format!("{:<6}  {what}", if holds { "ok" } else { "FAILED" }))
    }

    /// Something that took until then, and may take so long.
    pub(crate) fn time(&mut self, what: &str, since: Moment, until: Moment, most: Duration) -> Outcome {
        let took = Duration::from_millis(until.saturating_sub(since));
        let (holds, busy) = (took <= most, is_busy());
        self.count(holds || busy);
        let mark = match (holds, busy) {
            (true, _) => "ok",
            (false, true) => "late",
            (false, false) => "FAILED",
        };
        let (took, most) = (took.as_secs_f64(), most.as_secs_f64());
        print(&format!("{mark:<6}  {what}: {took:.2} s, at most {most:.0} s"))
    }

    /// As [`Report::time`], for what is the case now.
    pub(crate) fn time_until_now(&mut self, what: &str, since: Moment, most: Duration) -> Outcome {
        self.time(what, since, now(), most)
    }

    /// How a course ended that could not go on.
    pub(crate) fn course(&mut self, name: &str, ended: Outcome) -> Outcome {
        match ended {
            Ok(()) => Ok(()),
            Err(error) => self.fact(&format!("{name} could not go on: {error}"), false),
        }
    }

    /// Says how many, and gives how many failed.
    pub(crate) fn end(&self) -> Outcome<u64> {
        print(&format!("{} passed, {} failed", self.passed, self.failed))?;
        Ok(self.failed)
    }

    fn count(&mut self, holds: bool) {
        if holds {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}

/// Whether more wants to run than there are cores; then nothing can be said of times.
fn is_busy() -> bool {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0);
    load > std::thread::available_parallelism().map_or(1, usize::from) as f64
}
