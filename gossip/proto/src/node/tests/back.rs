//! Two that hold each other to be gone find each other again over a link that was there all the time.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, name};
use super::*;
use crate::{MemberKey, MemberState};

const HALF: usize = 9;

/// Two that are next to nobody of the other half on the ring: neither tries the other once that is down.
fn strangers() -> (usize, usize) {
    let key = |at: &usize| MemberKey::of(&name(*at));
    let tries = |who: usize, other: usize| {
        let mut half: Vec<usize> = (0..HALF * 2).filter(|at| (*at < HALF) == (who < HALF)).collect();
        half.sort_by_key(|at| key(at).0.wrapping_sub(key(&who).0));
        // The last but one of those before it.
        key(&other).0.wrapping_sub(key(&who).0) > key(&half[HALF - 2]).0.wrapping_sub(key(&who).0)
    };
    let pairs = (0..HALF).flat_map(|one| (HALF..HALF * 2).map(move |other| (one, other)));
    let mut strangers = pairs.filter(|(one, other)| !tries(*one, *other) && !tries(*other, *one));
    strangers.next().unwrap()
}

/// The application made it. Nothing is said on it that asks anything, but that it is there, now and then.
#[test]
fn two_halves_meet_over_the_link_of_two_that_do_not_try_each_other() {
    let bridge = strangers();
    let mut ring = Ring::with_links(HALF * 2, |one, other| {
        let apart = one.abs_diff(other) % HALF;
        (one < HALF) == (other < HALF) && apart.min(HALF - apart) <= 3 || (other, one) == bridge
    });
    let live = |ring: &Ring| (0..HALF * 2).map(|at| ring.members(at).live()).collect::<Vec<_>>();
    assert_eq!(live(&ring), [HALF * 2; HALF * 2]);
    ring.deaf.insert(link(bridge.0, bridge.1));
    ring.run(SECOND * 60);
    assert_eq!(live(&ring), [HALF; HALF * 2]);
    for (at, of) in [bridge, (bridge.1, bridge.0)] {
        assert_eq!(ring.state(at, of), Some(MemberState::Down));
    }
    ring.deaf.clear();
    ring.forget();
    ring.run(NodeConfig::default().keepalive + SECOND * 2);
    assert_eq!(live(&ring), [HALF * 2; HALF * 2]);
    // Each asks once.
    let asked = ring.sent(bridge.0, "beat").into_iter().filter(|(_, to)| *to == bridge.1).count();
    assert!(asked <= 20, "{asked}");
}

/// Whoever does not answer is not asked more often for that it says a lot.
#[test]
fn who_is_down_is_asked_once_a_second() {
    let mut ring = Ring::new(4);
    ring.part(0, 1);
    (2..4).for_each(|at| ring.part(0, at));
    ring.run(SECOND * 5);
    assert_eq!(ring.state(1, 0), Some(MemberState::Down));
    ring.forget();
    for number in 0..200 {
        let bytes = crate::wire::write(&Message::Ping(number, false), 3).into_bytes();
        ring.give(1, Input::Frame { link: link(0, 1), bytes });
        ring.run(Duration::from_millis(10));
    }
    let asked = ring.sent(1, "beat").into_iter().filter(|(_, to)| *to == 0).count();
    assert!((2..=8).contains(&asked), "{asked}");
}
