//! A group too large to push everything to everybody, with links that take their time: entries go along a tree,
//! and come by other ways where it fails.

use std::collections::BTreeSet;

use super::wood::*;
use super::*;
use crate::MemberRow;
use crate::wire::{Row, TreeMessage, write};

#[test]
fn each_entry_comes_once_to_everybody_whoever_wrote_it() {
    let mut wood = Wood::pruned();
    for at in 0..NODES {
        wood.append(at, 100);
        wood.pass(SECOND / 2);
    }
    assert!(wood.agree(), "{:?}", wood.held());
    assert_eq!(wood.count(is_push), NODES * (NODES - 1), "as many copies as there are others");
    let pushes = wood.said.iter().filter(|(_, _, message)| is_push(message));
    let longest = pushes.map(|(_, _, message)| write(message, 3).len()).max();
    assert!(longest <= Some(153), "{longest:?} bytes for 100");
    assert_eq!(wood.named("tree") + wood.named("have") + wood.named("beacon") + wood.named("equal"), 0);
    assert_eq!(wood.edges(), 2 * (NODES - 1), "both sides of a link think alike, and it is a tree");
}

/// Whoever writes for the first time: nobody compares, which would make other links look faster than the tree is.
#[test]
fn the_first_entry_of_a_writer_goes_along_the_tree_alone() {
    let mut wood = Wood::new();
    for _ in 0..4 {
        wood.append(0, 100);
        wood.pass(SECOND);
    }
    wood.said.clear();
    for at in 1..NODES {
        wood.append(at, 100);
        wood.pass(SECOND);
    }
    assert!(wood.agree(), "{:?}", wood.held());
    assert_eq!(wood.count(is_push), (NODES - 1) * (NODES - 1));
    // Members next to each other by their keys have no link here, and are sought now and then.
    assert_eq!(wood.said.len(), wood.count(is_push) + wood.named("beat") + wood.named("news"));
}

/// With its name, and without what follows from that; damaged it is of no use, and harms nothing.
#[test]
fn the_first_run_of_a_log_comes_with_its_name() {
    let mut wood = Wood::new();
    wood.append(0, 100);
    wood.pass(SECOND);
    let first: Vec<_> = wood.said.iter().filter(|(_, _, message)| is_push(message)).cloned().collect();
    let longest = first.iter().map(|(_, _, message)| write(message, 3).len()).max();
    assert!(wood.agree() && longest <= Some(162), "{longest:?} bytes for 100");
    let mut other = Wood::new();
    let Some((from, to, message)) = first.into_iter().next() else { panic!("it was pushed") };
    let Message::Fresh(mut fresh) = message else { panic!("it is fresh") };
    let named = fresh.named.as_mut().unwrap();
    named.tag = other.tag(from, to);
    let sound = write(&Message::Fresh(fresh.clone()), 3).into_bytes();
    for at in 0..sound.len() {
        let mut bytes = sound.to_vec();
        bytes[at] ^= 0x40;
        other.give(to, Input::Frame { link: link(from, to), bytes: bytes.into() });
    }
    assert!(other.nodes[to].links.contains_key(&link(from, to)));
    other.give(to, Input::Frame { link: link(from, to), bytes: sound });
    other.pass(SECOND);
    assert!(other.held()[to] > 0, "the sound one is taken");
}

#[test]
fn nothing_but_beats_is_said_while_nothing_happens() {
    let mut wood = Wood::pruned();
    wood.pass(SECOND * 300);
    assert_eq!(wood.said.len(), wood.named("beat") + wood.named("news"));
    assert!(wood.named("beat") >= 280 * NODES);
    // Some have no link to those next to them: these are asked for, at first and ever more rarely.
    let sought = wood.named("news");
    wood.said.clear();
    wood.pass(SECOND * 300);
    assert!(wood.named("news") < sought / 2, "{} after {sought}", wood.named("news"));
}

#[test]
fn a_last_link_is_not_given_up() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let tag = Some(wood.tag(leaf, parent));
    wood.hear(parent, leaf, &Message::Tree(TreeMessage { tag, eager: false }));
    assert_eq!(wood.eager(leaf), [parent]);
    let refusal = Message::Tree(TreeMessage { tag, eager: true });
    assert!(wood.said.iter().any(|said| *said == (leaf, parent, refusal.clone())));
}

/// Entries and news come over one link alone, and nothing over another that counts as eager: the one is kept.
#[test]
fn a_link_that_is_deaf_is_no_other_way() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let deaf = (0..NODES).find(|at| wood.nodes[leaf].links.contains_key(&link(leaf, *at)) && *at != parent);
    let deaf = deaf.unwrap();
    let tags = [Some(wood.tag(leaf, parent)), Some(wood.tag(leaf, deaf)), None];
    let tree = |tag, eager| Message::Tree(TreeMessage { tag, eager });
    for other in (0..NODES).filter(|at| ![parent, deaf].contains(at)) {
        wood.give(leaf, Input::LinkDown { link: link(leaf, other) });
    }
    wood.hear(deaf, leaf, &tree(tags[1], true));
    wood.hear(deaf, leaf, &tree(None, true));
    let is_kept = |wood: &mut Wood, tag| {
        wood.said.clear();
        wood.hear(parent, leaf, &tree(tag, false));
        wood.said.contains(&(leaf, parent, tree(tag, true)))
    };
    for (is_deaf, tag) in [(false, tags[0]), (false, None), (true, tags[0]), (true, None)] {
        wood.hear(parent, leaf, &tree(tag, true));
        let link = wood.nodes[leaf].links.get_mut(&link(leaf, deaf)).unwrap();
        link.watch.is_deaf = is_deaf;
        assert_eq!(is_kept(&mut wood, tag), is_deaf, "{tag:?}");
    }
}

#[test]
fn the_more_is_lost_the_more_ways_there_are() {
    /// Of so many beats one.
    fn loses(message: &Message, one_of: u8) -> bool {
        matches!(message, Message::Beat(beat) if beat.n % one_of == 1)
    }
    let mut wood = Wood::pruned();
    let lost: [fn(usize, usize, &Message) -> bool; 3] =
        [|_, _, beat| loses(beat, 40), |_, _, beat| loses(beat, 10), |_, _, beat| loses(beat, 4)];
    for (lost, least) in lost.into_iter().zip([2, 3, 4]) {
        wood.lost = lost;
        wood.pass(SECOND * 400);
        for at in 0..NODES {
            wood.append(at, 100);
            wood.pass(SECOND);
        }
        let fewest = (0..NODES).map(|at| wood.eager(at).len()).min();
        assert!(fewest >= Some(least), "{fewest:?} of {least}");
    }
    assert!(wood.agree());
}

#[test]
fn who_doubts_a_neighbour_opens_all_other_links_for_a_while() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.nodes[leaf].alarm_tree(link(leaf, parent));
    wood.take(leaf);
    wood.pass(SECOND);
    assert_eq!(wood.eager(leaf).len(), 4);
    for other in wood.eager(leaf) {
        assert!(wood.eager(other).contains(&leaf));
    }
    for at in 0..3 * NODES {
        wood.append(at % NODES, 100);
        wood.pass(SECOND);
    }
    assert_eq!(wood.edges(), 2 * (NODES - 1), "they were not needed");
}

/// What a link cannot carry is announced, and asked for.
#[test]
fn what_is_not_pushed_is_announced_and_asked_for() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    for congested in [true, false].repeat(10) {
        wood.give(parent, Input::LinkCongested { link: link(leaf, parent), congested });
    }
    wood.pass(SECOND / 10);
    wood.said.clear();
    (0..40).for_each(|_| wood.append(parent, 1_000));
    wood.run(wood.now + MILLI * 700);
    assert!(wood.agree(), "{:?}", wood.held());
    let said = |wanted: fn(&Message) -> bool| {
        wood.said
            .iter()
            .filter(|(from, to, message)| (*from, *to) == (parent, leaf) && wanted(message))
            .count()
    };
    assert!((1..40).contains(&said(is_push)), "{} of 40", said(is_push));
    assert_eq!((wood.named("have"), wood.named("ask"), wood.named("beacon")), (1, 1, 0));
}

/// A leaf hears nothing of an entry, and nothing follows.
#[test]
fn what_a_push_missed_comes_out_with_the_next_beats() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.lost = |_, _, message| is_push(message);
    wood.append(parent, 100);
    wood.pass(SECOND / 4);
    assert_eq!(wood.held().iter().collect::<BTreeSet<_>>().len(), 2, "nobody has it but its writer");
    wood.lost = |_, _, _| false;
    wood.pass(SECOND * 6);
    assert!(wood.agree(), "{:?}", wood.held());
    // And the tree is one again.
    for at in 0..2 * NODES {
        wood.append(at % NODES, 100);
        wood.pass(SECOND);
    }
    wood.said.clear();
    wood.append(leaf, 100);
    wood.pass(SECOND);
    assert_eq!((wood.agree(), wood.count(is_push)), (true, NODES - 1));
}

#[test]
fn a_neighbour_that_goes_takes_nothing_with_it() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let linked = |other: &usize| wood.nodes[parent].links.contains_key(&link(parent, *other));
    for other in (0..NODES).filter(linked).collect::<Vec<_>>() {
        let link = link(parent, other);
        [parent, other].into_iter().for_each(|at| wood.give(at, Input::LinkDown { link }));
    }
    let before = wood.held();
    wood.append(leaf, 100);
    wood.run(wood.now + MILLI * 300);
    let got = wood.held().iter().zip(&before).filter(|(now, before)| now > before).count();
    assert_eq!(got, NODES - 1, "all but who is gone");
}

/// As many messages as there are others tell of one who joins, once some have shown which links are not needed.
#[test]
fn who_joins_is_told_of_once_to_everybody() {
    let mut wood = Wood::new();
    for number in 0..60 {
        let id = NodeId::new(format!("new{number}")).unwrap();
        let row = MemberRow { id, incarnation: 1, instance: 1, addresses: vec![] };
        // Nobody misses one that dozes.
        let row = Row::Live { row, doze: 1 << 20 };
        wood.said.clear();
        wood.meet(number % NODES, &row);
        wood.pass(SECOND * 2);
    }
    assert!(wood.nodes.iter().all(|node| node.members.live() == NODES + 60));
    assert_eq!((wood.named("news"), wood.named("tree")), (NODES - 1, 0));
}

/// Who is left of a large group compares again as small ones do.
#[test]
fn a_group_that_becomes_small_is_like_any_small_one() {
    let mut wood = Wood::pruned();
    for at in 0..4 {
        wood.give(at, Input::Command { id: CommandId(3), command: Command::Stop });
    }
    wood.pass(SECOND * 20);
    assert!(wood.nodes[4..].iter().all(|node| node.members.live() == NODES - 4));
    wood.lost = |_, _, message| is_push(message);
    wood.append(6, 100);
    wood.pass(SECOND);
    wood.said.clear();
    wood.lost = |_, _, _| false;
    wood.pass(SECOND * 60);
    assert_eq!(wood.held()[4..].iter().collect::<BTreeSet<_>>().len(), 1, "{:?}", wood.held());
    assert!(wood.named("beacon") > NODES);
}
