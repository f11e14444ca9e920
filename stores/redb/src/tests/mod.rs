//! Laws, and what only a disk that fails or loses its power shows.

mod faults;
mod laws;
mod power;
mod weather;
