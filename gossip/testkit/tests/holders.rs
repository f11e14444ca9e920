//! Who holds an entry, asked of peers by position and hash.

use std::time::Duration;

use gossip_proto::node::{Command, CommandError, Reply};
use gossip_proto::{ChannelId, EntryId, NewPayload, NodeId, StreamId};
use gossip_testkit::sim::pair::{Pair, Setup, Side};

const TICK: Duration = Duration::from_millis(1);
/// Two round trips and a moment.
const SOON: u32 = 30;

fn channel() -> ChannelId {
    ChannelId::new("c").expect("a channel id")
}

fn bob() -> Vec<NodeId> {
    vec![NodeId::new("bob").expect("a node id")]
}

fn write(pair: &mut Pair, side: Side, bytes: usize) -> EntryId {
    let payloads = vec![NewPayload::new(vec![7; bytes])];
    let stream = StreamId::new("own").expect("a stream id");
    match pair.command(side, Command::Append { channel: channel(), stream, payloads }) {
        Ok(Reply::Appended(ids)) => ids[0],
        other => panic!("{other:?}"),
    }
}

fn find(pair: &mut Pair, entry: EntryId) -> u64 {
    pair.ask(Side::Ann, Command::FindHolders { channel: channel(), entry })
}

/// Two that know each other and write to one stream.
fn acquainted(setup: &Setup) -> Pair {
    let mut pair = setup.begin();
    for side in Side::BOTH {
        pair.append(side, "own", b"the first of its log");
    }
    pair.link();
    pair.settle();
    pair
}

/// Both write, so that digests never agree for long, until a call is answered; within so many milliseconds.
fn answer(pair: &mut Pair, call: u64, within: u32) -> Option<Vec<NodeId>> {
    for _ in 0..within {
        Side::BOTH.into_iter().for_each(|side| _ = write(pair, side, 100));
        pair.pass(TICK);
        match pair.answer(Side::Ann, call) {
            None => {}
            Some(Ok(Reply::Members(peers))) => return Some(peers),
            Some(other) => panic!("{other:?}"),
        }
    }
    None
}

#[test]
fn one_entry_is_answered_for_while_both_go_on_writing() {
    let mut pair = acquainted(&Pair::setup());
    let entry = write(&mut pair, Side::Ann, 100);
    assert_eq!(answer(&mut pair, u64::MAX, SOON), None);
    pair.watch();
    let calls = [0; 3].map(|_| find(&mut pair, entry));
    assert_eq!(answer(&mut pair, calls[0], SOON), Some(bob()));
    assert_eq!(pair.answer(Side::Ann, calls[1]), Some(Ok(Reply::Members(bob()))));
    let asked = pair.traffic().of(&["positions"]).frames();
    assert!((1..=2).contains(&asked), "one question at a time: {}", pair.traffic());
    // What was proven, and what comes before it, is not asked for again.
    let call = find(&mut pair, EntryId { sequence: 1, ..entry });
    assert_eq!(pair.answer(Side::Ann, call), Some(Ok(Reply::Members(bob()))));
}

#[test]
fn who_agrees_on_everything_need_not_be_asked() {
    let mut pair = acquainted(&Pair::setup());
    let entry = write(&mut pair, Side::Ann, 100);
    pair.settle();
    pair.watch();
    let call = find(&mut pair, entry);
    assert_eq!(pair.answer(Side::Ann, call), Some(Ok(Reply::Members(bob()))));
    assert_eq!(pair.traffic().frames(), 0);
}

#[test]
fn who_gets_it_within_two_seconds_is_waited_for_also_over_a_bad_link() {
    for setup in [Pair::setup(), Pair::setup().lossy(200), Pair::setup().seed(9).lossy(300)] {
        let mut pair = acquainted(&setup);
        // Too large to be pushed: told of, and asked for.
        let entry = write(&mut pair, Side::Ann, 100_000);
        let call = find(&mut pair, entry);
        assert_eq!(answer(&mut pair, call, 1_999), Some(bob()), "{}", pair.traffic());
    }
}

#[test]
fn who_has_pruned_it_counts_and_so_does_a_call_about_what_was_pruned_here() {
    for side in Side::BOTH {
        let mut pair = acquainted(&Pair::setup());
        let entries = [0; 20].map(|_| write(&mut pair, Side::Ann, 100));
        pair.settle();
        pair.evict(side, entries[9].sequence);
        write(&mut pair, Side::Bob, 100);
        write(&mut pair, Side::Ann, 100);
        let call = find(&mut pair, entries[3]);
        assert_eq!(answer(&mut pair, call, SOON), Some(bob()), "pruned by {side:?}");
    }
}

#[test]
fn peers_of_version_1_prove_it_by_agreeing() {
    let mut pair = acquainted(&Pair::setup().version(Side::Bob, 1));
    let entry = write(&mut pair, Side::Ann, 100_000);
    let call = find(&mut pair, entry);
    pair.pass(Duration::from_millis(1_500));
    assert_eq!(pair.answer(Side::Ann, call), Some(Ok(Reply::Members(bob()))), "{}", pair.traffic());
    assert_eq!(pair.traffic().of(&["positions"]).frames(), 0);
}

#[test]
fn calls_end_with_the_link_the_time_and_the_node() {
    let mut pair = acquainted(&Pair::setup());
    let entry = write(&mut pair, Side::Ann, 100);
    let none = Some(Ok(Reply::Members(Vec::new())));
    let unknown = Command::FindHolders { channel: channel(), entry: EntryId { sequence: 99, ..entry } };
    assert!(matches!(pair.command(Side::Ann, unknown), Err(CommandError::UnknownEntry(_))));
    let call = find(&mut pair, entry);
    pair.unlink();
    assert_eq!(pair.answer(Side::Ann, call), none, "there is nobody to ask");
    pair.link();
    pair.settle();
    // Nothing gets through any more.
    pair.lose(1_000);
    let entry = write(&mut pair, Side::Ann, 100);
    let call = find(&mut pair, entry);
    pair.pass(Duration::from_millis(1_999));
    assert_eq!(pair.answer(Side::Ann, call), None);
    pair.pass(TICK);
    assert_eq!(pair.answer(Side::Ann, call), none, "its time is up");
    let calls: Vec<u64> = (0..1_025).map(|_| find(&mut pair, entry)).collect();
    assert_eq!(pair.answer(Side::Ann, calls[1_024]), Some(Err(CommandError::Busy)));
    pair.command(Side::Ann, Command::Shutdown).expect("an end");
    assert!(matches!(pair.answer(Side::Ann, calls[0]), Some(Err(CommandError::State { .. }))));
}
