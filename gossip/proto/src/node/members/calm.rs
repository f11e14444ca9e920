//! Links that tell by themselves when the other side is gone, as radios do: on these beats come ever more rarely. Who is
//! there is known from the link; what a beat adds is that the process behind it goes on.

use std::time::Duration;

use super::pauses::Pauses;
use crate::node::session::Link;
use crate::node::{LinkId, Node, Timer};
use crate::wire::BeatFlags;

/// Pauses between beats.
const PAUSES: Pauses = Pauses(Duration::from_secs(15), Duration::from_secs(60));

impl Node {
    /// Whether beats on a link are rare.
    pub(in crate::node) fn is_calm(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.limits.notices_loss)
    }

    /// Links that have such beats, and say them when nothing else is said.
    pub(super) fn calm_links(&self) -> Vec<LinkId> {
        self.links.keys().copied().filter(|id| self.is_calm(*id) && self.is_watched(*id)).collect()
    }

    /// When the next beat comes on such a link, as it is promised now.
    pub(super) fn calm_pause(link: &Link) -> Duration {
        PAUSES.doubled(link.watch.calm)
    }

    /// A beat was said on a link: if it is such a one the next is not due before.
    pub(super) fn stay_calm(&mut self, id: LinkId) {
        if !self.is_watched(id) {
            return self.timers.cancel(&Timer::Calm(id));
        }
        if let Some(pause) = self.links.get(&id).filter(|_| self.is_calm(id)).map(Self::calm_pause) {
            self.set_timer(Timer::Calm(id), pause);
        }
    }

    /// It is time for one.
    pub(in crate::node) fn beat_calmly(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.watch.calm = link.watch.calm.saturating_add(1);
        if self.may_disturb(id) {
            self.beat_now(id, BeatFlags::default());
        } else {
            self.stay_calm(id);
        }
    }
}
