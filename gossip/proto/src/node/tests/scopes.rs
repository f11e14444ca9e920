//! What is left out on a link, and what that costs.

use super::*;
use crate::NewPayload;

fn channel() -> ChannelId {
    ChannelId::new("c").unwrap()
}

fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

impl Pair {
    fn command(&mut self, at: usize, command: Command) {
        self.give(at, Input::Command { id: CommandId(1), command });
        self.give(at, Input::StoreReady);
    }

    fn pass(&mut self, millis: u64) {
        self.run(Tick(self.now.0 + millis * 1000));
    }

    fn write(&mut self, at: usize, stream: &StreamId) {
        let (stream, payloads) = (stream.clone(), vec![NewPayload::new(vec![7; 10])]);
        self.command(at, Command::Append { channel: channel(), stream, payloads });
        self.pass(100);
    }

    /// How often both added a digest up anew.
    fn counted(&self) -> [usize; 2] {
        self.nodes.each_ref().map(|node| node.channels[&channel()].scopes.counted)
    }

    fn agrees(&self) -> bool {
        self.nodes.iter().all(|node| node.list_status(None).iter().all(|status| status.in_sync))
    }
}

/// With streams left out on both sides, a digest is added up when that changes and at no other time.
#[test]
fn however_much_is_said_digests_are_added_up_once_for_each_change() {
    let mut pair = Pair::of([Vec::new(), Vec::new()], 2);
    pair.pass(1_000);
    for (at, streams) in
        [(0, Streams::Except([stream("x")].into())), (1, Streams::Only([stream("s")].into()))]
    {
        let rules = vec![SyncRule { streams, ..SyncRule::default() }];
        pair.command(at, Command::SetSync(SyncChoice { rules }));
        pair.pass(1_000);
    }
    let (counted, said) = (pair.counted(), pair.said.len());
    assert_eq!(counted, [2, 2], "for ours and for theirs");
    (0..20).for_each(|_| [0, 1].into_iter().for_each(|at| pair.write(at, &stream("s"))));
    assert!(pair.said.len() - said > 60, "{} messages", pair.said.len() - said);
    assert_eq!(pair.counted(), counted);
    assert!(pair.agrees());
}

/// A peer of version 1 has to be told one by one what is left out, but not of each by a message of its own.
#[test]
fn streams_that_come_one_by_one_cost_a_peer_of_version_1_no_list_each() {
    const STREAMS: usize = 1000;
    let mut pair = Pair::of([Vec::new(), Vec::new()], 1);
    pair.pass(1_000);
    let rules = vec![SyncRule { streams: Streams::Only([stream("s")].into()), ..SyncRule::default() }];
    pair.command(0, Command::SetSync(SyncChoice { rules }));
    pair.pass(1_000);
    let (counted, said) = (pair.counted(), pair.said.len());
    for at in 0..STREAMS {
        // As somebody else would tell of it.
        let log = LogName { stream: stream(&format!("s{at}")), ..log(1) };
        let id = log.id();
        pair.nodes[0].know_log(log, id);
    }
    pair.pass(10_000);
    assert_eq!(pair.counted()[0], counted[0], "added up anew");
    assert!(pair.said.len() - said <= 20, "{} messages", pair.said.len() - said);
    let heard =
        pair.nodes[1].channels[&channel()].scopes.left_out(LINK)[1].map(|theirs| theirs.listed().len());
    assert_eq!(heard, Some(STREAMS), "all the same");
    assert!(pair.agrees());
    // Made here, as well.
    for at in 0..100 {
        let (stream, retention) = (stream(&format!("own{at}")), crate::Retention::KeepAll);
        pair.command(0, Command::CreateStream { channel: channel(), stream, retention });
    }
    assert_eq!(pair.counted()[0], counted[0], "added up anew");
}
