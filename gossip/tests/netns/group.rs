//! Five hosts, and waiting for what they are told.

use std::time::{Duration, Instant};

use gossip::proto::node::PeerStatus;
use serde_json::json;
use tempfile::TempDir;

use crate::Outcome;
use crate::host::{Host, name, start};
use crate::network::{RELAY, address};
use crate::process::Process;
use crate::program::print;
use crate::told::{Moment, Told, now};

/// The hosts.
pub(crate) const ALL: [usize; 5] = [1, 2, 3, 4, 5];

/// Whatever must come, comes within.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(10);

pub(crate) struct Group {
    hosts: Vec<Host>,
    relay: Option<Process>,
    question: u64,
    written: u64,
    begun: Moment,
    _directory: TempDir,
}

impl Group {
    /// Processes of which all but the first know where the first is, and nothing else.
    pub(crate) fn start(through_relay: bool) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let relay = if through_relay { Some(start_relay()?) } else { None };
        let mut hosts: Vec<Host> = Vec::new();
        for number in ALL {
            let store = directory.path().join(name(number));
            hosts.push(Host::new(number, config(number, &store.display().to_string(), through_relay)));
        }
        let mut group = Self { hosts, relay, question: 0, written: 0, begun: now(), _directory: directory };
        for number in ALL {
            group.restart(number)?;
        }
        Ok(group)
    }

    /// Starts the process of a host, and waits until its node runs.
    pub(crate) fn restart(&mut self, number: usize) -> Outcome<Moment> {
        let begin = now();
        self.host_mut(number).start()?;
        self.until("the node runs", |group| group.host(number).is_up())?;
        Ok(begin)
    }

    pub(crate) fn host(&self, number: usize) -> &Host {
        &self.hosts[number - 1]
    }

    pub(crate) fn host_mut(&mut self, number: usize) -> &mut Host {
        &mut self.hosts[number - 1]
    }

    /// Says something to the relay.
    pub(crate) fn relay(&mut self, order: &str) -> Outcome {
        self.relay.as_mut().ok_or("there is no relay")?.say(order)
    }

    /// Those of them whose process is there.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.runs())
    }

    pub(crate) fn others(&self, than: usize) -> impl Iterator<Item = &Host> {
        self.running().filter(move |host| host.number != than)
    }

    /// Has each of these write an entry; gives them.
    pub(crate) fn write(&mut self, hosts: &[usize]) -> Outcome<Vec<String>> {
        let mut texts = Vec::new();
        for number in hosts {
            self.written += 1;
            let text = format!("{} of {}", self.written, name(*number));
            self.host_mut(*number).say(&format!("append {text}"))?;
            texts.push(text);
        }
        Ok(texts)
    }

    /// Waits until all who run have these entries; gives when the last one had the last.
    pub(crate) fn delivered(&mut self, texts: &[String]) -> Outcome<Moment> {
        self.until("all have all entries", |group| group.all_have(texts))?;
        let arrived = self.running().flat_map(|host| texts.iter().filter_map(|text| host.has(text)));
        Ok(arrived.max().unwrap_or_else(now))
    }

    fn all_have(&self, texts: &[String]) -> bool {
        self.running().all(|host| texts.iter().all(|text| host.has(text).is_some()))
    }

    /// Waits until all others call a host this; gives when the last one did.
    pub(crate) fn called(&mut self, number: usize, what: PeerStatus, since: Moment) -> Outcome<Moment> {
        let (of, wanted) = (name(number), format!("all others call {} {what:?}", name(number)));
        let first = |host: &Host| host.calls(&of, what, since).first().copied();
        self.until(&wanted, |group| group.others(number).all(|host| first(host).is_some()))?;
        Ok(self.others(number).filter_map(first).max().unwrap_or_else(now))
    }

    /// Waits until each of both sides calls each of the other unreachable.
    pub(crate) fn parted(&mut self, few: &[usize], most: &[usize], since: Moment) -> Outcome {
        let told = |group: &Self, by: &[usize], of: &[usize]| {
            let pairs = by.iter().flat_map(|by| of.iter().map(move |of| (*by, *of)));
            pairs
                .into_iter()
                .all(|pair| group.count(&[pair.0], &[pair.1], PeerStatus::Unreachable, since) > 0)
        };
        self.until("both sides call the other unreachable", |group| {
            told(group, few, most) && told(group, most, few)
        })
    }

    /// Waits until all who run know, reach and are linked to all who run, and nobody else.
    pub(crate) fn whole(&mut self) -> Outcome {
        self.until_seen("all know, reach and are linked to all", |group, question| {
            group.running().all(|host| group.is_whole(host, question))
        })
    }

    fn is_whole(&self, host: &Host, question: u64) -> bool {
        let Some(picture) = host.picture(question) else { return false };
        let mut alive = picture.members.iter().filter(|member| member.alive).map(|member| &member.id);
        let peers: Vec<String> = self.others(host.number).map(Host::name).collect();
        picture.members.iter().filter(|member| member.alive).count() == peers.len() + 1
            && alive.all(|id| *id == host.name() || peers.contains(id))
            && peers
                .iter()
                .all(|peer| picture.linked.contains(peer) && host.status(peer) == Some(PeerStatus::Reachable))
    }

    /// How often somebody called somebody this, since then.
    pub(crate) fn count(&self, by: &[usize], of: &[usize], what: PeerStatus, since: Moment) -> usize {
        let pairs = by.iter().flat_map(|by| of.iter().map(move |of| (*by, *of)));
        pairs.map(|(by, of)| self.host(by).calls(&name(of), what, since).len()).sum()
    }

    /// As which incarnation a host is known.
    pub(crate) fn incarnation(&self, by: usize, of: usize) -> Option<u64> {
        let members = &self.host(by).newest_picture().members;
        members.iter().find(|member| member.id == name(of)).map(|member| member.incarnation)
    }

    /// Listens for so long. That nothing is told meanwhile is what is looked at afterwards.
    pub(crate) fn listen_for(&mut self, time: Duration) -> Outcome {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.listen()?;
        }
        Ok(())
    }

    fn listen(&mut self) -> Outcome {
        self.hosts.iter_mut().try_for_each(|host| host.listen(GLANCE))
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Outcome {
        let begin = Instant::now();
        self.listen()?;
        while !holds(self) {
            if begin.elapsed() > PATIENCE {
                self.describe()?;
                return Err(format!("waited in vain until {what}").into());
            }
            self.listen()?;
        }
        Ok(())
    }

    /// The same, of something for which all have to be asked.
    fn until_seen(&mut self, what: &str, holds: impl Fn(&Self, u64) -> bool) -> Outcome {
        let begin = Instant::now();
        loop {
            let question = self.ask()?;
            self.until("all answer", |group| group.running().all(|host| host.picture(question).is_some()))?;
            if holds(self, question) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                self.describe()?;
                return Err(format!("waited in vain until {what}").into());
            }
            self.listen()?;
        }
    }

    fn ask(&mut self) -> Outcome<u64> {
        self.question += 1;
        let question = format!("status {}", self.question);
        self.hosts.iter_mut().filter(|host| host.runs()).try_for_each(|host| host.say(&question))?;
        Ok(self.question)
    }

    /// Everything that was told, for whoever has to find out why.
    pub(crate) fn describe(&self) -> Outcome {
        for host in self.running() {
            print(&format!("---- {}: {:?}", host.name(), host.newest_picture()))?;
            for line in host.told() {
                let at = line.at.saturating_sub(self.begun) as f64 / 1e3;
                match &line.told {
                    Told::Status { peer, status } => print(&format!("{at:9.3}  {peer} {status:?}"))?,
                    Told::Trouble { detail } => print(&format!("{at:9.3}  {detail}"))?,
                    told => print(&format!("{at:9.3}  {told:?}"))?,
                }
            }
        }
        Ok(())
    }
}

fn start_relay() -> Outcome<Process> {
    let relay = start(RELAY, &["child-relay"])?;
    match relay.line()?.as_deref() {
        Some("up") => Ok(relay),
        other => Err(format!("the relay says {other:?}").into()),
    }
}

/// Nothing but where things are: everything else is as it is by default.
fn config(number: usize, store: &str, through_relay: bool) -> String {
    let place = |number: usize| match through_relay {
        true => format!("tcp://{}:{}", address(RELAY), 7400 + number),
        false => format!("tcp://{}:7400", address(number)),
    };
    let advertise = if through_relay { vec![place(number)] } else { Vec::new() };
    let connect = if number == 1 { Vec::new() } else { vec![place(1)] };
    // Half of them listen everywhere, and have to find out where that is.
    let listen =
        if number.is_multiple_of(2) { "0.0.0.0:7400".into() } else { format!("{}:7400", address(number)) };
    json!({
        "node_id": name(number),
        "store": { "kind": "redb", "path": store },
        "transport": [{ "kind": "tcp", "listen": listen }],
        "connect": connect,
        "config": { "advertise": advertise },
    })
    .to_string()
}
