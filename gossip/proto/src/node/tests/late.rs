//! What a push missed where no beat comes soon that would tell.

use std::time::Duration;

use super::wood::*;
use super::*;

impl Wood {
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
