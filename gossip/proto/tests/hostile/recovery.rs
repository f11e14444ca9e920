//! What a node must find back from: a handshake begun anew, a removal that failed, a store that forgot.

use std::collections::BTreeSet;

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig, Reply};
use gossip_proto::wire::{self, Content, Hello, Message, Nonce};
use gossip_proto::{ChannelId, EntryId, Fault, NewPayload, Retention, StoreRequest};

use crate::host::{Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;

fn pair() -> (Host, Host) {
    let started = |name| {
        let mut host = Host::new(name, NodeConfig::default());
        host.must(Command::Start);
        host
    };
    let (mut one, mut other) = (started("one"), started("two"));
    meet(&mut one, &mut other, LINK, 1 << 20);
    talk(&mut one, &mut other, LINK, 500);
    (one, other)
}

fn named(name: &str) -> ChannelId {
    ChannelId::new(name).unwrap()
}

fn append_to(host: &mut Host, channel: &ChannelId) {
    let (channel, payloads) = (channel.clone(), vec![NewPayload::new(vec![7; 10])]);
    host.must(Command::Append { channel, stream: stream(), payloads });
}

/// Both write to a channel, and within 20 seconds both hold what both wrote.
fn assert_shared(one: &mut Host, other: &mut Host, channel: &ChannelId) {
    append_to(one, channel);
    append_to(other, channel);
    talk(one, other, LINK, 20_000);
    let (ours, theirs) = (one.version_in(channel), other.version_in(channel));
    assert!(ours.len() == 2 && ours == theirs, "{channel}: {ours:?} and {theirs:?}");
}

#[test]
fn a_stale_hello_does_not_hide_channels_made_later() {
    for swapped in [false, true] {
        let (mut one, mut other) = pair();
        // Each change of the channels is told in a list of its own.
        for name in ["early", "earlier", "earliest"] {
            one.create(&named(name));
            other.create(&named(name));
            talk(&mut one, &mut other, LINK, 500);
        }
        let (hit, from) = if swapped { (&mut other, one.id()) } else { (&mut one, other.id()) };
        let hello = Hello {
            min_version: 1,
            max_version: 1,
            node: from,
            scheme: 0,
            nonce: Nonce([9; 16]),
            echo: None,
            complete: false,
            paused: false,
        };
        hit.give(Input::Frame { link: LinkId(LINK), bytes: say(Message::Hello(hello)) });
        talk(&mut one, &mut other, LINK, 10_000);
        one.create(&named("later"));
        other.create(&named("later"));
        talk(&mut one, &mut other, LINK, 10_000);
        for name in ["early", "earlier", "earliest", "later"] {
            assert_shared(&mut one, &mut other, &named(name));
        }
    }
}

#[test]
fn a_channel_that_could_not_be_removed_is_shared_again() {
    let (mut one, mut other) = pair();
    assert_shared(&mut one, &mut other, &channel());
    one.fail = |request| matches!(request, StoreRequest::RemoveChannel(_));
    one.slow_disk = true;
    assert!(one.command(Command::RemoveChannel { channel: channel() }).is_none(), "the disk is slow");
    // Lists are exchanged while the channel is on its way out.
    other.create(&named("another"));
    talk(&mut one, &mut other, LINK, 2_000);
    one.disk_works();
    talk(&mut one, &mut other, LINK, 2_000);
    assert!(one.replies().any(Result::is_err), "the removal failed");
    assert_shared(&mut one, &mut other, &channel());
}

/// Each knows that the other refuses the stream. Without it their digests agree, whoever took it up again.
#[test]
fn a_stream_that_both_refused_is_shared_when_both_take_it_up_again() {
    let (mut one, mut other) = pair();
    for host in [&mut one, &mut other] {
        host.must(Command::RemoveStream { channel: channel(), stream: stream() });
    }
    talk(&mut one, &mut other, LINK, 2_000);
    for host in [&mut one, &mut other] {
        let (channel, stream, retention) = (channel(), stream(), Retention::KeepAll);
        host.must(Command::CreateStream { channel, stream, retention });
    }
    assert_shared(&mut one, &mut other, &channel());
}

/// Whether it happened, only the store knows: what it still holds is still served.
#[test]
fn what_a_prune_of_unknown_outcome_left_is_served() {
    let (mut one, mut other) = pair();
    (0..3).for_each(|_| one.append(10));
    talk(&mut one, &mut other, LINK, 2_000);
    let log = one.own_logs().next().unwrap();
    one.fail = |request| matches!(request, StoreRequest::Prune { .. });
    one.fault = Fault::Unknown;
    let (floors, under) = (vec![(log, 3)], None);
    let pruned = one.command(Command::Prune { channel: channel(), stream: stream(), floors, under });
    assert!(matches!(pruned, Some(Err(_))));
    other.must(Command::Repair { log, at: 2 });
    assert_eq!(other.disk.runs(log).len(), 2);
    talk(&mut one, &mut other, LINK, 10_000);
    assert_eq!(other.disk.runs(log).len(), 3, "it is held, and not told");
}

#[test]
fn a_store_that_forgot_its_head_acknowledges_no_sequence_twice() {
    let mut host = Host::new("one", NodeConfig::default());
    host.must(Command::Start);
    (0..5).for_each(|_| host.append(10));
    host.forget_logs();
    let append = || Command::Append {
        channel: channel(),
        stream: stream(),
        payloads: vec![NewPayload::new(vec![7; 10])],
    };
    // A failure makes the node read the head again, which is not there any more.
    host.fail = |request| matches!(request, StoreRequest::Commit { .. });
    host.command(append());
    host.fail = |_| false;
    host.pass(10_000_000);
    for _ in 0..10 {
        host.command(append());
        host.pass(1_000_000);
    }
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    for reply in host.replies() {
        if let Ok(Reply::Appended(appended)) = reply {
            count += appended.len();
            ids.extend(appended.iter().map(|id| (id.log, id.sequence)));
        }
    }
    assert_eq!(count, 15, "appends go on");
    assert_eq!(ids.len(), count, "a sequence was acknowledged twice");
}

/// The store may have forgotten it: what is acknowledged now would be gone after a restart.
#[test]
fn what_may_be_removed_takes_no_more_entries_until_it_can_be_removed_again() {
    let remove_channel = || Command::RemoveChannel { channel: channel() };
    let remove_stream = || Command::RemoveStream { channel: channel(), stream: stream() };
    for remove in [remove_channel as fn() -> Command, remove_stream] {
        let mut host = Host::new("one", NodeConfig::default());
        host.append(10);
        let is_removal = |request: &StoreRequest| {
            matches!(request, StoreRequest::RemoveChannel(_) | StoreRequest::RemoveStream(..))
        };
        (host.fail, host.fault) = (is_removal, Fault::Unknown);
        host.command(remove());
        host.pass(600_000_000);
        assert_eq!(host.replies().filter(|reply| reply.is_err()).count(), 1, "it is given up");
        let payloads = vec![NewPayload::new(vec![7; 10])];
        let append = Command::Append { channel: channel(), stream: stream(), payloads };
        assert!(matches!(host.command(append), Some(Err(_))), "it may be gone");
        host.fail = |_| false;
        assert!(matches!(host.must(remove()), Reply::Changed(true)));
    }
}

#[test]
fn an_erasure_that_is_tried_again_is_answered_before_the_node_has_shut_down() {
    let mut host = Host::new("one", NodeConfig::default());
    host.append(10);
    let entry = EntryId { log: host.own_logs().next().unwrap(), sequence: 1 };
    let erase = Command::Erase { channel: channel(), stream: stream(), entries: vec![entry] };
    host.fail = |request| matches!(request, StoreRequest::Erase { .. });
    host.fault = Fault::Unknown;
    assert!(host.command(erase).is_none(), "it may have happened");
    let commands = host.replies().count() + 1;
    let has_ended = host.command(Command::Shutdown).is_some();
    assert_eq!(has_ended, host.replies().count() > commands, "whoever ends it asks no further");
    host.pass(20_000_000);
    assert_eq!(host.replies().count(), commands + 1, "one is never answered");
    assert!(matches!(host.replies().last(), Some(Ok(Reply::Done))), "the end comes all the same");
}

#[test]
fn what_was_read_before_the_node_heard_of_it_is_erased() {
    let mut host = Host::new("one", NodeConfig::default());
    host.append(10);
    let log = host.own_logs().next().unwrap();
    host.slow_disk = true;
    let append = Command::Append {
        channel: channel(),
        stream: stream(),
        payloads: vec![NewPayload::new(vec![7; 10])],
    };
    assert!(host.command(append).is_none(), "not yet durable");
    let erase = |sequence| Command::Erase {
        channel: channel(),
        stream: stream(),
        entries: vec![EntryId { log, sequence }],
    };
    assert!(host.command(erase(2)).is_none(), "the store may have it, and who reads the store may know it");
    assert!(matches!(host.command(erase(3)), Some(Err(_))), "nobody can know that");
    host.disk_works();
    let erased = |host: &Host| host.replies().filter(|reply| matches!(reply, Ok(Reply::Erased(_)))).count();
    assert_eq!(erased(&host), 1);
    // A commit that fails for good takes the entry with it.
    host.fail = |request| matches!(request, StoreRequest::Commit { .. });
    host.slow_disk = true;
    let append = Command::Append {
        channel: channel(),
        stream: stream(),
        payloads: vec![NewPayload::new(vec![7; 10])],
    };
    assert!(host.command(append).is_none());
    assert!(host.command(erase(3)).is_none());
    let answered = host.replies().count();
    host.disk_works();
    host.pass(20_000_000);
    assert_eq!(host.replies().count(), answered + 2);
    assert_eq!(erased(&host), 1);
}

#[test]
fn an_erasure_that_waits_for_a_log_is_answered_when_the_log_goes() {
    let mut host = Host::new("one", NodeConfig::default());
    host.append(10);
    let log = host.own_logs().next().unwrap();
    host.fail = |request| matches!(request, StoreRequest::Commit { .. } | StoreRequest::Head { .. });
    let append = Command::Append {
        channel: channel(),
        stream: stream(),
        payloads: vec![NewPayload::new(vec![7; 10])],
    };
    assert!(host.command(append).is_none(), "whether it happened is not known");
    let entries = vec![EntryId { log, sequence: 2 }];
    assert!(host.command(Command::Erase { channel: channel(), stream: stream(), entries }).is_none());
    let answered = host.replies().count();
    host.must(Command::RemoveStream { channel: channel(), stream: stream() });
    assert_eq!(host.replies().count(), answered + 3, "append, erasure and removal");
    assert!(matches!(host.command(Command::Shutdown), Some(Ok(Reply::Done))), "nothing is waited for");
}

/// Whoever left a channel and came back while nobody heard of it has forgotten what it was told.
#[test]
fn erasures_are_told_again_to_who_left_unheard_and_came_back() {
    for swapped in [false, true] {
        let (mut one, mut other) = pair();
        if swapped {
            std::mem::swap(&mut one, &mut other);
        }
        other.append(10);
        let log = other.own_logs().next().unwrap();
        talk(&mut one, &mut other, LINK, 2_000);
        let entries = vec![EntryId { log, sequence: 1 }];
        other.must(Command::Erase { channel: channel(), stream: stream(), entries });
        talk(&mut one, &mut other, LINK, 2_000);
        assert_eq!(one.disk.erased.len(), 1, "told once");
        one.must(Command::RemoveChannel { channel: channel() });
        one.forget_logs();
        one.pass(10_000);
        one.take_sent(LINK);
        one.create(&channel());
        let frames = talk(&mut one, &mut other, LINK, 10_000);
        let told = |frame: &Bytes| matches!(wire::read(frame), Ok(Content::Whole(Message::Erase(_))));
        assert!(frames.iter().any(told), "what it forgot is not told again");
        assert_shared(&mut one, &mut other, &channel());
    }
}
