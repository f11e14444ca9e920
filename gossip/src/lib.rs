//! Synchronise append-only event streams between devices.
