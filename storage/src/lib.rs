//! Where Shoal keeps what must not be lost: the storage trait and its backends.

pub mod embedded;
