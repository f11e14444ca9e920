//! Nobody is put to sleep by others, and who is awake is so to everybody.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, name};
use super::*;
use crate::MemberKey;
use crate::wire::{Row, write};
use PeerStatus::{Dozing, Reachable, Unreachable};

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
        ring.give(5, Input::Command { id: CommandId(3), command: Command::Doze { lasting } });
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
