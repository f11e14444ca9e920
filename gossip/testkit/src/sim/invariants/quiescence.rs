//! Once all are equal, they fall silent but for a heartbeat.

use super::{Check, Invariant};
use crate::sim::fact::Ending;

#[derive(Debug)]
pub(super) struct Quiescence;

impl Invariant for Quiescence {
    fn name(&self) -> &'static str {
        "quiescence"
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        let quiet = &ending.quiet;
        if quiet.frames > quiet.frames_allowed || quiet.deadlines > quiet.deadlines_allowed {
            return Err(format!("not quiet: {quiet:?}"));
        }
        Ok(())
    }
}
