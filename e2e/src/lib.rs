//! The end-to-end tests, in `tests/`: a real mesh of real processes, spoken to over the wire only.
