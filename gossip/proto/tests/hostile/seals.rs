//! Entries of an author whose id is a key, from a peer that is not that author.

use bytes::Bytes;
use gossip_proto::node::{Command, CommandError, ImportFloor, ImportPart, Input, LinkId, NodeConfig, Reply};
use gossip_proto::wire::{
    self, ChannelTag, Content, Delta, DeltaRun, DigestTag, FloorNote, Message, Offer, OfferLog,
};
use gossip_proto::{
    Branch, ChainHash, Ed25519Sealer, Epoch, LogName, NewPayload, RunBuilder, Seal, Sealer, SecretKey, Seq,
    Stamp, StoredRun, seal_message,
};

use crate::host::{DAWN, Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;

pub(crate) fn sealer(seed: u8) -> Ed25519Sealer {
    Ed25519Sealer::new(&SecretKey::from_seed([seed; 32]))
}

/// Somebody who signs, far away: what it writes comes through others.
pub(crate) struct Author {
    pub(crate) sealer: Ed25519Sealer,
    pub(crate) name: LogName,
    pub(crate) height: Seq,
    pub(crate) hash: ChainHash,
}

impl Author {
    fn new(seed: u8) -> Self {
        let sealer = sealer(seed);
        let (author, epoch) = (sealer.public().node_id(), Epoch::new(1, 7));
        let name = LogName { channel: channel(), stream: stream(), author, epoch, branch: None };
        Self { hash: name.hash().root(), sealer, name, height: 0 }
    }

    /// The seal of where it is now.
    pub(crate) fn seal(&self) -> Seal {
        self.seal_of(&self.sealer)
    }

    fn seal_of(&self, sealer: &Ed25519Sealer) -> Seal {
        sealer.sign(&seal_message(&self.name.unbranched_hash(), self.height, &self.hash))
    }

    /// The next run, of two entries, with what `seal` makes of it.
    pub(crate) fn run(&mut self, seal: impl FnOnce(&Self) -> Option<Vec<u8>>) -> StoredRun {
        let entries = |builder: &mut RunBuilder| {
            let (from, mut hash) = (self.height, self.hash);
            for at in from + 1..=from + 2 {
                // Later than what the victim writes meanwhile.
                let stamp = Stamp::new(DAWN + 60_000 + at, 0);
                hash = builder.push_new(stamp, &NewPayload::new(vec![at as u8; 10])).expect("room");
            }
            hash
        };
        let prev = self.hash;
        let begun = || RunBuilder::new(self.name.id(), self.height + 1, prev);
        let (mut probe, mut builder) = (begun(), begun());
        let end = entries(&mut probe);
        entries(&mut builder);
        (self.height, self.hash) = (self.height + 2, end);
        let (run, _) = builder.finish(seal(self).as_deref()).expect("a run");
        StoredRun { prev, run }
    }

    pub(crate) fn sealed(&mut self) -> StoredRun {
        self.run(|author| Some(author.seal().0.to_vec()))
    }

    fn unsealed(&mut self) -> StoredRun {
        self.run(|_| None)
    }
}

/// A victim in session with a peer that says whatever it is told to.
pub(crate) struct Scene {
    pub(crate) victim: Host,
    tag: ChannelTag,
}

impl Scene {
    fn new() -> Self {
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

    pub(crate) fn delta(&self, author: &Author, runs: &[StoredRun]) -> Delta {
        let LogName { stream, author, epoch, branch, .. } = author.name.clone();
        let runs = runs.iter().map(|stored| DeltaRun { prev: None, run: stored.run.clone() }).collect();
        let names = vec![(stream, author, epoch, branch)];
        Delta { tag: self.tag, serial: 0, end: true, names, floors: Vec::new(), runs }
    }

    /// Sends runs of an author in one message; returns the height that comes of it, and how many
    /// messages were dropped for it.
    pub(crate) fn push(&mut self, author: &Author, runs: &[StoredRun]) -> (Seq, u64) {
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
        let (streams, authors) = (vec![stream()], vec![author.name.author.clone()]);
        let (epoch, floor_at) = (author.name.epoch, floor.floor);
        let log = OfferLog {
            stream: 0,
            author: 0,
            epoch,
            branch: None,
            height: author.height,
            check: author.hash.check(),
            floor: floor_at,
        };
        let (tag, mine) = (self.tag, DigestTag([0; 16]));
        let (refused, logs) = (Vec::new(), vec![log]);
        self.victim.sent.clear();
        self.tell(Message::Offer(Offer { tag, mine, range: None, refused, streams, authors, logs }));
        let serial_of = |frame: &Bytes| match wire::read(frame) {
            Ok(Content::Whole(Message::Want(want))) => Some(want.serial),
            Ok(Content::Whole(Message::Ask(ask))) => Some(u64::from(ask.serial)),
            _ => None,
        };
        let frames = self.victim.take_sent(LINK);
        let serial = frames.iter().rev().find_map(serial_of).expect("the offer is believed");
        let delta = self.delta(author, runs);
        self.tell(Message::Runs(Delta { serial, floors: vec![floor], ..delta }));
        self.height(author)
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

#[test]
fn an_import_ends_at_a_seal() {
    let import = |runs: Vec<StoredRun>, floor: Option<ImportFloor>| {
        let mut host = Host::speaking("victim", NodeConfig::default(), 2);
        let part = ImportPart { log: Author::new(1).name, floor: floor.map(Box::new), runs, fills: false };
        host.command(Command::Import { channel: channel(), part }).expect("an answer")
    };
    let mut author = Author::new(1);
    let (first, second, third) = (author.sealed(), author.unsealed(), author.sealed());
    let all = vec![first.clone(), second.clone(), third.clone()];
    assert_eq!(import(all, None), Ok(Reply::Imported(6)));
    let (hash, stamp) = (second.prev, Stamp::ZERO);
    let floor = ImportFloor { sequence: 2, hash, stamp, seal: None };
    assert_eq!(import(vec![second.clone(), third], Some(floor)), Ok(Reply::Imported(4)));
    assert_eq!(import(Vec::new(), Some(floor)), Ok(Reply::Imported(0)), "a floor alone says nothing");
    let sealed = |seal| Some(ImportFloor { sequence: 2, hash, stamp, seal });
    let seal = first.run.seal().and_then(|seal| Seal::from_slice(seal));
    assert_eq!(import(Vec::new(), sealed(seal)), Ok(Reply::Imported(0)), "but with a seal it does");
    let foreign = import(Vec::new(), sealed(Some(Seal([7; 64]))));
    assert!(matches!(foreign, Err(CommandError::Unsealed { at: 2, .. })), "{foreign:?}");
    let wrong = Author::new(1).run(|_| Some(vec![7; 64]));
    assert_eq!(import(vec![first, second], None), Ok(Reply::Imported(2)), "up to the seal");
    let stripped = Author::new(1).unsealed();
    for run in [stripped, wrong] {
        assert!(matches!(import(vec![run], None), Err(CommandError::Unsealed { at: 2, .. })));
    }
}

/// As from a peer: a file cannot end a log with a branch that nothing shows to part from it.
#[test]
fn an_imported_branch_has_to_show_where_it_parts() {
    let mut host = Host::speaking("victim", NodeConfig::default(), 2);
    let mut root = Author::new(1);
    let common = root.sealed();
    let (parent, hash) = (root.name.id(), root.hash);
    let branch = |first: ChainHash| {
        let name = LogName { branch: Some(Branch { parent, first }), ..Author::new(1).name };
        Author { sealer: sealer(1), name, height: 2, hash }
    };
    let mut import = |author: &Author, run: StoredRun| {
        let floor =
            author.name.branch.map(|_| ImportFloor { sequence: 2, hash, stamp: Stamp::ZERO, seal: None });
        let part = ImportPart {
            log: author.name.clone(),
            floor: floor.map(Box::new),
            runs: vec![run],
            fills: false,
        };
        host.command(Command::Import { channel: channel(), part }).expect("an answer")
    };
    let first = branch(hash).sealed().hash_at(3).expect("its first hash");
    let mut other = branch(first);
    other.name.branch = Some(Branch { parent: Author::new(2).name.id(), first });
    let foreign = other.sealed();
    assert!(matches!(import(&other, foreign), Err(CommandError::Invalid(_))), "of another log");
    let mut renamed = branch(ChainHash([9; 32]));
    let run = renamed.sealed();
    assert!(matches!(import(&renamed, run), Err(CommandError::Invalid(_))), "by another name");
    let unsealed = branch(first).unsealed();
    assert!(matches!(import(&branch(first), unsealed), Err(CommandError::Invalid(_))), "without a seal");
    let mut plain = branch(first);
    plain.name.author = gossip_proto::NodeId::new("plain").expect("an id");
    let root_of_plain = LogName { branch: None, ..plain.name.clone() };
    plain.name.branch = Some(Branch { parent: root_of_plain.id(), first });
    let run = plain.unsealed();
    assert!(matches!(import(&plain, run), Err(CommandError::Invalid(_))), "of a log that is not held");
    let mut shown = branch(first);
    let run = shown.sealed();
    assert_eq!(import(&shown, run.clone()), Err(CommandError::Busy), "the log ends first");
    assert_eq!(import(&shown, run), Ok(Reply::Imported(2)));
    assert_eq!(import(&root, common), Ok(Reply::Imported(2)));
    let beyond = root.sealed();
    assert_eq!(import(&root, beyond), Ok(Reply::Imported(0)), "it ends where the branch begins");
}
