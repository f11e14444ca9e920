//! Swarms in sizes that take a moment: what nodes hold today and may not lose. All that is aimed at is in the table of
//! the binary `swarm`.

use gossip_testkit::swarm::{Case, Row, Samples, Scenario, Weather, json};

const IDLE: Scenario = Scenario::Idle { seconds: 60, weather: Weather::Fair };

fn case(scenario: Scenario, nodes: usize) -> Case {
    Case { scenario, nodes, loss: 0, seeds: 2 }
}

/// All runs of a case.
fn row(case: Case) -> Row {
    let mut all = Samples::default();
    (1..=case.seeds).for_each(|seed| all.merge(case.run(seed)));
    Row::of(&case, &all)
}

/// A figure is at most this.
#[track_caller]
fn at_most(row: &Row, name: &str, bound: f64) {
    let found = row.figures.iter().find(|figure| figure.name == name);
    let value = found.and_then(|figure| figure.value);
    assert!(value.is_some_and(|value| value <= bound), "{name} over {bound}:\n{}", row.text());
}

#[test]
fn the_same_seed_gives_the_same_table_and_another_seed_another() {
    let lossy = Case { loss: 100, ..case(Scenario::Message { each: 3 }, 20) };
    let table = |seed: u64| json(&[Row::of(&lossy, &lossy.run(seed))]);
    assert_eq!(table(1), table(1));
    assert_ne!(table(1), table(2));
}

/// Six links each: so many that the sizes of groups do not show.
#[test]
fn an_idle_node_costs_as_much_among_many_as_among_more() {
    for nodes in [100, 200] {
        let row = row(case(IDLE, nodes));
        at_most(&row, "datagrams per node and s", 1.0);
        at_most(&row, "bytes per node and s", 30.0);
        at_most(&row, "false Down", 0.0);
    }
}

#[test]
fn every_message_reaches_everybody_however_many_datagrams_are_lost() {
    for (nodes, loss) in [(20, 300), (100, 0), (100, 300)] {
        let row = row(Case { loss, seeds: 1, ..case(Scenario::Message { each: 5 }, nodes) });
        at_most(&row, "deliveries missing", 0.0);
        at_most(&row, "p99.9 of delivery, s", 1.0);
    }
}

#[test]
fn a_message_to_a_hundred_takes_as_long_as_the_network() {
    let row = row(case(Scenario::Message { each: 5 }, 100));
    at_most(&row, "to all, ms, mean", 200.0);
    at_most(&row, "to all, ms, worst", 250.0);
}

#[test]
fn all_who_knew_one_see_that_it_crashed_and_nobody_else_is_called_unreachable() {
    let row = row(case(Scenario::Crash { victims: 1 }, 20));
    at_most(&row, "observers that never saw", 0.0);
    at_most(&row, "false Down", 0.0);
}

#[test]
fn a_split_heals() {
    at_most(&row(case(Scenario::Split { seconds: 60 }, 20)), "pairs that stayed apart", 0.0);
}

#[test]
fn who_leaves_is_known_to_have_left() {
    let row = row(case(Scenario::Leave { leavers: 10 }, 20));
    at_most(&row, "known to all, ms, worst", 200.0);
    at_most(&row, "observers that never knew", 0.0);
}

#[test]
fn healthy_nodes_accuse_only_the_blocked() {
    let blocked = Scenario::Blocked { count: 4, millis: 8_192 };
    at_most(&row(Case { seeds: 1, ..case(blocked, 64) }), "of these by healthy ones", 0.0);
}

#[test]
fn those_that_stay_hear_everything_when_a_fifth_crashes_at_once() {
    let row = row(Case { seeds: 1, ..case(Scenario::Exodus { percent: 20 }, 100) });
    at_most(&row, "deliveries missing", 0.0);
    at_most(&row, "p99.9 of delivery, s", 3.0);
}

#[test]
fn what_was_sent_in_a_split_reaches_the_other_side_after_it() {
    let row = row(case(Scenario::Apart { seconds: 60 }, 20));
    at_most(&row, "deliveries missing", 0.0);
    at_most(&row, "p99.9 after healing, s", 2.0);
}

#[test]
fn who_joins_meets_whom_it_dialled() {
    let row = row(case(Scenario::Join, 20));
    at_most(&row, "pairs that never met", 2.0 * (20.0 * 19.0 - 2.0 * 19.0));
    at_most(&row, "KB per node", 45.0);
}
