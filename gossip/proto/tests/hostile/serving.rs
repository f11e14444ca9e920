//! Whoever asks for much, offers much or is slow leaves room for others.

use std::collections::BTreeSet;

use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, ChannelTag, Content, Delta, DigestTag, Message, Offer, OfferLog, Want, WantLog,
};
use gossip_proto::{
    ChannelId, Check, Epoch, LogId, MAX_RUN_BYTES, MAX_RUN_ENTRIES, NewPayload, NodeId, StreamId,
};

use crate::findings::started;
use crate::host::{Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;
const OTHER: u64 = 2;

fn messages(host: &mut Host, link: u64) -> Vec<Message> {
    let frames = host.take_sent(link);
    let whole = |frame: &bytes::Bytes| match wire::read(frame) {
        Ok(Content::Whole(message)) => Some(message),
        _ => None,
    };
    frames.iter().filter_map(whole).collect()
}

fn deltas(messages: Vec<Message>) -> Vec<Delta> {
    let delta = |message| if let Message::Delta(delta) = message { Some(delta) } else { None };
    messages.into_iter().filter_map(delta).collect()
}

fn wants(messages: Vec<Message>) -> Vec<Want> {
    let want = |message| if let Message::Want(want) = message { Some(want) } else { None };
    messages.into_iter().filter_map(want).collect()
}

fn tell(victim: &mut Host, link: u64, message: Message) {
    victim.give(Input::Frame { link: LinkId(link), bytes: say(message) });
}

/// Brings a peer into session; what both call their channels.
fn joined(victim: &mut Host, peer: &mut Host, link: u64) -> BTreeSet<ChannelTag> {
    meet(victim, peer, link, 1 << 20);
    let frames = talk(victim, peer, link, 500);
    let tag = |frame: &bytes::Bytes| match wire::read(frame) {
        Ok(Content::Whole(Message::Beacon(beacon))) => Some(beacon.tag),
        _ => None,
    };
    let tags = frames.iter().filter_map(tag).collect();
    [victim, peer].into_iter().for_each(|host| host.sent.clear());
    tags
}

/// Names of logs that nobody has, as the offer of them says.
fn offer(tag: ChannelTag, logs: std::ops::Range<u64>) -> Message {
    let told = logs.map(|random| OfferLog {
        stream: 0,
        author: 0,
        epoch: Epoch::new(1, random),
        branch: None,
        height: 1_000,
        check: Check([1; 8]),
        floor: 0,
    });
    let (mine, refused, logs) = (DigestTag([7; 16]), Vec::new(), told.collect());
    let (streams, authors) = (vec![stream()], vec![NodeId::new("away").unwrap()]);
    Message::Offer(Offer { tag, mine, range: None, refused, streams, authors, logs })
}

fn answer(want: &Want, end: bool) -> Message {
    let (names, floors, runs) = (Vec::new(), Vec::new(), Vec::new());
    Message::Delta(Delta { tag: want.tag, serial: want.serial, end, names, floors, runs })
}

#[test]
fn a_log_written_entry_by_entry_is_sent_in_full_runs() {
    let (mut writer, mut reader) =
        (started("writer", NodeConfig::default()), started("reader", NodeConfig::default()));
    (0..600).for_each(|_| writer.append(100));
    let log = writer.own_logs().next().expect("a log");
    assert_eq!(writer.disk.runs(log).len(), 600);
    meet(&mut writer, &mut reader, LINK, 1 << 20);
    talk(&mut writer, &mut reader, LINK, 1_000);
    let runs: Vec<u64> = reader.disk.runs(log).iter().map(|stored| stored.run.count()).collect();
    assert_eq!(runs, [MAX_RUN_ENTRIES, MAX_RUN_ENTRIES, 88]);
    assert_eq!(reader.disk.head(log), writer.disk.head(log));
}

#[test]
fn runs_are_joined_within_the_bounds_of_a_run() {
    let (mut writer, mut reader) =
        (started("writer", NodeConfig::default()), started("reader", NodeConfig::default()));
    (0..20).for_each(|_| writer.append(MAX_RUN_BYTES / 3));
    meet(&mut writer, &mut reader, LINK, 1 << 20);
    talk(&mut writer, &mut reader, LINK, 1_000);
    let log = writer.own_logs().next().expect("a log");
    let runs = reader.disk.runs(log);
    assert!(runs.iter().all(|stored| stored.run.encoded().len() <= MAX_RUN_BYTES));
    // Two fit into one; only where a page ends one may be alone.
    assert!(runs.len() <= 12, "{} runs", runs.len());
}

#[test]
fn a_short_log_does_not_wait_for_a_long_one() {
    let (mut victim, mut peer) =
        (started("victim", NodeConfig::default()), started("peer", NodeConfig::default()));
    let tag = *joined(&mut victim, &mut peer, LINK).first().expect("a channel");
    let small = StreamId::new("small").unwrap();
    for (stream, size, count) in [(stream(), 60_000, 30), (small, 100, 1)] {
        let (channel, retention) = (channel(), gossip_proto::Retention::KeepAll);
        let create = Command::CreateStream { channel, stream: stream.clone(), retention };
        victim.command(create);
        let payloads = || vec![NewPayload::new(vec![7; size])];
        let append =
            || Command::Append { channel: self::channel(), stream: stream.clone(), payloads: payloads() };
        (0..count).for_each(|_| _ = victim.must(append()));
    }
    let height = |log: &LogId| victim.disk.head(*log).expect("a head").height;
    let (long, short): (Vec<LogId>, Vec<LogId>) = victim.own_logs().partition(|log| height(log) > 1);
    victim.sent.clear();
    victim.slow_disk = true;
    for (serial, log) in [(1, long[0]), (3, short[0])] {
        let logs = vec![WantLog { log, after: 0, check: Check([0; 8]) }];
        tell(&mut victim, LINK, Message::Want(Want { tag, serial, budget: 8 << 20, logs }));
    }
    victim.disk_works();
    let sent = deltas(messages(&mut victim, LINK));
    let order: Vec<(u64, bool)> = sent.iter().map(|delta| (delta.serial, delta.end)).collect();
    let place = |of| order.iter().position(|found| *found == of).expect("an answer");
    assert_eq!(place((1, false)), 0, "{order:?}");
    assert_eq!(place((3, true)), 1, "{order:?}");
    assert!(place((1, true)) > 4, "{order:?}");
}

/// One channel in which there is much to be asked for leaves some of the wants to the others.
#[test]
fn channels_of_a_link_take_turns() {
    let (mut victim, mut peer) =
        (started("victim", NodeConfig::default()), started("peer", NodeConfig::default()));
    let second = ChannelId::new("d").unwrap();
    [&mut victim, &mut peer].into_iter().for_each(|host| host.create(&second));
    let tags = joined(&mut victim, &mut peer, LINK);
    assert_eq!(tags.len(), 2);
    for tag in &tags {
        (0..4).for_each(|page| tell(&mut victim, LINK, offer(*tag, page * 500..(page + 1) * 500)));
    }
    let mut open: Vec<Want> = wants(messages(&mut victim, LINK));
    for _ in 0..4 {
        let done = open.remove(0);
        tell(&mut victim, LINK, answer(&done, true));
        open.extend(wants(messages(&mut victim, LINK)));
    }
    let asked: BTreeSet<ChannelTag> = open.iter().map(|want| want.tag).collect();
    assert_eq!(asked, tags, "one channel has all wants");
}

/// Two peers that offer much: neither takes all that the store may be given.
#[test]
fn peers_share_the_budget_of_the_store() {
    let store_budget_bytes = 4 * MAX_RUN_BYTES;
    let config = NodeConfig { store_budget_bytes, ..NodeConfig::default() };
    let mut victim = started("victim", config);
    let mut peers = ["first", "second", "third"].map(|name| started(name, NodeConfig::default()));
    let mut tags = Vec::new();
    for (at, peer) in peers.iter_mut().enumerate() {
        tags.push(*joined(&mut victim, peer, LINK + at as u64).first().expect("a channel"));
    }
    let mut open: Vec<(u64, Want)> = Vec::new();
    for (link, tag) in (LINK..).zip(&tags) {
        tell(&mut victim, link, offer(*tag, link * 400..link * 400 + 400));
        tell(&mut victim, link, offer(*tag, link * 400 + 2_000..link * 400 + 2_400));
    }
    let mut most = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let sent = std::mem::take(&mut victim.sent);
        for (link, frame) in sent {
            if let Ok(Content::Whole(Message::Want(want))) = wire::read(&frame) {
                open.push((link.0, want));
            }
        }
        let budget: u64 = open.iter().map(|(_, want)| want.budget).sum();
        assert!(budget <= store_budget_bytes as u64, "{budget} bytes asked for");
        for link in LINK..LINK + 3 {
            let of_link = open.iter().filter(|(of, _)| *of == link).map(|(_, want)| want.budget).sum::<u64>();
            let known = most.entry(link).or_insert(0);
            *known = of_link.max(*known);
        }
        if most.values().all(|bytes| *bytes > 0) {
            return;
        }
        let (link, want) = open.remove(0);
        tell(&mut victim, link, answer(&want, true));
    }
    panic!("somebody is never asked: {most:?}");
}

/// A peer that answers slowly keeps a log no longer than its turn once another one offers it.
#[test]
fn what_a_slow_peer_owes_is_asked_of_another() {
    let mut victim = started("victim", NodeConfig::default());
    let mut peers = ["slow", "fast"].map(|name| started(name, NodeConfig::default()));
    let tags = [LINK, OTHER].map(|link| {
        let peer = &mut peers[link as usize - 1];
        *joined(&mut victim, peer, link).first().expect("a channel")
    });
    tell(&mut victim, LINK, offer(tags[0], 0..1));
    let slow = wants(messages(&mut victim, LINK)).remove(0);
    tell(&mut victim, OTHER, offer(tags[1], 0..1));
    assert!(wants(messages(&mut victim, OTHER)).is_empty(), "two are asked at once");
    for _ in 0..25 {
        // Alive, and never done.
        tell(&mut victim, LINK, answer(&slow, false));
        tell(&mut victim, OTHER, Message::Ping(1, false));
        victim.pass(1_000_000);
        if !wants(messages(&mut victim, OTHER)).is_empty() {
            return;
        }
    }
    panic!("the slow peer keeps the log");
}
