//! Laws of links.

use gossip_core::proto::node::LinkId;
use gossip_core::{PeerAddr, PortError};

use super::PortHarness;
use super::probe::{Probe, exchange, link, open, open_linked, settle};

/// `connect` brings a `LinkUp` on both sides that names the peer and the same limits.
pub async fn a_link_comes_up_on_both_sides(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}

/// What a port names as its address works.
pub async fn a_local_address_can_be_connected_to(harness: &dyn PortHarness) {
    let [mut ann, mut bob] = open(harness).await;
    let addresses = bob.port.local_addresses();
    let address = addresses.first().expect("a listening port knows its address");
    assert!(ann.port.accepts(address));
    ann.port.connect(address).await.expect("its own kind of address");
    ann.up(&bob.id).await;
    bob.up(&ann.id).await;
}

/// `connect` goes on until the other side opens.
pub async fn connect_waits_for_the_other_side_to_open(harness: &dyn PortHarness) {
    let places = harness.transports(2).await;
    let mut ann = Probe::open(&places[0], "ann", 1).await;
    ann.port.connect(&places[1].address).await.expect("the address is understood");
    let mut bob = Probe::open(&places[1], "bob", 1).await;
    let (to_bob, _) = ann.up(&bob.id).await;
    let (to_ann, _) = bob.up(&ann.id).await;
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}

/// `hurry` dials again what waits, and harms no link and no dial that is under way.
pub async fn hurry_dials_and_harms_nothing(harness: &dyn PortHarness) {
    let places = harness.transports(2).await;
    let mut ann = Probe::open(&places[0], "ann", 1).await;
    ann.port.hurry();
    ann.port.connect(&places[1].address).await.expect("the address is understood");
    (0..9).for_each(|_| ann.port.hurry());
    let mut bob = Probe::open(&places[1], "bob", 1).await;
    ann.port.hurry();
    let (to_bob, _) = ann.up(&bob.id).await;
    let (to_ann, _) = bob.up(&ann.id).await;
    [&ann, &bob].iter().for_each(|probe| probe.port.hurry());
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
    ann.port.close().await;
    ann.port.hurry();
}

/// `renew` keeps a link or puts another one in its place; links that are not there are ignored.
pub async fn renew_ends_with_one_link(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    [LinkId(u64::MAX), to_bob].into_iter().for_each(|link| ann.port.renew(link));
    bob.port.renew(to_ann);
    settle(&mut ann, &mut bob).await;
    ann.port.close().await;
    ann.port.renew(to_bob);
}

/// Two ports that dial each other end with one link that works and stays.
pub async fn connecting_both_ways_ends_with_one_link(harness: &dyn PortHarness) {
    for _ in 0..5 {
        let [mut ann, mut bob] = open(harness).await;
        tokio::join!(ann.connect(&bob), bob.connect(&ann));
        settle(&mut ann, &mut bob).await;
        ann.port.close().await;
        bob.port.close().await;
    }
}

/// Connecting to an address again changes nothing.
pub async fn connecting_twice_to_one_address_makes_one_link(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    for _ in 0..3 {
        ann.connect(&bob).await;
        exchange(&mut ann, to_bob, &mut bob, to_ann).await;
    }
}

/// `disconnect` ends the link for both; the port that connects brings up another.
pub async fn disconnect_takes_the_link_down_on_both_sides_and_connect_brings_a_new_one(
    harness: &dyn PortHarness,
) {
    for by_dialler in [true, false] {
        let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
        match by_dialler {
            true => ann.port.disconnect(to_bob).await,
            false => bob.port.disconnect(to_ann).await,
        }
        ann.down(to_bob).await;
        bob.down(to_ann).await;
        let (to_bob, _) = ann.up(&bob.id).await;
        let (to_ann, _) = bob.up(&ann.id).await;
        exchange(&mut ann, to_bob, &mut bob, to_ann).await;
    }
}

/// Every link of a port has a new id; the probe checks it.
pub async fn link_ids_are_never_used_again(harness: &dyn PortHarness) {
    let [mut ann, mut bob, mut cem] = open(harness).await;
    link(&mut ann, &mut cem).await;
    let (mut to_bob, mut to_ann, _) = link(&mut ann, &mut bob).await;
    for _ in 0..4 {
        bob.port.disconnect(to_ann).await;
        ann.down(to_bob).await;
        bob.down(to_ann).await;
        (to_bob, _) = ann.up(&bob.id).await;
        (to_ann, _) = bob.up(&ann.id).await;
    }
}

/// `forget` ends the trying, not the link.
pub async fn forget_keeps_the_link(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    ann.port.forget(&bob.address).await;
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}

/// Addresses that make no sense are an error at once and change nothing.
pub async fn malformed_and_foreign_addresses_are_refused(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    let foreign: PeerAddr = "no-such-scheme://x:1".parse().expect("it parses");
    assert!(!ann.port.accepts(&foreign));
    let malformed = harness.malformed().into_iter().map(|text| text.parse().expect("it parses"));
    for address in malformed.chain([foreign]) {
        let refused = ann.port.connect(&address).await;
        assert!(matches!(refused, Err(PortError::Address { .. })), "{address}: {refused:?}");
        ann.port.forget(&address).await;
    }
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}
