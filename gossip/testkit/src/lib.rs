//! Conformance laws, simulator and faults for gossip and its plugins.
//!
//! | module | idea |
//! |---|---|
//! | `store`, `port`, `materializer` | the laws of each kind of plugin, one named test each |
//! | `sim` | real nodes in virtual time, with faults from a seed |
//! | `fixture` | logs and runs to test with |

pub mod fixture;
pub mod port;
pub mod sim;
pub mod store;

