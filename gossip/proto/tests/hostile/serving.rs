//! Whoever asks for much, offers much or is slow leaves room for others.

use std::collections::BTreeSet;

use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, Ask, ChannelTag, Content, Delta, DigestTag, MAX_ASKED, Message, Offer, OfferLog, Want, WantLog,
};
use gossip_proto::{
    ChannelId, Check, Epoch, LogId, MAX_RUN_BYTES, MAX_RUN_ENTRIES, NewPayload, NodeId, StreamId,
};

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

/// A node that speaks this version.
fn started(name: &str, version: u8, config: NodeConfig) -> Host {
    let mut host = Host::speaking(name, config, version);
    host.must(Command::Start);
    host
}

fn pair(version: u8) -> [Host; 2] {
    ["victim", "peer"].map(|name| started(name, version, NodeConfig::default()))
}

fn deltas(messages: Vec<Message>) -> Vec<Delta> {
    let delta = |message| match message {
        Message::Delta(delta) | Message::Runs(delta) => Some(delta),
        _ => None,
    };
    messages.into_iter().filter_map(delta).collect()
}

/// What a node asked for, in either version.
#[derive(Clone)]
struct Asked {
    tag: ChannelTag,
    serial: u64,
    budget: u64,
}

impl Asked {
    fn of(message: Message) -> Option<Self> {
        match message {
            Message::Want(Want { tag, serial, budget, .. }) => Some(Self { tag, serial, budget }),
            Message::Ask(Ask { tag, serial, room, .. }) => {
                Some(Self { tag, serial: serial.into(), budget: u64::from(room) << 10 })
            }
            _ => None,
        }
    }
}

fn asked(messages: Vec<Message>) -> Vec<Asked> {
    messages.into_iter().filter_map(Asked::of).collect()
}

/// Asks for a log from its beginning.
fn ask(version: u8, tag: ChannelTag, serial: u32, log: LogId, budget: u64) -> Message {
    if version == 1 {
        let logs = vec![WantLog { log, after: 0, check: Check([0; 8]) }];
        return Message::Want(Want { tag, serial: serial.into(), budget, logs });
    }
    let room = (budget >> 10).try_into().unwrap_or(u32::MAX);
    Message::Ask(Ask { tag, serial, room, logs: vec![(log.0[..5].try_into().unwrap(), 0)] })
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
        Ok(Content::Whole(Message::Sketch(sketch))) => Some(sketch.tag),
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

fn answer(want: &Asked, end: bool) -> Message {
    let (names, floors, runs) = (Vec::new(), Vec::new(), Vec::new());
    Message::Delta(Delta { tag: want.tag, serial: want.serial, end, names, floors, runs })
}

#[test]
fn a_log_written_entry_by_entry_is_sent_in_full_runs() {
    for version in [1, 2] {
        let [mut reader, mut writer] = pair(version);
        (0..600).for_each(|_| writer.append(100));
        let log = writer.own_logs().next().expect("a log");
        assert_eq!(writer.disk.runs(log).len(), 600);
        meet(&mut writer, &mut reader, LINK, 1 << 20);
        talk(&mut writer, &mut reader, LINK, 1_000);
        let runs: Vec<u64> = reader.disk.runs(log).iter().map(|stored| stored.run.count()).collect();
        assert_eq!(runs, [MAX_RUN_ENTRIES, MAX_RUN_ENTRIES, 88]);
        assert_eq!(reader.disk.head(log), writer.disk.head(log));
    }
}

#[test]
fn runs_are_joined_within_the_bounds_of_a_run() {
    let [mut reader, mut writer] = pair(1);
    (0..20).for_each(|_| writer.append(MAX_RUN_BYTES / 3));
    meet(&mut writer, &mut reader, LINK, 1 << 20);
    talk(&mut writer, &mut reader, LINK, 1_000);
    let log = writer.own_logs().next().expect("a log");
    let runs = reader.disk.runs(log);
    assert!(runs.iter().all(|stored| stored.run.encoded().len() <= MAX_RUN_BYTES));
    // Two fit into one; only where a page ends one may be alone.
    assert!(runs.len() <= 12, "{} runs", runs.len());
}

/// A victim with a log of so many bytes and a log of one small entry, and what its peer calls the channel.
fn long_and_short(version: u8, size: usize, count: usize) -> (Host, ChannelTag, [LogId; 2]) {
    let [mut victim, mut peer] = pair(version);
    let tag = *joined(&mut victim, &mut peer, LINK).first().expect("a channel");
    let small = StreamId::new("small").unwrap();
    for (stream, size, count) in [(stream(), size, count), (small, 100, 1)] {
        let (channel, retention) = (channel(), gossip_proto::Retention::KeepAll);
        victim.command(Command::CreateStream { channel: channel.clone(), stream: stream.clone(), retention });
        for _ in 0..count {
            let payloads = vec![NewPayload::new(vec![7; size])];
            victim.must(Command::Append { channel: channel.clone(), stream: stream.clone(), payloads });
        }
    }
    victim.sent.clear();
    let height = |log: &LogId| victim.disk.head(*log).expect("a head").height;
    let (long, short): (Vec<LogId>, Vec<LogId>) = victim.own_logs().partition(|log| height(log) > 1);
    (victim, tag, [long[0], short[0]])
}

#[test]
fn a_short_log_does_not_wait_for_a_long_one() {
    for version in [1, 2] {
        let (mut victim, tag, [long, short]) = long_and_short(version, 60_000, 30);
        victim.slow_disk = true;
        tell(&mut victim, LINK, ask(version, tag, 1, long, 8 << 20));
        tell(&mut victim, LINK, ask(version, tag, 3, short, 8 << 20));
        victim.disk_works();
        let sent = deltas(messages(&mut victim, LINK));
        let order: Vec<(u64, bool)> = sent.iter().map(|delta| (delta.serial, delta.end)).collect();
        let place = |of| order.iter().position(|found| *found == of).expect("an answer");
        assert_eq!(place((1, false)), 0, "{order:?}");
        assert_eq!(place((3, true)), 1, "{order:?}");
        assert!(place((1, true)) > 4, "{order:?}");
    }
}

/// However much room a peer claims to have, what is sent for one question is bounded.
#[test]
fn nobody_has_room_for_everything() {
    for version in [1, 2] {
        let (mut victim, tag, [long, _]) = long_and_short(version, 60_000, 100);
        tell(&mut victim, LINK, ask(version, tag, 1, long, u64::MAX));
        let sent = deltas(messages(&mut victim, LINK));
        let runs = sent.iter().flat_map(|delta| &delta.runs).map(|run| run.run.encoded().len());
        let (bytes, window) = (runs.sum::<usize>(), NodeConfig::default().window_bytes);
        assert!((window..=2 * window + MAX_RUN_BYTES).contains(&bytes), "{bytes} bytes");
        assert!(sent.last().is_some_and(|delta| delta.end));
    }
}

#[test]
fn endless_asks_cause_two_reads_at_a_time_and_wait_in_a_bounded_queue() {
    let (mut victim, tag, [long, short]) = long_and_short(2, 60_000, 10);
    victim.slow_disk = true;
    let key = |log: LogId| log.0[..5].try_into().unwrap();
    for serial in 1..=500 {
        let logs = [long, short].iter().cycle().take(MAX_ASKED).map(|log| (key(*log), 0)).collect();
        tell(&mut victim, LINK, Message::Ask(Ask { tag, serial, room: u32::MAX, logs }));
        let reads = victim.health().store_ops;
        assert!(reads <= 3, "{reads} reads at once after {serial} asks");
    }
    victim.disk_works();
    // The one in work and the newest ones.
    let ended = deltas(messages(&mut victim, LINK)).iter().filter(|delta| delta.end).count();
    assert!(ended <= 8, "{ended} answers");
}

/// One channel in which there is much to be asked for leaves some of the wants to the others.
#[test]
fn channels_of_a_link_take_turns() {
    for version in [1, 2] {
        let [mut victim, mut peer] = pair(version);
        let second = ChannelId::new("d").unwrap();
        [&mut victim, &mut peer].into_iter().for_each(|host| host.create(&second));
        let tags = joined(&mut victim, &mut peer, LINK);
        assert_eq!(tags.len(), 2);
        for tag in &tags {
            (0..20).for_each(|page| tell(&mut victim, LINK, offer(*tag, page * 500..(page + 1) * 500)));
        }
        let mut open = asked(messages(&mut victim, LINK));
        for _ in 0..4 {
            let done = open.remove(0);
            tell(&mut victim, LINK, answer(&done, true));
            open.extend(asked(messages(&mut victim, LINK)));
        }
        let asked: BTreeSet<ChannelTag> = open.iter().map(|want| want.tag).collect();
        assert_eq!(asked, tags, "one channel has all wants");
    }
}

/// Peers that offer much: none takes all that the store may be given.
#[test]
fn peers_share_the_budget_of_the_store() {
    for version in [1, 2] {
        let store_budget_bytes = 4 * MAX_RUN_BYTES;
        let mut victim =
            started("victim", version, NodeConfig { store_budget_bytes, ..NodeConfig::default() });
        let tags = [(LINK, "first"), (LINK + 1, "second"), (LINK + 2, "third")].map(|(link, name)| {
            let mut peer = started(name, version, NodeConfig::default());
            (link, *joined(&mut victim, &mut peer, link).first().expect("a channel"))
        });
        for (link, tag) in tags {
            for page in [0, 1] {
                let first = (link * 2 + page) * 400;
                tell(&mut victim, link, offer(tag, first..first + 400));
            }
        }
        let (mut open, mut fed) = (Vec::new(), BTreeSet::new());
        for _ in 0..20 {
            for (link, frame) in std::mem::take(&mut victim.sent) {
                let Ok(Content::Whole(message)) = wire::read(&frame) else { continue };
                open.extend(Asked::of(message).map(|asked| (link.0, asked)));
            }
            let budget: u64 = open.iter().map(|(_, want)| want.budget).sum();
            assert!(budget <= store_budget_bytes as u64, "{budget} bytes asked for");
            fed.extend(open.iter().map(|(link, _)| *link));
            if !open.is_empty() {
                let (link, want) = open.remove(0);
                tell(&mut victim, link, answer(&want, true));
            }
        }
        assert_eq!(fed, BTreeSet::from([LINK, LINK + 1, LINK + 2]), "somebody is never asked");
    }
}

/// A peer that answers slowly, or never, keeps a log no longer than its turn once another one offers it.
#[test]
fn what_a_slow_peer_owes_is_asked_of_another() {
    for (version, drips) in [(1, true), (2, true), (2, false)] {
        let mut victim = started("victim", version, NodeConfig::default());
        let tags = [(LINK, "slow"), (OTHER, "fast")].map(|(link, name)| {
            let mut peer = started(name, version, NodeConfig::default());
            *joined(&mut victim, &mut peer, link).first().expect("a channel")
        });
        tell(&mut victim, LINK, offer(tags[0], 0..1));
        let slow = asked(messages(&mut victim, LINK)).remove(0);
        tell(&mut victim, OTHER, offer(tags[1], 0..1));
        assert!(asked(messages(&mut victim, OTHER)).is_empty(), "two are asked at once");
        let mut seconds = 0;
        while asked(messages(&mut victim, OTHER)).is_empty() {
            // Alive, and never done.
            let said = if drips { answer(&slow, false) } else { Message::Ping(1, false) };
            tell(&mut victim, LINK, said);
            tell(&mut victim, OTHER, Message::Ping(1, false));
            victim.pass(1_000_000);
            seconds += 1;
            assert!(seconds < 25, "the slow peer keeps the log");
        }
    }
}
