//! Conformance laws, simulator and faults for gossip and its plugins.
//!
//! | module | idea |
//! |---|---|
//! | `store`, `port`, `materializer` | the laws of each kind of plugin, one named test each |
//! | `sim` | real nodes in virtual time, with faults from a seed |
//! | `swarm` | up to a thousand of them: what they send, how soon they know |
//! | `double` | stores and transports with a test's hooks in between |
//! | `fixture` | logs and runs to test with |
//! | `wait` | waiting for what nothing tells |

pub mod double;
pub mod fixture;
pub mod materializer;
pub mod port;
pub mod sim;
pub mod store;
pub mod swarm;
pub mod wait;
