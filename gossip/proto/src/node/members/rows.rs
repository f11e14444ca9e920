//! The table of members: rows, the order of their keys, and the ring of those alive.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use super::super::slab::{At, Slab};
use super::bucket::Bucket;
use super::dead::Dead;
use super::me::CLIMB;
use super::merge::AHEAD;
use super::near::Near;
use super::overlay::Dial;
use super::row::{Details, Member, Slot};
use super::senses::Senses;
use super::sums::Sums;
use crate::node::PeerStatus;
use crate::wire::Summed;
use crate::{MemberKey, MemberRow, MemberState, NodeId, Tick};

/// All members, this node among them.
#[derive(Debug)]
pub(in crate::node) struct Members {
    me: Slot,
    most: usize,
    rows: Slab<Member>,
    keys: BTreeMap<MemberKey, At>,
    /// Those alive, in order of their keys.
    pub(super) ring: BTreeMap<MemberKey, At>,
    pub(super) sums: Sums,
    /// When members came or went first since neighbours were looked for.
    pub(super) changed: Option<Tick>,
    /// Neighbours without a link that were dialled.
    pub(super) dials: BTreeMap<MemberKey, Dial>,
    pub(super) near: Near,
    /// Those that are down, as far as this node tries them.
    pub(super) dead: Dead,
    /// How often this node contradicts.
    pub(super) refutations: Bucket,
    /// How often it outranks another node that calls itself the same.
    pub(super) rivalry: Bucket,
    /// What is made of what is heard.
    pub(super) senses: Senses,
}

/// How often others are told of one member at once: at first, and then. A link that flaps is no storm.
const FLOODS: (u32, Duration) = (4, Duration::from_secs(1));
/// A number grows by one in this time, whoever says so, but for what is believed at once: its member climbs as fast when it
/// contradicts.
const RAISE: Duration = Duration::from_micros(15);
/// How often the application is told that there are two.
const TWINS: Duration = Duration::from_secs(3600);

impl Members {
    /// A table of this node alone, with room for so many.
    pub(in crate::node) fn new(now: Tick, me: MemberRow, most: usize) -> Self {
        let me = Member::new(now, me);
        let (key, mut rows) = (me.key, Slab::default());
        let mut sums = Sums::default();
        sums.add(key, me.incarnation, me.state);
        let at = rows.insert(me);
        let one = BTreeMap::from([(key, at)]);
        Self {
            me: Slot { at, key },
            most: most.max(1),
            rows,
            keys: one.clone(),
            ring: one,
            sums,
            changed: None,
            dials: BTreeMap::new(),
            near: Near::default(),
            dead: Dead::default(),
            refutations: Bucket::default(),
            rivalry: Bucket::default(),
            senses: Senses::default(),
        }
    }

    pub(in crate::node) fn me(&self) -> Slot {
        self.me
    }

    pub(in crate::node) fn find(&self, key: MemberKey) -> Option<Slot> {
        self.keys.get(&key).map(|at| Slot { at: *at, key })
    }

    pub(in crate::node) fn get(&self, slot: Slot) -> Option<&Member> {
        self.rows.get(slot.at).filter(|member| member.key == slot.key)
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut Member> {
        self.rows.get_mut(slot.at).filter(|member| member.key == slot.key)
    }

    /// All of them, in order of their keys.
    pub(in crate::node) fn all(&self) -> impl Iterator<Item = &Member> {
        self.keys.values().filter_map(|at| self.rows.get(*at))
    }

    /// Those on one arc of 256.
    pub(in crate::node) fn on_arc(&self, bucket: u8) -> impl Iterator<Item = &Member> {
        let first = u64::from(bucket) << 56;
        let arc = self.keys.range(MemberKey(first)..=MemberKey(first | u64::MAX >> 8));
        arc.filter_map(|(_, at)| self.rows.get(*at))
    }

    /// Those between two keys, from the first on round the ring.
    pub(super) fn between(&self, from: MemberKey, to: MemberKey) -> impl Iterator<Item = &Member> {
        let (is_round, behind) = (from >= to, (Excluded(from), Unbounded));
        let (first, rest) = match is_round {
            true => (behind, (Unbounded, Excluded(to))),
            false => ((Excluded(from), Excluded(to)), (Unbounded, Excluded(MemberKey(0)))),
        };
        let keys = self.keys.range(first).chain(self.keys.range(rest));
        keys.filter_map(|(_, at)| self.rows.get(*at))
    }

    /// How many are alive, this node among them.
    pub(in crate::node) fn live(&self) -> usize {
        self.ring.len()
    }

    /// Hash of those alive and those that left, as said on beats.
    pub(in crate::node) fn hash(&self) -> u64 {
        self.sums.all(Summed::Present)
    }

    /// Hash of those alive and those down.
    pub(in crate::node) fn roster(&self) -> u64 {
        self.sums.all(Summed::Roster)
    }

    /// Hashes of sixteen arcs.
    pub(in crate::node) fn sums(&self, of: Summed, path: Option<u8>) -> [u64; 16] {
        self.sums.step(of, path)
    }

    /// Whether this node seeks a link to a member, or tries it.
    pub(in crate::node) fn is_dialled(&self, key: MemberKey) -> bool {
        self.dials.contains_key(&key) || self.dead.tries(key) || self.near.is_tried(key)
    }

    /// Changes what this node tells of itself.
    pub(super) fn set_me(&mut self, now: Tick, incarnation: u64, addresses: Box<[String]>) {
        self.set_state(self.me, MemberState::Live, incarnation, now);
        let Some(me) = self.get_mut(self.me) else { return };
        me.details = Details { incarnation, instance: me.details.instance, addresses };
    }

    /// Whether all may be told of a member now; counted if so.
    pub(super) fn may_flood(&mut self, slot: Slot, now: Tick) -> bool {
        let (at_once, pause) = FLOODS;
        self.get_mut(slot).is_some_and(|member| member.floods.take(now, at_once, pause))
    }

    /// Whether a number may grow so far now; counted if so.
    pub(super) fn may_raise(&mut self, slot: Slot, by_far: u64, now: Tick) -> bool {
        let cost = |numbers: u64| RAISE * u32::try_from(numbers).unwrap_or(u32::MAX);
        let Some(member) = self.get_mut(slot).filter(|_| by_far > 0) else { return true };
        let may = member.raises.owes(now) + cost(by_far) <= cost(AHEAD + CLIMB);
        if may {
            member.raises.spend(now, cost(by_far));
        }
        may
    }

    /// The same, of what speaks against it: what speaks for it is not held back by that.
    pub(super) fn may_accuse(&mut self, slot: Slot, now: Tick) -> bool {
        let (at_once, pause) = FLOODS;
        self.get_mut(slot).is_some_and(|member| member.charges.take(now, at_once, pause))
    }

    /// Whose id two nodes have, if it is time to tell the application.
    pub(super) fn twin(&mut self, slot: Slot, now: Tick) -> Option<NodeId> {
        let member = self.get_mut(slot)?;
        member.twins.take(now, 1, TWINS).then(|| member.id.clone())
    }

    /// Takes in a member nobody spoke of before, if there is room.
    pub(super) fn insert(&mut self, now: Tick, row: MemberRow) -> Option<Slot> {
        if self.is_full() {
            return None;
        }
        let member = Member::new(now, row);
        let key = member.key;
        debug_assert!(!self.keys.contains_key(&key), "it is not known yet");
        self.sums.add(key, member.incarnation, member.state);
        let at = self.rows.insert(member);
        self.keys.insert(key, at);
        self.ring.insert(key, at);
        Some(Slot { at, key })
    }

    /// How many are known, whether they are alive or not.
    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Those down and those that left; mostly nobody, which is seen at once.
    pub(super) fn gone(&self) -> impl Iterator<Item = &Member> {
        let gone = self.all().filter(|member| member.state != MemberState::Live);
        gone.take(self.keys.len() - self.ring.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.count() >= self.most
    }

    /// Whether somebody new can be taken in, perhaps in the place of one that is gone.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full() || self.keys.len() > self.ring.len()
    }

    /// Who has been gone longest.
    pub(super) fn longest_gone(&self) -> Option<Slot> {
        self.gone().min_by_key(|member| member.since).and_then(|member| self.find(member.key))
    }

    /// Gives up a row, and nothing else that is held of its member: `Node::forget_member` does.
    pub(in crate::node) fn remove(&mut self, slot: Slot) -> Option<Member> {
        self.get(slot)?;
        let member = self.rows.remove(slot.at)?;
        self.sums.take(member.key, member.incarnation, member.state);
        self.keys.remove(&slot.key);
        self.ring.remove(&slot.key);
        Some(member)
    }

    /// Nothing is wanted of a member any more.
    pub(super) fn forget_wishes(&mut self, key: MemberKey) {
        self.dials.remove(&key);
        self.near.forget(key);
        self.dead.forget(key);
        self.senses.missing.remove(&key);
    }

    /// Changes what is hashed of a member: there is no other way to.
    pub(in crate::node) fn set_state(&mut self, slot: Slot, state: MemberState, incarnation: u64, now: Tick) {
        let Some(member) = self.get_mut(slot) else { return };
        let was = (member.incarnation, std::mem::replace(&mut member.state, state));
        member.incarnation = incarnation;
        if was.1 != state {
            member.since = now;
            member.heard = now;
        }
        self.sums.take(slot.key, was.0, was.1);
        self.sums.add(slot.key, incarnation, state);
        match state {
            MemberState::Live => self.ring.insert(slot.key, slot.at),
            MemberState::Down | MemberState::Left => self.ring.remove(&slot.key),
        };
    }

    /// Notes what a member tells of itself, if it is newer than what is known; says whether it is.
    pub(super) fn learn(&mut self, slot: Slot, details: Details) -> bool {
        let Some(member) = self.get_mut(slot).filter(|member| details > member.details) else { return false };
        if details.instance != member.details.instance {
            member.former.replace(member.details.instance, details.instance);
        }
        member.details = details;
        true
    }

    /// Notes that this node outranks another instance of itself.
    pub(super) fn outrank(&mut self, instance: u32) {
        self.get_mut(self.me).into_iter().for_each(|me| me.former.replace(instance, instance));
    }

    /// Whether an instance of a member shows that there are two of it.
    pub(super) fn is_twin(&self, slot: Slot, instance: u32) -> bool {
        let member = self.get(slot).filter(|member| member.details.instance != instance);
        member.is_some_and(|member| member.former.is_twin(instance))
    }

    /// Notes that somebody heard a member then.
    pub(super) fn note_heard(&mut self, slot: Slot, then: Tick) {
        self.get_mut(slot).into_iter().for_each(|member| member.heard = member.heard.max(then));
    }

    /// Notes what the application is told of a member.
    pub(super) fn note_told(&mut self, slot: Slot, status: PeerStatus) {
        self.get_mut(slot).into_iter().for_each(|member| member.told = Some(status));
    }

    /// The application forgets what it was told of a member.
    pub(in crate::node) fn forget_told(&mut self, id: &NodeId) {
        let slot = self.find(MemberKey::of(id));
        slot.and_then(|slot| self.get_mut(slot)).into_iter().for_each(|member| member.told = None);
    }

    /// Notes until when a member says nothing; says whether that is news.
    pub(in crate::node) fn doze(&mut self, slot: Slot, now: Tick, until: Tick) -> bool {
        const SAME: std::time::Duration = std::time::Duration::from_secs(2);
        let Some(member) = self.get_mut(slot) else { return false };
        let until = if until > now { until } else { Tick(0) };
        let was = std::mem::replace(&mut member.doze_until, until);
        let dozes = [was, until].map(|until| until > now);
        dozes[0] != dozes[1] || dozes[1] && (until > was + SAME || was > until + SAME)
    }
}
