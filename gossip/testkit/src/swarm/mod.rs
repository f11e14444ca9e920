//! Swarms: up to a thousand real nodes in virtual time on one thread, on a network drawn from a seed.
//!
//! Where [`sim`](crate::sim) looks for what breaks a few nodes in every kind of trouble, this measures what many
//! of them do together: what they send while nothing happens, how soon they see that somebody is gone, how soon
//! a message reaches everybody. One-way latency is drawn once for each pair, 10 to 50 ms; datagrams are lost
//! independently of each other. The store is in memory and answers at once. The same seed gives the same table.
//!
//! | module | idea |
//! |---|---|
//! | `plan` | what a seed decides beforehand, for any implementation |
//! | `world`, `turn`, `calendar` | nodes driven through their doors, in virtual time |
//! | `host`, `links`, `air` | a machine, links over datagrams, what becomes of these |
//! | `overlay` | who knows whom at first |
//! | `views`, `deliveries`, `meter` | what is observed |
//! | `scenario`, `cases`, `selection`, `targets` | what happens, how often, which of it is run, and what is aimed at |
//! | `samples`, `table` | what came out |

mod air;
mod calendar;
mod cases;
mod deliveries;
mod host;
mod links;
mod meter;
mod overlay;
mod plan;
mod samples;
mod scenario;
mod selection;
mod table;
mod targets;
mod turn;
mod views;
mod world;

pub use self::cases::{Case, Length, cases};
pub use self::plan::{Plan, Purpose};
pub use self::samples::Samples;
pub use self::scenario::{Scenario, Weather};
pub use self::selection::Selection;
pub use self::table::{Figure, Row, Talk, json, rows};
