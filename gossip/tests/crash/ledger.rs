//! What must hold after a kill.

use std::collections::BTreeMap;

use gossip::{EntryId, LogId};

use crate::Outcome;
use crate::line::{Contents, Said};

/// Everything ever acknowledged or seen, over all rounds.
#[derive(Default)]
pub(crate) struct Ledger {
    acknowledged: BTreeMap<EntryId, [u8; 32]>,
    seen: Contents,
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
    pub(crate) fn check(&mut self, held: &Contents, announced: &Contents) -> Outcome {
        whole(held)?;
        let mut announced = announced.iter().filter(|(_, said)| said.by_victim);
        if let Some((id, _)) = announced.find(|(id, said)| held.get(id) != Some(said)) {
            return Err(format!("{id} was announced to a peer and is lost").into());
        }
        for (id, hash) in &self.acknowledged {
            match held.get(id) {
                None => return Err(format!("{id} was acknowledged and is lost").into()),
                Some(said) if said.hash != *hash => {
                    return Err(format!("{id} was acknowledged with another content").into());
                }
                Some(_) => {}
            }
        }
        if let Some(id) = self.seen.keys().find(|id| !held.contains_key(id)) {
            return Err(format!("{id} was there before and is lost").into());
        }
        held.iter().try_for_each(|(id, said)| self.see(*id, *said))
    }

    /// One content per id, for ever.
    fn see(&mut self, id: EntryId, said: Said) -> Outcome {
        match self.seen.insert(id, said) {
            Some(before) if before != said => Err(format!("{id} was used again with another content").into()),
            Some(_) => Ok(()),
            None => {
                self.in_flight += usize::from(said.by_victim && !self.acknowledged.contains_key(&id));
                Ok(())
            }
        }
    }
}

/// Sequences begin at 1 and have no hole.
fn whole(held: &Contents) -> Outcome {
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
