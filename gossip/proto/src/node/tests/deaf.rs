//! Links that bring nothing of a member whom others hear.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::wire::Row;
use PeerStatus::Unreachable;

/// Four nodes, of which two do not hear each other any more and have found out.
fn deaf() -> Ring {
    let mut ring = Ring::new(4);
    ring.part(0, 1);
    ring.run(SECOND * 10);
    assert!(is_deaf(&ring, 0, 1) && is_deaf(&ring, 1, 0), "others have said that they are there");
    assert!(!is_deaf(&ring, 0, 2) && !is_deaf(&ring, 2, 0));
    ring.forget();
    ring
}

fn is_deaf(ring: &Ring, at: usize, of: usize) -> bool {
    ring.nodes[at].links[&link(at, of)].watch.is_deaf
}

/// It was asked for once, and is not again.
#[test]
fn silence_on_a_link_that_is_deaf_says_nothing() {
    let mut ring = deaf();
    ring.run(SECOND * 120);
    assert_eq!(ring.told.len(), 0, "{:?}", ring.told);
    for at in [0, 1] {
        let looks = ring.sent(at, "look").len();
        assert_eq!(looks, 0, "{at} asks others for it in two minutes");
    }
}

#[test]
fn a_link_on_which_something_comes_is_not_deaf_any_more() {
    let mut ring = deaf();
    ring.cut.remove(&(1, 0));
    ring.run(SECOND * 3);
    assert!(!is_deaf(&ring, 0, 1) && is_deaf(&ring, 1, 0), "each way by itself");
    ring.cut.insert((1, 0));
    ring.forget();
    ring.run(SECOND * 3);
    assert!(!ring.sent(0, "look").is_empty(), "its silence counts again");
}

/// Then the link said nothing, but that it ends is a sign.
#[test]
fn the_end_of_a_link_that_is_deaf_is_the_end_of_a_link() {
    let mut ring = deaf();
    let begin = ring.time();
    ring.dead.insert(1);
    ring.give(0, Input::LinkDown { link: link(0, 1) });
    assert!(!ring.sent(0, "look").is_empty(), "others are asked at once");
    ring.run(SECOND * 10);
    let gone = ring.told.iter().find(|(_, by, of, status)| (*by, *of, *status) == (0, 1, Unreachable));
    let after = gone.map(|(at, ..)| *at - begin);
    assert!(after.is_some_and(|after| after < SECOND * 4), "after {after:?}");
}

/// The link that is deaf is none on which anything could be missed.
#[test]
fn whoever_is_left_with_a_link_that_is_deaf_asks_all() {
    let mut ring = Ring::new(4);
    ring.link_up_as(second_link(0, 1), 0, 1);
    ring.run(SECOND * 3);
    ring.part(0, 1);
    ring.run(SECOND * 10);
    ring.cut.clear();
    ring.deaf.insert(link(0, 1));
    ring.run(SECOND * 10);
    assert!(is_deaf(&ring, 0, 1), "the other one works again");
    ring.forget();
    ring.run(SECOND * 10);
    assert!(!has_sought(&ring, 0));
    for at in [0, 1] {
        ring.give(at, Input::LinkDown { link: second_link(0, 1) });
    }
    ring.run(SECOND * 12);
    assert!(has_sought(&ring, 0));
    assert_eq!(ring.told.len(), 0, "others hear it: {:?}", ring.told);
}

/// Whether it asked all who hears somebody.
fn has_sought(ring: &Ring, by: usize) -> bool {
    let is_seek = |said: &Message| match said {
        Message::News(rows) => rows.iter().any(|row| matches!(row, Row::Seek { .. })),
        _ => false,
    };
    ring.said.iter().any(|(_, from, _, said)| *from == by && is_seek(said))
}

/// What a transport was given may wait there for as long as the network was gone: it is told to try another way.
#[test]
fn another_way_is_tried_beside_links_that_bring_nothing() {
    for count in [2, 3, 6] {
        let mut ring = Ring::new(count);
        ring.run(SECOND * 60);
        assert_eq!(ring.renewed, [], "all hear each other");
        let begin = ring.time();
        ring.block(0);
        ring.run(SECOND * 7);
        for at in 0..count {
            let others = (0..count).filter(|other| *other != at && (at == 0 || *other == 0));
            for other in others {
                let wanted = |(_, by, id): &&(Duration, usize, LinkId)| (*by, *id) == (at, link(at, other));
                let first = ring.renewed.iter().find(wanted).map(|(then, ..)| *then - begin);
                assert!(first.is_some(), "{at} of {count} goes on waiting for {other}");
            }
        }
    }
}

#[test]
fn another_way_is_tried_beside_a_link_that_is_deaf() {
    let mut ring = Ring::new(4);
    ring.part(0, 1);
    ring.run(SECOND * 10);
    let mut wanted: Vec<_> = ring.renewed.iter().map(|(_, at, id)| (*at, *id)).collect();
    wanted.sort_unstable();
    assert_eq!(wanted, [(0, link(0, 1)), (1, link(0, 1))]);
}
