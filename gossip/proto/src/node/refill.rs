//! Asking for what is missing below the heights.

use super::{CommandError, CommandId, Node, NodeState, Reply};
use crate::{ChannelId, StreamId};

impl Node {
    /// The application wants more history of a stream than is held.
    pub(super) fn ask_back(&mut self, id: CommandId, channel: ChannelId, stream: StreamId) {
        if self.state == NodeState::ShutDown {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let open = self.open_channel(&channel).map(|found| found.open_stream(&stream));
        let logs: Vec<_> = match open {
            Err(error) => return self.reply(id, Err(error)),
            Ok(None) => return self.reply(id, Err(CommandError::UnknownStream(channel, stream))),
            Ok(Some(open)) => open.logs.iter().copied().collect(),
        };
        for log in logs {
            if let Some(log) = self.logs.get_mut(&log) {
                log.asks_back = true;
            }
        }
        self.reply(id, Ok(Reply::Done));
        self.refill();
    }

    /// Goes on asking for holes.
    pub(super) fn refill(&mut self) {}
}
