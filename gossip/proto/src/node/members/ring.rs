//! The ring of members: who is next to whom (as in Chord: Stoica and others 2001).

use std::ops::Bound::{Excluded, Unbounded};

use super::row::Slot;
use super::rows::Members;
use crate::MemberKey;

/// In groups up to this size everybody has a link to everybody, if there is a way.
const SMALL: usize = 8;
/// In larger ones to so many along the ring; as many have one to us.
pub(super) const AHEAD: usize = 2;

impl Members {
    /// Those alive, from the first behind a key on, all the way round, without `from` itself.
    pub(in crate::node) fn behind(&self, from: MemberKey) -> impl Iterator<Item = Slot> + '_ {
        let (rest, first) = (self.ring.range(..from), self.ring.range((Excluded(from), Unbounded)));
        first.chain(rest).map(|(key, at)| Slot { at: *at, key: *key })
    }

    /// Those alive, from the first before a key back, all the way round, without `from` itself.
    pub(in crate::node) fn before(&self, from: MemberKey) -> impl Iterator<Item = Slot> + '_ {
        let (rest, first) = (self.ring.range((Excluded(from), Unbounded)), self.ring.range(..from));
        first.rev().chain(rest.rev()).map(|(key, at)| Slot { at: *at, key: *key })
    }

    /// Those next to a member, so many on each side, without us.
    pub(in crate::node) fn around(&self, key: MemberKey, side: usize) -> impl Iterator<Item = Slot> + '_ {
        let after = self.behind(key).take(side);
        let is_new = move |slot: &Slot| !self.behind(key).take(side).any(|other| other == *slot);
        let before = self.before(key).take(side).filter(is_new);
        after.chain(before).filter(|slot| *slot != self.me())
    }

    /// With whom this node wants a link: with those next to it the group holds together, whoever fails; with one
    /// that is anywhere on the ring it is a few steps across (Watts, Strogatz 1998), and one that is near is that too.
    pub(in crate::node) fn neighbours(&self) -> impl Iterator<Item = Slot> + '_ {
        let me = self.me().key;
        let count = if self.is_large() { AHEAD } else { SMALL };
        // Keys are hashes: their lower half is as good as drawn.
        let far = self.is_large().then(|| self.behind(MemberKey(me.0.rotate_left(32))));
        let far = self.nearest().into_iter().chain(far.into_iter().flatten());
        let is_new =
            move |slot: &Slot| slot.key != me && !self.behind(me).take(AHEAD).any(|next| next == *slot);
        self.behind(me).take(count).chain(far.filter(|_| self.is_large()).find(is_new))
    }

    pub(in crate::node) fn is_large(&self) -> bool {
        self.live() > SMALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::members::merge::Told;
    use crate::wire::Row;
    use crate::{MemberRow, NodeId, Tick};

    fn told(name: &str) -> MemberRow {
        MemberRow { id: NodeId::new(name).unwrap(), incarnation: 1, instance: 7, addresses: Vec::new() }
    }

    /// This node and so many others.
    fn group(others: usize) -> Members {
        let mut members = Members::new(Tick(0), told("me"), 100);
        for number in 0..others {
            members.merge(Tick(0), &Row::Live { row: told(&format!("n{number}")), doze: 0 }, Told::News);
        }
        members
    }

    #[test]
    fn it_goes_round_the_living() {
        let mut members = group(6);
        let gone = members.behind(members.me().key).nth(3).unwrap();
        let (_, incarnation) = (gone, 1);
        members.merge(Tick(0), &Row::Left { key: gone.key, incarnation }, Told::News);
        let mut order: Vec<MemberKey> = members.all().map(|member| member.key).collect();
        order.retain(|key| *key != gone.key);
        for at in 0..order.len() {
            let behind: Vec<MemberKey> = members.behind(order[at]).map(|slot| slot.key).collect();
            let turned = [&order[at + 1..], &order[..at]].concat();
            assert_eq!(behind, turned);
            let before: Vec<MemberKey> = members.before(order[at]).map(|slot| slot.key).collect();
            assert!(before.iter().rev().eq(&behind));
        }
        assert_eq!(members.behind(MemberKey(order[0].0 - 1)).count(), order.len());
        assert_eq!(group(0).behind(MemberKey(5)).count(), 1);
    }

    #[test]
    fn neighbours_are_all_of_a_small_group_and_three_of_a_large_one() {
        for (others, neighbours) in [(1, 1), (7, 7), (8, 3), (60, 3)] {
            let members = group(others);
            let found: Vec<Slot> = members.neighbours().collect();
            assert_eq!((found.len(), found.contains(&members.me())), (neighbours, false));
            let next = if members.is_large() { AHEAD } else { neighbours };
            assert!(found.iter().copied().take(next).eq(members.behind(members.me().key).take(next)));
            assert!(!found[..next].contains(&found[neighbours - 1]) || next == neighbours);
        }
    }
}
