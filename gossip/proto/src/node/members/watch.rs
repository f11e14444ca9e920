//! What is heard of a member on one link, and said to it.

use std::time::Duration;

use super::bucket::Bucket;
use crate::{MemberKey, Tick};

/// Beats of which it is known when they were sent.
const SENT: usize = 8;
/// After so long without a newer one any number is: more of them may have been lost than can be counted.
const SILENCE: Duration = Duration::from_secs(60);

/// A link, as far as members are concerned.
#[derive(Debug)]
pub(in crate::node) struct Watch {
    /// Whom it leads to.
    pub(in crate::node) key: MemberKey,
    /// This node asked for it to be dialled.
    pub(in crate::node) is_dialled: bool,
    /// When it had its turn last.
    pub(super) said: Tick,
    /// We have said when we say our next beat.
    pub(super) promised: bool,
    /// The other side wants the link.
    pub(super) wanted_there: bool,
    /// Beats said on a link that tells by itself when it ends.
    pub(super) calm: u32,
    /// Its member is there, as others say, but nothing comes here.
    pub(in crate::node) is_deaf: bool,
    /// The other side wants it as we are near.
    pub(super) near_there: bool,
    /// Since when nobody has wanted the link, if it was dialled for the group.
    pub(super) idle_since: Option<Tick>,
    /// How often the other side asks for others.
    pub(super) looks: Bucket,
    /// and accuses them,
    pub(super) accusations: Bucket,
    /// and how much it was told because it asked.
    pub(super) answers: Bucket,
    /// How often its member is asked for a beat that is down here.
    pub(super) calls: Bucket,
    /// The number of the next beat.
    next: u8,
    /// When the last ones were sent, each at its number modulo [`SENT`].
    sent: [Option<(u8, Tick)>; SENT],
    /// The newest beat heard, and when.
    heard: Option<(u8, Tick)>,
    /// Hardly anybody was known here when the link came: who else there is will be asked for.
    pub(super) newcomer: bool,
    /// Our table's hash and theirs, as long as they differ.
    pub(super) differ: Option<[u64; 2]>,
    /// Ours has changed since they told theirs.
    pub(super) outdated: bool,
    /// They hold different members: who of them is alive is told when they agree on that.
    pub(super) apart: bool,
    /// Its member was not let into the table.
    pub(super) is_refused: bool,
    /// How often this node introduced itself again.
    pub(super) introduced: u32,
    /// When it was told who is alive.
    pub(super) told_states: Option<Tick>,
    /// Comparisons begun since tables were last equal.
    pub(super) compared: u32,
}

impl Watch {
    pub(in crate::node) fn new(key: MemberKey, is_dialled: bool) -> Self {
        Self {
            key,
            is_dialled,
            said: Tick(0),
            promised: false,
            wanted_there: false,
            calm: 0,
            is_deaf: false,
            near_there: false,
            idle_since: None,
            looks: Bucket::default(),
            accusations: Bucket::default(),
            answers: Bucket::default(),
            calls: Bucket::default(),
            next: 0,
            sent: [None; SENT],
            heard: None,
            newcomer: false,
            differ: None,
            outdated: false,
            apart: false,
            is_refused: false,
            introduced: 0,
            told_states: None,
            compared: 0,
        }
    }

    /// The other side may count anew.
    pub(in crate::node) fn begin_anew(&mut self) {
        self.heard = None;
    }

    /// The number of the beat sent now.
    pub(super) fn send(&mut self, now: Tick) -> u8 {
        let n = self.next;
        self.next = n.wrapping_add(1);
        self.sent[usize::from(n) % SENT] = Some((n, now));
        n
    }

    /// Notes a beat of the other side, unless a newer one has come; answers how many before it have not.
    pub(super) fn hear(&mut self, n: u8, now: Tick) -> Option<u8> {
        let last = self.heard.filter(|(_, at)| now.since(*at) < SILENCE);
        let ahead = last.map_or(1, |(last, _)| n.wrapping_sub(last));
        let is_newer = (1..=127).contains(&ahead);
        if is_newer {
            self.heard = Some((n, now));
        }
        is_newer.then(|| ahead - 1)
    }

    /// When a beat was sent that comes back.
    pub(super) fn sent(&self, echo: u8) -> Option<Tick> {
        self.sent[usize::from(echo) % SENT].filter(|(n, _)| *n == echo).map(|(_, at)| at)
    }

    /// What was sent so far waited where nobody read it: how long its answers take measures nothing.
    pub(super) fn forget_sent(&mut self) {
        self.sent = [None; SENT];
    }

    /// The newest beat heard, and how many milliseconds ago.
    pub(super) fn echo(&self, now: Tick) -> (Option<u8>, u16) {
        let held = |at: Tick| u16::try_from(now.since(at).as_millis()).unwrap_or(u16::MAX);
        self.heard.map_or((None, 0), |(n, at)| (Some(n), held(at)))
    }

    /// The round trip of a beat that comes back after it was held so long, once for each.
    pub(super) fn round_trip(&mut self, echo: u8, held: u16, now: Tick) -> Option<Duration> {
        let sent = &mut self.sent[usize::from(echo) % SENT];
        let (_, at) = sent.take_if(|(n, _)| *n == echo)?;
        (held < u16::MAX).then(|| now.since(at).saturating_sub(Duration::from_millis(held.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Tick {
        Tick(millis * 1_000)
    }

    #[test]
    fn a_round_trip_is_what_passed_less_what_it_was_held() {
        let mut watch = Watch::new(MemberKey(1), false);
        assert_eq!([(); 3].map(|()| watch.send(millis(10))), [0, 1, 2]);
        assert_eq!(watch.round_trip(1, 30, millis(90)), Some(Duration::from_millis(50)));
        assert_eq!(watch.round_trip(1, 30, millis(90)), None, "once");
        assert_eq!([1, 2].map(|n| watch.sent(n)), [None, Some(millis(10))]);
        assert_eq!(watch.round_trip(2, u16::MAX, millis(90)), None, "held too long to be known");
        assert_eq!(watch.round_trip(0, 200, millis(90)), Some(Duration::ZERO), "clocks are rough");
        assert_eq!(watch.round_trip(77, 0, millis(90)), None, "never sent");
        (3..=8).for_each(|_| _ = watch.send(millis(100)));
        assert_eq!(watch.round_trip(0, 0, millis(110)), None, "too old");
        assert_eq!(watch.round_trip(8, 0, millis(110)), Some(Duration::from_millis(10)));
    }

    #[test]
    fn numbers_go_round() {
        let mut watch = Watch::new(MemberKey(1), false);
        assert_eq!(watch.echo(millis(5)), (None, 0));
        let heard =
            [(250, 250, Some(0)), (251, 251, Some(0)), (249, 251, None), (3, 3, Some(7)), (255, 3, None)];
        for (n, newest, missing) in heard {
            assert_eq!(watch.hear(n, millis(7)), missing, "{n}");
            assert_eq!(watch.echo(millis(9)), (Some(newest), 2), "{n}");
        }
        assert_eq!(watch.echo(millis(70_000)).1, u16::MAX);
    }

    #[test]
    fn numbers_may_begin_anew() {
        let mut watch = Watch::new(MemberKey(1), false);
        watch.hear(100, millis(0));
        assert_eq!(watch.hear(0, millis(59_999)), None);
        assert_eq!(watch.hear(0, millis(60_000)), Some(0), "nothing newer came for a minute");
        watch.hear(100, millis(60_100));
        watch.begin_anew();
        assert_eq!((watch.hear(0, millis(60_200)), watch.echo(millis(60_200)).0), (Some(0), Some(0)));
    }
}
