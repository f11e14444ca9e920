//! What takes a way of its own: streams and channels that not all exchange, links over which no beats go, neighbours that
//! pass nothing on, and what is missed while much goes on.

use std::collections::BTreeMap;

use super::wood::*;
use super::*;

/// A way over which one stream does not go is no way for that stream, whatever comes over it of another.
#[test]
fn a_link_on_which_a_stream_is_left_out_is_no_other_way_for_it() {
    let mut wood = Wood::new();
    wood.create(0, ("c", "s2"));
    wood.pass(SECOND * 10);
    // Everybody pushes everything to this one, but for one stream on one link.
    let (leaf, partial) = (5, 6);
    let rule = SyncRule {
        peer: Some(wood.nodes[partial].id().clone()),
        streams: Streams::Except([StreamId::new("s2").unwrap()].into()),
        ..SyncRule::default()
    };
    wood.command(leaf, Command::SetSync(SyncChoice { rules: vec![rule] }));
    wood.pass(SECOND * 5);
    for _ in 0..40 {
        wood.append(partial, 100);
        wood.pass(SECOND / 4);
    }
    wood.said.clear();
    for _ in 0..20 {
        wood.append(partial, 100);
        wood.append_in((leaf + 6) % NODES, ("c", "s2"), 100);
        let before = wood.held()[leaf];
        wood.pass(SECOND / 2);
        assert_eq!(wood.held()[leaf], before + 2, "both came at once");
    }
    assert!(wood.named("tree") < 20, "{} prunes and grafts", wood.named("tree"));
}

/// Everybody writes all the time; what somebody else wrote once and was lost is found all the same.
#[test]
fn what_was_missed_is_found_while_entries_keep_flowing() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let heights = |wood: &Wood, at: usize| -> BTreeMap<LogId, crate::Seq> {
        wood.nodes[at].logs.values().map(|log| (log.id, log.stored.height)).collect()
    };
    let before = heights(&wood, parent);
    wood.lost = |_, _, message| is_marked(message);
    wood.append(parent, MARKED);
    wood.pass(MILLI);
    let (log, height) = heights(&wood, parent).into_iter().find(|(log, held)| before[log] != *held).unwrap();
    let mut writers = (0..NODES).filter(|at| *at != parent).cycle();
    let begin = wood.now;
    while heights(&wood, leaf)[&log] < height {
        assert!(wood.now.since(begin) < SECOND * 8, "still missing");
        wood.append(writers.next().unwrap(), 10);
        wood.pass(MILLI * 10);
    }
}

/// The same where it is another channel in which much goes on.
#[test]
fn what_was_missed_in_a_quiet_channel_is_found_beside_a_busy_one() {
    let mut wood = Wood::pruned();
    for at in 0..NODES {
        wood.create(at, ("quiet", "s"));
    }
    for at in 0..2 * NODES {
        wood.append_in(at % NODES, ("quiet", "s"), 100);
        wood.pass(SECOND / 2);
    }
    wood.lost = |_, _, message| is_marked(message);
    wood.append_in(3, ("quiet", "s"), MARKED);
    wood.pass(MILLI * 100);
    wood.lost = |_, _, _| false;
    let held =
        |wood: &Wood| (0..NODES).filter(|at| wood.held_in(*at, "quiet") == 2 * NODES as u64 + 1).count();
    assert_eq!(held(&wood), 1, "only who wrote it has it");
    let (begin, mut writers) = (wood.now, (0..NODES).cycle());
    while held(&wood) < NODES {
        assert!(wood.now.since(begin) < SECOND * 6, "{} of {NODES}", held(&wood));
        wood.append(writers.next().unwrap(), 10);
        wood.pass(MILLI * 10);
    }
}

/// Two nodes share a channel that nobody else has, over a link that neither of them watches.
#[test]
fn a_channel_of_two_that_do_not_watch_each_other_misses_nothing() {
    let mut wood = Wood::new();
    for one in 0..NODES {
        for other in one + 1..NODES {
            if !wood.nodes[one].links.contains_key(&link(one, other)) {
                wood.connect(one, other);
            }
        }
    }
    wood.pass(SECOND * 60);
    let pairs = (0..NODES).flat_map(|one| (one + 1..NODES).map(move |other| (one, other)));
    let is_watched = |(one, other): (usize, usize)| {
        wood.nodes[one].is_watched(link(one, other)) || wood.nodes[other].is_watched(link(one, other))
    };
    let (one, other) = pairs.into_iter().find(|pair| !is_watched(*pair)).expect("not all are watched");
    [one, other].into_iter().for_each(|at| wood.create(at, ("p", "s")));
    wood.pass(SECOND * 60);
    wood.lost = |_, _, message| is_marked(message);
    wood.append_in(one, ("p", "s"), MARKED);
    wood.pass(SECOND / 10);
    wood.lost = |_, _, _| false;
    let took = wood.until_held(other, ("p", 1), SECOND * 600);
    assert!(took < SECOND * 3, "the first of its log: {took:?}");
    for count in 2..7 {
        wood.append_in(one, ("p", "s"), 10);
        let took = wood.until_held(other, ("p", count), SECOND * 600);
        assert!(took < SECOND, "{took:?}");
    }
    wood.said.clear();
    wood.pass(SECOND * 600);
    let rounds = wood.named("beacon");
    assert!(rounds < 45 * 12 * 2, "{rounds} beacons in ten minutes");
}

/// Nobody goes on comparing with one that does not want to be given anything.
#[test]
fn who_pauses_is_left_alone() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.command(leaf, Command::Pause);
    wood.pass(SECOND * 10);
    for _ in 0..10 {
        wood.append(parent, 100);
        wood.pass(SECOND / 10);
    }
    wood.said.clear();
    wood.pass(SECOND * 300);
    let is_round = |message: &Message| ["sketch", "beacon", "offer", "more"].contains(&message.name());
    let with = wood.said.iter().filter(|(from, to, said)| (*from == leaf || *to == leaf) && is_round(said));
    let (count, neighbours) = (with.count(), wood.nodes[leaf].links.len());
    assert!(count <= 80 * neighbours, "{count} for {neighbours}");
    wood.command(leaf, Command::Resume);
    wood.pass(SECOND * 2);
    assert!(wood.agree(), "{:?}", wood.held());
}

/// It keeps the links it has, and passes nothing on.
#[test]
fn a_neighbour_that_pauses_is_no_way() {
    let mut wood = Wood::pruned();
    let inner = (0..NODES).max_by_key(|at| wood.eager(*at).len()).unwrap();
    wood.command(inner, Command::Pause);
    wood.pass(SECOND * 8);
    for at in (0..NODES).filter(|at| *at != inner) {
        let before = wood.held();
        wood.append(at, 100);
        wood.pass(MILLI * 300);
        let held = wood.held();
        let got = (0..NODES).filter(|at| held[*at] > before[*at]).count();
        assert!(got >= NODES - 1, "{got} have what {at} wrote");
    }
}

/// One that takes nobody for a member but its neighbours goes by rounds, which the others have to take part in.
#[test]
fn who_thinks_the_group_is_small_misses_nothing() {
    let mut wood = Wood::pruned();
    // The first of them: whoever has the smaller id speaks first.
    let alone = NODES - 1;
    wood.nodes[alone].config.peer_exchange = false;
    let others: Vec<usize> =
        (0..alone).filter(|at| wood.nodes[alone].links.contains_key(&link(alone, *at))).collect();
    for other in &others {
        for at in [alone, *other] {
            wood.give(at, Input::LinkDown { link: link(alone, *other) });
        }
    }
    let (first, second) = (others[0], others[1]);
    let members: Vec<_> = wood.nodes[alone].members.all().map(|member| member.key).collect();
    let me = wood.nodes[alone].members.me().key;
    for key in members.into_iter().filter(|key| *key != me) {
        let slot = wood.nodes[alone].members.find(key).unwrap();
        wood.nodes[alone].members.remove(slot);
    }
    wood.connect(alone, first);
    wood.connect(alone, second);
    wood.pass(SECOND * 20);
    assert!(!wood.nodes[alone].members.is_large() && wood.nodes[first].members.is_large());
    wood.lost = |_, to, message| to == NODES - 1 && is_marked(message);
    let before = wood.held_in(alone, "c");
    wood.append(first, MARKED);
    wood.pass(SECOND / 10);
    wood.lost = |_, _, _| false;
    let took = wood.until_held(alone, ("c", before + 1), SECOND * 200);
    assert!(took < SECOND * 3, "{took:?}");
}
