//! What members say of each other.

use std::time::Duration;

use super::merge::{Merged, Told};
use super::row::{Details, Member, Slot};
use crate::node::{Class, DropReason, LinkId, Node};
use crate::wire::{MAX_ROWS, Message, Row};
use crate::{MemberKey, MemberRow, MemberState, NodeId};

/// A message of news is not longer, nor than a frame of its link.
const MAX_BYTES: usize = 1_200;
/// What a row takes beside its texts, at most, and each of them beside its bytes.
const ROW: usize = 32;
/// Accusations one link may bring at once, and the pause between more: each may be answered to all. A thousand that
/// crash together are no more.
const ACCUSATIONS: (u32, Duration) = (2_048, Duration::from_millis(4));

impl Node {
    /// News of members: what changes something here is passed on.
    pub(in crate::node) fn on_news(&mut self, id: LinkId, rows: Vec<Row>) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        // What is said of others, and whether any of it was new.
        let (mut others, mut is_new, speaker) = (0, false, MemberKey::of(&peer));
        let down_since = self.down_since(&peer);
        let known = self.members.find(speaker).and_then(|slot| self.members.get(slot));
        let known = known.map(|member| member.incarnation).filter(|_| down_since.is_some());
        for row in rows {
            let is_heeded = self.may_meet(&peer, &row) && self.may_accuse_on(id, &row);
            if !is_heeded || self.hears_otherwise(id, &row) {
                continue;
            }
            others += usize::from(matches!(row, Row::Live { .. }) && row.about().0 != speaker);
            // Who judges a member does so from what it heard itself.
            let told = if matches!(row, Row::Down { .. }) { Told::Held } else { Told::News };
            self.make_room(&row);
            let merged = self.members.merge(self.now.tick, &row, told);
            is_new |= merged != Merged::Nothing;
            // Who is back tells who else is, which says more for less.
            let is_back = row.about().0 == speaker && known == Some(row.about().1);
            let merged = match merged {
                Merged::Changed { slot, .. } if is_back => Merged::Changed { slot, flood: false },
                merged => merged,
            };
            if let Some(slot) = self.follow(id, &row, merged) {
                self.answer(id, |node| node.teach(id, &node.in_date(&[slot])));
            }
        }
        if others > 0 && !is_new {
            self.rows_came_twice(id);
        }
        if let Some(since) = down_since.filter(|_| self.down_since(&peer).is_none()) {
            self.reunite(id, since);
        }
    }

    /// Whether its member may be let into the table. Who keeps to those it has links to hears of no others.
    fn may_meet(&self, peer: &NodeId, row: &Row) -> bool {
        let (key, _) = row.about();
        self.config.peer_exchange || self.members.find(key).is_some() || key == MemberKey::of(peer)
    }

    /// Whether it is no accusation, or one that is heard.
    fn may_accuse_on(&mut self, id: LinkId, row: &Row) -> bool {
        let (now, (at_once, pause)) = (self.now.tick, ACCUSATIONS);
        let accuses = matches!(row, Row::Suspect { .. } | Row::Seek { .. } | Row::Down { .. });
        let Some(link) = self.links.get_mut(&id).filter(|_| accuses) else { return true };
        if link.watch.accusations.take(now, at_once, pause) {
            return true;
        }
        let peer = link.peer.clone();
        self.drop_from(Some(peer), DropReason::Bound, "more accusations than a link may bring");
        false
    }

    /// Does what follows from a statement; answers of whom its speaker is to be told.
    pub(super) fn follow(&mut self, id: LinkId, row: &Row, merged: Merged) -> Option<Slot> {
        match merged {
            Merged::Nothing | Merged::Unknown(_) => {}
            Merged::Teach(slot) => return Some(slot),
            Merged::Changed { slot, flood } => self.follow_change(id, row, slot, flood),
            Merged::Twin { slot, flood } => {
                self.follow_change(id, row, slot, flood);
                self.twin(slot);
            }
            Merged::Namesake(instance) => self.meet_namesake(instance, row.about().1),
            Merged::New(slot) => {
                self.settle_status(slot);
                self.spread_row(slot, id);
                self.table_changed();
            }
            Merged::Accused(slot) => self.accuse(id, slot, row),
            Merged::Vouched(slot) => self.vouched(id, slot, row),
            Merged::Sought(slot) => self.sought(id, slot, row),
            Merged::AboutMe => self.contradict(row),
            Merged::Refused(why) => {
                let peer = self.links.get(&id).map(|link| link.peer.clone());
                self.drop_from(peer, DropReason::Bound, why);
                self.refuse_peer(id, row);
            }
        }
        None
    }

    /// The peer itself may be who was refused: then its links tell whether it is there.
    fn refuse_peer(&mut self, id: LinkId, row: &Row) {
        let Row::Live { row, .. } = row else { return };
        let Some(link) = self.links.get_mut(&id).filter(|link| link.peer == row.id) else { return };
        link.watch.is_refused = true;
        self.review(&row.id);
    }

    fn follow_change(&mut self, id: LinkId, row: &Row, slot: Slot, flood: bool) {
        if flood {
            self.flood(row, Some(id));
        }
        self.settle_status(slot);
        self.table_changed();
    }

    /// Tells what is known of some members.
    pub(in crate::node) fn teach(&mut self, id: LinkId, slots: &[Slot]) {
        let Some(link) = self.links.get_mut(&id).filter(|_| !slots.is_empty()) else { return };
        // What they said of their table before is old.
        link.watch.outdated = true;
        let is_companion = link.session.as_ref().is_some_and(|session| !session.shared.is_empty());
        let names = [self.members.me().key, MemberKey::of(&link.peer)];
        let room = link.limits.max_frame.min(MAX_BYTES);
        let members = slots.iter().filter_map(|slot| self.members.get(*slot));
        let rows =
            members.flat_map(|member| self.rows_of(member, is_companion || names.contains(&member.key)));
        for rows in batches(rows.collect(), room) {
            self.send(id, &Message::News(rows), Class::Urgent);
        }
    }

    /// All that is known of a member, or what does without its name. What it told of itself it told under an
    /// incarnation that may have been outranked since.
    pub(in crate::node) fn rows_of(
        &self,
        member: &Member,
        by_name: bool,
    ) -> impl Iterator<Item = Row> + use<> {
        let (key, incarnation) = (member.key, member.incarnation);
        let (is_old, age) = (member.details.incarnation < incarnation, self.unheard_for(member));
        let (row, rest) = match member.state {
            MemberState::Live if by_name => (self.row_of(member), is_old),
            MemberState::Live => (Row::Vouch { key, incarnation, age }, false),
            MemberState::Left => (Row::Left { key, incarnation }, false),
            MemberState::Down => {
                let age = self.now.tick.since(member.since).as_secs().try_into().unwrap_or(u32::MAX);
                (Row::Down { key, incarnation, age }, false)
            }
        };
        let rest = rest.then_some(Row::Vouch { key, incarnation, age });
        [row].into_iter().chain(rest)
    }

    /// A member by name, as it told of itself.
    pub(super) fn row_of(&self, member: &Member) -> Row {
        let Details { incarnation, instance, .. } = member.details;
        let (id, addresses) = (member.id.clone(), member.details.addresses.to_vec());
        let doze = member.doze_until.since(self.now.tick).as_secs().try_into().unwrap_or(u32::MAX);
        Row::Live { row: MemberRow { id, incarnation, instance, addresses }, doze }
    }
}

/// Rows in messages that fit their frames; a row alone may be larger, and goes in pieces.
fn batches(rows: Vec<Row>, room: usize) -> Vec<Vec<Row>> {
    let mut batches: Vec<Vec<Row>> = Vec::new();
    let mut taken = 0;
    for row in rows {
        let size = size(&row);
        match batches.last_mut().filter(|batch| taken + size <= room && batch.len() < MAX_ROWS) {
            Some(batch) => batch.push(row),
            None => {
                taken = ROW;
                batches.push(vec![row]);
            }
        }
        taken += size;
    }
    batches
}

fn size(row: &Row) -> usize {
    let Row::Live { row, .. } = row else { return ROW };
    ROW + row.id.as_str().len() + row.addresses.iter().map(|address| 3 + address.len()).sum::<usize>()
}
