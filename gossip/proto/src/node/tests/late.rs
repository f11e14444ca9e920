//! What a push missed where no beat comes soon that would tell.

use std::time::Duration;

use super::wood::*;
use super::*;

impl Wood {
    /// Everybody is linked with everybody, and knows that.
    fn full() -> Self {
        let mut wood = Self::new();
        for one in 0..NODES {
            for other in one + 1..NODES {
                if !wood.nodes[one].links.contains_key(&link(one, other)) {
                    wood.connect(one, other);
                }
            }
        }
        wood.pass(SECOND * 60);
        wood
    }

    /// Whether beats go on the link of two.
    fn is_watched(&self, one: usize, other: usize) -> bool {
        [one, other].into_iter().any(|at| self.nodes[at].is_watched(link(one, other)))
    }

    /// How long it takes until one holds what another wrote, of which all pushes were lost.
    fn missed(&mut self, from: usize, to: usize, channel: &str) -> Duration {
        let wanted = self.held_in(to, channel) + 1;
        self.lost = |_, _, message| is_marked(message);
        self.append_in(from, (channel, "s"), MARKED);
        self.pass(SECOND / 10);
        self.lost = |_, _, _| false;
        self.until_held(to, (channel, wanted), SECOND * 600)
    }
}

/// Nobody says beats to one that dozes, and entries reach it as long as its links are up.
#[test]
fn one_that_dozes_misses_nothing() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.command(leaf, Command::Doze { lasting: SECOND * 3_600 });
    wood.pass(SECOND * 20);
    let took = wood.missed(parent, leaf, "c");
    assert!(took < SECOND * 3, "{took:?}");
    wood.pass(SECOND * 20);
    let took = wood.missed(leaf, parent, "c");
    assert!(took < SECOND * 3, "{took:?} the other way");
}

/// Of three that share a channel two watch each other. The third hears beats of neither.
#[test]
fn one_that_hears_no_beats_of_those_who_share_its_channel_misses_nothing() {
    let mut wood = Wood::full();
    let others = |one| (0..NODES).filter(move |other| *other != one);
    let found = (0..NODES)
        .flat_map(|one| others(one).flat_map(move |two| others(two).map(move |three| (one, two, three))));
    let (one, two, three) = found
        .into_iter()
        .find(|(one, two, three)| {
            one != three && wood.is_watched(*one, *two) && !wood.is_watched(*one, *three)
        })
        .expect("not all are watched");
    // It has no way to the other.
    for at in [two, three] {
        wood.give(at, Input::LinkDown { link: link(two, three) });
    }
    [one, two, three].into_iter().for_each(|at| wood.create(at, ("p", "s")));
    wood.append_in(one, ("p", "s"), 10);
    wood.pass(SECOND * 60);
    assert_eq!(wood.held_in(three, "p"), 1);
    let took = wood.missed(one, three, "p");
    assert!(took < SECOND * 3, "{took:?}");
}

/// Two that watch each other and many others, each of whom has its turn before the next beat between the two.
#[test]
fn two_that_share_a_channel_among_many_neighbours_miss_nothing() {
    let mut wood = Wood::full();
    let watched = (1..NODES).filter(|other| wood.is_watched(0, *other)).collect::<Vec<_>>();
    let other = watched[0];
    [0, other].into_iter().for_each(|at| wood.create(at, ("p", "s")));
    wood.pass(SECOND * 20);
    for phase in 0..10 {
        let (from, to) = if phase % 2 == 0 { (0, other) } else { (other, 0) };
        let took = wood.missed(from, to, "p");
        assert!(took < SECOND * 3, "{took:?} of {} links", watched.len());
        wood.pass(SECOND + MILLI * 270 * phase);
    }
}

/// The other side of the last link never hears that it is wanted again.
#[test]
fn a_link_that_only_one_side_wants_is_asked_for_again() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let lazy: Vec<usize> = (0..NODES)
        .filter(|at| wood.nodes[leaf].links.contains_key(&link(leaf, *at)) && *at != parent)
        .collect();
    let kept = lazy[0];
    wood.lost = |_, _, message| message.name() == "tree";
    for other in (0..NODES).filter(|at| *at != kept) {
        for at in [leaf, other] {
            wood.give(at, Input::LinkDown { link: link(leaf, other) });
        }
    }
    wood.pass(SECOND);
    wood.lost = |_, _, _| false;
    wood.pass(SECOND * 400);
    assert_eq!(wood.eager(leaf), [kept]);
    assert!(!wood.eager(kept).contains(&leaf), "it was not told");
    let mut slow = 0;
    for _ in 0..10 {
        let wanted = wood.held_in(leaf, "c") + 1;
        wood.append(kept, 100);
        let took = wood.until_held(leaf, ("c", wanted), SECOND * 60);
        slow += usize::from(took > SECOND / 5);
        wood.pass(SECOND * 3);
    }
    assert!(slow < 3, "{slow} of 10 came late");
}
