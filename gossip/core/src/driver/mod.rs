//! The tasks behind a coordinator.
//!
//! ```text
//! handles ──commands──▶ driver (owns the Node) ──outbox──▶ one pump per link ──▶ port
//! ports ───frames─────▶   │   ▲                 ──jobs────▶ lanes that write, read, join ──▶ store
//! lanes ───results────────┼───┘
//! handles ──orders────▶ supervisor (opens and closes ports) ──commands, control──▶ driver
//! ```
//!
//! The driver never waits while it carries out an effect; everything that may wait is a task of
//! its own, behind a bounded queue.

mod advertise;
mod boot;
mod chores;
mod dials;
mod erase;
mod group;
mod hints;
mod joiner;
mod lanes;
mod launch;
mod links;
mod outbox;
mod plan;
mod supervisor;
mod tidy;
mod turn;

pub(crate) use self::launch::launch;
pub(crate) use self::supervisor::Order;
