//! What is left out on a link, and what that costs.

use super::*;
use crate::NewPayload;
use crate::sketch::Cell;

fn channel() -> ChannelId {
    ChannelId::new("c").unwrap()
}

fn stream(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

impl Pair {
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

impl Pair {
    /// Node `a`, which `b` shares nothing with but the channel, hears this from it so often.
    fn hear(&mut self, times: usize, message: impl Fn(usize) -> Message) {
        for at in 0..times {
            let bytes = crate::wire::write(&message(at), 2).into_bytes();
            self.nodes[0].handle(Now { tick: self.now, wall: WallMs(1) }, Input::Frame { link: LINK, bytes });
        }
    }

    fn tag(&mut self) -> crate::wire::ChannelTag {
        self.nodes[0].shared(LINK, &channel()).unwrap().tag
    }
}

/// A scope that changes costs as much as there are streams: so one that always changes is not always heard.
#[test]
fn a_peer_that_changes_its_mind_all_the_time_is_not_followed_all_the_time() {
    let mut pair = Pair::of([Vec::new(), Vec::new()], 2);
    (0..100).for_each(|at| pair.write(0, &stream(&format!("s{at}"))));
    pair.pass(1_000);
    let (tag, counted, said) = (pair.tag(), pair.counted()[0], pair.nodes[0].stats.traffic.frames_sent);
    let scope = |only| Message::Scope(crate::wire::Scope { tag, turn: 0, only, keys: Some(Vec::new()) });
    pair.hear(1000, |at| scope(at.is_multiple_of(2)));
    assert_eq!(pair.counted()[0] - counted, 1, "added up anew");
    assert!(pair.nodes[0].stats.traffic.frames_sent - said <= 10);
    // What the peer leaves out in truth is believed in the end.
    pair.pass(5_000);
    pair.write(0, &stream("s7"));
    pair.pass(5_000);
    assert!(pair.agrees());
    assert!(pair.nodes[0].channels[&channel()].scopes.is_whole(LINK));
}

/// Looking at a small message of theirs does not cost what is left out, but once.
#[test]
fn a_sketch_without_what_is_left_out_is_made_once_and_kept_up_to_date() {
    let mut pair = Pair::of([Vec::new(), Vec::new()], 2);
    let rules = vec![SyncRule { streams: Streams::Except([stream("s3")].into()), ..SyncRule::default() }];
    pair.command(1, Command::SetSync(SyncChoice { rules }));
    (0..10).for_each(|at| pair.write(0, &stream(&format!("s{at}"))));
    pair.pass(1_000);
    let made = |pair: &Pair| pair.nodes[0].channels[&channel()].sketches.made;
    let (tag, before) = (pair.tag(), made(&pair));
    let sketch = |at: usize| crate::wire::SketchMessage {
        tag,
        mine: crate::wire::DigestTag([at as u8; 16]),
        serial: 2,
        room: 0,
        kind: crate::sketch::Kind::Heights,
        turn: pair.nodes[0].channels[&channel()].scopes.turn(LINK, false),
        logs: 1,
        from: 0,
        // An announcement, and a question.
        estimate: at.is_multiple_of(2).then_some([0; crate::sketch::COUNTERS]),
        cells: vec![Cell::default()],
    };
    let said: Vec<Message> = (0..200).map(sketch).map(Message::Sketch).collect();
    pair.hear(said.len(), |at| said[at].clone());
    assert_eq!(made(&pair), before.max(1));
    // New logs, new entries, new streams; of what is left out too.
    for name in ["s1", "s3", "new", "new"] {
        pair.write(0, &stream(name));
        pair.hear(said.len(), |at| said[at].clone());
    }
    assert_eq!(made(&pair), before.max(1));
    pair.pass(60_000);
    assert!(pair.agrees());
}

/// With many channels that takes long: not for a list that is out of date, or not for this session.
#[test]
fn channels_are_looked_up_only_for_a_list_that_counts() {
    use crate::wire::{Channels, Matches, SessionTag};
    let mut pair = Pair::of([Vec::new(), Vec::new()], 2);
    pair.pass(1_000);
    let session = |pair: &Pair, at: usize| pair.nodes[at].links[&LINK].session.as_ref().unwrap().tag();
    let tags = [session(&pair, 0), SessionTag([9; 8])];
    let before = pair.nodes.each_ref().map(|node| node.stats.listed.get());
    for tag in tags {
        let channels = Message::Channels(Channels { session: tag, serial: 0, proofs: Vec::new() });
        let matches = Message::Matches(Matches { session: tag, serial: 0, turn: 0, proofs: Vec::new() });
        for (at, message) in [(0, &channels), (1, &channels), (0, &matches), (1, &matches)] {
            let bytes = crate::wire::write(message, 2).into_bytes();
            pair.give(at, Input::Frame { link: LINK, bytes });
        }
    }
    assert_eq!(pair.nodes.each_ref().map(|node| node.stats.listed.get()), before);
    assert!(before.iter().all(|looks| *looks > 0) && pair.agrees());
}
