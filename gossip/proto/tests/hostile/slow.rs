//! A link that takes a second for each frame: whatever is large comes in pieces, for a long time.

use std::collections::VecDeque;

use bytes::Bytes;
use gossip_proto::NewPayload;
use gossip_proto::node::{Command, Input, LinkId};
use gossip_proto::wire::{Content, Message, read};

use crate::choice::{held, named, started, write};
use crate::host::{Host, channel};

const LINK: u64 = 1;
const FRAME: usize = 1_000;

/// One direction of a link, on which a byte takes a millisecond.
#[derive(Default)]
struct Way {
    waiting: VecDeque<Bytes>,
    /// Bytes of the first one that are through.
    through: usize,
    bytes: usize,
    /// Questions for entries that went this way.
    asked: usize,
}

impl Way {
    fn take(&mut self, host: &mut Host) {
        self.waiting.extend(host.take_sent(LINK));
    }

    /// A millisecond passes.
    fn arrived(&mut self) -> Option<Bytes> {
        let first = self.waiting.front()?;
        self.through += 1;
        if self.through < first.len() {
            return None;
        }
        self.through = 0;
        let bytes = self.waiting.pop_front()?;
        self.bytes += bytes.len();
        let is_question = matches!(read(&bytes), Ok(Content::Whole(Message::Ask(_) | Message::Want(_))));
        self.asked += usize::from(is_question);
        Some(bytes)
    }
}

/// Both talk until one holds so many entries of a stream.
fn talk(there: &mut Way, back: &mut Way, [from, to]: &mut [Host; 2], stream: &str, entries: u64) {
    for _ in 0..200_000 {
        there.take(from);
        back.take(to);
        for (way, host) in [(&mut *there, &mut *to), (&mut *back, &mut *from)] {
            let arrived = way.arrived();
            arrived.into_iter().for_each(|bytes| host.give(Input::Frame { link: LinkId(LINK), bytes }));
        }
        from.pass(1_000);
        to.pass(1_000);
        if held(to, stream) == Some(entries) {
            return;
        }
    }
    panic!("it never comes");
}

/// What is asked for does not run out while it comes, and is not asked for again.
#[test]
fn what_comes_in_small_pieces_over_a_slow_link_does_not_run_out() {
    for version in [1, 2, 3] {
        let mut hosts = [started("one", version), started("two", version)];
        let [one, two] = &mut hosts;
        write(one, "photos");
        write(two, "photos");
        one.link_up(&two.id(), LINK, FRAME);
        two.link_up(&one.id(), LINK, FRAME);
        let (mut there, mut back) = (Way::default(), Way::default());
        talk(&mut there, &mut back, &mut hosts, "photos", 2);
        // The other side hears of these when they are compared.
        let payloads = vec![NewPayload::new(vec![7; 12_000]); 2];
        let [one, two] = &mut hosts;
        for host in [&mut *one, &mut *two] {
            host.give(Input::LinkDown { link: LinkId(LINK) });
        }
        one.must(Command::Append { channel: channel(), stream: named("photos"), payloads });
        one.link_up(&two.id(), LINK, FRAME);
        two.link_up(&one.id(), LINK, FRAME);
        let (mut there, mut back) = (Way::default(), Way::default());
        talk(&mut there, &mut back, &mut hosts, "photos", 4);
        assert!(back.asked <= 2, "version {version}: asked {} times", back.asked);
        assert!(there.bytes < 27_000, "version {version}: {} bytes for 24,000", there.bytes);
    }
}
