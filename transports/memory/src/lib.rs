//! In-process network with seeded faults.
