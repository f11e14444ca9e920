//! Forks that a peer shows, and what it makes up beside them.

use bytes::Bytes;
use gossip_proto::node::Command;
use gossip_proto::wire::{self, Content, Delta, DeltaRun, FloorNote, Message};
use gossip_proto::{
    ChainHash, Fault, LogName, NewPayload, NodeId, Retention, RunBuilder, Seal, Sealer, Seq, SeqRange, Stamp,
    StoreRequest, StoredRun, seal_message,
};

use crate::host::{DAWN, channel, stream};
use crate::seals::{LINK, Scene, log_of, sealer};

/// A history of a log that a peer tells of, under the name of the log or of a branch.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) name: LogName,
    pub(crate) height: Seq,
    pub(crate) hash: ChainHash,
    /// Bytes of an entry.
    pub(crate) size: usize,
}

impl History {
    /// Nothing so far, of an author that signs or does not.
    pub(crate) fn new(is_sealed: bool) -> Self {
        let plain = || NodeId::new("away").expect("an id");
        Self::of(log_of(if is_sealed { sealer(1).public().node_id() } else { plain() }))
    }

    pub(crate) fn of(name: LogName) -> Self {
        Self { hash: name.root(), name, height: 0, size: 10 }
    }

    /// Goes on with one run of so many entries that contain this, under the name of the log; its author signs it if
    /// it signs at all.
    pub(crate) fn write(&mut self, count: u64, mark: u8) -> StoredRun {
        self.go_on(count, mark, true)
    }

    fn unsealed(&mut self, count: u64, mark: u8) -> StoredRun {
        self.go_on(count, mark, false)
    }

    fn go_on(&mut self, count: u64, mark: u8, is_sealed: bool) -> StoredRun {
        let (prev, from) = (self.hash, self.height);
        let mut builder = RunBuilder::new(self.name.id(), from + 1, prev);
        for at in from + 1..=from + count {
            let stamp = Stamp::new(DAWN + 60_000 + at, 0);
            self.hash = builder.push_new(stamp, &NewPayload::new(vec![mark; self.size])).expect("room");
        }
        self.height += count;
        let seal = self.seal().filter(|_| is_sealed).map(|seal| seal.0);
        let (run, _) = builder.finish(seal.as_ref().map(|seal| &seal[..])).expect("a run");
        StoredRun { prev, run }
    }

    /// The seal of where it is now.
    pub(crate) fn seal(&self) -> Option<Seal> {
        let message = seal_message(&self.name.unbranched_hash(), self.height, &self.hash);
        self.name.author.is_key().then(|| sealer(1).sign(&message))
    }

    /// The name of a branch of it.
    pub(crate) fn branch(&self, first: ChainHash) -> LogName {
        self.name.branching(first)
    }
}

/// The name a run gives the branch that begins with it.
pub(crate) fn named_by(root: &History, run: &StoredRun) -> LogName {
    root.branch(run.hash_at(run.run.first()).expect("its first hash"))
}

impl Scene {
    pub(crate) fn held(&mut self, name: &LogName) -> Seq {
        self.victim.version().height(&name.id())
    }

    /// Answers with runs under these names, each with what lies before it as floor if it is not the first.
    pub(crate) fn send(&mut self, serial: u64, parts: &[(LogName, Vec<StoredRun>)]) {
        let key = |name: &LogName| (name.stream.clone(), name.author.clone(), name.epoch, name.branch);
        let runs = parts.iter().flat_map(|(name, runs)| runs.iter().map(|run| run.relabel(name.id())));
        let runs = runs.map(|stored| DeltaRun { prev: None, run: stored.expect("a run").run }).collect();
        let floor = |(name, runs): &(LogName, Vec<StoredRun>)| {
            let first = runs.first().filter(|first| first.run.first() > 1)?;
            let (floor, hash, stamp) = (first.run.first() - 1, first.prev, Stamp::ZERO);
            Some(FloorNote { log: name.id(), floor, hash, stamp, seal: None })
        };
        let (names, floors) =
            parts.iter().map(|part| (key(&part.0), floor(part))).unzip::<_, _, Vec<_>, Vec<_>>();
        let floors = floors.into_iter().flatten().collect();
        self.tell(Message::Runs(Delta { tag: self.tag, serial, end: true, names, floors, runs }));
    }

    /// Offers a log and sends these runs of it when it is asked for.
    pub(crate) fn show(&mut self, name: &LogName, runs: &[StoredRun]) {
        let (floor, last) = (runs[0].run.first() - 1, &runs[runs.len() - 1]);
        let end = (last.run.last(), last.hash_at(last.run.last()).expect("its end"));
        if let Some(serial) = self.offer(name, end, floor) {
            self.send(serial, &[(name.clone(), runs.to_vec())]);
        }
    }

    /// The same, again and again for a while.
    pub(crate) fn bring(&mut self, name: &LogName, runs: &[StoredRun]) -> Seq {
        for _ in 0..3 {
            self.show(name, runs);
            self.victim.pass(3_000_000);
        }
        self.held(name)
    }
}

/// A scene with so many entries of a log, all of which are held.
pub(crate) fn begun(is_sealed: bool, count: u64) -> (Scene, History) {
    let (mut scene, mut root) = (Scene::new(), History::new(is_sealed));
    let common = root.write(count, 0);
    assert_eq!(scene.bring(&root.name.clone(), &[common]), count);
    (scene, root)
}

/// Where a fork is known a member could offer the sealed history of another under as many names as it likes, from a
/// place within it: the author has vouched for what lies there.
#[test]
fn nobody_gives_a_sealed_history_another_name() {
    let (mut scene, root) = begun(true, 4);
    let (mut left, mut right) = (root.clone(), root.clone());
    let here = [left.write(2, 1), left.write(2, 1)];
    let first = named_by(&root, &here[0]);
    assert_eq!(scene.bring(&first, &here), 8, "its beginning is shown");
    for made_up in 1..=10 {
        let name = root.branch(ChainHash([made_up; 32]));
        assert_eq!(scene.bring(&name, &here[1..]), 0, "from within it");
        let serial = scene.offer(&name, (left.height, left.hash), left.height);
        assert_eq!(serial, None, "not again in this session");
        let name = root.branch(ChainHash([100 + made_up; 32]));
        let serial = scene.offer(&name, (left.height, left.hash), left.height).expect("it is asked for");
        let (floor, hash, stamp, seal) = (left.height, left.hash, Stamp::ZERO, left.seal());
        let floors = vec![FloorNote { log: name.id(), floor, hash, stamp, seal }];
        let (tag, names, runs) = (scene.tag, Vec::new(), Vec::new());
        scene.tell(Message::Runs(Delta { tag, serial, end: true, names, floors, runs }));
        assert_eq!(scene.held(&name), 0, "as if all but its end were pruned");
    }
    let there = [right.write(2, 2)];
    assert_eq!(scene.bring(&named_by(&root, &there[0]), &there), 6, "there is room for the other history");
}

/// How many branches of a log are kept.
pub(crate) const BRANCHES: usize = 8;

/// They are counted when they are let in: before the store holds any of them there is no more room than after.
#[test]
fn branches_on_their_way_to_the_store_count() {
    for at_once in [true, false] {
        let (mut scene, root) = (Scene::new(), History::new(false));
        let history = |mark| {
            let run = root.clone().write(3, mark);
            (named_by(&root, &run), vec![run])
        };
        let histories: Vec<_> = (1..=12).map(history).collect();
        // The log itself ends first.
        scene.send(0, &histories[..1]);
        scene.victim.slow_disk = true;
        // Whoever is let in and does not come takes no place.
        let late = |(name, runs): &(LogName, Vec<StoredRun>)| (name.clone(), [&runs[..], &runs[..]].concat());
        let message = |some: &[(LogName, Vec<StoredRun>)]| some.iter().map(late).collect::<Vec<_>>();
        for some in histories.chunks(if at_once { 12 } else { 1 }) {
            scene.send(0, &message(some));
        }
        scene.victim.disk_works();
        scene.send(0, &histories);
        let held = histories.iter().filter(|(name, _)| scene.held(name) == 3).count();
        assert_eq!(held, BRANCHES, "at once: {at_once}");
    }
}

impl Scene {
    /// Answers what is asked for to fill a hole with this run.
    fn fill(&mut self, name: &LogName, run: &StoredRun) {
        let back = |frame: &Bytes| match wire::read(frame) {
            Ok(Content::Whole(Message::Back(back))) => Some(back.serial),
            _ => None,
        };
        let ask = |_| {
            self.victim.pass(1_000_000);
            // Somebody is there.
            self.tell(Message::Paused(false));
            self.victim.take_sent(LINK).iter().find_map(back)
        };
        let serial = (0..1000).find_map(ask);
        let run = run.relabel(name.id()).expect("a run");
        let runs = vec![DeltaRun { prev: Some(run.prev), run: run.run }];
        let (tag, serial, names, floors) = (self.tag, serial.expect("a question"), Vec::new(), Vec::new());
        self.tell(Message::Delta(Delta { tag, serial, end: true, names, floors, runs }));
    }
}

/// What lies beyond a gap has no name as long as nobody knows the hash in it: the branch goes on, the log stays, and
/// that is told once. It is parted when the gap was filled.
#[test]
fn a_gap_at_the_place_keeps_nothing_closed() {
    let (mut scene, root) = begun(false, 2);
    let (mut left, mut third) = (root.clone(), root.clone());
    let first = left.write(1, 1);
    let mut right = left.clone();
    right.write(1, 1);
    let (lost, rest) = (left.write(3, 1), left.write(2, 1));
    let (other, more) = (right.write(3, 2), right.write(2, 2));
    let one = third.write(1, 3);
    let [left_name, right_name, third_name] = [&first, &other, &one].map(|run| named_by(&root, run));
    assert_eq!(scene.bring(&third_name, &[one]), 3);
    assert_eq!(scene.bring(&right_name, &[other]), 7, "it begins beside nothing that is held");
    assert_eq!(scene.bring(&left_name, &[first]), 3);
    let told = scene.victim.forks_told;
    assert_eq!(scene.bring(&left_name, std::slice::from_ref(&rest)), 8, "with a gap where the two part");
    scene.victim.pass(10_000_000);
    assert_eq!(scene.bring(&right_name, &[more]), 9, "it goes on");
    assert_eq!((scene.held(&left_name), scene.victim.forks_told), (8, told + 1));
    scene.fill(&left_name, &lost);
    scene.victim.pass(3_000_000);
    assert_eq!(scene.held(&left_name), 4, "it ends where the two part");
    let tail = lost.cut_front(5).expect("a part");
    assert_eq!(scene.held(&named_by(&root, &tail)), 8, "and what followed has its name");
}

/// Damage at the place is made a gap like any other that is met.
#[test]
fn damage_at_the_place_is_isolated() {
    let (mut scene, mut root) = (Scene::new(), History::new(false));
    let mut runs = vec![root.write(2, 0)];
    let mut other = root.clone();
    let there = [other.write(3, 2)];
    let name = named_by(&root, &there[0]);
    runs.extend([root.write(2, 1), root.write(2, 1)]);
    assert_eq!(scene.bring(&root.name.clone(), &runs), 6);
    scene.victim.fault = Fault::Corrupt;
    scene.victim.fail = |request| matches!(request, StoreRequest::HashAt { .. });
    scene.bring(&name, &there);
    let head = scene.victim.disk.head(root.name.id()).expect("its head");
    assert_eq!((head.height, &head.gaps[..]), (6, &[SeqRange { first: 3, last: 4 }][..]));
    assert_eq!(scene.victim.forks_told, 1);
}

/// Two hashes are read at a place: the damage may be at the first. Then the log ends all the same, if nothing follows.
#[test]
fn damage_before_the_place_is_isolated_too() {
    for fails_at_first in [false, true] {
        let (mut scene, mut root) = (Scene::new(), History::new(false));
        let runs = [root.write(1, 0), root.write(1, 0)];
        let there = [root.clone().write(3, 2)];
        let name = named_by(&root, &there[0]);
        assert_eq!(scene.bring(&root.name.clone(), &runs), 2);
        (scene.victim.fault, scene.victim.slow_disk) = (Fault::Corrupt, true);
        scene.victim.fail = |request| matches!(request, StoreRequest::HashAt { .. });
        scene.show(&name, &there);
        if fails_at_first {
            scene.victim.fault = Fault::Transient;
            scene.victim.fail = |request| matches!(request, StoreRequest::Isolate { .. });
        }
        scene.victim.disk_works();
        let gaps = scene.victim.disk.head(root.name.id()).expect("its head").gaps.clone();
        assert_eq!(gaps.is_empty(), fails_at_first);
        scene.victim.fail = |_| false;
        assert_eq!(scene.bring(&name, &there), 5);
    }
}

/// Where nothing is held beyond the place the log ends there, whatever it is that was lost.
#[test]
fn a_gap_up_to_the_end_holds_nothing_up() {
    let (mut scene, mut root) = (Scene::new(), History::new(false));
    let mut runs = vec![root.write(2, 0), root.write(2, 0)];
    let (mut other, log) = (root.clone(), root.name.id());
    let there = [other.write(3, 2)];
    runs.push(root.write(2, 1));
    assert_eq!(scene.bring(&root.name.clone(), &runs), 6);
    scene.victim.must(Command::Repair { log, at: 5 });
    assert_eq!(scene.bring(&named_by(&root, &there[0]), &there), 7);
    assert_eq!(scene.held(&root.name), 4);
}

/// The end of a log that only the beginning of a branch vouches for comes with what a seal vouches for: that is on its
/// way to the store, and is not forgotten because the log is to end there.
#[test]
fn an_end_without_a_seal_waits_for_what_comes_before_it() {
    let (mut scene, root) = begun(true, 2);
    let (mut left, mut third) = (root.clone(), root.clone());
    let one = third.write(1, 3);
    let (first, next, end) = (left.write(1, 1), left.write(2, 1), left.unsealed(1, 1));
    let beyond = left.clone().write(2, 2);
    let name = named_by(&root, &first);
    assert_eq!(scene.bring(&named_by(&root, &one), &[one]), 3);
    assert_eq!(scene.bring(&named_by(&root, &beyond), &[beyond]), 8);
    assert_eq!(scene.bring(&name, &[first]), 3);
    scene.victim.slow_disk = true;
    let message = [(name.clone(), vec![next, end])];
    scene.send(0, &message);
    scene.victim.disk_goes_on();
    scene.send(0, &message);
    scene.victim.disk_works();
    for _ in 0..2 {
        scene.send(0, &message);
    }
    assert_eq!(scene.held(&name), 6);
}

/// A branch that forks before its next seal has none: what left it vouches for it, and if that comes later it is asked for
/// again.
#[test]
fn a_branch_without_a_seal_is_taken_when_what_left_it_is_known() {
    let (mut scene, root) = begun(true, 4);
    let other = root.clone().write(2, 3);
    let mut history = root.clone();
    let mut next = |count| (history.unsealed(count, 1), history.clone().write(2, 2));
    let ((first, second), (then, third), last) = (next(2), next(2), history.write(2, 1));
    assert_eq!(scene.bring(&named_by(&root, &other), &[other]), 6);
    let unsealed = [&first, &then].map(|run| (named_by(&root, run), vec![run.clone()]));
    for (name, runs) in &unsealed {
        assert_eq!(scene.bring(name, runs), 0, "nothing vouches for it");
    }
    assert_eq!(scene.bring(&named_by(&root, &second), &[second]), 8);
    assert_eq!(scene.bring(&unsealed[1].0, &unsealed[1].1), 0);
    assert_eq!(scene.bring(&unsealed[0].0, &unsealed[0].1), 6);
    for run in [third, last] {
        assert_eq!(scene.bring(&named_by(&root, &run), &[run]), 10);
    }
    assert_eq!(scene.bring(&unsealed[1].0, &unsealed[1].1), 8);
}

/// A log is removed while its hashes around a place are read, and comes again as another one: what was read says
/// nothing of that.
#[test]
fn what_an_earlier_parting_waited_for_is_not_taken_for_a_later_one() {
    let mut scene = Scene::new();
    let fork = |common: u64, mark: u8| {
        let mut root = History::new(false);
        let mut runs = vec![root.write(common, mark)];
        let there = root.clone().write(3, mark + 1);
        runs.push(root.write(3, mark));
        (runs, named_by(&root, &there), there, root.name)
    };
    let (runs, other, there, name) = fork(2, 1);
    assert_eq!(scene.bring(&name, &runs), 5);
    scene.victim.slow_disk = true;
    scene.show(&other, &[there]);
    let (channel, stream, retention) = (channel(), stream(), Retention::KeepAll);
    scene.victim.command(Command::RemoveStream { channel: channel.clone(), stream: stream.clone() });
    scene.victim.disk_overtakes();
    scene.victim.forget_logs();
    scene.victim.command(Command::CreateStream { channel, stream, retention });
    scene.victim.disk_overtakes();
    let (runs, other, there, _) = fork(4, 5);
    scene.show(&name, &runs);
    scene.victim.disk_overtakes();
    assert_eq!(scene.held(&name), 7, "as another log");
    scene.show(&other, std::slice::from_ref(&there));
    scene.victim.disk_works();
    assert_eq!(scene.bring(&other, &[there]), 7);
    assert_eq!(scene.held(&name), 4);
}

/// A branch was shown, its log ended for it, and whoever held it lost it before it came again. What the others hold of the
/// log beyond the place must come in all the same.
#[test]
fn a_branch_that_is_lost_before_it_came_in_leaves_nothing_out() {
    for (is_sealed, below) in [(true, 0), (false, 0), (true, 2)] {
        let (mut scene, mut root) = begun(is_sealed, 4);
        let middle = (below > 0).then(|| root.write(below, 0));
        let (mut lost, mut left) = (root.clone(), root.clone());
        let never_again = [lost.write(2, 1)];
        scene.show(&named_by(&root, &never_again[0]), &never_again);
        scene.victim.pass(3_000_000);
        let rest = [left.write(2, 2), left.write(1, 2)];
        let name = named_by(&root, &rest[0]);
        let runs: Vec<StoredRun> = middle.into_iter().chain(rest).collect();
        scene.bring(&root.name.clone(), &runs);
        assert_eq!(scene.held(&root.name.clone()), root.height, "it ends at the fork");
        assert!(scene.held(&name) >= root.height + 2, "sealed {is_sealed}, {below} below");
    }
}
