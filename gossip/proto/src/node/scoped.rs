//! What is compared on each link: the streams of a channel that neither side leaves out.
//!
//! On most links that is everything, and nothing is kept for them. For the others there is a digest of their
//! own, which moves with the whole one, so that however many streams are left out nothing is added up again.

use std::collections::BTreeMap;

use super::LinkId;
use super::left_out::LeftOut;
use super::model::{Channel, Stream};
use crate::StreamId;
use crate::digest::{Sum, stream_key};
use crate::wire::{DigestTag, MAX_SCOPE, StreamKey};

/// The digests of a channel.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// Over all streams that are not refused here.
    whole: Sum,
    /// Links on which something is left out.
    links: BTreeMap<LinkId, Scoped>,
    /// How often a digest was added up anew.
    #[cfg(test)]
    pub(super) counted: usize,
}

/// Of one link.
#[derive(Debug)]
struct Scoped {
    ours: LeftOut,
    theirs: LeftOut,
    /// Over the streams that neither leaves out.
    sum: Sum,
}

impl Scoped {
    fn has(&self, stream: &StreamKey) -> bool {
        !self.ours.has(stream) && !self.theirs.has(stream)
    }
}

impl Scopes {
    /// A stream's part of the digests changes.
    pub(super) fn count(&mut self, stream: &StreamKey, less: &Sum, more: &Sum) {
        let links = self.links.values_mut().filter(|scoped| scoped.has(stream));
        for sum in links.map(|scoped| &mut scoped.sum).chain([&mut self.whole]) {
            sum.subtract(less);
            sum.add(more);
        }
    }

    /// Whether nothing is left out on a link.
    pub(super) fn is_whole(&self, link: LinkId) -> bool {
        !self.links.contains_key(&link)
    }

    /// Whether neither side of a link leaves a stream out.
    pub(super) fn has(&self, link: LinkId, stream: &StreamKey) -> bool {
        self.links.get(&link).is_none_or(|scoped| scoped.has(stream))
    }

    /// Whether a link compares all that another one does, as far as that is cheap to tell.
    pub(super) fn covers(&self, link: LinkId, other: LinkId) -> bool {
        let Some(scoped) = self.links.get(&link) else { return true };
        let Some(other) = self.links.get(&other) else { return false };
        scoped.ours.is_within(&other.ours) && scoped.theirs.is_within(&other.theirs)
    }

    /// What we leave out on a link, and what they do.
    pub(super) fn left_out(&self, link: LinkId) -> [Option<&LeftOut>; 2] {
        let scoped = self.links.get(&link);
        [scoped.map(|scoped| &scoped.ours), scoped.map(|scoped| &scoped.theirs)]
    }

    /// Whether we leave a stream out on a link.
    pub(super) fn leaves_out(&self, link: LinkId, stream: &StreamKey) -> bool {
        self.links.get(&link).is_some_and(|scoped| scoped.ours.has(stream))
    }

    /// Names what the speaker of two sides leaves out, and what it thinks that the listener does.
    pub(super) fn turn(&self, link: LinkId, we_speak: bool) -> u64 {
        let [ours, theirs] = self.left_out(link).map(|side| side.map_or(0, LeftOut::turn));
        let (speaker, listener) = if we_speak { (ours, theirs) } else { (theirs, ours) };
        speaker.wrapping_add(listener.rotate_left(32))
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Over what is compared on a link.
    fn sum(&self, link: LinkId) -> &Sum {
        self.links.get(&link).map_or(&self.whole, |scoped| &scoped.sum)
    }
}

impl Channel {
    /// What is said on a link of what is compared on it, and of who leaves out what.
    pub(super) fn digest_on(&self, link: LinkId, initiator: bool) -> DigestTag {
        debug_assert!(self.is_exact(link), "a digest that is out of step");
        let nothing = Sum::default();
        let [ours, theirs] = self.scopes.left_out(link).map(|side| side.map_or(&nothing, LeftOut::sum));
        self.scopes.sum(link).tag(&self.secret, if initiator { [ours, theirs] } else { [theirs, ours] })
    }

    /// Whether a digest is what it would be if it were added up now. Too slow to be asked of many streams.
    fn is_exact(&self, link: LinkId) -> bool {
        let mut anew = Sum::default();
        self.streams_on(link, true).for_each(|stream| anew.add(&stream.digest));
        self.streams.len() > 64 || anew == *self.scopes.sum(link)
    }

    /// What each side leaves out on a link becomes this. Whether streams came back by that.
    pub(super) fn put_scope(&mut self, link: LinkId, ours: LeftOut, theirs: LeftOut) -> bool {
        let old = self.scopes.links.remove(&link);
        if old.is_none() && ours.is_nothing() && theirs.is_nothing() {
            return false;
        }
        self.sketches.forget_link(link);
        let mut new = Scoped { ours, theirs, sum: Sum::default() };
        let (mut sum, mut is_wider) = (Sum::default(), false);
        for stream in self.streams.values().filter(|stream| new.has(&stream.key)) {
            is_wider |= old.as_ref().is_some_and(|old| !old.has(&stream.key));
            if !stream.record.refused {
                sum.add(&stream.digest);
            }
        }
        new.sum = sum;
        #[cfg(test)]
        (self.scopes.counted += 1);
        if !(new.ours.is_nothing() && new.theirs.is_nothing()) {
            self.scopes.links.insert(link, new);
        }
        is_wider
    }

    /// Leaves out one stream more on a link, of which all but some are to be left out and that cannot be said
    /// so; what that costs depends on nothing else. Whether it was not left out before.
    pub(super) fn leave_out_also(&mut self, link: LinkId, stream: &StreamId) -> bool {
        let known = self.streams.get(stream);
        let key = known.map_or_else(|| stream_key(&self.secret, stream), |stream| stream.key);
        let scoped = self.scopes.links.entry(link).or_insert_with(|| Scoped {
            ours: LeftOut::default(),
            theirs: LeftOut::default(),
            sum: self.scopes.whole,
        });
        if scoped.ours.has(&key) || scoped.ours.listed().len() >= MAX_SCOPE {
            return false;
        }
        if let Some(stream) = known.filter(|stream| scoped.has(&key) && !stream.record.refused) {
            scoped.sum.subtract(&stream.digest);
        }
        scoped.ours.leave_out(&self.secret, key);
        self.sketches.forget_link(link);
        true
    }

    /// Our streams that a link leaves out, or those that it compares.
    pub(super) fn streams_on(&self, link: LinkId, compared: bool) -> impl Iterator<Item = &Stream> {
        let open = self.streams.values().map(Box::as_ref).filter(|stream| !stream.record.refused);
        open.filter(move |stream| self.scopes.has(link, &stream.key) == compared)
    }
}
