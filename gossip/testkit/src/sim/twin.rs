//! A twin: for a while a host runs on a copy of another's disk, so that two devices write as one.
//!
//! Neither knows of the other, so what they write to logs they both go on with is a fork. In the end the
//! copy is set up anew, as the host it was before; what peers took from the twin in the meantime stays.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::{LogId, LogName, Rng};

use super::calendar::Happening;
use super::disk::Volume;
use super::fact::Fact;
use super::plan::{HostPlan, Plan, between, rng_for};
use super::world::World;

/// Seeds in 1,000 with a twin.
const SHARE: u64 = 60;

/// The trouble of two hosts.
#[derive(Debug)]
pub(super) struct Twin {
    rng: Rng,
    host: usize,
    model: usize,
    /// What the host is when it is not the twin; set while it is.
    own: Option<HostPlan>,
}

impl Twin {
    /// For some seeds.
    pub(super) fn draw(plan: &Plan) -> Option<Self> {
        let mut rng = rng_for(plan.seed, 8);
        let count = plan.hosts.len() as u64;
        let host = rng.below(count) as usize;
        let model = (host + 1 + rng.below(count - 1) as usize) % count as usize;
        rng.chance(SHARE).then_some(Self { rng, host, model, own: None })
    }
}

/// Logs whoever starts from this volume may go on with.
fn claimed(volume: &Volume) -> BTreeSet<LogId> {
    let streams = volume.streams.iter();
    let names = streams.filter_map(|((channel, stream), record)| {
        let (channel, stream, author) = (channel.clone(), stream.clone(), volume.record.id.clone());
        record.writer.map(|epoch| LogName { channel, stream, author, epoch, branch: None })
    });
    names.map(|name| name.id()).collect()
}

impl World {
    pub(super) fn plan_twin(&mut self) {
        let length = self.plan.storm_length;
        let Some(twin) = &mut self.twin else { return };
        let mut part = |low, high| length * between(&mut twin.rng, low, high) as u32 / 100;
        let (begins, lasts) = (part(20, 50), part(10, 30));
        let now = self.calendar.now();
        self.calendar.plan(now + begins, Happening::Twin);
        self.calendar.plan(now + begins + lasts, Happening::TwinEnds);
    }

    /// The host goes down and comes up as the other one; later, if it is down.
    pub(super) fn twin_begins(&mut self) {
        let Some(Twin { host, model, own: None, .. }) = self.twin else { return };
        if self.hosts[host].node.is_none() {
            let later = self.calendar.now() + Duration::from_millis(300);
            return self.calendar.plan(later, Happening::Twin);
        }
        self.crash(host, true);
        if self.hosts[host].node.is_some() {
            return;
        }
        self.coverage.hit("twin");
        self.show(host, Fact::Wiped);
        let copy = self.hosts[model].disk.volume.clone();
        let may_fork = claimed(&copy);
        let HostPlan { id, signing, .. } = self.hosts[model].plan.clone();
        let own = self.hosts[host].plan.clone();
        self.hosts[host].disk.restore(copy);
        self.hosts[host].plan = HostPlan { id, signing, ..own.clone() };
        self.show(host, Fact::RolledBack);
        self.show(host, Fact::Restored(&may_fork));
        self.may_fork.extend(may_fork);
        self.twin.iter_mut().for_each(|twin| twin.own = Some(own.clone()));
    }

    /// The host is set up anew as itself.
    pub(super) fn twin_ends(&mut self) {
        let Some(twin) = &mut self.twin else { return };
        let (host, own) = (twin.host, twin.own.take());
        let Some(own) = own else { return };
        self.crash(host, true);
        self.hosts[host].disk.wipe_for(own.id.clone());
        self.hosts[host].plan = own;
        self.show(host, Fact::Wiped);
    }
}
