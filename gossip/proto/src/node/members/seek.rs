//! Members next to this one to which there is no link and none can be had: whoever hears them is asked to say so.
//!
//! Who is watched by nobody on this side of a split, or behind the only node that led to it, would count as reachable for
//! ever otherwise.

use std::time::Duration;

use super::doubt::GRACE;
use super::pauses::Pauses;
use super::row::Slot;
use super::suspicion::UNASKED;
use crate::node::{Node, Timer};
use crate::{MemberKey, Tick};

/// A dial may take so long before others are asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pauses between questions for a member that others hear.
const PAUSES: Pauses = Pauses(Duration::from_secs(30), Duration::from_secs(600));

/// A member that is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    tries: u32,
    /// When it is asked for.
    at: Tick,
}

impl Node {
    /// Asks for those wanted as neighbours that have been missing for a while. Once somebody is gone all of them may be.
    pub(super) fn seek_the_missing(&mut self, wanted: &[Slot]) {
        let (now, is_shaken) = (self.now.tick, std::mem::take(&mut self.members.senses.is_shaken));
        let mut before = std::mem::take(&mut self.members.senses.missing);
        for slot in wanted {
            if !self.is_out_of_touch(slot.key) {
                continue;
            }
            let soon = now + PATIENCE;
            let mut known = before.remove(&slot.key).unwrap_or(Missing { tries: 0, at: soon });
            if is_shaken {
                known = Missing { tries: 0, at: known.at.min(soon) };
            }
            if known.at <= now {
                known = self.seek_in_turn(*slot, known);
            }
            self.members.senses.missing.insert(slot.key, known);
        }
        let next = self.members.senses.missing.values().map(|missing| missing.at).min();
        next.into_iter().for_each(|at| self.timers.bring_forward(Timer::Overlay, at));
    }

    /// Asks for one, unless others have just found out, which they told all; says when it is asked for next.
    fn seek_in_turn(&mut self, slot: Slot, missing: Missing) -> Missing {
        let (now, pause) = (self.now.tick, PAUSES.doubled(missing.tries));
        let known_for = if missing.tries == 0 { UNASKED } else { pause };
        let Some(member) = self.members.get(slot) else { return missing };
        if self.is_new(member) {
            return Missing { at: member.since + GRACE, ..missing };
        }
        if let Some(awake) = self.awake_at(slot.key) {
            return Missing { at: awake, ..missing };
        }
        let proved = member.heard;
        if proved > Tick(0) && proved + known_for > now {
            return Missing { at: proved + known_for, ..missing };
        }
        self.seek(slot);
        Missing { tries: missing.tries.saturating_add(1), at: now + pause }
    }

    /// Whether there is no link to a member that works.
    pub(super) fn is_out_of_touch(&self, key: MemberKey) -> bool {
        self.links_to(key).into_iter().all(|id| self.is_deaf(id))
    }
}
