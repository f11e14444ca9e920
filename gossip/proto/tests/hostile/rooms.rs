//! Room that is kept for a peer which has nothing to give.

use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, Beacon, ChannelTag, Content, Delta, DigestTag, Equal, Hello, Message, More, Nonce, Offer, OfferLog,
    Scope, SketchMessage,
};
use gossip_proto::{Check, Epoch, NodeId};

use crate::host::{Host, channel, stream, talk};
use crate::lies::say;
use crate::siege::meet;

/// Links to the peer that gives nothing, and to one that has something.
const IDLE: u64 = 1;
const BUSY: u64 = 2;

/// A node with room for one answer at a time, which it keeps for one peer while another one has something.
struct Scene {
    victim: Host,
    /// Who gives nothing.
    peer: Host,
    idle: ChannelTag,
    probe: SketchMessage,
}

impl Scene {
    fn new() -> Self {
        let bounds =
            NodeConfig { window_bytes: 64 << 10, store_budget_bytes: 64 << 10, ..NodeConfig::default() };
        let mut victim = Host::speaking("victim", bounds, 2);
        victim.must(Command::Start);
        victim.append(10);
        let ((peer, idle), (_, busy)) = (link(&mut victim, "idle", IDLE), link(&mut victim, "busy", BUSY));
        victim.sent.clear();
        let mut scene = Self { victim, peer, idle, probe: placeholder(idle) };
        let beacon = Beacon { tag: idle, mine: DigestTag([9; 16]), yours: None };
        scene.say(IDLE, Message::Beacon(beacon));
        let probes = scene.heard(IDLE).into_iter().filter_map(|message| match message {
            Message::Sketch(sketch) => Some(sketch),
            _ => None,
        });
        scene.probe = probes.last().expect("a probe");
        assert_eq!(scene.probe.room, 64);
        scene.say(BUSY, offer(busy));
        assert!(!scene.asks(), "there is no room");
        scene
    }

    fn say(&mut self, link: u64, message: Message) {
        self.victim.give(Input::Frame { link: LinkId(link), bytes: say(message) });
    }

    /// What the victim said on a link since it was last asked on any.
    fn heard(&mut self, link: u64) -> Vec<Message> {
        let read = |frame| match wire::read(&frame) {
            Ok(Content::Whole(message)) => message,
            other => panic!("{other:?}"),
        };
        self.victim.take_sent(link).into_iter().map(read).collect()
    }

    /// Whether the peer that has something was asked for it.
    fn asks(&mut self) -> bool {
        self.heard(BUSY).iter().any(|message| matches!(message, Message::Ask(_)))
    }
}

/// Links a node to a new one, which has nothing to give; the name of their channel.
fn link(victim: &mut Host, name: &str, link: u64) -> (Host, ChannelTag) {
    let mut peer = Host::speaking(name, NodeConfig::default(), 2);
    peer.must(Command::Start);
    meet(victim, &mut peer, link, 1 << 20);
    let frames = talk(victim, &mut peer, link, 2_000);
    let of = |frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Sketch(sketch))) => Some(sketch.tag),
        _ => None,
    };
    (peer, frames.iter().find_map(of).expect("a channel"))
}

fn placeholder(tag: ChannelTag) -> SketchMessage {
    let (mine, kind, cells) = (DigestTag([0; 16]), wire::Kind::Heights, Vec::new());
    SketchMessage { tag, mine, serial: 0, room: 0, kind, turn: 0, logs: 0, from: 0, estimate: None, cells }
}

fn offer(tag: ChannelTag) -> Message {
    let log = OfferLog {
        stream: 0,
        author: 0,
        epoch: Epoch::new(1, 1),
        branch: None,
        height: 5,
        check: Check([1; 8]),
        floor: 0,
    };
    Message::Offer(Offer {
        tag,
        mine: DigestTag([8; 16]),
        range: None,
        refused: Vec::new(),
        streams: vec![stream()],
        authors: vec![NodeId::new("far").unwrap()],
        logs: vec![log],
    })
}

/// What a peer may answer that gives nothing.
fn answers(probe: &SketchMessage) -> Vec<(&'static str, Message)> {
    let (tag, serial) = (probe.tag, probe.serial);
    let equal = Equal { tag, digest: probe.mine.short() };
    let beacon = Beacon { tag, mine: probe.mine, yours: None };
    let scope = Scope { tag, turn: 0, only: false, keys: None };
    let (names, floors, runs) = Default::default();
    let end = Delta { tag, serial: serial.into(), end: true, names, floors, runs };
    let cells = vec![wire::Cell { s1: 3, s2: 77 }; 9];
    let less =
        SketchMessage { mine: DigestTag([9; 16]), logs: 1, room: 0, estimate: None, cells, ..probe.clone() };
    let Message::Offer(heights) = offer(tag) else { panic!("an offer") };
    vec![
        ("equal", Message::Equal(equal)),
        ("beacon", Message::Beacon(beacon)),
        ("scope", Message::Scope(scope)),
        ("end", Message::Runs(end)),
        ("cells", Message::Sketch(less)),
        ("heights", Message::Offer(Offer { range: Some((None, None)), logs: Vec::new(), ..heights })),
    ]
}

#[test]
fn an_answer_that_brings_nothing_frees_the_room_for_others_at_once() {
    let probe = Scene::new().probe;
    for at in 0..answers(&probe).len() {
        let mut scene = Scene::new();
        let (what, message) = answers(&scene.probe.clone()).swap_remove(at);
        scene.say(IDLE, message);
        assert!(scene.asks(), "{what}");
    }
}

/// Something of ours overtook the answer: it still says that the peer had nothing to give.
#[test]
fn agreement_on_what_we_held_before_frees_the_room_too() {
    let mut scene = Scene::new();
    let equal = Equal { tag: scene.idle, digest: scene.probe.mine.short() };
    scene.victim.append(10);
    assert!(!scene.asks());
    scene.say(IDLE, Message::Equal(Equal { digest: [7; 8], ..equal.clone() }));
    assert!(!scene.asks(), "that is about something else");
    scene.say(IDLE, Message::Equal(equal));
    assert!(scene.asks());
}

#[test]
fn a_session_that_begins_anew_frees_the_room() {
    let mut scene = Scene::new();
    let hello = Hello {
        min_version: 1,
        max_version: 2,
        node: scene.peer.id(),
        scheme: 0,
        nonce: Nonce([5; 16]),
        echo: None,
        complete: false,
        paused: false,
    };
    scene.say(IDLE, Message::Hello(hello));
    assert!(scene.asks());
}

#[test]
fn a_channel_that_the_peer_leaves_frees_the_room() {
    let mut scene = Scene::new();
    scene.peer.must(Command::RemoveChannel { channel: channel() });
    for _ in 0..200 {
        for frame in scene.peer.take_sent(IDLE) {
            scene.victim.give(Input::Frame { link: LinkId(IDLE), bytes: frame });
        }
        for (link, frame) in std::mem::take(&mut scene.victim.sent) {
            match wire::read(&frame) {
                Ok(Content::Whole(Message::Ask(_))) if link.0 == BUSY => return,
                _ if link.0 == IDLE => scene.peer.give(Input::Frame { link, bytes: frame }),
                _ => {}
            }
        }
        [&mut scene.victim, &mut scene.peer].into_iter().for_each(|host| host.pass(1_000));
    }
    panic!("the room is still kept");
}

/// The trip may be shorter than it seemed: were what follows not sent at once, both would begin anew for ever.
#[test]
fn further_cells_are_sent_at_once_and_the_same_ones_are_not() {
    let mut scene = Scene::new();
    let (tag, serial) = (scene.idle, scene.probe.serial);
    let mut told = |from: u32, upto: u32| {
        scene.say(IDLE, Message::More(More { tag, serial, from, upto }));
        let sketches = scene.heard(IDLE).into_iter().filter_map(|message| match message {
            Message::Sketch(sketch) => Some(sketch.from),
            _ => None,
        });
        sketches.collect::<Vec<_>>()
    };
    assert_eq!(told(0, 16), [0]);
    assert_eq!(told(16, 32), [16]);
    assert_eq!(told(16, 32), [0; 0], "they are on their way");
    assert_eq!(told(32, 56), [32]);
}
