//! What is asked for by key, given and left room for in version 2.

use super::*;
use crate::{ChainHash, Ed25519Sealer, Payload, RunBuilder, Sealer, SecretKey, seal_message};

const A: usize = 0;
const B: usize = 1;
/// Two logs whose ids begin with the same five bytes; found by trying.
const ALIKE: [u64; 2] = [215_602, 462_985];

fn channel() -> ChannelId {
    ChannelId::new("c").unwrap()
}

/// A log of runs of 40 entries of 1,000 bytes each, all full of one byte.
fn written(number: u64, runs: u64, byte: u8) -> (LogHead, Vec<StoredRun>) {
    write(log(number), runs, byte, |_, _| None)
}

/// The same with a seal at the end of every so many runs.
fn sealed(number: u64, runs: u64, every: u64) -> (LogHead, Vec<StoredRun>) {
    let sealer = Ed25519Sealer::new(&SecretKey::from_seed([9; 32]));
    let name = LogName { author: sealer.public().node_id(), ..log(number) };
    let hash = name.unbranched_hash();
    write(name, runs, 7, |at, end| {
        let is_due = (at / 40).is_multiple_of(every) || at == runs * 40;
        is_due.then(|| sealer.sign(&seal_message(&hash, at, end)).0)
    })
}

fn write(
    name: LogName,
    runs: u64,
    byte: u8,
    seal: impl Fn(u64, &ChainHash) -> Option<[u8; 64]>,
) -> (LogHead, Vec<StoredRun>) {
    let mut head = LogHead::empty(name);
    let mut stored = Vec::new();
    for _ in 0..runs {
        let mut builder = RunBuilder::new(head.name.id(), head.height + 1, head.hash);
        let mut end = head.hash;
        for at in 1..=40 {
            let payload = Payload::Present(vec![byte; 1000].into());
            end = builder.push(Stamp::new(head.height + at, 0), &payload).unwrap();
        }
        let seal = seal(head.height + 40, &end);
        head.seal = seal.map(|seal| (head.height + 40, seal.to_vec().into())).or(head.seal);
        let (run, end) = builder.finish(seal.as_ref().map(|seal| &seal[..])).unwrap();
        let last = (run.last(), run.last_stamp());
        stored.push(StoredRun { prev: head.hash, run });
        (head.height, head.stamp, head.hash) = (last.0, last.1, end);
    }
    (head, stored)
}

/// A pair that speaks version 2, of which `a` holds these logs, with so many runs each, and nothing has
/// told `b` of them.
fn pair(logs: &[(u64, u64)]) -> Pair {
    pair_of(logs.iter().map(|(number, runs)| written(*number, *runs, 7)).collect())
}

fn pair_of(logs: Vec<(LogHead, Vec<StoredRun>)>) -> Pair {
    let heads = logs.iter().map(|(head, _)| head.clone()).collect();
    let runs = logs.into_iter().map(|(head, runs)| (head.name.id(), runs)).collect();
    let mut pair = Pair::begin([heads, Vec::new()], runs, 2, true);
    assert!(pair.nodes.iter().all(|node| node.spoken(LINK) == 2));
    pair.nodes.iter_mut().for_each(|node| node.end_exchange(LINK, &channel()));
    pair.said.clear();
    pair.offered.clear();
    pair
}

impl Pair {
    /// Does something to one node and lets both talk until nothing is left to say at this moment.
    fn act(&mut self, at: usize, action: impl FnOnce(&mut Node)) {
        action(&mut self.nodes[at]);
        self.give(at, Input::StoreReady);
    }

    fn height(&self, at: usize, number: u64) -> u64 {
        self.nodes[at].logs.get(&log(number).id()).map_or(0, |log| log.stored.height)
    }

    fn said_by(&self, at: usize) -> Vec<&Message> {
        self.said.iter().filter(|(of, _)| *of == at).map(|(_, message)| message).collect()
    }

    fn reserved(&self) -> usize {
        self.nodes[B].fetches.budget(None)
    }

    fn give_all(&mut self, room: usize, numbers: &[u64]) {
        let logs = numbers.iter().map(|number| (log(*number).id(), 0)).collect();
        self.act(A, |node| node.give(LINK, &channel(), 2, (room >> 10) as u32, logs));
    }
}

#[test]
fn a_gift_comes_by_name_and_ends_the_room_it_was_left() {
    let mut pair = pair(&[(1, 3), (2, 1)]);
    let room = pair.nodes[B].reserve(LINK, 2);
    assert_eq!((room % 1024, pair.reserved()), (0, room));
    assert!(!pair.nodes[B].is_fetching(LINK), "it may never come");
    pair.give_all(room, &[1, 2]);
    assert_eq!((pair.height(B, 1), pair.height(B, 2)), (120, 40));
    assert_eq!(pair.reserved(), 0);
    let said = pair.said_by(A);
    let [Message::Runs(delta)] = &said[..] else { panic!("{said:?}") };
    assert!(delta.end && delta.names.len() == 2 && delta.runs.iter().all(|run| run.prev.is_none()));
}

#[test]
fn what_a_gift_has_no_room_for_is_told_and_asked_for() {
    let numbers: Vec<u64> = (1..=5).collect();
    let mut pair = pair(&numbers.iter().map(|number| (*number, 1)).collect::<Vec<_>>());
    let room = pair.nodes[B].reserve(LINK, 2);
    pair.give_all(64 << 10, &numbers);
    assert!(room > 64 << 10);
    assert_eq!(pair.offered, [Class::Bulk], "not before what was given");
    let asks = pair.said_by(B).into_iter().filter(|message| matches!(message, Message::Ask(_)));
    assert_eq!(asks.count(), 1);
    assert!(numbers.iter().all(|number| pair.height(B, *number) == 40));
    assert_eq!(pair.reserved(), 0);
}

#[test]
fn without_room_nothing_is_given_but_told() {
    let mut pair = pair(&[(1, 1)]);
    pair.give_all(0, &[1]);
    assert!(matches!(pair.said_by(A)[0], Message::Offer(_)));
    assert_eq!(pair.height(B, 1), 40, "asked for");
}

#[test]
fn room_is_free_again_when_it_is_released_late_or_the_link_is_gone() {
    // Equal and at rest.
    let mut pair = Pair::of([Vec::new(), Vec::new()], 2);
    pair.run(Tick(1_000_000));
    let before = pair.nodes[B].room(LINK);
    for serial in [2, 4] {
        assert_eq!(pair.nodes[B].reserve(LINK, serial) > 0, serial == 2);
    }
    pair.nodes[B].release(LINK, 2);
    assert_eq!(pair.nodes[B].room(LINK), before);
    // Reserved again under the same serial: once.
    assert_eq!(pair.nodes[B].reserve(LINK, 2), pair.nodes[B].reserve(LINK, 2));
    pair.nodes[B].release(LINK, 6);
    assert!(pair.reserved() > 0);
    pair.run(Tick(pair.now.0 + 60_000_000));
    assert_eq!((pair.reserved(), pair.nodes[B].room(LINK)), (0, before));
    assert!(pair.nodes[B].reserve(LINK, 8) > 0);
    pair.give(B, Input::LinkDown { link: LINK });
    assert_eq!(pair.reserved(), 0);
}

#[test]
fn two_logs_of_one_key_are_both_served() {
    let [first, second] = ALIKE;
    assert_eq!(log(first).id().0[..5], log(second).id().0[..5]);
    let mut pair = pair(&[(first, 1), (second, 1), (3, 1)]);
    let key = log(first).id().0[..5].try_into().unwrap();
    pair.act(B, |node| node.ask_unknown(LINK, &channel(), &[key]));
    assert_eq!(ALIKE.map(|number| pair.height(B, number)), [40, 40]);
    assert_eq!((pair.height(B, 3), pair.reserved()), (0, 0));
}

/// Neither an ask nor a sketch says which chain is to be continued. What does not continue ours is asked
/// for once more, by what we hold, and then shows as the fork it is.
#[test]
fn what_does_not_continue_our_chain_is_asked_for_once_by_what_we_hold() {
    let (longer, runs) = written(1, 2, 7);
    let (other, _) = written(1, 1, 8);
    let id = longer.name.id();
    let mut pair = Pair::begin([vec![longer], vec![other]], BTreeMap::from([(id, runs)]), 2, false);
    let asked = |of: fn(&Message) -> bool| pair.said_by(B).into_iter().filter(|said| of(said)).count();
    assert_eq!(asked(|said| matches!(said, Message::Want(_))), 1);
    let answers = pair.said_by(A).into_iter().filter_map(|said| match said {
        Message::Runs(delta) => delta.runs.first().map(|run| run.prev.is_some()),
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [false, true]);
    let shared = pair.nodes[B].shared(LINK, &channel()).unwrap();
    assert!(shared.forks.contains(&id) && shared.todo.is_empty());
}

/// Messages and pages end where they are full, but for a log of a key only at a seal: what no seal follows
/// would be dropped, and asked for again.
#[test]
fn what_is_sent_of_a_sealed_log_ends_at_seals() {
    // Pages hold 6 of these runs, messages 8.
    for every in [1, 5, 10, 20] {
        let (head, runs) = sealed(1, 20, every);
        let (id, height) = (head.name.id(), head.height);
        let mut pair = pair_of(vec![(head, runs)]);
        let room = pair.nodes[B].reserve(LINK, 2);
        pair.act(A, |node| node.give(LINK, &channel(), 2, (room >> 10) as u32, vec![(id, 0)]));
        let held = pair.nodes[B].logs.get(&id).map(|log| log.stored.height);
        assert_eq!((held, pair.reserved()), (Some(height), 0), "a seal every {every} runs");
        assert_eq!(pair.nodes[B].stats.dropped, 0);
        for said in pair.said_by(A) {
            let Message::Runs(delta) = said else { panic!("{said:?}") };
            assert!(delta.runs.last().is_none_or(|run| run.run.seal().is_some()));
        }
    }
}

/// Seals further apart than is looked ahead for: the peer goes on from the height, as if what is below
/// were not held here, and nothing waits for it.
#[test]
fn what_reaches_no_seal_is_passed_over() {
    let (far, runs) = sealed(1, 40, 40);
    let (near, short) = sealed(2, 1, 1);
    let ids = [far.name.id(), near.name.id()];
    let mut pair = pair_of(vec![(far, runs), (near, short)]);
    let room = pair.nodes[B].reserve(LINK, 2);
    let logs = ids.iter().map(|id| (*id, 0)).collect();
    pair.act(A, |node| node.give(LINK, &channel(), 2, (room >> 10) as u32, logs));
    let held = ids
        .map(|id| pair.nodes[B].logs.get(&id).map_or((0, 0), |log| (log.holes().floor, log.stored.height)));
    assert_eq!((held, pair.reserved()), ([(1600, 1600), (0, 40)], 0));
    assert_eq!(pair.nodes[B].stats.dropped, 0);
}
