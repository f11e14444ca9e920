//! Two nodes, two dumb disks and one link of fixed delay, with everything that crosses it counted.
//!
//! For what costs bytes and round trips rather than luck: nothing is lost or late unless asked for,
//! disks answer at once, and the same setup gives the same frames. A node only needs heads, so logs that
//! both hold alike are heads with invented hashes; only what one side holds alone are real entries. A
//! million entries in ten thousand logs thus cost nothing.
//!
//! ```
//! use std::time::Duration;
//! use gossip_testkit::sim::pair::{Logs, Pair, Side};
//!
//! // Both hold 1,000 logs of 100 entries; ann holds 5 entries more in 10 others.
//! let setup = Pair::setup()
//!     .delay(Duration::from_millis(5))
//!     .logs(Logs::of(1_000).alike(100))
//!     .logs(Logs::of(10).alike(100).more(Side::Ann, 5));
//! let mut pair = setup.begin();
//! pair.link();
//! pair.settle();
//! let all = pair.traffic().without_greeting();
//! assert_eq!(all.entries(), 50);
//! assert!(all.data_after() <= 4, "half round trips until the first of them arrived");
//!
//! // From here on they know each other.
//! pair.watch();
//! pair.append(Side::Bob, "news", b"one");
//! pair.settle();
//! assert_eq!(pair.traffic().entries(), 1);
//! println!("{}", pair.traffic());
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `setup`, `logs` | who holds what, how they are linked |
//! | `end` | one node with its disk, driven by hand |
//! | `wire` | frames on their way |
//! | `traffic` | what crossed, counted |
//! | `recording` | a session as text, to be played again |

mod end;
mod logs;
mod recording;
mod setup;
mod traffic;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::node::{Command, CommandError, Event, Health, Input, LinkId, LinkLimits, Query, Reply};
use gossip_proto::{ChainHash, ChannelId, LogId, NewPayload, PayloadHash, Retention, Seq, StreamId, Tick};

pub use self::end::End;
pub use self::logs::Logs;
use self::logs::Place;
pub use self::recording::Recording;
pub use self::setup::Setup;
pub use self::traffic::{Passed, Traffic};
use self::wire::Wire;

/// Nothing passed for so long: the two have settled. Shorter than any keepalive.
const QUIET: Duration = Duration::from_secs(1);
/// Virtual time in which whatever a test sets up must have settled.
const PATIENCE: Duration = Duration::from_secs(300);

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The node with the smaller id.
    Ann,
    /// The other one.
    Bob,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ann, Self::Bob];

    /// Its peer.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ann => Self::Bob,
            Self::Bob => Self::Ann,
        }
    }

    /// Its node id.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ann => "ann",
            Self::Bob => "bob",
        }
    }
}

/// Two nodes and the link between them, in virtual time.
#[derive(Debug)]
pub struct Pair {
    ends: [End; 2],
    wire: Wire,
    limits: LinkLimits,
    /// The newest link, and whether it is up.
    link: LinkId,
    linked: bool,
    /// Whose part a recording plays.
    puppet: Option<Side>,
    now: Tick,
    /// Where the present count began: frames and time.
    watched: (usize, Tick),
}

impl Pair {
    /// Two nodes that share a channel `c` and hold nothing, 5 ms apart.
    #[must_use]
    pub fn setup() -> Setup {
        Setup::default()
    }

    fn new(ends: [End; 2], wire: Wire, limits: LinkLimits) -> Self {
        let (link, now) = (LinkId(0), Tick(0));
        Self { ends, wire, limits, link, linked: false, puppet: None, now, watched: (0, now) }
    }

    /// Links the two and begins a new count. Frames of an earlier link are lost.
    pub fn link(&mut self) {
        self.unlink();
        self.watch();
        (self.link, self.linked) = (LinkId(self.link.0 + 1), true);
        for side in Side::BOTH {
            let peer = self.end(side.other()).id();
            self.give(side, Input::LinkUp { peer, link: self.link, limits: self.limits });
        }
    }

    /// The link goes down, if it is up, with all that was on its way.
    pub fn unlink(&mut self) {
        if !std::mem::take(&mut self.linked) {
            return;
        }
        self.wire.lose_all();
        for side in Side::BOTH {
            self.give(side, Input::LinkDown { link: self.link });
        }
    }

    /// One side goes down and starts again from its disk; the link is gone.
    pub fn restart(&mut self, side: Side) {
        self.unlink();
        let now = self.now;
        self.end_mut(side).boot(now);
    }

    /// As [`Pair::restart`], with these logs in the first channel instead of what the disk held.
    pub fn replace(&mut self, side: Side, logs: Option<Logs>) {
        self.unlink();
        let (channel, now) = (self.channel(), self.now);
        let end = self.end_mut(side);
        end.forget_logs();
        let place = Place { channel: &channel, group: 0, salt: "" };
        end.hold(logs.into_iter().flat_map(|logs| logs.held_by(side, place)));
        end.boot(now);
    }

    /// From now on one side loses power, as often as it is restarted, when it is about to end a log that forks;
    /// what it did before is on its disk. Until it is restarted it waits for its disk.
    pub fn lose_turns(&mut self, side: Side, loses: bool) {
        self.end_mut(side).lose_turns(loses);
    }

    /// Lets virtual time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Lets time pass until both hold the same and nothing was said for a second, beside what members say of
    /// each other again and again.
    ///
    /// # Panics
    /// When that takes more than five minutes of virtual time.
    pub fn settle(&mut self) {
        let limit = self.now + PATIENCE;
        loop {
            let (before, until) = (self.wire.passed.len(), self.now + QUIET);
            self.pass(QUIET);
            let mut passed = self.wire.passed[before..].iter().filter(|passed| !passed.is_of_group());
            let spoke = passed.any(|passed| passed.at + QUIET > until);
            if !spoke && self.wire.is_quiet() && self.same() {
                return;
            }
            assert!(self.now < limit, "not settled, since {:?}:\n{}", self.watched.1, self.traffic());
        }
    }

    /// Whether both hold the same heights with the same hashes.
    #[must_use]
    pub fn same(&self) -> bool {
        let [ann, bob] = &self.ends;
        ann.heads_iter().eq(bob.heads_iter())
    }

    /// Heights and hashes one side holds.
    #[must_use]
    pub fn heads(&self, side: Side) -> BTreeMap<LogId, (Seq, ChainHash)> {
        self.end(side).heads_iter().collect()
    }

    /// What one side holds, as one hash in hexadecimal.
    #[must_use]
    pub fn heads_hash(&self, side: Side) -> String {
        let heads = self.end(side).heads_iter();
        let bytes =
            heads.flat_map(|(log, (height, hash))| [&log.0[..], &height.to_le_bytes(), &hash.0].concat());
        PayloadHash::of(&bytes.collect::<Vec<u8>>()).0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From now on one side only sends what it sent in a recording, at the times it did, and hears nothing.
    pub fn replay(&mut self, recording: &Recording, side: Side) {
        self.puppet = Some(side);
        self.wire.play(side.other(), recording.script(side));
    }

    /// Begins a new count.
    pub fn watch(&mut self) {
        self.watched = (self.wire.passed.len(), self.now);
    }

    /// What was sent since the count began.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let (from, since) = self.watched;
        Traffic::new(self.wire.passed[from..].to_vec(), since, self.wire.delay)
    }

    /// Virtual time since the count began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(self.watched.1)
    }

    /// Appends one entry to a stream of the first channel, which is made if it is not there.
    ///
    /// # Panics
    /// When the node refuses it.
    pub fn append(&mut self, side: Side, stream: &str, payload: &[u8]) {
        self.append_all(side, stream, vec![NewPayload::new(payload.to_vec())]);
    }

    /// As [`Pair::append`], several entries at once.
    ///
    /// # Panics
    /// When the node refuses them.
    pub fn append_all(&mut self, side: Side, stream: &str, payloads: Vec<NewPayload>) {
        let stream = StreamId::new(stream).expect("a stream id");
        let (channel, retention) = (self.channel(), Retention::KeepAll);
        let create = Command::CreateStream { channel: channel.clone(), stream: stream.clone(), retention };
        self.command(side, create).expect("a stream");
        self.command(side, Command::Append { channel, stream, payloads }).expect("appended");
    }

    /// One side drops the oldest entries of each log, up to and with this sequence.
    ///
    /// # Panics
    /// When the node refuses it.
    pub fn evict(&mut self, side: Side, upto: Seq) {
        for ((channel, stream), floors) in self.end(side).floors(upto) {
            let prune = Command::Prune { channel, stream, floors, under: None };
            self.command(side, prune).expect("pruned");
        }
    }

    /// Gives one side a command; disks answer at once, so the answer is there.
    ///
    /// # Errors
    /// What the node says.
    ///
    /// # Panics
    /// When it does not answer at once, as for waiting commands.
    pub fn command(&mut self, side: Side, command: Command) -> Result<Reply, CommandError> {
        let id = self.ask(side, command);
        self.answer(side, id).expect("answered at once")
    }

    /// Gives one side a command that may be answered later, see [`Pair::answer`]; returns its number.
    pub fn ask(&mut self, side: Side, command: Command) -> u64 {
        let id = self.end_mut(side).next_command();
        self.give(side, Input::Command { id, command });
        id.0
    }

    /// The answer to a command, once.
    pub fn answer(&mut self, side: Side, number: u64) -> Option<Result<Reply, CommandError>> {
        self.end_mut(side).take_reply(number)
    }

    /// What one side told its application since the last call.
    pub fn events(&mut self, side: Side) -> Vec<Event> {
        self.end_mut(side).take_events()
    }

    /// What one side says of itself.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn health(&mut self, side: Side) -> Health {
        match self.command(side, Command::Query(Query::Health)) {
            Ok(Reply::Health(health)) => *health,
            other => panic!("{other:?}"),
        }
    }

    /// From now on so many frames of 1,000 are lost.
    pub fn lose(&mut self, per_mille: u64) {
        self.wire.loss = per_mille;
    }

    /// One of the two nodes.
    #[must_use]
    pub fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    /// The nodes, the newest link and the time: for whoever wants to drive them without a wire.
    #[must_use]
    pub fn into_ends(self) -> ([End; 2], LinkId, Tick) {
        (self.ends, self.link, self.now)
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    fn channel(&self) -> ChannelId {
        self.ends[0].channels().next().expect("a channel").clone()
    }

    /// Gives one side an input, and the link what it sends.
    fn give(&mut self, side: Side, input: Input) {
        if self.puppet == Some(side) {
            return;
        }
        let now = self.now;
        let end = &mut self.ends[side as usize];
        end.give(now, input);
        let closes = end.take_closed();
        for (link, frame) in end.take_sent() {
            if self.linked && link == self.link {
                self.wire.send(now, side, frame);
            }
        }
        if self.linked && closes.contains(&self.link) {
            self.unlink();
        }
    }

    /// The next thing that happens until then, if anything does.
    fn step(&mut self, until: Tick) -> bool {
        let due = |side: Side| self.end(side).deadline().map(|at| (at.max(self.now), side));
        let due = Side::BOTH.into_iter().filter(|side| self.puppet != Some(*side)).filter_map(due).min();
        let arrival = self.wire.next_arrival();
        let frames_first = arrival.is_some_and(|at| due.is_none_or(|(due, _)| at <= due));
        let next = if frames_first { arrival } else { due.map(|(at, _)| at) };
        let Some(next) = next.filter(|next| *next <= until) else { return false };
        self.now = next;
        if !frames_first {
            let side = due.map_or(Side::Ann, |(_, side)| side);
            self.give(side, Input::Deadline);
        } else if let Some((to, bytes)) = self.wire.deliver() {
            self.give(to, Input::Frame { link: self.link, bytes });
        }
        true
    }
}
