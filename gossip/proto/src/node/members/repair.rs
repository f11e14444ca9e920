//! What two tables differ in is found and told, from 400 bytes for one difference: sums of arcs of the ring, of
//! which only those that differ are looked into. As in Merkle trees, which such sums are cheaper than: they move
//! with each change.

use std::collections::BTreeSet;
use std::time::Duration;

use super::merge::{Merged, Told};
use super::pauses::Pauses;
use super::row::{Member, Slot};
use crate::node::{Class, LinkId, Node, Timer};
use crate::wire::{BeatFlags, MAX_KEYS, Message, Row, Summed, Table, UNHEARD};
use crate::{MemberKey, MemberState};

/// Tables that differ are compared after this pause, if they have not changed since: rows may be on their way. Twice
/// as long after each comparison that did not help, up to the second.
const QUIET: Pauses = Pauses(Duration::from_millis(250), Duration::from_secs(64));

impl Node {
    /// Notes whether the other side's table is ours.
    pub(super) fn hear_table(&mut self, id: LinkId, theirs: u64) {
        let ours = self.members.hash();
        let Some(link) = self.links.get_mut(&id).filter(|_| self.config.peer_exchange) else { return };
        let is_companion = link.session.as_ref().is_some_and(|session| !session.shared.is_empty());
        if theirs == ours {
            link.watch.newcomer = false;
            (link.watch.differ, link.watch.compared, link.watch.apart) = (None, 0, false);
            self.is_up_to_date();
            return self.timers.cancel(&Timer::Table(id));
        }
        if link.watch.newcomer && is_companion {
            self.links.values_mut().for_each(|link| link.watch.newcomer = false);
            return self.send(id, &Message::Table(Table::All), Class::Urgent);
        }
        (link.watch.differ, link.watch.outdated) = (Some([ours, theirs]), false);
        self.compare_tables_later(id);
    }

    fn compare_tables_later(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        self.timers.ensure(Timer::Table(id), self.now.tick + QUIET.doubled(link.watch.compared));
    }

    /// Begins to compare tables that have been different for a while. One side does, that with
    /// the smaller id. What has changed here since has changed there too, most often: that is asked first.
    pub(in crate::node) fn compare_tables(&mut self, id: LinkId) {
        let now = self.members.hash();
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some([ours, theirs]) = link.watch.differ.take() else { return };
        if ours != now {
            (link.watch.differ, link.watch.outdated) = (Some([now, theirs]), true);
            return self.compare_tables_later(id);
        }
        if std::mem::take(&mut link.watch.outdated) {
            return self.beat_now(id, BeatFlags::ANSWER);
        }
        link.watch.compared = link.watch.compared.saturating_add(1);
        // Once: those who never knew some of the dead do not come to agree on who there is.
        if std::mem::take(&mut link.watch.apart) && link.watch.compared == 1 {
            return self.tell_states(id);
        }
        if self.record.id < link.peer {
            let sums = self.members.sums(Summed::Present, None);
            let table = Table::Sums { of: Summed::Present, path: None, sums };
            self.send(id, &Message::Table(table), Class::Urgent);
        }
    }

    /// A question, or a step in the comparison of two tables.
    pub(in crate::node) fn on_table(&mut self, id: LinkId, table: Table) {
        self.answer(id, |node| node.answer_table(id, table));
    }

    /// Who keeps to its own peers has nothing to compare.
    fn answer_table(&mut self, id: LinkId, table: Table) {
        let me = self.members.me();
        match table {
            Table::Want(keys) if keys.contains(&me.key) && !self.config.peer_exchange => {
                self.teach(id, &[me])
            }
            _ if !self.config.peer_exchange => {}
            Table::All => self.tell_table(id),
            Table::Sums { of, path, sums } => {
                self.links.get_mut(&id).into_iter().for_each(|link| link.watch.apart = of == Summed::Roster);
                self.compare_sums(id, of, path, &sums)
            }
            Table::Bucket { bucket, rows } => self.merge_arc(id, bucket, &rows),
            Table::Want(keys) => {
                let keys: BTreeSet<MemberKey> = keys.into_iter().collect();
                let slots: Vec<Slot> = keys.into_iter().filter_map(|key| self.members.find(key)).collect();
                self.tell_those(id, &slots);
            }
        }
    }

    /// All there are; the dead are of no use to who never knew them. Who takes nothing in is told nothing.
    fn tell_table(&mut self, id: LinkId) {
        if self.links.get(&id).is_none_or(|link| link.congested) {
            return;
        }
        let present = self.members.all().filter(|member| member.state != MemberState::Down);
        let slots: Vec<Slot> = present.filter_map(|member| self.members.find(member.key)).collect();
        self.teach(id, &self.in_date(&slots));
    }

    /// Tells of those whom the other side does not hold.
    fn tell_those(&mut self, id: LinkId, slots: &[Slot]) {
        self.give_up_outdated(slots);
        self.teach(id, &self.in_date(slots));
    }

    /// Looks into the arcs that differ.
    fn compare_sums(&mut self, id: LinkId, of: Summed, path: Option<u8>, theirs: &[u64; 16]) {
        let ours = self.members.sums(of, path);
        for arc in (0..16).filter(|arc| ours[usize::from(*arc)] != theirs[usize::from(*arc)]) {
            let table = match path {
                None => Table::Sums { of, path: Some(arc), sums: self.members.sums(of, Some(arc)) },
                Some(path) => {
                    let bucket = path << 4 | arc;
                    // Of who is outdated an incarnation less is said: it claims nothing, and is told.
                    let row = |member: &Member| {
                        let less = u64::from(self.is_outdated(member));
                        (member.key, member.incarnation.saturating_sub(less), member.state)
                    };
                    let rows = self.members.on_arc(bucket).take(MAX_KEYS).map(row).collect();
                    Table::Bucket { bucket, rows }
                }
            };
            self.send(id, &Message::Table(table), Class::Urgent);
        }
    }

    /// Takes in what the other side holds of an arc, asks for those unknown here, and tells what it does not hold.
    fn merge_arc(&mut self, id: LinkId, bucket: u8, rows: &[(MemberKey, u64, MemberState)]) {
        let is_apart = self.links.get(&id).is_some_and(|link| link.watch.apart);
        let theirs: BTreeSet<MemberKey> = rows.iter().map(|(key, ..)| *key).collect();
        let lacks = |member: &&Member| member.state != MemberState::Down && !theirs.contains(&member.key);
        let lacking = self.members.on_arc(bucket).filter(lacks);
        let lacking: Vec<Slot> = lacking.filter_map(|member| self.members.find(member.key)).collect();
        self.tell_those(id, &lacking);
        let (mut teach, mut want) = (Vec::new(), Vec::new());
        for (key, incarnation, state) in rows {
            let row = statement(*key, *incarnation, *state);
            if *state == MemberState::Down && self.holds_to_be_alive(*key, *incarnation) {
                // An old verdict yields, a young one is told with its age. If there are many they are told at once.
                teach.extend(self.members.find(*key).filter(|_| !is_apart));
                continue;
            }
            if self.hears_otherwise(id, &row) {
                continue;
            }
            match self.members.merge(self.now.tick, &row, Told::Held) {
                Merged::Unknown(key) if *state == MemberState::Live && self.members.has_room() => {
                    want.push(key)
                }
                merged => teach.extend(self.follow(id, &row, merged)),
            }
        }
        if !want.is_empty() {
            self.send(id, &Message::Table(Table::Want(want)), Class::Urgent);
        }
        self.teach(id, &self.in_date(&teach));
    }

    /// Whether this node says so, and has been in touch with others.
    fn holds_to_be_alive(&self, key: MemberKey, incarnation: u64) -> bool {
        let known = self.members.find(key).and_then(|slot| self.members.get(slot));
        let is_it = |member: &Member| (member.state, member.incarnation) == (MemberState::Live, incarnation);
        known.is_some_and(|member| is_it(member) && !self.is_outdated(member))
    }
}

/// A row that says as much.
pub(super) fn statement(key: MemberKey, incarnation: u64, state: MemberState) -> Row {
    match state {
        MemberState::Live => Row::Vouch { key, incarnation, age: UNHEARD },
        MemberState::Down => Row::Down { key, incarnation, age: 0 },
        MemberState::Left => Row::Left { key, incarnation },
    }
}
