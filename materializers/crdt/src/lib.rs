//! Counter, register and map materializers.
