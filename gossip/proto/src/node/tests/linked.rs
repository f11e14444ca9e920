//! Applications are told of the first link to a peer and of the end of the last one, whatever its status says.

use super::ring::{Ring, SECOND, link, second_link};
use super::*;

fn down(ring: &mut Ring, link: LinkId) {
    [0, 1].into_iter().for_each(|at| ring.give(at, Input::LinkDown { link }));
    ring.run(SECOND / 10);
}

#[test]
fn the_first_link_and_the_end_of_the_last_are_told_once_each() {
    let mut ring = Ring::with_links(3, |one, other| one.min(other) + one.max(other) != 1);
    ring.link_up(0, 1);
    assert!(ring.linked.is_empty(), "nobody has greeted yet");
    ring.run(SECOND * 5);
    ring.linked.sort_unstable();
    assert_eq!(ring.linked, [(0, 1, true), (1, 0, true)]);
    assert!(ring.told.is_empty(), "they were reachable before: {:?}", ring.told);
    ring.link_up_as(second_link(0, 1), 0, 1);
    ring.run(SECOND * 5);
    down(&mut ring, link(0, 1));
    assert_eq!(ring.linked.len(), 2, "one is as good as two");
    down(&mut ring, second_link(0, 1));
    ring.linked.sort_unstable();
    assert_eq!(ring.linked, [(0, 1, false), (0, 1, true), (1, 0, false), (1, 0, true)]);
    assert!(ring.told.is_empty(), "the third hears both: {:?}", ring.told);
}

/// Whoever stops has no links any more, and says so before it is stopped.
#[test]
fn who_stops_is_told_that_its_links_are_gone() {
    let mut ring = Ring::new(3);
    ring.give(0, Input::Command { id: CommandId(3), command: Command::Stop });
    assert_eq!(ring.linked, [(0, 1, false), (0, 2, false)]);
    ring.run(SECOND);
    ring.linked.sort_unstable();
    assert_eq!(ring.linked, [(0, 1, false), (0, 2, false), (1, 0, false), (2, 0, false)]);
}

/// One that begins anew on a link it has was away.
#[test]
fn a_greeting_from_a_new_life_on_the_same_link_is_its_end_and_a_new_one() {
    let mut ring = Ring::new(3);
    ring.give(1, Input::LinkDown { link: link(0, 1) });
    ring.link_up_at(1, link(0, 1), 0);
    ring.run(SECOND * 2);
    let told = |at| ring.linked.iter().filter(|(by, ..)| *by == at).map(|(.., is_up)| *is_up).collect();
    let [zero, one]: [Vec<bool>; 2] = [told(0), told(1)];
    assert_eq!([zero, one], [[false, true], [false, true]]);
}
