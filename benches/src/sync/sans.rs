//! The idle exchange without sockets and tasks: two nodes, called by hand in one thread.

use std::time::Duration;

use gossip::proto::ChannelId;
use gossip::proto::node::{Command, CommandId, Input};
use gossip_testkit::sim::pair::{Logs, Pair};

use crate::{Outcome, cpu};

/// The channel that pairs share.
const CHANNEL: &str = "c";
/// Numbers of commands the pair has not given before.
const FIRST: u64 = 1 << 32;
/// Time that passes from one exchange to the next, for the nodes.
const STEP: Duration = Duration::from_micros(100);

/// What one exchange took.
pub(super) struct Idle {
    /// Both ways, with the four bytes of length that TCP puts before a frame.
    pub(super) bytes: f64,
    pub(super) frames: f64,
    /// Of both nodes, in microseconds.
    pub(super) cpu: f64,
}

/// Has two equal nodes with so many streams and authors make sure so many times that they are equal.
pub(super) fn idle(streams: u64, authors: u64, times: u64) -> Outcome<Idle> {
    let mut pair = Pair::setup().logs(Logs::of(streams * authors).authors(authors).alike(100)).begin();
    pair.link();
    pair.settle();
    let ([mut ann, mut bob], link, mut now) = pair.into_ends();
    let channel = ChannelId::new(CHANNEL)?;
    let (mut bytes, mut frames) = (0, 0_u64);
    let begin = cpu::used();
    for number in 0..times {
        now = now + STEP;
        let command = Command::WaitSynced { channel: channel.clone(), peer: None };
        ann.give(now, Input::Command { id: CommandId(FIRST + number), command });
        ann.give(now, Input::Deadline);
        // From one to the other until nothing is left to be said.
        for turn in 0.. {
            let (from, to) = if turn % 2 == 0 { (&mut ann, &mut bob) } else { (&mut bob, &mut ann) };
            let sent = from.take_sent();
            if sent.is_empty() {
                break;
            }
            for (_, frame) in sent {
                (bytes, frames) = (bytes + 4 + frame.len(), frames + 1);
                to.give(now, Input::Frame { link, bytes: frame });
            }
        }
        match ann.take_reply(FIRST + number) {
            Some(answer) => drop(answer.map_err(|error| format!("{error:?}"))?),
            None => return Err("said all and not in step".into()),
        }
    }
    let cpu = (cpu::used() - begin).as_secs_f64() * 1e6;
    let each = |sum: f64| sum / times as f64;
    Ok(Idle { bytes: each(bytes as f64), frames: each(frames as f64), cpu: each(cpu) })
}
