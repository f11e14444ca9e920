//! A disk that does as told: no checks, so a wrong node shows in what is stored.

mod arrivals;
mod decay;
mod lane;
mod log;
mod volume;

pub(super) use self::lane::{Disk, Finished};
pub(super) use self::log::Log;
pub(crate) use self::volume::Volume;
