//! Laws, and what only a disk that fails or loses its power shows.

mod conformance;
mod faults;
mod power;
mod weather;
