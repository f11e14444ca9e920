//! Several links to one peer, on which different streams are exchanged.

use gossip_proto::NewPayload;
use gossip_proto::node::{Command, CommandId, Input, LinkId, LinkLimits, Query, Reply, Streams, SyncRule};

use crate::choice::{choice, except, held, named, only, started, write};
use crate::host::{Host, channel};

/// As both see them; what they cost only the phone knows.
const MOBILE: u64 = 1;
const HOME: u64 = 2;
const EXPENSIVE: u8 = 60;

/// For expensive links.
fn dear(streams: Streams) -> SyncRule {
    SyncRule { min_cost: Some(50), streams, ..SyncRule::default() }
}

fn connect(phone: &mut Host, home: &mut Host, link: u64) {
    connect_by(phone, home, link, 1 << 20);
}

/// Over frames of so many bytes.
fn connect_by(phone: &mut Host, home: &mut Host, link: u64, max_frame: usize) {
    let limits = |cost| LinkLimits { max_frame, ordered: true, reliable: true, notices_loss: false, cost };
    let cost = if link == MOBILE { EXPENSIVE } else { 1 };
    phone.give(Input::LinkUp { peer: home.id(), link: LinkId(link), limits: limits(cost) });
    home.give(Input::LinkUp { peer: phone.id(), link: LinkId(link), limits: limits(1) });
}

/// Lets both talk over all links but one that loses everything.
fn talk(phone: &mut Host, home: &mut Host, lost: Option<u64>, millis: u64) {
    let is_lost = |link: LinkId| Some(link.0) == lost;
    for _ in 0..millis {
        let (there, back) = (std::mem::take(&mut phone.sent), std::mem::take(&mut home.sent));
        for (link, bytes) in there.into_iter().filter(|(link, _)| !is_lost(*link)) {
            home.give(Input::Frame { link, bytes });
        }
        for (link, bytes) in back.into_iter().filter(|(link, _)| !is_lost(*link)) {
            phone.give(Input::Frame { link, bytes });
        }
        phone.pass(1000);
        home.pass(1000);
    }
}

/// Whether each sees the other once, and the same everywhere.
fn agrees(host: &mut Host) -> bool {
    match host.must(Command::Query(Query::Sync(None))) {
        Reply::Sync(status) => {
            assert_eq!(status.len(), 1, "{status:?}");
            status[0].in_sync
        }
        other => panic!("{other:?}"),
    }
}

/// A phone with these rules and both links to its home, where there are some streams; at rest.
fn pair(version: u8, rules: &[SyncRule]) -> [Host; 2] {
    let [mut phone, mut home] = [started("phone", version), started("home", version)];
    let mut chosen = choice(Streams::All);
    chosen.rules = rules.to_vec();
    phone.must(Command::SetSync(chosen));
    for host in [&mut phone, &mut home] {
        for stream in ["calls", "photos"] {
            write(host, stream);
        }
    }
    connect(&mut phone, &mut home, MOBILE);
    connect(&mut phone, &mut home, HOME);
    talk(&mut phone, &mut home, None, 5_000);
    [phone, home]
}

fn held_by(hosts: &mut [Host; 2], stream: &str) -> [Option<u64>; 2] {
    hosts.each_mut().map(|host| held(host, stream))
}

/// What is written reaches the other one at once, whichever link the writer would speak on, and whether
/// it is one link that exchanges everything, or both together.
#[test]
fn whatever_is_left_out_on_one_link_comes_live_over_the_other() {
    let all = SyncRule::default();
    let but = SyncRule { streams: except(&["calls"]), ..SyncRule::default() };
    for version in [1, 2] {
        for rules in [
            vec![dear(only(&["calls"])), all.clone()],
            vec![dear(except(&["photos"])), all.clone()],
            vec![dear(Streams::None), all.clone()],
            vec![dear(only(&["calls"])), but.clone()],
            vec![dear(except(&["photos"])), but.clone()],
        ] {
            let mut hosts = pair(version, &rules);
            let what = format!("version {version}, {rules:?}");
            assert_eq!(held_by(&mut hosts, "photos"), [Some(2); 2], "{what}");
            for (at, stream, entries) in
                [(0, "photos", 3), (1, "photos", 4), (0, "calls", 3), (1, "calls", 4)]
            {
                write(&mut hosts[at], stream);
                let [phone, home] = &mut hosts;
                talk(phone, home, None, 3);
                assert_eq!(held_by(&mut hosts, stream), [Some(entries); 2], "{what}: {stream} of {at}");
            }
            let [phone, home] = &mut hosts;
            talk(phone, home, None, 3_000);
            assert!(agrees(phone) && agrees(home), "{what}");
        }
    }
}

/// Two links that together exchange everything agree when both do; and when one is gone, about the rest.
#[test]
fn a_peer_is_in_sync_when_it_is_on_all_links_that_are_needed() {
    let rules = [dear(only(&["calls"])), SyncRule { streams: except(&["calls"]), ..SyncRule::default() }];
    let [mut phone, mut home] = pair(2, &rules);
    write(&mut home, "photos");
    let wait = Command::WaitSynced { channel: channel(), peer: Some(phone.id()) };
    home.give(Input::Command { id: CommandId(1_000), command: wait.clone() });
    talk(&mut phone, &mut home, Some(HOME), 3_000);
    assert!(!agrees(&mut home), "the photo is on its way");
    assert!(home.reply(1_000).is_none());
    talk(&mut phone, &mut home, None, 10_000);
    assert!(agrees(&mut home) && agrees(&mut phone) && home.reply(1_000).is_some());
    assert_eq!(held(&mut phone, "photos"), Some(3));
    // What is only exchanged on a link that is gone does not count.
    for host in [&mut phone, &mut home] {
        host.give(Input::LinkDown { link: LinkId(HOME) });
        write(host, "photos");
        write(host, "calls");
    }
    talk(&mut phone, &mut home, None, 5_000);
    assert!(agrees(&mut home) && agrees(&mut phone));
    assert_eq!([held(&mut phone, "calls"), held(&mut phone, "photos")], [Some(4), Some(4)]);
    connect(&mut phone, &mut home, HOME);
    talk(&mut phone, &mut home, None, 5_000);
    assert!(agrees(&mut home) && agrees(&mut phone));
    assert_eq!([held(&mut home, "photos"), held(&mut phone, "photos")], [Some(5), Some(5)]);
}

/// Over the link that is spoken on first of all, the message would be of no channel.
#[test]
fn pieces_that_were_lost_are_asked_for_where_the_others_came() {
    let [mut phone, mut home] = pair(2, &[dear(Streams::None)]);
    for host in [&mut phone, &mut home] {
        host.give(Input::LinkDown { link: LinkId(HOME) });
    }
    connect_by(&mut phone, &mut home, HOME, 300);
    talk(&mut phone, &mut home, None, 5_000);
    let payloads = vec![NewPayload::new(vec![7; 3_000])];
    phone.must(Command::Append { channel: channel(), stream: named("photos"), payloads });
    assert!(phone.sent.len() > 10, "{} pieces", phone.sent.len());
    phone.sent.remove(3);
    talk(&mut phone, &mut home, None, 10);
    assert_eq!(held(&mut home, "photos"), Some(2), "one piece is missing");
    talk(&mut phone, &mut home, None, 500);
    assert_eq!(held(&mut home, "photos"), Some(3));
}
