//! What must hold at every step and at the end, one file each.

mod acknowledged_kept;
mod answered_once;
mod bounded;
pub(super) mod converged;
mod forks_told;
mod heights;
pub(super) mod holes;
mod incarnations;
mod no_hole;
mod no_leak;
mod one_content;
mod quiescence;
pub(super) mod reachability;
mod room_kept;
mod sealed_only;
mod stamps_increase;
mod told_once;

use std::fmt::Debug;

use super::Violation;
use super::fact::{Ending, Scene};
use super::plan::Plan;

/// `Err` says what was seen.
pub(super) type Check = Result<(), String>;

/// Something that must hold; it keeps whatever it needs to notice when it does not.
pub(super) trait Invariant: Debug {
    fn name(&self) -> &'static str;

    /// Looks at one fact.
    fn see(&mut self, _scene: &Scene<'_>) -> Check {
        Ok(())
    }

    /// Looks at the end.
    fn end(&mut self, _ending: &Ending<'_>) -> Check {
        Ok(())
    }
}

/// All invariants, and the first that did not hold.
#[derive(Debug)]
pub(super) struct Checks {
    all: Vec<Box<dyn Invariant>>,
    pub(super) violation: Option<Violation>,
}

impl Checks {
    pub(super) fn new(plan: &Plan) -> Self {
        let hosts = plan.hosts.len();
        Self {
            all: vec![
                Box::new(answered_once::AnsweredOnce::default()),
                Box::new(no_hole::NoHole::new(hosts)),
                Box::new(one_content::OneContent::default()),
                Box::new(sealed_only::SealedOnly::new(plan)),
                Box::new(heights::Heights::new(hosts)),
                Box::new(acknowledged_kept::AcknowledgedKept::new(hosts)),
                Box::new(stamps_increase::StampsIncrease::new(plan)),
                Box::new(no_leak::NoLeak::new(hosts)),
                Box::new(told_once::ToldOnce::new(hosts)),
                Box::new(incarnations::Incarnations::new(plan)),
                Box::new(bounded::Bounded::new(plan)),
                Box::new(room_kept::RoomKept::new(plan)),
                Box::new(converged::Converged),
                Box::new(holes::Holes),
                Box::new(forks_told::ForksTold::default()),
                Box::new(reachability::Reachability),
                Box::new(quiescence::Quiescence),
            ],
            violation: None,
        }
    }

    pub(super) fn see(&mut self, scene: &Scene<'_>) {
        self.check(|invariant| {
            invariant.see(scene).map_err(|what| {
                let at = scene.now.tick.0 as f64 / 1e6;
                format!("{} at {at:.6}: {what}", scene.id)
            })
        });
    }

    pub(super) fn end(&mut self, ending: &Ending<'_>) {
        self.check(|invariant| invariant.end(ending));
    }

    /// Something is wrong that the world itself noticed.
    pub(super) fn fail(&mut self, invariant: &'static str, what: String) {
        self.violation.get_or_insert(Violation { invariant, what });
    }

    fn check(&mut self, mut look: impl FnMut(&mut dyn Invariant) -> Check) {
        for invariant in &mut self.all {
            if let Err(what) = look(&mut **invariant) {
                let invariant = invariant.name();
                self.violation.get_or_insert(Violation { invariant, what });
            }
        }
    }
}
