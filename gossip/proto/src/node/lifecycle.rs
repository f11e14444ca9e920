//! Start, stop, pause, resume, shut down.

use super::admin::Job;
use super::log::Log;
use super::{Class, Command, CommandError, CommandId, Effect, Event, LinkId, Node, NodeState, Reply, Timer};
use crate::wire::Message;

impl Node {
    pub(super) fn on_command(&mut self, id: CommandId, command: Command) {
        match command {
            Command::Start => self.change_state(id, &[NodeState::Stopped], NodeState::Running),
            Command::Stop => {
                self.change_state(id, &[NodeState::Running, NodeState::Paused], NodeState::Stopped)
            }
            Command::Pause => self.change_state(id, &[NodeState::Running], NodeState::Paused),
            Command::Resume => self.change_state(id, &[NodeState::Paused], NodeState::Running),
            Command::Shutdown => self.begin_shutdown(id),
            Command::Append { channel, stream, payloads } => self.append(id, channel, stream, payloads),
            Command::Prune { channel, stream, floors, under } => {
                self.prune(id, channel, stream, floors, under.as_ref())
            }
            Command::Erase { channel, stream, entries } => self.erase(id, channel, stream, entries),
            Command::Repair { log, at } => self.repair(id, log, at),
            Command::WaitSynced { channel, peer } => self.wait_synced(id, channel, peer),
            Command::SetSync(choice) => self.set_sync(id, choice),
            Command::FindHolders { channel, entry } => self.find_holders(id, channel, entry),
            Command::AskBack { channel, stream } => self.ask_back(id, channel, stream),
            Command::SetAddresses(addresses) => self.set_addresses(id, addresses),
            Command::Doze { lasting } => self.doze(id, lasting),
            Command::Wake => self.wake(id),
            Command::Query(query) => {
                let result = self.look_up(query);
                self.reply(id, result);
            }
            change => self.queue_job(Job::Command(id, change)),
        }
    }

    fn change_state(&mut self, id: CommandId, from: &[NodeState], to: NodeState) {
        if !from.contains(&self.state) {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let was = std::mem::replace(&mut self.state, to);
        match to {
            NodeState::Stopped => self.hang_up(),
            NodeState::Paused => self.tell_all(&Message::Paused(true)),
            NodeState::Running if was == NodeState::Paused => {
                self.tell_all(&Message::Paused(false));
                self.compare_everything();
                self.fetch_everywhere();
                self.refill_anew();
                self.tell_everyone();
                self.table_changed();
            }
            NodeState::Running => {
                self.begin_incarnation();
                self.table_changed();
            }
            NodeState::ShutDown => {}
        }
        self.notify(Event::StateChanged(to));
        self.reply(id, Ok(Reply::Done));
    }

    fn begin_shutdown(&mut self, id: CommandId) {
        self.shutdown.push(id);
        if self.state == NodeState::ShutDown {
            return;
        }
        self.state = NodeState::ShutDown;
        self.hang_up();
        self.waiters.look_again();
        self.notify(Event::StateChanged(NodeState::ShutDown));
        // The clock may be ahead of the last commit by what was merged since.
        self.queue_job(Job::SaveNode);
        self.timers.cancel(&Timer::Hints);
        self.save_hints();
    }

    /// Answers the shutdown when every append was answered and nothing is in flight.
    pub(super) fn finish_shutdown(&mut self) {
        if self.shutdown.is_empty()
            || !self.admin.is_idle()
            || self.erasures.are_waited_for()
            || self.ops.len() > 0
            || self.append_bytes_waiting()
        {
            return;
        }
        // Who continues an epoch that should have ended must know at the next start that something is
        // missing: the driver does not close the store then.
        let unwritten = self.admin.unwritten().cloned();
        for id in std::mem::take(&mut self.shutdown) {
            let result =
                unwritten.clone().map_or(Ok(Reply::Done), |failure| Err(CommandError::Store(failure)));
            self.reply(id, result);
        }
    }

    fn append_bytes_waiting(&self) -> bool {
        let queued = |channel: &super::Channel| channel.streams.values().any(|stream| stream.has_queue());
        let unsettled = |log: &Log| log.frozen().is_some_and(|frozen| !frozen.unsettled.is_empty());
        self.logs.values().any(unsettled) || self.channels.values().any(queued)
    }

    /// Says goodbye to the group, then on every link, and closes it.
    fn hang_up(&mut self) {
        self.leave();
        self.tell_all(&Message::Goodbye);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.effects.push_back(Effect::Close { link });
            self.on_link_down(link);
        }
        self.give_up_all();
        self.settle_all();
    }

    fn tell_all(&mut self, message: &Message) {
        let links: Vec<LinkId> = self.established().collect();
        for link in links {
            self.send(link, message, Class::Urgent);
        }
    }

    /// Whether the node may start something of its own with peers.
    pub(super) fn is_active(&self) -> bool {
        self.state == NodeState::Running
    }

    pub(super) fn set_timer(&mut self, timer: Timer, after: std::time::Duration) {
        self.timers.set(timer, self.now.tick + after);
    }
}
