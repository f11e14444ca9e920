//! Started, paused, stopped, shut down: in order, out of order, quickly, at once.

use std::time::Duration;

use gossip::proto::wire::Message;
use gossip::{BuildError, Config, Coordinator, Error, Event, NodeState};

use crate::tap::Tap;
use crate::wait::{events_until, eventually};
use crate::world::{Device, World, converge, in_sync};

on_every_pair! {
    behaviour_23_pause_stops_fetching_and_resume_catches_up,
    a_storm_of_state_changes_from_many_tasks_loses_nothing,
}

on_every_wire! {
    behaviour_23_steps_out_of_order_are_errors_and_shutdown_is_final,
    defect_b12_quick_pauses_and_restarts_multiply_no_loop,
    defect_b13_after_a_pause_everything_is_answered_once,
    defect_b30_running_is_claimed_when_true_and_ports_are_closed,
}

async fn behaviour_23_pause_stops_fetching_and_resume_catches_up(world: World) {
    let world = world.only_linked();
    // Ann compares often, so that a node that is not paused would soon find something to ask for.
    let mut config = world.config();
    config.node.round_max = Duration::from_millis(50);
    let ann = world.device_with("ann", |builder| builder.config(config)).await;
    let [bob, cat] = world.devices(["bob", "cat"]).await;
    world.chain(&[&ann, &bob, &cat]).await;
    bob.write(1).await;
    converge(&[&ann, &bob, &cat], 1).await;
    in_sync(&ann, &bob).await;
    bob.node.pause().await.unwrap();
    eventually("ann is told", async || ann.peer(&bob).await.unwrap().paused).await;
    eventually("cat is told", async || cat.peer(&bob).await.unwrap().paused).await;
    bob.tap.clear();
    ann.tap.clear();
    // Too large to be pushed: it would have to be asked for.
    ann.stream().await.append(vec![7; 70_000]).await.unwrap();
    bob.write(2).await;
    eventually("ann compares", async || ann.tap.all() >= 5).await;
    heard_all(&ann, &bob).await;
    let asks = |message: &Message| matches!(message, Message::Want(_) | Message::Ask(_));
    assert_eq!(bob.tap.count(asks), 0, "a paused node asked");
    let pushed = |message: &Message| match message {
        Message::Push(_) => true,
        Message::Runs(runs) => runs.serial == 0,
        _ => false,
    };
    assert_eq!(bob.tap.count(pushed), 0, "a paused node pushed");
    bob.node.resume().await.unwrap();
    converge(&[&ann, &bob, &cat], 4).await;
}

/// Waits until everything one said so far was heard by the other.
async fn heard_all(one: &Device, other: &Device) {
    let said = one.peer(other).await.unwrap().links[0].traffic.frames_sent;
    eventually("all was heard", async || {
        other.peer(one).await.unwrap().links[0].traffic.frames_received >= said
    })
    .await;
}

async fn behaviour_23_steps_out_of_order_are_errors_and_shutdown_is_final(world: World) {
    let ann = world.device("ann").await;
    let node = &ann.node;
    let refused = |result: Result<(), Error>, at: NodeState| match result {
        Err(Error::State { state }) => assert_eq!(state, at),
        other => panic!("at {at:?}: {other:?}"),
    };
    refused(node.start().await, NodeState::Running);
    refused(node.resume().await, NodeState::Running);
    node.pause().await.unwrap();
    refused(node.pause().await, NodeState::Paused);
    refused(node.start().await, NodeState::Paused);
    node.stop().await.unwrap();
    for result in [node.stop().await, node.pause().await, node.resume().await] {
        refused(result, NodeState::Stopped);
    }
    let stream = ann.stream().await;
    stream.append("while stopped").await.unwrap();
    let mut events = node.events();
    node.shutdown().await.unwrap();
    node.shutdown().await.unwrap();
    assert_eq!(events.next_event().await, Some(Event::StateChanged(NodeState::ShutDown)));
    assert_eq!(events.next_event().await, None, "told to the end");
    for result in [node.start().await, node.stop().await, node.pause().await, node.resume().await] {
        refused(result, NodeState::ShutDown);
    }
    refused(stream.append("too late").await.map(|_| ()), NodeState::ShutDown);
    refused(stream.read_all().await.map(|_| ()), NodeState::ShutDown);
    refused(node.channels().await.map(|_| ()), NodeState::ShutDown);
    assert_eq!(node.state(), NodeState::ShutDown);
}

async fn a_storm_of_state_changes_from_many_tasks_loses_nothing(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    bob.stream().await;
    let storm = |seed: usize, node: Coordinator| async move {
        for step in 0..10 {
            // Any of them may be refused: the others are at it as well.
            let _ = match (seed + step) % 4 {
                0 => node.pause().await,
                1 => node.resume().await,
                2 => node.stop().await,
                _ => node.start().await,
            };
        }
    };
    let storms: Vec<_> = (0..4).map(|seed| tokio::spawn(storm(seed, ann.node.clone()))).collect();
    tokio::join!(ann.write(30), bob.write(10));
    for storm in storms {
        storm.await.unwrap();
    }
    match ann.node.state() {
        NodeState::Stopped => world.start(&ann).await,
        NodeState::Paused => ann.node.resume().await.unwrap(),
        _ => {}
    }
    world.mend(&ann, &bob).await;
    converge(&[&ann, &bob], 40).await;
}

/// Two linked devices that compare and probe often.
async fn busy_pair(world: &World, names: [&str; 2]) -> [Device; 2] {
    let mut config = world.config();
    config.node.keepalive = Duration::from_millis(40);
    config.node.round_max = Duration::from_millis(40);
    let one = world.device_with(names[0], |builder| builder.config(config.clone())).await;
    let other = world.device_with(names[1], |builder| builder.config(config)).await;
    world.link(&one, &other).await;
    one.write(1).await;
    converge(&[&one, &other], 1).await;
    in_sync(&one, &other).await;
    [one, other]
}

async fn defect_b12_quick_pauses_and_restarts_multiply_no_loop(world: World) {
    let [ann, bob] = busy_pair(&world, ["ann", "bob"]).await;
    let [cat, dan] = busy_pair(&world, ["cat", "dan"]).await;
    for _ in 0..100 {
        ann.node.pause().await.unwrap();
        ann.node.resume().await.unwrap();
    }
    for _ in 0..5 {
        ann.node.stop().await.unwrap();
        world.start(&ann).await;
    }
    ann.reaches(&bob).await;
    bob.reaches(&ann).await;
    in_sync(&ann, &bob).await;
    for tap in [&ann.tap, &bob.tap, &cat.tap, &dan.tap] {
        tap.clear();
    }
    // The undisturbed pair is the clock: both pairs have the same work to do.
    eventually("the others have said enough", async || cat.tap.all() + dan.tap.all() >= 100).await;
    let (disturbed, reference) = (ann.tap.all() + bob.tap.all(), cat.tap.all() + dan.tap.all());
    assert!(disturbed <= 3 * reference, "{disturbed} messages where {reference} do");
    ann.write(1).await;
    converge(&[&ann, &bob], 2).await;
}

async fn defect_b13_after_a_pause_everything_is_answered_once(world: World) {
    let [ann, bob] = busy_pair(&world, ["ann", "bob"]).await;
    for _ in 0..10 {
        bob.node.pause().await.unwrap();
        bob.node.resume().await.unwrap();
    }
    let pings = |tap: &Tap| {
        numbers(tap, |message| match message {
            Message::Ping(number, ..) => Some(*number),
            _ => None,
        })
    };
    eventually("ann asked often", async || pings(&ann.tap).len() >= 10).await;
    let answers = numbers(&bob.tap, |message| match message {
        Message::Pong(number, ..) => Some(*number),
        _ => None,
    });
    let asked = pings(&ann.tap);
    assert!(answers.len() >= 5, "{answers:?}");
    for number in &answers {
        assert_eq!(answers.iter().filter(|other| *other == number).count(), 1, "answered twice");
        assert!(asked.contains(number));
    }
}

fn numbers(tap: &Tap, number: impl Fn(&Message) -> Option<u64>) -> Vec<u64> {
    tap.sent().iter().filter_map(number).collect()
}

async fn defect_b30_running_is_claimed_when_true_and_ports_are_closed(world: World) {
    let ann = world.device("ann").await;
    let mut events = ann.events();
    for _ in 0..3 {
        ann.node.stop().await.unwrap();
        assert!(ann.node.local_addresses().is_empty(), "a port stayed open");
        ann.node.start().await.unwrap();
        assert!(!ann.node.local_addresses().is_empty(), "running without a port");
    }
    ann.node.shutdown().await.unwrap();
    assert!(ann.node.local_addresses().is_empty());
    let is_end = |event: &Event| *event == Event::StateChanged(NodeState::ShutDown);
    let told = events_until(&mut events, is_end).await;
    let running = told.iter().filter(|event| **event == Event::StateChanged(NodeState::Running));
    assert_eq!(running.count(), 3);
    // The name and the store are free again: the same can be built once more.
    let ann = world.device_on("ann", ann.shelf, |builder| builder).await;
    assert_eq!(ann.node.state(), NodeState::Running);
}

#[tokio::test]
async fn defect_b29_settings_that_make_no_sense_are_refused() {
    type Spoil = fn(&mut Config);
    let spoils: [Spoil; 10] = [
        |config| config.node.round_min = Duration::ZERO,
        |config| config.node.round_max = Duration::from_millis(1),
        |config| config.node.keepalive = Duration::ZERO,
        |config| config.node.payload_limit = 0,
        |config| config.node.payload_limit = u64::MAX,
        |config| config.node.window_bytes = 10,
        |config| config.node.message_bytes = 100,
        |config| config.events = 0,
        |config| config.outbox_frames = 0,
        |config| config.read_lanes = 1000,
    ];
    for (at, spoil) in spoils.iter().enumerate() {
        let mut config = Config::default();
        spoil(&mut config);
        let built = Coordinator::builder().config(config).build().await;
        assert!(matches!(built, Err(BuildError::Config(_))), "spoil {at}: {built:?}");
    }
}
