//! The driver: the one task that owns the node.

use std::collections::HashMap;
use std::sync::Arc;

use gossip_proto::node::{CommandError, CommandId, Effect, Event, Input, Node, NodeState};
use gossip_proto::{Now, Tick};
use tokio::sync::{Notify, mpsc, oneshot};

use super::dials::Wish;
use super::lanes::{Done, Lanes};
use super::links::{FromPort, Links, OpenPort};
use crate::events::Notice;
use crate::handle::{Caller, CommandResult, Request, Shared};
use crate::{BoxFuture, PortEvent};

/// What the supervisor asks of the driver beside commands.
pub(super) enum Control {
    /// Close all links once their outboxes are empty.
    CloseLinks,
    /// Answer when no link is left.
    WhenUnlinked(oneshot::Sender<()>),
    /// End the task.
    End,
}

/// Inputs taken from one source in one turn.
const QUOTA: usize = 128;
/// So many callers can append again in less time than a disk takes to sync. More are served by turns: some
/// append while the others are written.
const FEW_CALLERS: usize = 64;

/// Where inputs come from.
pub(super) struct Sources {
    pub(super) commands: mpsc::Receiver<Request>,
    pub(super) frames: mpsc::Receiver<FromPort>,
    pub(super) stored: mpsc::Receiver<Done>,
    pub(super) control: mpsc::Receiver<Control>,
    pub(super) relieved: Arc<Notify>,
}

/// What woke the driver.
enum Wake {
    Commands(Vec<Request>),
    Frames(Vec<FromPort>),
    Stored(Vec<Done>),
    Control(Control),
    Relieved,
    Time,
    /// Something was written, or is about to be: the next turn asks.
    Nothing,
    /// The supervisor is gone.
    Over,
}

impl Sources {
    /// Waits for whatever comes first, unless in a `hurry`; sources that are ready at once take random turns,
    /// each up to its quota.
    async fn next(&mut self, lanes: &mut Lanes, sleep: &mut BoxFuture<'static, ()>, hurry: bool) -> Wake {
        let stalled = lanes.is_stalled();
        let (mut requests, mut frames, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        tokio::select! {
            control = self.control.recv() => control.map_or(Wake::Over, Wake::Control),
            n = self.stored.recv_many(&mut stored, QUOTA) => {
                if n == 0 { Wake::Over } else { Wake::Stored(stored) }
            }
            n = self.commands.recv_many(&mut requests, QUOTA) => {
                if n == 0 { Wake::Over } else { Wake::Commands(requests) }
            }
            n = self.frames.recv_many(&mut frames, QUOTA), if !stalled => {
                if n == 0 { Wake::Over } else { Wake::Frames(frames) }
            }
            () = self.relieved.notified() => Wake::Relieved,
            () = lanes.write() => Wake::Nothing,
            () = sleep => Wake::Time,
            () = std::future::ready(()), if hurry => Wake::Nothing,
        }
    }
}

pub(super) struct Driver {
    node: Node,
    shared: Arc<Shared>,
    lanes: Lanes,
    links: Links,
    wishes: mpsc::Sender<Wish>,
    replies: HashMap<CommandId, Caller>,
    next_command: u64,
    unlinked: Vec<oneshot::Sender<()>>,
    /// Those who append are few, and most of them have just been answered.
    answered: bool,
}

impl Driver {
    pub(super) fn new(
        node: Node,
        shared: Arc<Shared>,
        lanes: Lanes,
        links: Links,
        wishes: mpsc::Sender<Wish>,
    ) -> Self {
        let (replies, unlinked) = (HashMap::new(), Vec::new());
        Self { node, shared, lanes, links, wishes, replies, next_command: 1, unlinked, answered: false }
    }

    /// Runs until the supervisor ends it.
    pub(super) async fn run(mut self, mut sources: Sources) {
        let mut alarm = Alarm::default();
        loop {
            self.meet_deadline();
            self.gather(&mut sources).await;
            self.dispatch();
            if let Some(done) = self.lanes.wrote() {
                self.stored(done);
                // Who was answered may append again and again: then others have their turn in between.
                if !self.answered {
                    continue;
                }
            }
            self.tell_unlinked();
            let deadlines = [self.node.deadline(), self.lanes.deadline()];
            alarm.set(deadlines.into_iter().flatten().min(), &self.shared);
            match sources.next(&mut self.lanes, &mut alarm.sleep, self.answered).await {
                Wake::Commands(requests) => self.commands(requests),
                Wake::Frames(events) => events.into_iter().for_each(|(port, event)| self.port(&port, event)),
                Wake::Stored(done) => done.into_iter().for_each(|done| self.stored(done)),
                Wake::Control(Control::CloseLinks) => self.links.close_all(),
                Wake::Control(Control::WhenUnlinked(tell)) => self.unlinked.push(tell),
                Wake::Relieved => self.relieved(),
                Wake::Time => alarm.clear(),
                Wake::Nothing => {}
                Wake::Control(Control::End) | Wake::Over => break,
            }
        }
        drop(sources);
        self.lanes.end().await;
    }

    fn now(&self) -> Now {
        self.shared.timer.now()
    }

    /// Gives the node one input and carries out what it wants.
    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.handle_at(now, input);
    }

    fn handle_at(&mut self, now: Now, input: Input) {
        self.node.handle(now, input);
        self.carry_out_all(now);
    }

    fn carry_out_all(&mut self, now: Now) {
        while let Some(effect) = self.node.poll_effect() {
            self.carry_out(now, effect);
        }
    }

    /// Never waits: everything that may is handed to another task.
    fn carry_out(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Send { link, frame, class } => {
                if self.links.send(link, frame, class) {
                    self.node.handle(now, Input::LinkCongested { link, congested: true });
                }
            }
            Effect::Close { link } => self.links.close(link),
            // While too much waits this is dropped: the node asks again.
            Effect::Dial { peer, addresses } => drop(self.wishes.try_send(Wish::Dial { peer, addresses })),
            Effect::Renew(link) => self.links.renew(link),
            Effect::Forget(peer) => drop(self.wishes.try_send(Wish::Forget { peer })),
            Effect::Store { op, request } => self.lanes.push(op, request),
            Effect::Reply { id, result } => self.reply(id, result),
            Effect::Notify(event) => self.notify(event),
        }
    }

    /// Who was answered often appends again at once. They share a commit if the store waits for them:
    /// without that, those who came first would have a commit of their own and the others the next, each
    /// half as large.
    async fn gather(&mut self, sources: &mut Sources) {
        if std::mem::take(&mut self.answered) && self.lanes.is_writer_idle() {
            tokio::task::yield_now().await;
            let mut requests = Vec::new();
            while requests.len() < QUOTA
                && let Ok(request) = sources.commands.try_recv()
            {
                requests.push(request);
            }
            self.commands(requests);
        }
    }

    fn dispatch(&mut self) {
        let now = self.now();
        if self.lanes.is_writer_idle() && self.node.has_unwritten() {
            self.handle_at(now, Input::StoreReady);
        }
        self.lanes.dispatch(now.tick);
    }

    fn meet_deadline(&mut self) {
        if self.node.deadline().is_some_and(|due| due <= self.now().tick) {
            self.handle(Input::Deadline);
        }
    }

    /// They came while one turn was made: one look at the clock is enough.
    fn commands(&mut self, requests: Vec<Request>) {
        let now = self.now();
        requests.into_iter().for_each(|request| self.command(now, request));
    }

    fn command(&mut self, now: Now, request: Request) {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        let Request { command, caller } = request;
        self.replies.insert(id, caller);
        self.handle_at(now, Input::Command { id, command });
    }

    fn reply(&mut self, id: CommandId, result: CommandResult) {
        if let Some(caller) = self.replies.remove(&id) {
            caller.answer(result);
        }
    }

    fn notify(&mut self, event: Event) {
        tracing::debug!(?event, "event");
        match &event {
            Event::StreamRemoved(channel, stream) => {
                self.shared.policies.set(channel, stream, None);
                self.shared.pulses.end_stream(channel, stream);
            }
            Event::ChannelRemoved(channel) => {
                self.shared.policies.forget_channel(channel);
                self.shared.pulses.end_channel(channel);
            }
            // One step of several: who prunes tells the sum.
            Event::StreamCompacted { .. } => return,
            // Also when the store first said that it failed and it had not.
            Event::EntriesAppended { channel, stream, .. } | Event::EntriesMerged { channel, stream, .. } => {
                self.shared.pulses.wake(channel, stream);
            }
            _ => {}
        }
        self.shared.listeners.tell(Notice::Event(event));
    }

    fn stored(&mut self, mut done: Done) {
        self.lanes.note(&mut done);
        let now = self.now();
        let mut told = Vec::new();
        for (op, result) in done.outcomes {
            self.node.handle(now, Input::Stored { op, result });
            while let Some(effect) = self.node.poll_effect() {
                match effect {
                    Effect::Store { op, request } => self.lanes.push(op, request),
                    effect => told.push(effect),
                }
            }
        }
        let answers = told.iter().filter(|effect| matches!(effect, Effect::Reply { .. })).count();
        self.answered = (1..=FEW_CALLERS).contains(&answers) && 2 * answers > self.replies.len();
        if !self.answered {
            // The store works on what waited before anyone is told of what is done.
            self.dispatch();
        }
        told.into_iter().for_each(|effect| self.carry_out(now, effect));
        self.carry_out_all(now);
        for (channel, stream) in &done.grown {
            self.shared.pulses.wake(channel, stream);
        }
    }

    fn port(&mut self, port: &Arc<OpenPort>, event: Option<PortEvent>) {
        match event {
            Some(PortEvent::LinkUp { peer, link, limits }) => {
                if let Some(stale) = self.links.name(port, link) {
                    self.down(stale);
                }
                let link = self.links.up(port, link, &peer, limits);
                self.handle(Input::LinkUp { peer, link, limits });
            }
            Some(PortEvent::LinkDown { link }) => {
                if let Some(link) = self.links.name(port, link) {
                    self.down(link);
                }
            }
            Some(PortEvent::Frame { link, bytes }) => {
                if let Some(link) = self.links.name(port, link) {
                    self.handle(Input::Frame { link, bytes });
                }
            }
            Some(PortEvent::Trouble { .. }) => {}
            None => self.links.of_port(port).into_iter().for_each(|link| self.down(link)),
        }
    }

    fn down(&mut self, link: gossip_proto::node::LinkId) {
        self.links.down(link);
        self.handle(Input::LinkDown { link });
    }

    fn relieved(&mut self) {
        for link in self.links.relieved() {
            self.handle(Input::LinkCongested { link, congested: false });
        }
    }

    fn tell_unlinked(&mut self) {
        if self.links.is_empty() {
            for tell in self.unlinked.drain(..) {
                let _ = tell.send(());
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Also when the runtime goes away: readers must not wait for what never comes.
        for (_, caller) in self.replies.drain() {
            caller.answer(Err(CommandError::State { state: NodeState::ShutDown }));
        }
        self.shared.pulses.end_all();
        self.shared.listeners.close();
    }
}

/// One sleep for the node's deadline. It may fire early, then it is set again; it is moved only
/// when the deadline comes nearer.
struct Alarm {
    at: Option<Tick>,
    sleep: BoxFuture<'static, ()>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: None, sleep: Box::pin(std::future::pending()) }
    }
}

impl Alarm {
    fn set(&mut self, deadline: Option<Tick>, shared: &Shared) {
        let Some(deadline) = deadline else { return };
        if self.at.is_none_or(|at| deadline < at) {
            self.at = Some(deadline);
            self.sleep = shared.timer.sleep_until(deadline);
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
