//! Ways to wear a node out or to lead it astray that a review found, each closed since.

use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, Beacon, ChannelTag, Content, Delta, DeltaRun, DigestTag, FloorNote, Message, Offer, OfferLog,
    SketchMessage, Want, WantLog,
};
use gossip_proto::{
    ChainHash, Check, Epoch, LogName, NodeId, Payload, Retention, RunBuilder, Stamp, StreamId,
};

use crate::host::{DAWN, Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;
const OTHER: u64 = 2;
/// No want has it: their serials are odd.
const MADE_UP: u64 = 4242;

/// A node of wire version 1, in which these were found.
fn started(name: &str, config: NodeConfig) -> Host {
    let mut host = Host::speaking(name, config, 1);
    host.must(Command::Start);
    host
}

/// A victim and a peer in session, and what they call their channel between them.
fn in_session(config: NodeConfig) -> (Host, Host, ChannelTag) {
    let (mut victim, mut liar) = (started("victim", config), started("liar", NodeConfig::default()));
    victim.append(100);
    liar.append(100);
    meet(&mut victim, &mut liar, LINK, 1 << 20);
    let frames = talk(&mut victim, &mut liar, LINK, 500);
    let tag = frames.iter().find_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Beacon(Beacon { tag, .. }))) => Some(tag),
        Ok(Content::Whole(Message::Sketch(SketchMessage { tag, .. }))) => Some(tag),
        _ => None,
    });
    victim.sent.clear();
    (victim, liar, tag.expect("a beacon"))
}

fn tell(victim: &mut Host, message: Message) {
    victim.give(Input::Frame { link: LinkId(LINK), bytes: say(message) });
}

/// A log that the liar could have written.
fn log_of_liar(random: u64) -> LogName {
    let (author, epoch) = (NodeId::new("liar").unwrap(), Epoch::new(1, random));
    LogName { channel: channel(), stream: stream(), author, epoch, branch: None }
}

#[test]
fn disjoint_empty_streams_are_told_once() {
    for version in [1, 2] {
        let [mut one, mut other] =
            ["one", "two"].map(|name| Host::speaking(name, NodeConfig::default(), version));
        for (host, name) in [(&mut one, "one"), (&mut other, "two")] {
            host.must(Command::Start);
            for number in 0..4 {
                let stream = StreamId::new(format!("{name}-{number}")).unwrap();
                let (channel, retention) = (channel(), Retention::KeepAll);
                host.must(Command::CreateStream { channel, stream, retention });
            }
        }
        meet(&mut one, &mut other, LINK, 1 << 20);
        talk(&mut one, &mut other, LINK, 3_000);
        assert_eq!(one.streams(), other.streams());
        let quiet = talk(&mut one, &mut other, LINK, 3_000).len();
        assert!(quiet < 10, "{quiet} frames in three seconds in which nothing happened");
    }
}

#[test]
fn many_wants_cause_one_read_at_a_time() {
    let (mut victim, _, tag) = in_session(NodeConfig::default());
    let log = victim.own_logs().next().expect("a log");
    victim.slow_disk = true;
    for serial in 1..=2_000 {
        let logs = vec![WantLog { log, after: 0, check: Check([0; 8]) }];
        tell(&mut victim, Message::Want(Want { tag, serial, budget: u64::MAX, logs }));
        let reads = victim.health().store_ops;
        assert!(reads <= 2, "{reads} reads at once after {serial} wants");
    }
}

#[test]
fn runs_under_a_made_up_serial_stay_within_the_store_budget() {
    let budget = 256 << 10;
    let (mut victim, _, tag) = in_session(NodeConfig { store_budget_bytes: budget, ..NodeConfig::default() });
    let name = log_of_liar(7);
    let (stream, author, epoch) = (name.stream.clone(), name.author.clone(), name.epoch);
    let mut prev = name.hash().root();
    victim.slow_disk = true;
    let mut most = 0;
    for sequence in 1..=100 {
        let mut run = RunBuilder::new(name.id(), sequence, prev);
        run.push(Stamp::new(DAWN, sequence as u16), &Payload::Present(vec![7; 32 << 10].into()));
        let (run, end) = run.finish(None).expect("a run");
        prev = end;
        let (names, runs) =
            (vec![(stream.clone(), author.clone(), epoch, None)], vec![DeltaRun { prev: None, run }]);
        tell(
            &mut victim,
            Message::Delta(Delta { tag, serial: MADE_UP, end: false, names, floors: Vec::new(), runs }),
        );
        most = most.max(victim.health().store_bytes);
    }
    assert!(most > 0, "the runs were not even looked at");
    assert!(most <= 2 * budget, "{most} bytes on their way to a store with a budget of {budget}");
}

/// The want that a node sent last.
fn last_want(victim: &mut Host) -> Option<Want> {
    victim.take_sent(LINK).iter().rev().find_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Want(want))) => Some(want),
        _ => None,
    })
}

#[test]
fn heights_at_the_end_of_the_numbers_are_refused() {
    let (mut victim, _, tag) = in_session(NodeConfig::default());
    // Two, because heights are also added up.
    let names = [log_of_liar(7), log_of_liar(8)];
    let told = names.iter().map(|name| OfferLog {
        stream: 0,
        author: 0,
        epoch: name.epoch,
        branch: None,
        height: u64::MAX,
        check: Check([1; 8]),
        floor: u64::MAX,
    });
    let (streams, authors) = (vec![stream()], vec![names[0].author.clone()]);
    let (mine, refused, logs) = (DigestTag([0; 16]), Vec::new(), told.collect());
    tell(&mut victim, Message::Offer(Offer { tag, mine, range: None, refused, streams, authors, logs }));
    let want = last_want(&mut victim).expect("the victim believes the offer");
    let floors = names.iter().map(|name| FloorNote {
        log: name.id(),
        floor: u64::MAX,
        hash: ChainHash([1; 32]),
        stamp: Stamp::new(DAWN, 1),
        seal: None,
    });
    let (serial, floors) = (want.serial, floors.collect());
    tell(
        &mut victim,
        Message::Delta(Delta { tag, serial, end: true, names: Vec::new(), floors, runs: Vec::new() }),
    );
    victim.pass(5_000_000);
    // The sum over the logs of a stream must not overflow either.
    victim.streams();
    let version = victim.version();
    assert!(names.iter().all(|name| version.height(&name.id()) == 0), "a floor at the end: {version:?}");
}

/// Hands over what a host said on a link, but keeps from the other what `heard` takes.
fn pass_on(from: &mut Host, to: &mut Host, link: u64, mut heard: impl FnMut(&Message) -> bool) {
    let (here, elsewhere) = std::mem::take(&mut from.sent).into_iter().partition(|(of, _)| of.0 == link);
    from.sent = elsewhere;
    let here: Vec<(LinkId, bytes::Bytes)> = here;
    for (link, bytes) in here {
        let kept = matches!(wire::read(&bytes), Ok(Content::Whole(message)) if heard(&message));
        if !kept {
            to.give(Input::Frame { link, bytes });
        }
    }
}

#[test]
fn a_liar_that_drips_empty_answers_does_not_keep_a_log_from_us() {
    let default = NodeConfig::default;
    let (mut victim, mut liar, mut good) =
        (started("victim", default()), started("liar", default()), started("good", default()));
    good.append(2_000);
    meet(&mut liar, &mut good, OTHER + 1, 1 << 20);
    talk(&mut liar, &mut good, OTHER + 1, 1_000);
    let log = good.own_logs().next().expect("a log");
    assert_eq!(liar.version().height(&log), 1, "the liar has something to offer");
    meet(&mut victim, &mut liar, LINK, 1 << 20);
    let mut wants: Vec<Want> = Vec::new();
    for step in 0..300 {
        if step == 50 {
            meet(&mut victim, &mut good, OTHER, 1 << 20);
        }
        pass_on(&mut liar, &mut victim, LINK, |message| matches!(message, Message::Delta(_)));
        pass_on(&mut victim, &mut liar, LINK, |message| match message {
            Message::Want(want) => {
                wants.push(want.clone());
                true
            }
            _ => false,
        });
        pass_on(&mut victim, &mut good, OTHER, |_| false);
        pass_on(&mut good, &mut victim, OTHER, |_| false);
        if let Some(Want { tag, serial, .. }) = wants.last().cloned() {
            let (names, floors, runs) = (Vec::new(), Vec::new(), Vec::new());
            tell(&mut victim, Message::Delta(Delta { tag, serial, end: false, names, floors, runs }));
        }
        [&mut victim, &mut liar, &mut good].into_iter().for_each(|host| host.pass(100_000));
        if victim.version().height(&log) == 1 {
            assert!(!wants.is_empty(), "the liar was not asked first");
            return;
        }
    }
    panic!("the log did not arrive within half a minute");
}
