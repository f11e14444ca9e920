//! What must hold after a kill.

use std::collections::BTreeMap;

use gossip::proto::Arrival;
use gossip::{EntryId, LogId};

use crate::line::{Contents, Held, Said};
use crate::look::Found;
use crate::{Outcome, PRUNED};

/// Everything ever acknowledged or seen, over all rounds.
#[derive(Default)]
pub(crate) struct Ledger {
    acknowledged: BTreeMap<EntryId, [u8; 32]>,
    seen: Held,
    /// The newest arrival number that was ever seen.
    newest: Arrival,
    /// Entries found after a kill that nobody had been told of: writes caught in flight.
    pub(crate) in_flight: usize,
}

impl Ledger {
    pub(crate) fn acknowledge(&mut self, id: EntryId, hash: [u8; 32]) -> Outcome {
        if self.seen.contains_key(&id) || self.acknowledged.insert(id, hash).is_some() {
            return Err(format!("{id} was acknowledged, but existed already").into());
        }
        Ok(())
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Checks what a store holds now; the other node holds `announced`.
    pub(crate) fn check(&mut self, found: &Found, announced: &Contents) -> Outcome {
        let held = &found.held;
        whole(found)?;
        let mut announced = announced.iter().filter(|(id, said)| said.by_victim && !found.is_pruned(**id));
        if let Some((id, _)) = announced.find(|(id, said)| held.get(id).map(|(said, _)| said) != Some(said)) {
            return Err(format!("{id} was announced to a peer and is lost").into());
        }
        for (id, hash) in self.acknowledged.iter().filter(|(id, _)| !found.is_pruned(**id)) {
            match held.get(id) {
                None => return Err(format!("{id} was acknowledged and is lost").into()),
                Some((said, _)) if said.hash != *hash => {
                    return Err(format!("{id} was acknowledged with another content").into());
                }
                Some(_) => {}
            }
        }
        if let Some(id) = self.seen.keys().find(|id| !held.contains_key(id) && !found.is_pruned(**id)) {
            return Err(format!("{id} was there before and is lost").into());
        }
        self.pruned_in_bounds(found)?;
        let before = self.newest;
        held.iter().try_for_each(|(id, (said, arrival))| self.see(*id, *said, *arrival, before))
    }

    /// Only one stream is pruned, and of the newest of each author nothing is gone.
    fn pruned_in_bounds(&self, found: &Found) -> Outcome {
        let (stream, keeps) = PRUNED;
        if let Some((log, _)) = found.logs.iter().find(|(_, (of, floor))| of != stream && *floor > 0) {
            return Err(format!("{log} was pruned, and nobody asked for it").into());
        }
        let of = |id: &EntryId| found.logs.get(&id.log).is_some_and(|(of, _)| of == stream);
        let count = |ids: &mut dyn Iterator<Item = EntryId>| ids.filter(of).count() as u64;
        let held = count(&mut found.held.iter().filter(|(_, (said, _))| said.by_victim).map(|(id, _)| *id));
        let known = count(&mut self.acknowledged.keys().copied());
        match held >= known.min(keeps) {
            true => Ok(()),
            false => Err(format!("of {known} entries {held} are left, not {keeps}").into()),
        }
    }

    /// One content and one arrival number per id, for ever; what is new arrived after all that was
    /// seen `before`, so that a cursor saved then misses nothing.
    fn see(&mut self, id: EntryId, said: Said, arrival: Arrival, before: Arrival) -> Outcome {
        self.newest = self.newest.max(arrival);
        match self.seen.insert(id, (said, arrival)) {
            Some((other, _)) if other != said => {
                Err(format!("{id} was used again with another content").into())
            }
            Some((_, other)) if other != arrival => Err(format!("{id} changed its arrival number").into()),
            Some(_) => Ok(()),
            None if arrival <= before => Err(format!("{id} is new and no cursor would see it").into()),
            None => {
                self.in_flight += usize::from(said.by_victim && !self.acknowledged.contains_key(&id));
                Ok(())
            }
        }
    }
}

/// Sequences begin at 1, or behind what was pruned, and have no hole.
fn whole(found: &Found) -> Outcome {
    let mut heights: BTreeMap<LogId, u64> =
        found.logs.iter().map(|(log, (_, floor))| (*log, *floor)).collect();
    for id in found.held.keys() {
        let height = heights.entry(id.log).or_default();
        *height += 1;
        if id.sequence != *height {
            return Err(format!("log {} has no entry {height}", id.log).into());
        }
    }
    Ok(())
}
