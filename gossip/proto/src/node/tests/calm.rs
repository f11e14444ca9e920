//! Links that tell by themselves when the other side is gone, and those that want to be left alone.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::wire::write;
use PeerStatus::*;

const COUNT: usize = 8;

/// All with all, over links such as radios are.
fn radios() -> Ring {
    let mut ring = Ring::unlinked(COUNT);
    ring.notices_loss = true;
    for (one, other) in (0..COUNT).flat_map(|one| (0..one).map(move |other| (one, other))) {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 120);
    for at in 0..COUNT {
        assert!((0..COUNT).all(|of| of == at || ring.statuses(at, of) == [Reachable]), "{at} knows all");
    }
    ring.forget();
    ring
}

fn bytes(ring: &Ring) -> usize {
    ring.said.iter().map(|(.., said)| write(said, 3).len()).sum()
}

#[test]
fn eight_phones_say_hardly_anything_while_nothing_happens() {
    let mut ring = radios();
    ring.run(SECOND * 3_600);
    let a_link_and_second = bytes(&ring) as f64 / 3_600.0 / (COUNT * (COUNT - 1) / 2) as f64;
    assert!(a_link_and_second <= 1.5, "{a_link_and_second} B");
    assert!(a_link_and_second > 0.5, "{a_link_and_second} B: they go on saying beats");
    assert_eq!(ring.told, []);
}

#[test]
fn that_a_link_is_gone_is_known_as_soon_as_it_says_so() {
    let mut ring = radios();
    ring.dead.insert(3);
    for other in (0..COUNT).filter(|at| *at != 3) {
        ring.give(other, Input::LinkDown { link: link(other, 3) });
    }
    ring.run(SECOND * 4);
    for at in (0..COUNT).filter(|at| *at != 3) {
        assert_eq!(ring.statuses(at, 3).last(), Some(&Unreachable), "at {at}");
    }
}

/// The link is up, and the process behind it is not: that is seen when it was to say something.
#[test]
fn a_process_that_is_gone_behind_a_link_is_missed_with_its_next_beat() {
    let mut ring = radios();
    ring.dead.insert(3);
    ring.run(SECOND * 66);
    for at in (0..COUNT).filter(|at| *at != 3) {
        assert_eq!(ring.statuses(at, 3).last(), Some(&Unreachable), "at {at}");
    }
    let others = (0..COUNT).flat_map(|at| (0..COUNT).map(move |of| (at, of)));
    let mut others = others.filter(|(at, of)| *of != 3 && *at != 3 && at != of);
    assert!(others.all(|(at, of)| !ring.statuses(at, of).contains(&Unreachable)));
}

/// Whoever dozes is not woken by beats it did not ask for.
#[test]
fn nothing_is_said_to_one_that_dozes() {
    for notices_loss in [false, true] {
        let mut ring = Ring::unlinked(2);
        ring.notices_loss = notices_loss;
        ring.link_up(0, 1);
        ring.run(SECOND * 20);
        let lasting = Duration::from_secs(600);
        ring.give(0, Input::Command { id: CommandId(3), command: Command::Doze { lasting } });
        ring.run(SECOND * 2);
        ring.forget();
        ring.run(SECOND * 590);
        let said = ring.said.iter().filter(|(_, at, ..)| *at == 1).map(|(.., said)| said.name());
        let beats = said.filter(|name| *name == "beat").count();
        assert!(beats <= 9, "{beats} beats in ten minutes");
        assert_eq!(ring.statuses(1, 0), []);
        ring.give(0, Input::Command { id: CommandId(4), command: Command::Wake });
        ring.run(SECOND * 3);
        assert_eq!(ring.statuses(1, 0), [Reachable]);
        assert_eq!(ring.statuses(0, 1), [], "it is heard in time");
    }
}
