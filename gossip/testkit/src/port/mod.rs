//! The laws of [`MessagePort`](gossip_core::MessagePort), as tests for authors of transports.
//!
//! ```text
//! use gossip_testkit::port::{PortHarness, Reachable};
//!
//! struct Mine;
//!
//! #[async_trait::async_trait]
//! impl PortHarness for Mine {
//!     async fn transports(&self, count: usize) -> Vec<Reachable> { /* fresh ones that reach each other */ }
//!     fn malformed(&self) -> Vec<&'static str> { vec!["mine:"] }
//! }
//!
//! gossip_testkit::port_conformance!(Mine);
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `probe` | a port whose every event is checked |
//! | `linking` | laws of links |
//! | `frames` | laws of frames |
//! | `closing` | laws of ends |
//! | `pressure` | laws of many frames and slow receivers |

mod closing;
mod frames;
mod linking;
mod pressure;
mod probe;

use std::sync::Arc;

use async_trait::async_trait;
use gossip_core::proto::node::LinkLimits;
use gossip_core::{PeerAddr, Transport};

pub use self::probe::Probe;

/// The laws, one function each; [`port_conformance!`](crate::port_conformance) makes them tests.
pub mod laws {
    pub use super::closing::*;
    pub use super::frames::*;
    pub use super::linking::*;
    pub use super::pressure::*;
}

/// A transport and where others reach the port it opens.
pub struct Reachable {
    /// Opens the port.
    pub transport: Arc<dyn Transport>,
    /// Known before the port is open.
    pub address: PeerAddr,
}

/// What the laws need to know of a transport.
#[async_trait]
pub trait PortHarness: Send + Sync {
    /// Fresh transports, none open yet, that can reach each other and nobody else.
    async fn transports(&self, count: usize) -> Vec<Reachable>;

    /// Texts that parse as an address, with a scheme the port accepts, but make no sense to it.
    fn malformed(&self) -> Vec<&'static str>;

    /// Whether an undisturbed link delivers every frame in order as long as the receiver keeps up,
    /// even if its limits do not promise it. Laws of order and loss then apply nevertheless.
    fn perfect_when_calm(&self) -> bool {
        false
    }

    /// How many bytes may wait for one link on the sender's side before `send` waits or drops.
    fn pending_bytes_bound(&self) -> usize {
        64 << 20
    }
}

pub(crate) fn delivers_all(harness: &dyn PortHarness, limits: LinkLimits) -> bool {
    limits.reliable || harness.perfect_when_calm()
}

pub(crate) fn keeps_order(harness: &dyn PortHarness, limits: LinkLimits) -> bool {
    limits.ordered || harness.perfect_when_calm()
}

/// Makes one named test per law of a transport; takes a [`port::PortHarness`](crate::port::PortHarness).
///
/// The crate that uses it needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! port_conformance {
    ($harness:expr) => {
        $crate::port_conformance! { @laws $harness;
            a_link_comes_up_on_both_sides
            a_local_address_can_be_connected_to
            connect_waits_for_the_other_side_to_open
            hurry_dials_and_harms_nothing
            renew_ends_with_one_link
            connecting_both_ways_ends_with_one_link
            connecting_twice_to_one_address_makes_one_link
            disconnect_takes_the_link_down_on_both_sides_and_connect_brings_a_new_one
            link_ids_are_never_used_again
            forget_keeps_the_link
            malformed_and_foreign_addresses_are_refused
            frames_arrive_unchanged_up_to_the_limit
            frames_over_the_limit_and_empty_ones_are_refused
            frames_of_several_parts_arrive_joined
            frames_of_every_class_arrive
            frames_sent_at_once_arrive_or_come_back
            order_is_kept_within_a_class
            unknown_links_are_refused
            close_ends_everything
            close_wakes_a_waiting_receiver
            a_closed_port_can_be_opened_again
            many_small_frames_all_arrive
            cancelling_recv_loses_nothing
            a_slow_receiver_holds_up_nobody_else
        }
    };
    (@laws $harness:expr; $($law:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                $crate::port::laws::$law(&$harness).await;
            }
        )+
    };
}
