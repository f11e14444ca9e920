//! Nobody is put to sleep by others, and who is awake is so to everybody.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, millis, name};
use super::*;
use crate::MemberKey;
use crate::wire::{BeatFlags, Row, write};
use PeerStatus::{Dozing, Reachable, Unreachable};

impl Ring {
    fn doze(&mut self, at: usize, lasting: Duration) {
        self.give(at, Input::Command { id: CommandId(3), command: Command::Doze { lasting } });
    }
}

/// Its neighbours hear it, and it contradicts to all.
#[test]
fn nobody_is_put_to_sleep_by_others() {
    let mut ring = Ring::new(12);
    let (key, incarnation) = (MemberKey::of(&name(5)), ring.nodes[5].record.incarnation);
    let lie = Message::News(vec![Row::Doze { key, incarnation, seconds: u32::MAX }]);
    ring.give(0, Input::Frame { link: link(0, 1), bytes: write(&lie, 3).into_bytes() });
    ring.run(SECOND * 5);
    for at in (0..12).filter(|at| *at != 5) {
        assert!([None, Some(&Reachable)].contains(&ring.statuses(at, 5).last()), "at {at}");
    }
    ring.dead.insert(5);
    ring.run(SECOND * 10);
    for at in (0..12).filter(|at| *at != 5) {
        assert_eq!(ring.statuses(at, 5).last(), Some(&Unreachable), "at {at}");
    }
}

/// One that hears nothing just then hears of it later.
#[test]
fn who_wakes_is_awake_to_everybody_in_the_end() {
    let mut ring = Ring::new(12);
    let doze = |ring: &mut Ring, lasting| {
        ring.doze(5, lasting);
        ring.run(SECOND / 4);
    };
    doze(&mut ring, SECOND * 3_600);
    assert!((0..12).filter(|at| *at != 5).all(|at| ring.statuses(at, 5) == [Dozing]));
    // No beats of it come to this one.
    let is_far = |at: &usize| *at != 5 && !ring.nodes[*at].is_watched(link(*at, 5));
    let deaf = (0..12).find(is_far).expect("not everybody is next to it");
    (0..12).filter(|other| *other != deaf).for_each(|other| ring.part(deaf, other));
    doze(&mut ring, Duration::ZERO);
    assert_eq!(ring.statuses(deaf, 5), [Dozing]);
    ring.cut.clear();
    ring.run(SECOND * 60);
    for at in (0..12).filter(|at| *at != 5) {
        assert_eq!(ring.statuses(at, 5).last(), Some(&Reachable), "at {at}");
    }
}

/// As an application does that is looked at for a moment, again and again, before the system freezes it.
#[test]
fn the_last_word_is_told_however_often_it_was_another() {
    for count in [4, 12] {
        let mut ring = Ring::new(count);
        for turn in 0..5 {
            ring.doze(0, SECOND * 600 * (1 - turn % 2));
            ring.run(SECOND / 10);
        }
        ring.dead.insert(0);
        ring.run(SECOND * 60);
        for at in 1..count {
            let told = ring.statuses(at, 0);
            let is_near = ring.nodes[at].is_watched(link(at, 0));
            assert!(!told.contains(&Unreachable), "{count}, at {at}: {told:?}");
            assert!(!is_near || told.last() == Some(&Dozing), "{count}, at {at}: {told:?}");
        }
    }
}

#[test]
fn who_starts_again_is_awake() {
    let mut ring = Ring::new(4);
    ring.doze(0, SECOND * 600);
    ring.run(SECOND);
    for command in [Command::Stop, Command::Start] {
        ring.give(0, Input::Command { id: CommandId(4), command });
        ring.run(SECOND);
    }
    (1..4).for_each(|other| ring.link_up(0, other));
    ring.run(SECOND * 5);
    ring.forget();
    ring.run(SECOND * 10);
    assert!(ring.sent(0, "beat").len() >= 8, "{:?}", ring.sent(0, "beat"));
    ring.dead.insert(0);
    ring.run(SECOND * 10);
    assert!((1..4).all(|at| ring.statuses(at, 0).last() == Some(&Unreachable)), "nobody takes it for asleep");
}

/// It is said with the introduction on the next link.
#[test]
fn who_dozes_without_a_link_says_so_on_the_next_one() {
    let mut ring = Ring::unlinked(2);
    ring.doze(0, SECOND * 600);
    ring.link_up(0, 1);
    ring.run(SECOND);
    assert_eq!(ring.statuses(1, 0).last(), Some(&Dozing));
}

#[test]
fn who_is_not_running_cannot_doze() {
    let mut pair = Pair::new(0);
    let lasting = Duration::from_secs(60);
    let state = NodeState::Stopped;
    pair.command(0, Command::Stop);
    pair.command(0, Command::Doze { lasting });
    assert_eq!(pair.answers.last(), Some(&(0, Err(CommandError::State { state }))));
    for command in [Command::Wake, Command::Start, Command::Pause, Command::Doze { lasting }] {
        pair.command(0, command);
        assert!(matches!(pair.answers.last(), Some((0, Ok(Reply::Done)))), "{:?}", pair.answers.last());
    }
}

/// Node 0 of four says that it dozes for an hour, and is not there when that is over.
fn never_woke(before: impl Fn(&mut Ring)) {
    let mut ring = Ring::new(4);
    ring.doze(0, SECOND * 3_600);
    ring.run(SECOND / 4);
    before(&mut ring);
    ring.dead.insert(0);
    ring.run(SECOND * 3_645);
    for at in 1..4 {
        let told = ring.statuses(at, 0);
        assert!(told.last() == Some(&Unreachable) && !told.contains(&Reachable), "at {at}: {told:?}");
    }
}

/// It is frozen, and its links are closed as nothing comes.
#[test]
fn who_never_wakes_is_missed_without_a_link() {
    never_woke(|ring| (1..4).for_each(|at| ring.give(at, Input::LinkDown { link: link(0, at) })));
}

/// What it said while it dozed was no promise of more, to anybody.
#[test]
fn who_never_wakes_is_missed_by_those_it_answered() {
    never_woke(|ring| {
        for at in 1..4 {
            ring.nodes[at].beat_now(link(0, at), BeatFlags::ANSWER);
            ring.give(at, Input::Deadline);
        }
        ring.run(SECOND * 5);
    });
}

/// It need not say that it is awake: its beats do, to those next to it, and nobody else hears otherwise.
#[test]
fn who_wakes_by_itself_is_reachable_again() {
    let mut ring = Ring::new(12);
    ring.doze(5, SECOND * 20);
    ring.run(SECOND * 30);
    let watches = |ring: &Ring, at: usize| ring.nodes[at].is_watched(link(at, 5));
    for at in (0..12).filter(|at| *at != 5 && watches(&ring, *at)) {
        assert_eq!(ring.statuses(at, 5), [Dozing, Reachable], "at {at}");
    }
    ring.run(SECOND * 40);
    for at in (0..12).filter(|at| *at != 5) {
        assert_eq!(ring.statuses(at, 5), [Dozing, Reachable], "at {at}");
    }
}

/// It was cut off when that was said, and asks for a member that does not answer.
#[test]
fn who_missed_that_somebody_dozes_is_told_when_it_asks() {
    for deaf in [&[1][..], &[1, 2]] {
        let mut ring = Ring::new(5);
        let pairs = deaf.iter().flat_map(|at| (0..5).map(move |other| (*at, other)));
        pairs.filter(|(at, other)| at != other).for_each(|(at, other)| ring.part(at, other));
        ring.doze(0, SECOND * 3_600);
        ring.run(millis(100));
        ring.cut.clear();
        ring.dead.insert(0);
        ring.run(SECOND * 30);
        for at in 1..5 {
            let told = ring.statuses(at, 0);
            assert!(told.last() == Some(&Dozing) && !told.contains(&Unreachable), "at {at}: {told:?}");
            assert_eq!(ring.members(at).open(), (0, 0), "at {at}");
        }
    }
}
