//! Holes and erasures among peers that are not to be trusted.

use gossip_proto::node::{Command, CommandError, Input, LinkId, NodeConfig, Reply};
use gossip_proto::wire::{
    self, Beacon, ChannelTag, Content, Delta, DeltaRun, Erase, EraseLog, Message, SketchMessage,
};
use gossip_proto::{
    ChainHash, EntryId, Epoch, LogId, LogName, NodeId, Payload, Retention, RunBuilder, SeqRange, Stamp,
    StoreRequest,
};

use crate::host::{DAWN, Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;

/// A victim that holds three runs of a peer, and what they call their channel.
fn pair() -> (Host, Host, ChannelTag) {
    pair_with(NodeConfig::default())
}

fn pair_with(config: NodeConfig) -> (Host, Host, ChannelTag) {
    let started = |name, config| {
        let mut host = Host::new(name, config);
        host.must(Command::Start);
        host
    };
    let (mut victim, mut peer) = (started("victim", config), started("peer", NodeConfig::default()));
    meet(&mut victim, &mut peer, LINK, 1 << 20);
    let mut frames = talk(&mut victim, &mut peer, LINK, 500);
    for _ in 0..3 {
        peer.append(100);
        frames.extend(talk(&mut victim, &mut peer, LINK, 500));
    }
    let tag = frames.iter().find_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Beacon(Beacon { tag, .. }))) => Some(tag),
        Ok(Content::Whole(Message::Sketch(SketchMessage { tag, .. }))) => Some(tag),
        _ => None,
    });
    victim.sent.clear();
    (victim, peer, tag.expect("a beacon"))
}

fn tell(victim: &mut Host, message: Message) {
    victim.give(Input::Frame { link: LinkId(LINK), bytes: say(message) });
}

fn messages(victim: &mut Host) -> Vec<Message> {
    let frames = victim.take_sent(LINK);
    let read = frames.iter().filter_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(message)) => Some(message),
        _ => None,
    });
    read.collect()
}

fn asked_back(victim: &mut Host) -> Option<u64> {
    let back = |message| if let Message::Back(back) = message { Some(back.serial) } else { None };
    messages(victim).into_iter().find_map(back)
}

fn name_of(author: &str, random: u64) -> LogName {
    let (author, epoch) = (NodeId::new(author).unwrap(), Epoch::new(1, random));
    LogName { channel: channel(), stream: stream(), author, epoch, branch: None }
}

fn erase(tag: ChannelTag, by: &str, name: &LogName, ranges: Vec<SeqRange>) -> Message {
    let key = (name.stream.clone(), name.author.clone(), name.epoch, name.branch);
    let logs = vec![EraseLog { name: key, ranges }];
    Message::Erase(Erase { tag, serial: 9, by: NodeId::new(by).unwrap(), logs })
}

const SECOND: SeqRange = SeqRange { first: 2, last: 2 };

#[test]
fn a_hole_is_filled_by_what_was_there_and_by_nothing_else() {
    let (mut victim, peer, tag) = pair();
    let log: LogId = peer.own_logs().next().expect("a log");
    let truth = victim.disk.runs(log)[1].clone();
    let reply = victim.must(Command::Repair { log, at: 2 });
    assert_eq!(reply, Reply::Repaired(Some(SECOND)));
    let serial = asked_back(&mut victim).expect("the hole is asked for");

    // A run of the right place that verifies by itself, of another history.
    let mut builder = RunBuilder::new(log, 2, ChainHash([9; 32]));
    builder.push(Stamp::new(DAWN + 1, 1), &Payload::Present(vec![1; 100].into())).unwrap();
    let forged = DeltaRun { prev: Some(ChainHash([9; 32])), run: builder.finish(None).unwrap().0 };
    let answer = |runs| Message::Delta(Delta { tag, serial, end: true, names: vec![], floors: vec![], runs });
    let dropped = victim.health().dropped;
    tell(&mut victim, answer(vec![forged]));
    assert_eq!(victim.disk.runs(log).len(), 2, "forged entries were stored");
    assert_eq!(victim.health().dropped, dropped + 1);

    let mut again = None;
    for _ in 0..100 {
        victim.pass(100_000);
        again = again.or(asked_back(&mut victim));
        if again.is_some() {
            break;
        }
    }
    assert_eq!(again, Some(serial), "asked again, in the same bytes");
    tell(&mut victim, answer(vec![DeltaRun { prev: Some(truth.prev), run: truth.run.clone() }]));
    assert_eq!(victim.disk.runs(log)[1], truth);
    victim.pass(60_000_000);
    assert_eq!(asked_back(&mut victim), None, "nothing is missing any more");
}

#[test]
fn a_hole_nobody_can_fill_is_asked_for_ever_more_seldom() {
    let (mut victim, peer, tag) = pair();
    let log = peer.own_logs().next().expect("a log");
    victim.must(Command::Repair { log, at: 2 });
    let mut questions = 0;
    for _ in 0..3_600 {
        while let Some(serial) = asked_back(&mut victim) {
            questions += 1;
            let (names, floors, runs) = (vec![], vec![], vec![]);
            tell(&mut victim, Message::Delta(Delta { tag, serial, end: true, names, floors, runs }));
        }
        victim.pass(1_000_000);
        // Somebody is there.
        tell(&mut victim, Message::Paused(false));
    }
    assert!((5..25).contains(&questions), "{questions} questions in an hour");
}

#[test]
fn what_is_being_pruned_is_not_asked_for() {
    let (mut victim, peer, tag) = pair();
    let log = peer.own_logs().next().expect("a log");
    victim.must(Command::Repair { log, at: 2 });
    let serial = asked_back(&mut victim).expect("the hole is asked for");
    victim.slow_disk = true;
    let (channel, stream, floors) = (channel(), stream(), vec![(log, 2)]);
    assert_eq!(
        victim.command(Command::Prune { channel, stream, floors, under: None }),
        None,
        "the disk is slow"
    );
    let come_back = |victim: &mut Host| {
        for _ in 0..100 {
            victim.pass(100_000);
            tell(victim, Message::Paused(false));
        }
    };
    come_back(&mut victim);
    victim.disk_works();
    come_back(&mut victim);
    assert_eq!(asked_back(&mut victim), None, "what was pruned is asked for");
    // Nor does a late answer bring it back.
    let second =
        DeltaRun { prev: Some(peer.disk.runs(log)[1].prev), run: peer.disk.runs(log)[1].run.clone() };
    let (names, floors, runs) = (vec![], vec![], vec![second]);
    tell(&mut victim, Message::Delta(Delta { tag, serial, end: true, names, floors, runs }));
    assert_eq!(victim.disk.head(log).expect("a head").floor, 2);
    assert_eq!(victim.disk.runs(log).len(), 1);
}

#[test]
fn an_author_erases_what_it_wrote_and_nobody_else_does() {
    let (mut victim, peer, tag) = pair();
    let log = peer.own_logs().next().expect("a log");
    let name = victim_name(&peer, log);
    tell(&mut victim, erase(tag, "somebody", &name, vec![SECOND]));
    assert!(victim.disk.erased.is_empty(), "somebody erased what the peer wrote");
    tell(&mut victim, erase(tag, "peer", &name, vec![SECOND]));
    assert_eq!(victim.disk.erased, [(log, SECOND)]);
    tell(&mut victim, erase(tag, "peer", &name, vec![SECOND]));
    assert_eq!(victim.disk.erased.len(), 1, "what is known is not done again");
    let heard = messages(&mut victim).iter().filter(|m| matches!(m, Message::Erased(_, 9))).count();
    assert_eq!(heard, 3);
}

/// Which entries are there with their payloads, and which are hollow.
fn payloads(host: &Host, log: LogId) -> Vec<bool> {
    let entries = host.disk.runs(log).iter().flat_map(|stored| stored.run.entries());
    entries.map(|entry| entry.payload.bytes().is_some()).collect()
}

fn heard(victim: &mut Host) -> bool {
    messages(victim).iter().any(|message| matches!(message, Message::Erased(..)))
}

#[test]
fn a_forged_request_reaches_nothing_that_was_not_written_yet() {
    let (mut victim, mut peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    let (name, tag) = (victim_name(&peer, log), tag_between(&mut victim, &mut peer));
    let everything = SeqRange { first: 1, last: u64::MAX >> 1 };
    messages(&mut victim);
    tell(&mut victim, erase(tag, "peer", &name, vec![everything]));
    assert!(!heard(&mut victim), "as if it had been heard to its end");
    assert_eq!(victim.disk.erased, [(log, SeqRange { first: 1, last: 3 })]);
    peer.append(100);
    peer.append(100);
    talk(&mut victim, &mut peer, LINK, 2_000);
    assert_eq!(payloads(&victim, log)[3..], [true, true], "written after the request");
    // Logs nobody has heard of take no memory.
    let before = victim.health().logs;
    tell(&mut victim, erase(tag, "peer", &name_of("peer", 99), vec![everything]));
    assert_eq!(victim.health().logs, before);
}

#[test]
fn an_early_request_is_heard_when_it_is_told_again() {
    let (mut victim, mut peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    let (name, tag) = (victim_name(&peer, log), tag_between(&mut victim, &mut peer));
    let early = || erase(tag, "peer", &name, vec![SeqRange { first: 4, last: 4 }]);
    tell(&mut victim, early());
    assert!(!heard(&mut victim) && victim.disk.erased.is_empty());
    peer.append(100);
    peer.append(100);
    talk(&mut victim, &mut peer, LINK, 2_000);
    messages(&mut victim);
    tell(&mut victim, early());
    assert!(heard(&mut victim));
    assert_eq!(victim.disk.erased, [(log, SeqRange { first: 4, last: 4 })]);
}

#[test]
fn an_erasure_is_told_until_the_peer_holds_it_and_keeps_no_other_waiting() {
    let (mut victim, mut peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    // The peer's store is slow for a while, so it writes what the victim cannot have.
    victim.fail = |request| matches!(request, StoreRequest::Commit { .. });
    peer.append(100);
    talk(&mut victim, &mut peer, LINK, 2_000);
    let gone = |sequence| {
        let entries = vec![EntryId { log, sequence }];
        Command::Erase { channel: channel(), stream: stream(), entries }
    };
    peer.must(gone(4));
    talk(&mut victim, &mut peer, LINK, 2_000);
    peer.must(gone(1));
    talk(&mut victim, &mut peer, LINK, 60_000);
    assert_eq!(victim.disk.erased, [(log, SeqRange { first: 1, last: 1 })], "one waits for another");
    victim.fail = |_| false;
    talk(&mut victim, &mut peer, LINK, 60_000);
    assert_eq!(victim.disk.erased[1..], [(log, SeqRange { first: 4, last: 4 })]);
    victim.sent.clear();
    peer.sent.clear();
    let later = talk(&mut victim, &mut peer, LINK, 120_000);
    let told = |frame: &bytes::Bytes| matches!(wire::read(frame), Ok(Content::Whole(Message::Erase(_))));
    assert!(!later.iter().any(told), "told on and on");
}

/// Gone and back so soon that the peer never learnt of it.
#[test]
fn what_was_said_of_a_refused_stream_is_told_again() {
    let (mut victim, mut peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    victim.must(Command::RemoveStream { channel: channel(), stream: stream() });
    victim.forget_logs();
    peer.must(Command::Erase {
        channel: channel(),
        stream: stream(),
        entries: vec![EntryId { log, sequence: 2 }],
    });
    talk(&mut victim, &mut peer, LINK, 3);
    let (channel, stream, retention) = (channel(), stream(), Retention::KeepAll);
    victim.must(Command::CreateStream { channel, stream, retention });
    talk(&mut victim, &mut peer, LINK, 60_000);
    let entries: u64 = victim.disk.runs(log).iter().map(|stored| stored.run.count()).sum();
    assert_eq!(entries, 3);
    assert_eq!(victim.disk.erased, [(log, SECOND)]);
}

#[test]
fn nobody_erases_in_our_name_and_who_does_not_follow_is_only_told() {
    let (mut victim, mut peer, _) = pair();
    victim.append(100);
    let tag = tag_between(&mut victim, &mut peer);
    let own = victim.own_logs().next().expect("a log");
    let name = victim_name(&victim, own);
    tell(&mut victim, erase(tag, "victim", &name, vec![SeqRange { first: 1, last: 1 }]));
    assert!(victim.disk.erased.is_empty(), "somebody erased in our own name");

    let config = NodeConfig { follow_erasures: false, ..NodeConfig::default() };
    let (mut victim, peer, tag) = pair_with(config);
    let log = peer.own_logs().next().expect("a log");
    let name = victim_name(&peer, log);
    messages(&mut victim);
    tell(&mut victim, erase(tag, "peer", &name, vec![SECOND]));
    assert!(victim.disk.erased.is_empty() && heard(&mut victim));
}

#[test]
fn a_peer_that_asks_for_much_leaves_room_for_the_application() {
    let (mut victim, peer, tag) = pair();
    victim.append(100);
    let (log, own) = (peer.own_logs().next().expect("a log"), victim.own_logs().next().expect("a log"));
    let name = victim_name(&peer, log);
    victim.slow_disk = true;
    for at in 0..1000 {
        let last = 1 + at % 3;
        tell(&mut victim, erase(tag, "peer", &name, vec![SeqRange { first: last, last }]));
    }
    let entries = vec![EntryId { log: own, sequence: 1 }];
    let reply = victim.command(Command::Erase { channel: channel(), stream: stream(), entries });
    assert_eq!(reply, None, "under way");
    victim.disk_works();
    let done = victim.replies().filter(|reply| matches!(reply, Ok(Reply::Erased(_)))).count();
    assert_eq!(done, 1);
}

#[test]
fn requests_over_their_bounds_or_about_nothing_do_nothing() {
    let (mut victim, _, tag) = pair();
    let name = name_of("peer", 77);
    let many = (0..600).map(|at| SeqRange { first: 2 * at + 1, last: 2 * at + 1 }).collect();
    let none = vec![SeqRange { first: 0, last: 3 }];
    let backwards = vec![SeqRange { first: 5, last: 3 }];
    let endless = vec![SeqRange { first: 5, last: u64::MAX }];
    for ranges in [many, none, backwards, endless] {
        let before = victim.health();
        tell(&mut victim, erase(tag, "peer", &name, ranges));
        let after = victim.health();
        assert_eq!((after.dropped, after.logs), (before.dropped + 1, before.logs));
        let heard = messages(&mut victim).iter().any(|message| matches!(message, Message::Erased(..)));
        assert!(victim.disk.erased.is_empty() && !heard);
    }
}

#[test]
fn entries_nobody_wrote_are_not_erased() {
    let (mut victim, peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    let entry = EntryId { log, sequence: 4 };
    let (channel, stream) = (channel(), stream());
    let reply = victim.command(Command::Erase { channel, stream, entries: vec![entry] });
    assert_eq!(reply, Some(Err(CommandError::UnknownEntry(entry))));
}

#[test]
fn a_shutdown_that_could_not_end_an_epoch_says_so() {
    let mut host = Host::new("one", NodeConfig::default());
    host.append(10);
    let log = host.own_logs().next().expect("a log");
    host.fail = |request| matches!(request, StoreRequest::SaveStream(..));
    // A run that shows that our own log is held in another version.
    let mut builder = RunBuilder::new(log, 1, name_hash(&host, log));
    builder.push(Stamp::new(DAWN, 9), &Payload::Present(vec![1; 3].into())).unwrap();
    let name = victim_name(&host, log);
    let prev = name.hash().root();
    let run = builder.finish(None).unwrap().0;
    let runs = vec![gossip_proto::StoredRun { prev, run }];
    let part = gossip_proto::node::ImportPart { log: name, floor: None, runs, fills: false };
    let forked = host.command(Command::Import { channel: channel(), part });
    assert!(matches!(forked, Some(Err(CommandError::Forked { .. }))), "{forked:?}");
    assert_eq!(host.command(Command::Shutdown), None, "tried again for a while");
    host.pass(60_000_000);
    let failed = host.replies().any(|reply| matches!(reply, Err(CommandError::Store(_))));
    assert!(failed, "the shutdown was called clean");
}

fn name_hash(host: &Host, log: LogId) -> ChainHash {
    victim_name(host, log).hash().root()
}

fn victim_name(host: &Host, log: LogId) -> LogName {
    host.disk.head(log).expect("a head").name.clone()
}

fn tag_between(victim: &mut Host, peer: &mut Host) -> ChannelTag {
    let frames = talk(victim, peer, LINK, 60_000);
    let tag = frames.iter().find_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Beacon(Beacon { tag, .. }))) => Some(tag),
        Ok(Content::Whole(Message::Sketch(SketchMessage { tag, .. }))) => Some(tag),
        _ => None,
    });
    tag.expect("a beacon")
}

/// Heads are read beside what is written: an answer may be older than one that came before it.
#[test]
fn what_became_a_hole_while_the_head_was_read_is_asked_for() {
    let (mut victim, mut peer, _) = pair();
    let log = peer.own_logs().next().expect("a log");
    victim.slow_disk = true;
    victim.fail = |request| matches!(request, StoreRequest::Commit { .. });
    peer.append(100);
    talk(&mut victim, &mut peer, LINK, 100);
    victim.fail = |_| false;
    victim.disk_overtakes();
    // Now its head is being read.
    victim.command(Command::Repair { log, at: 2 });
    victim.disk_overtakes();
    assert_eq!(victim.disk.head(log).unwrap().gaps, [SECOND]);
    victim.disk_works();
    talk(&mut victim, &mut peer, LINK, 20_000);
    let head = victim.disk.head(log).unwrap();
    assert_eq!((head.height, &head.gaps[..]), (4, &[][..]), "a hole was forgotten");
}
