//! A disk in memory.
/// Stub.
#[derive(Debug)]
pub struct SimFiles;
/// Stub.
#[derive(Debug)]
pub enum Fault {}
/// Stub.
#[derive(Debug)]
pub enum Survival {}
