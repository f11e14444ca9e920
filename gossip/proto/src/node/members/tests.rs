use std::time::Duration;

use proptest::prelude::*;

use super::merge::{AHEAD, HIGHEST, Merged, Told};
use super::row::Member;
use super::rows::Members;
use super::sums;
use crate::wire::{Accusers, Row};
use crate::{MemberKey, MemberRow, MemberState, NodeId, Rng, Tick};

const NOW: Tick = Tick(1 << 40);

impl Members {
    /// How many are asked, and how many accused.
    pub(in crate::node) fn open(&self) -> (usize, usize) {
        (self.senses.doubts.len(), self.senses.suspicions.len())
    }
}

impl crate::node::Node {
    /// As if it had heard others all the time, of whom there are none.
    pub(in crate::node) fn stays_in_touch(&mut self, now: Tick) {
        self.members.senses.touch = super::away::Touch { last: now, back: Tick(0) };
    }
}

fn told(name: &str, incarnation: u64) -> MemberRow {
    MemberRow { id: NodeId::new(name).unwrap(), incarnation, instance: 7, addresses: Vec::new() }
}

fn live(name: &str, incarnation: u64) -> Row {
    Row::Live { row: told(name, incarnation), doze: 0 }
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

fn alone() -> Members {
    Members::new(NOW, told("me", 5), 100)
}

fn group(names: &[&str]) -> Members {
    let mut members = alone();
    for name in names {
        assert!(matches!(members.merge(NOW, &live(name, 0), Told::News), Merged::New(_)));
    }
    members
}

/// What is known of somebody.
fn known(members: &Members, name: &str) -> (u64, MemberState) {
    let member = members.get(members.find(key(name)).unwrap()).unwrap();
    (member.incarnation, member.state)
}

fn suspect(name: &str, incarnation: u64) -> Row {
    Row::Suspect { key: key(name), incarnation, left: 800, age: 0, accusers: Accusers::one(key("x")) }
}

fn down(name: &str, incarnation: u64) -> Row {
    Row::Down { key: key(name), incarnation, age: 0 }
}

fn left(name: &str, incarnation: u64) -> Row {
    Row::Left { key: key(name), incarnation }
}

fn vouch(name: &str, incarnation: u64) -> Row {
    Row::Vouch { key: key(name), incarnation, age: 0 }
}

#[test]
fn a_row_that_is_gone_is_found_by_nobody() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    assert_eq!(members.remove(slot).unwrap().id, NodeId::new("a").unwrap());
    members.merge(NOW, &live("b", 0), Told::News);
    assert_eq!(members.find(key("b")).map(|slot| slot.at), Some(slot.at));
    assert!(members.get(slot).is_none() && members.remove(slot).is_none());
    members.set_state(slot, MemberState::Down, 9, NOW);
    assert_eq!((members.live(), known(&members, "b")), (2, (0, MemberState::Live)));
}

#[test]
fn the_longest_dead_make_room_and_nobody_else() {
    let mut members = Members::new(NOW, told("me", 5), 3);
    let later = NOW + Duration::from_secs(1);
    for name in ["a", "b"] {
        members.merge(NOW, &live(name, 0), Told::News);
    }
    assert!(matches!(members.merge(NOW, &live("c", 0), Told::News), Merged::Refused(_)));
    assert_eq!(members.in_the_way(&live("c", 0)), None, "all are alive");
    members.merge(later, &down("a", 0), Told::News);
    members.merge(NOW, &down("b", 0), Told::News);
    let longest = members.find(key("b"));
    assert_eq!(members.in_the_way(&live("c", 0)), longest);
    for row in [live("a", 1), vouch("c", 0), live("c", u64::MAX)] {
        assert_eq!(members.in_the_way(&row), None, "{row:?} needs no room");
    }
    members.remove(longest.unwrap());
    assert_eq!(members.in_the_way(&live("c", 0)), None);
    assert!(matches!(members.merge(later, &live("c", 0), Told::News), Merged::New(_)));
}

#[test]
fn the_higher_incarnation_holds_and_of_one_the_more_final_statement() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    let flood = Merged::Changed { slot, flood: true };
    let steps = [
        (live("a", 0), Merged::Nothing, (0, MemberState::Live)),
        (down("a", 0), flood, (0, MemberState::Down)),
        (live("a", 0), Merged::Teach(slot), (0, MemberState::Down)),
        (suspect("a", 0), Merged::Nothing, (0, MemberState::Down)),
        (live("a", 2), flood, (2, MemberState::Live)),
        (down("a", 1), Merged::Teach(slot), (2, MemberState::Live)),
        (suspect("a", 1), Merged::Teach(slot), (2, MemberState::Live)),
        (suspect("a", 2), Merged::Accused(slot), (2, MemberState::Live)),
        (suspect("a", 3), Merged::Accused(slot), (3, MemberState::Live)),
        (vouch("a", 3), Merged::Vouched(slot), (3, MemberState::Live)),
        (left("a", 3), flood, (3, MemberState::Left)),
        (down("a", 3), Merged::Nothing, (3, MemberState::Left)),
        (live("a", 3), Merged::Teach(slot), (3, MemberState::Left)),
    ];
    for (at, (row, merged, holds)) in steps.into_iter().enumerate() {
        assert_eq!(
            (members.merge(NOW, &row, Told::News), known(&members, "a")),
            (merged, holds),
            "step {at}"
        );
    }
    assert_eq!(members.merge(NOW, &left("stranger", 3), Told::News), Merged::Unknown(key("stranger")));
}

/// A verdict of ten seconds yields to whoever says otherwise; a younger one does not.
#[test]
fn an_old_verdict_yields() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    members.merge(NOW, &down("a", 0), Told::News);
    let (young, old) = (NOW + Duration::from_micros(9_999_999), NOW + Duration::from_secs(10));
    assert_eq!(members.merge(young, &live("a", 0), Told::News), Merged::Teach(slot));
    assert_eq!(members.merge(old, &suspect("a", 0), Told::News), Merged::Nothing);
    assert_eq!(members.merge(old, &live("a", 0), Told::Held), Merged::Changed { slot, flood: false });
    assert_eq!((known(&members, "a"), members.get(slot).unwrap().since), ((0, MemberState::Live), old));
}

#[test]
fn what_a_table_holds_is_no_voucher() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    assert_eq!(members.merge(NOW, &vouch("a", 0), Told::Held), Merged::Nothing);
    assert_eq!(members.merge(NOW, &vouch("a", 1), Told::Held), Merged::Changed { slot, flood: false });
}

#[test]
fn a_verdict_in_a_repair_is_a_suspicion() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    assert_eq!(members.merge(NOW, &down("a", 1), Told::Held), Merged::Accused(slot));
    assert_eq!(known(&members, "a"), (1, MemberState::Live));
    members.set_state(slot, MemberState::Down, 1, NOW);
    assert_eq!(members.merge(NOW, &down("a", 1), Told::Held), Merged::Nothing);
}

#[test]
fn what_is_said_of_this_node_is_contradicted_once_it_is_wrong() {
    let mut members = alone();
    let me = members.me();
    let other =
        |incarnation| Row::Live { row: MemberRow { instance: 8, ..told("me", incarnation) }, doze: 0 };
    let cases = [
        (down("me", 4), Merged::Teach(me)),
        (live("me", 5), Merged::Nothing),
        (vouch("me", 5), Merged::Nothing),
        (suspect("me", 5), Merged::AboutMe),
        (down("me", 5), Merged::AboutMe),
        (left("me", 5), Merged::AboutMe),
        (live("me", 6), Merged::AboutMe),
        (other(4), Merged::Teach(me)),
        (other(5), Merged::Namesake(8)),
        (other(6), Merged::Namesake(8)),
        (Row::Seek { key: me.key, incarnation: 5, by: key("x") }, Merged::Sought(me)),
    ];
    for (row, merged) in cases {
        assert_eq!(members.merge(NOW, &row, Told::News), merged, "{row:?}");
        assert_eq!(known(&members, "me"), (5, MemberState::Live));
    }
    for row in [live("me", u64::MAX), other(u64::MAX)] {
        assert!(matches!(members.merge(NOW, &row, Told::News), Merged::Refused(_)));
    }
}

/// Who starts anew is another instance, also when its store had not written what it called itself before.
#[test]
fn instances_that_take_turns_show_that_there_are_two() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    let a =
        |incarnation, instance| Row::Live { row: MemberRow { instance, ..told("a", incarnation) }, doze: 0 };
    let changed = Merged::Changed { slot, flood: true };
    let cases = [
        (a(1, 9), changed),
        (a(1, 9), Merged::Nothing),
        (a(1, 8), Merged::Teach(slot)),
        (a(2, 8), changed),
        (a(3, 5), changed),
        // Who told of the one or the other may have been behind, but not three times.
        (a(4, 6), changed),
        (a(5, 5), changed),
        (a(6, 6), changed),
        (a(7, 5), Merged::Twin { slot, flood: true }),
        (a(8, 1), changed),
    ];
    for (row, merged) in cases {
        assert_eq!(members.merge(NOW, &row, Told::News), merged, "{row:?}");
    }
}

#[test]
fn incarnations_are_not_used_up_by_others() {
    let mut members = group(&["a"]);
    for far in [AHEAD + 1, u64::MAX] {
        for row in [live("a", far), down("a", far), suspect("a", far), left("a", far)] {
            assert!(matches!(members.merge(NOW, &row, Told::News), Merged::Refused(_)));
        }
    }
    assert!(matches!(members.merge(NOW, &live("b", 1 << 41), Told::News), Merged::Refused(_)));
    members.merge(NOW, &live("a", AHEAD), Told::News);
    assert_eq!(known(&members, "a"), (AHEAD, MemberState::Live));
}

/// Each of them would be believed, and the member could not follow.
#[test]
fn others_do_not_raise_a_number_faster_than_its_member_can() {
    let mut members = group(&["a"]);
    let raise = |members: &mut Members, now| {
        for step in (0..=AHEAD.ilog2()).rev().flat_map(|step| [step; 4]) {
            let incarnation = known(members, "a").0 + (1 << step);
            members.merge(now, &vouch("a", incarnation), Told::News);
        }
        known(members, "a").0
    };
    let first = raise(&mut members, NOW);
    assert!((AHEAD..=AHEAD * 5 / 4).contains(&first), "{first}");
    let later = raise(&mut members, NOW + Duration::from_secs(60)) - first;
    assert!((AHEAD..=AHEAD * 5 / 4).contains(&later), "{later}");
    // Nor beyond what it would believe of itself.
    members.merge(NOW, &live("b", HIGHEST), Told::News);
    for minute in 1..10 {
        let now = NOW + Duration::from_secs(60 * minute);
        members.merge(now, &vouch("b", known(&members, "b").0 + AHEAD), Told::News);
    }
    assert_eq!(known(&members, "b").0, HIGHEST + AHEAD);
}

#[test]
fn a_doze_is_news_once() {
    let mut members = group(&["a"]);
    let slot = members.find(key("a")).unwrap();
    let doze = |seconds| Row::Doze { key: key("a"), incarnation: 0, seconds };
    let (later, flood) = (NOW + Duration::from_secs(1), Merged::Changed { slot, flood: true });
    assert_eq!(members.merge(NOW, &doze(60), Told::News), flood);
    assert_eq!(members.merge(later, &doze(60), Told::News), Merged::Nothing);
    assert_eq!(members.merge(later, &doze(600), Told::News), flood);
    assert_eq!(members.merge(later, &doze(0), Told::News), flood);
    assert_eq!(members.merge(later, &doze(0), Told::News), Merged::Nothing);
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn statement() -> impl Strategy<Value = Row> {
    let numbers = (0..6_u8, 0..NAMES.len(), 0..4_u64, 0..3_u32, 0..3_usize);
    numbers.prop_map(|(kind, name, incarnation, instance, addresses)| {
        let name = NAMES[name];
        let addresses = vec!["x".to_owned(); addresses];
        match kind {
            0 => Row::Live { row: MemberRow { instance, addresses, ..told(name, incarnation) }, doze: 0 },
            1 => suspect(name, incarnation),
            2 => down(name, incarnation),
            3 => left(name, incarnation),
            4 => vouch(name, incarnation),
            _ => Row::Seek { key: key(name), incarnation, by: key("x") },
        }
    })
}

/// What all of them come to, but for when.
fn outcome(members: &Members) -> (Vec<Member>, sums::Sums) {
    let without_history = |member: &Member| Member {
        heard: Tick(0),
        former: Default::default(),
        raises: Default::default(),
        ..member.clone()
    };
    (members.all().map(without_history).collect(), members.sums.clone())
}

/// The sums of a table as if it had been filled at once.
fn recomputed(members: &Members) -> sums::Sums {
    let mut sums = sums::Sums::default();
    members.all().for_each(|member| sums.add(member.key, member.incarnation, member.state));
    sums
}

proptest! {
    /// In whatever order statements come, and however often: what holds in the end is the same.
    #[test]
    fn the_order_of_statements_means_nothing(
        rows in proptest::collection::vec(statement(), 0..40),
        is_news in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let told = if is_news { Told::News } else { Told::Held };
        let mut shuffled = rows.clone();
        let mut rng = Rng::new(seed);
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, rng.below(at as u64 + 1) as usize);
        }
        shuffled.extend(rows.iter().take(5).cloned());
        let [one, other] = [&rows, &shuffled].map(|rows| {
            let mut members = group(&NAMES);
            rows.iter().for_each(|row| _ = members.merge(NOW, row, told));
            members
        });
        prop_assert_eq!(outcome(&one), outcome(&other));
    }

    /// Two tables that tell each other what they hold agree, and nothing is left to say.
    #[test]
    fn tables_that_tell_each_other_agree(
        ours in proptest::collection::vec(statement(), 0..20),
        theirs in proptest::collection::vec(statement(), 0..20),
    ) {
        let mut tables = [ours, theirs].map(|rows| {
            let mut members = group(&NAMES);
            rows.iter().for_each(|row| _ = members.merge(NOW, row, Told::News));
            members
        });
        for _ in 0..2 {
            let said = tables.each_ref().map(rows_of);
            let [one, other] = &mut tables;
            said[1].iter().for_each(|row| _ = one.merge(NOW, row, Told::News));
            said[0].iter().for_each(|row| _ = other.merge(NOW, row, Told::News));
        }
        let [one, other] = &mut tables;
        prop_assert_eq!(&one.sums, &other.sums);
        for row in rows_of(other).iter().filter(|row| row.about().0 != key("me")) {
            let merged = one.merge(NOW, row, Told::News);
            prop_assert!(matches!(merged, Merged::Nothing | Merged::Teach(_) | Merged::Vouched(_)), "{merged:?}");
        }
    }

    #[test]
    fn sums_and_ring_are_what_they_would_be_made_anew(
        rows in proptest::collection::vec((statement(), 0..20_u64, any::<bool>()), 0..60),
        gone in 0..NAMES.len(),
    ) {
        let (mut members, mut now) = (group(&NAMES), NOW);
        for (row, seconds, is_news) in rows {
            now = now + Duration::from_secs(seconds);
            members.merge(now, &row, if is_news { Told::News } else { Told::Held });
            prop_assert_eq!(recomputed(&members), members.sums.clone());
            prop_assert_eq!(members.all().filter(|member| member.state == MemberState::Live).count(), members.live());
        }
        let slot = members.find(key(NAMES[gone])).unwrap();
        members.remove(slot);
        prop_assert_eq!(recomputed(&members), members.sums.clone());
        prop_assert!(members.all().all(|member| member.key != slot.key));
    }
}

/// As rows that say the same.
fn rows_of(members: &Members) -> Vec<Row> {
    let all = members.all().flat_map(|member| {
        let Member { id, details, incarnation, state, .. } = member;
        let addresses = details.addresses.to_vec();
        let row = MemberRow {
            id: id.clone(),
            incarnation: details.incarnation,
            instance: details.instance,
            addresses,
        };
        let state = match state {
            MemberState::Live => vouch(id.as_str(), *incarnation),
            MemberState::Down => down(id.as_str(), *incarnation),
            MemberState::Left => left(id.as_str(), *incarnation),
        };
        [Row::Live { row, doze: 0 }, state]
    });
    all.collect()
}
