//! Entries of an author whose id is a key, from a peer that is not that author.

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, ChannelTag, Content, Delta, DeltaRun, DigestTag, FloorNote, Message, Offer, OfferLog,
};
use gossip_proto::{
    ChainHash, Ed25519Sealer, Epoch, LogName, NewPayload, NodeId, RunBuilder, Seal, Sealer, SecretKey, Seq,
    Stamp, StoredRun, seal_message,
};

use crate::host::{DAWN, Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

pub(crate) const LINK: u64 = 1;

pub(crate) fn sealer(seed: u8) -> Ed25519Sealer {
    Ed25519Sealer::new(&SecretKey::from_seed([seed; 32]))
}

/// A log in the stream of the victim.
pub(crate) fn log_of(author: NodeId) -> LogName {
    LogName { channel: channel(), stream: stream(), author, epoch: Epoch::new(1, 7), branch: None }
}

/// Somebody who signs, far away: what it writes comes through others.
pub(crate) struct Author {
    pub(crate) sealer: Ed25519Sealer,
    pub(crate) name: LogName,
    pub(crate) height: Seq,
    pub(crate) hash: ChainHash,
}

impl Author {
    pub(crate) fn new(seed: u8) -> Self {
        let sealer = sealer(seed);
        let name = log_of(sealer.public().node_id());
        Self { hash: name.root(), sealer, name, height: 0 }
    }

    /// The seal of where it is now.
    fn seal(&self) -> Seal {
        self.seal_of(&self.sealer)
    }

    fn seal_of(&self, sealer: &Ed25519Sealer) -> Seal {
        sealer.sign(&seal_message(&self.name.unbranched_hash(), self.height, &self.hash))
    }

    /// The next run, of two entries, with what `seal` makes of it.
    pub(crate) fn run(&mut self, seal: impl FnOnce(&Self) -> Option<Vec<u8>>) -> StoredRun {
        let prev = self.hash;
        let mut builder = RunBuilder::new(self.name.id(), self.height + 1, prev);
        for at in self.height + 1..=self.height + 2 {
            // Later than what the victim writes meanwhile.
            let stamp = Stamp::new(DAWN + 60_000 + at, 0);
            self.hash = builder.push_new(stamp, &NewPayload::new(vec![at as u8; 10])).expect("room");
        }
        self.height += 2;
        let (run, _) = builder.finish(seal(self).as_deref()).expect("a run");
        StoredRun { prev, run }
    }

    pub(crate) fn sealed(&mut self) -> StoredRun {
        self.run(|author| Some(author.seal().0.to_vec()))
    }

    pub(crate) fn unsealed(&mut self) -> StoredRun {
        self.run(|_| None)
    }
}

/// A victim in session with a peer that says whatever it is told to.
pub(crate) struct Scene {
    pub(crate) victim: Host,
    pub(crate) tag: ChannelTag,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Host::speaking("victim", NodeConfig::default(), 2))
    }

    pub(crate) fn with(mut victim: Host) -> Self {
        let mut peer = Host::speaking("peer", NodeConfig::default(), 2);
        victim.must(Command::Start);
        peer.must(Command::Start);
        meet(&mut victim, &mut peer, LINK, 1 << 20);
        peer.append(10);
        let frames = talk(&mut victim, &mut peer, LINK, 2_000);
        let tag_of = |frame: &Bytes| match wire::read(frame) {
            Ok(Content::Whole(Message::Delta(Delta { tag, .. }) | Message::Runs(Delta { tag, .. }))) => {
                Some(tag)
            }
            Ok(Content::Whole(Message::Push(push))) => Some(push.tag),
            _ => None,
        };
        let tag = frames.iter().rev().find_map(tag_of).expect("a channel");
        victim.sent.clear();
        Self { victim, tag }
    }

    pub(crate) fn tell(&mut self, message: Message) {
        self.victim.give(Input::Frame { link: LinkId(LINK), bytes: say(message) });
    }

    fn delta(&self, author: &Author, runs: &[StoredRun]) -> Delta {
        let LogName { stream, author, epoch, branch, .. } = author.name.clone();
        let runs = runs.iter().map(|stored| DeltaRun { prev: None, run: stored.run.clone() }).collect();
        let names = vec![(stream, author, epoch, branch)];
        Delta { tag: self.tag, serial: 0, end: true, names, floors: Vec::new(), runs }
    }

    /// Sends runs of an author in one message; returns the height that comes of it, and how many
    /// messages were dropped for it.
    fn push(&mut self, author: &Author, runs: &[StoredRun]) -> (Seq, u64) {
        let before = self.victim.health().dropped;
        let delta = self.delta(author, runs);
        self.tell(Message::Runs(delta));
        (self.height(author), self.victim.health().dropped - before)
    }

    fn height(&mut self, author: &Author) -> Seq {
        self.victim.version().height(&author.name.id())
    }

    /// Offers a log that begins at a floor, and answers when it is asked for.
    fn answer(&mut self, author: &Author, floor: FloorNote, runs: &[StoredRun]) -> Seq {
        let serial = self
            .offer(&author.name, (author.height, author.hash), floor.floor)
            .expect("the offer is believed");
        let delta = self.delta(author, runs);
        self.tell(Message::Runs(Delta { serial, floors: vec![floor], ..delta }));
        self.height(author)
    }

    /// Offers a log that stands at a place and begins at a floor; the serial by which it is asked for, if it is.
    pub(crate) fn offer(&mut self, name: &LogName, end: (Seq, ChainHash), floor: Seq) -> Option<u64> {
        self.announce(name, end, floor);
        self.asked()
    }

    /// The same, whatever comes of it.
    pub(crate) fn announce(&mut self, name: &LogName, end: (Seq, ChainHash), floor: Seq) {
        let (streams, authors) = (vec![name.stream.clone()], vec![name.author.clone()]);
        let (epoch, branch, height, check) = (name.epoch, name.branch, end.0, end.1.check());
        let log = OfferLog { stream: 0, author: 0, epoch, branch, height, check, floor };
        let (tag, mine) = (self.tag, DigestTag([0; 16]));
        let (refused, logs) = (Vec::new(), vec![log]);
        self.victim.sent.clear();
        self.tell(Message::Offer(Offer { tag, mine, range: None, refused, streams, authors, logs }));
    }

    /// The serial of what was asked for last.
    pub(crate) fn asked(&mut self) -> Option<u64> {
        let serial_of = |frame: &Bytes| match wire::read(frame) {
            Ok(Content::Whole(Message::Want(want))) => Some(want.serial),
            Ok(Content::Whole(Message::Ask(ask))) => Some(u64::from(ask.serial)),
            _ => None,
        };
        self.victim.take_sent(LINK).iter().rev().find_map(serial_of)
    }
}

#[test]
fn what_its_author_sealed_is_stored() {
    let (mut scene, mut author) = (Scene::new(), Author::new(1));
    let runs = [author.sealed(), author.unsealed(), author.sealed()];
    assert_eq!(scene.push(&author, &runs), (6, 0));
    assert_eq!(scene.victim.disk.runs(author.name.id()).len(), 3);
    let next = author.sealed();
    assert_eq!(scene.push(&author, std::slice::from_ref(&next)), (8, 0));
    assert_eq!(scene.push(&author, &[next]), (8, 0), "what is known is nothing wrong");
}

#[test]
fn wrong_seals_get_nothing_in() {
    type Forge = fn(&Author) -> Option<Vec<u8>>;
    let forgeries: [(&str, Forge); 7] = [
        ("stripped", |_| None),
        ("foreign", |author| Some(author.seal_of(&sealer(2)).0.to_vec())),
        ("invented", |_| Some(vec![7; 64])),
        ("short", |author| Some(author.seal().0[..63].to_vec())),
        ("long", |author| Some([&author.seal().0[..], &[0]].concat())),
        ("of another place", |author| {
            let message = seal_message(&author.name.hash(), author.height + 1, &author.hash);
            Some(author.sealer.sign(&message).0.to_vec())
        }),
        ("of another log", |author| {
            let other = LogName { epoch: Epoch::new(2, 7), ..author.name.clone() };
            let message = seal_message(&other.hash(), author.height, &author.hash);
            Some(author.sealer.sign(&message).0.to_vec())
        }),
    ];
    for (kind, forge) in forgeries {
        let (mut scene, mut author) = (Scene::new(), Author::new(1));
        let run = author.run(forge);
        assert_eq!(scene.push(&author, &[run]), (0, 1), "{kind}");
        // Beside a good one, on either side of it.
        let mut author = Author::new(1);
        let runs = [author.sealed(), author.run(forge)];
        let kept = if kind == "stripped" { 2 } else { 0 };
        assert_eq!(scene.push(&author, &runs), (kept, 1), "{kind} behind a good one");
        let (mut scene, mut author) = (Scene::new(), Author::new(1));
        let runs = [author.run(forge), author.sealed()];
        let expected = if kind == "stripped" { (4, 0) } else { (0, 1) };
        assert_eq!(scene.push(&author, &runs), expected, "{kind} before a good one");
        let rest = scene.victim.disk.runs(author.name.id()).len();
        assert_eq!(rest, if kind == "stripped" { 2 } else { 0 }, "{kind}");
    }
}

#[test]
fn seals_of_two_runs_that_are_swapped_get_nothing_in() {
    let (mut scene, mut author) = (Scene::new(), Author::new(1));
    let (first, second) = (author.sealed(), author.sealed());
    let (mut swapped, of_second) = (Author::new(1), second.run.seal().map(|seal| seal.to_vec()));
    let runs = [swapped.run(|_| of_second), swapped.run(|_| first.run.seal().map(|seal| seal.to_vec()))];
    assert_eq!(scene.push(&author, &runs), (0, 1));
    assert_eq!(scene.push(&author, &[first, second]), (4, 0), "as they were they are good");
}

#[test]
fn an_unsealed_tail_is_cut_off_and_may_come_again_with_its_seal() {
    let (mut scene, mut author) = (Scene::new(), Author::new(1));
    let runs = [author.sealed(), author.unsealed(), author.sealed()];
    assert_eq!(scene.push(&author, &runs[..2]), (2, 1));
    assert_eq!(scene.push(&author, &runs[1..]), (6, 0));
}

#[test]
fn one_bad_log_does_not_spoil_the_others_of_a_message() {
    let (mut scene, mut bad, mut good) = (Scene::new(), Author::new(1), Author::new(2));
    let (forged, sealed) = (bad.run(|_| Some(vec![7; 64])), good.sealed());
    let mut delta = scene.delta(&good, &[forged, sealed]);
    let names = scene.delta(&bad, &[]).names;
    delta.names.extend(names);
    scene.tell(Message::Runs(delta));
    assert_eq!((scene.height(&bad), scene.height(&good)), (0, 2));
}

#[test]
fn plain_authors_need_no_seal() {
    let (mut scene, mut author) = (Scene::new(), Author::new(1));
    author.name.author = gossip_proto::NodeId::new("ann").unwrap();
    author.hash = author.name.hash().root();
    let runs = [author.unsealed(), author.unsealed()];
    assert_eq!(scene.push(&author, &runs), (4, 0));
}

#[test]
fn a_floor_counts_only_with_a_seal() {
    let case = |seal: fn(&Author) -> Option<Seal>, run: fn(&mut Author) -> Option<StoredRun>| {
        let (mut scene, mut author) = (Scene::new(), Author::new(1));
        (0..3).for_each(|_| _ = author.sealed());
        let stamp = Stamp::new(DAWN + 60_000 + author.height, 0);
        let (log, floor, hash, seal) = (author.name.id(), author.height, author.hash, seal(&author));
        let note = FloorNote { log, floor, hash, stamp, seal };
        let runs: Vec<StoredRun> = run(&mut author).into_iter().collect();
        let height = scene.answer(&author, note, &runs);
        let head = scene.victim.disk.head(log);
        (height, head.and_then(|head| head.seal_at(height)).is_some())
    };
    let none = |_: &Author| None;
    let good = |author: &Author| Some(author.seal());
    let foreign = |author: &Author| Some(author.seal_of(&sealer(2)));
    let (no_run, sealed, unsealed) = (
        |_: &mut Author| None,
        |author: &mut Author| Some(author.sealed()),
        |author: &mut Author| Some(author.unsealed()),
    );
    assert_eq!(case(good, no_run), (6, true), "a seal at the floor");
    assert_eq!(case(none, sealed), (8, true), "a seal behind it");
    assert_eq!(case(good, unsealed), (6, true), "what follows the seal is cut off");
    assert_eq!(case(none, no_run), (0, false));
    assert_eq!(case(none, unsealed), (0, false));
    assert_eq!(case(foreign, no_run), (0, false));
    assert_eq!(case(foreign, sealed), (0, false), "a bad seal spoils the good one");
}

#[test]
fn who_brings_nothing_sealed_again_and_again_is_not_heard_for_a_while() {
    let (mut scene, mut author) = (Scene::new(), Author::new(1));
    let run = author.sealed();
    for _ in 0..16 {
        let mut forger = Author::new(1);
        let forged = forger.run(|_| Some(vec![7; 64]));
        assert_eq!(scene.push(&author, &[forged]), (0, 1));
    }
    assert_eq!(scene.push(&author, std::slice::from_ref(&run)), (0, 0), "not even looked at");
    scene.victim.pass(61_000_000);
    // The link may have been given up meanwhile; what counts is that the node goes on.
    if scene.victim.has_session(LINK) {
        assert_eq!(scene.push(&author, &[run]), (2, 0));
    }
}

/// Somebody says our log goes on: with our seal our memory is short, without it is made up.
#[test]
fn our_own_log_is_given_up_only_for_our_own_seal() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    scene.victim.append(10);
    let log = scene.victim.own_logs().next().expect("a log");
    let continued = |scene: &Scene| {
        let head = scene.victim.disk.head(log).expect("its head");
        Author { sealer: sealer(1), name: head.name.clone(), height: head.height, hash: head.hash }
    };
    for seal in [None, Some(vec![7; 64])] {
        let mut author = continued(&scene);
        let (height, forged) = (author.height, author.run(|_| seal));
        assert_eq!(scene.push(&author, &[forged]), (height, 1));
        scene.victim.append(10);
        assert_eq!(scene.victim.own_logs().count(), 1, "the epoch goes on");
    }
    let mut author = continued(&scene);
    let (height, lost) = (author.height, author.sealed());
    assert_eq!(scene.push(&author, std::slice::from_ref(&lost)), (height, 0), "given up first,");
    assert_eq!(scene.push(&author, &[lost]), (height + 2, 0), "then taken like anyone's");
    scene.victim.append(10);
    assert_eq!(scene.victim.own_logs().count(), 2, "what is written now is a new epoch");
}

/// Somebody says our log is another one: the same.
#[test]
fn our_own_log_is_ended_only_by_our_own_seal() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    (0..2).for_each(|_| scene.victim.append(10));
    let log = scene.victim.own_logs().next().expect("a log");
    let mut tell = |seal: Option<Vec<u8>>, is_forged: bool, logs: usize| {
        let head = scene.victim.disk.head(log).expect("its head").clone();
        let (height, hash) = (head.height - 1, ChainHash([9; 32]));
        let mut author = Author { sealer: sealer(1), name: head.name, height, hash };
        let told = author.run(|author| if is_forged { seal } else { Some(author.seal().0.to_vec()) });
        let mut delta = scene.delta(&author, std::slice::from_ref(&told));
        delta.runs[0].prev = Some(told.prev);
        scene.tell(Message::Runs(delta));
        scene.victim.append(10);
        assert_eq!(scene.victim.own_logs().count(), logs, "forged: {is_forged}");
        scene.victim.disk.head(log).expect("its head").height
    };
    assert_eq!(tell(None, true, 1), 3, "the epoch goes on");
    assert_eq!(tell(Some(vec![7; 64]), true, 1), 4);
    let height = tell(None, false, 2);
    assert_eq!(height, 4, "a clone of ours wrote it: what is written now is a new epoch");
}
