//! What must hold after a kill.

use std::collections::BTreeMap;

use gossip::proto::Arrival;
use gossip::{EntryId, LogId};

use crate::Outcome;
use crate::line::{Contents, Held, Said};

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
    pub(crate) fn check(&mut self, held: &Held, announced: &Contents) -> Outcome {
        whole(held)?;
        let mut announced = announced.iter().filter(|(_, said)| said.by_victim);
        if let Some((id, _)) = announced.find(|(id, said)| held.get(id).map(|(said, _)| said) != Some(said)) {
            return Err(format!("{id} was announced to a peer and is lost").into());
        }
        for (id, hash) in &self.acknowledged {
            match held.get(id) {
                None => return Err(format!("{id} was acknowledged and is lost").into()),
                Some((said, _)) if said.hash != *hash => {
                    return Err(format!("{id} was acknowledged with another content").into());
                }
                Some(_) => {}
            }
        }
        if let Some(id) = self.seen.keys().find(|id| !held.contains_key(id)) {
            return Err(format!("{id} was there before and is lost").into());
        }
        let before = self.newest;
        held.iter().try_for_each(|(id, (said, arrival))| self.see(*id, *said, *arrival, before))
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

/// Sequences begin at 1 and have no hole.
fn whole(held: &Held) -> Outcome {
    let mut heights: BTreeMap<LogId, u64> = BTreeMap::new();
    for id in held.keys() {
        let height = heights.entry(id.log).or_default();
        *height += 1;
        if id.sequence != *height {
            return Err(format!("log {} has no entry {height}", id.log).into());
        }
    }
    Ok(())
}
