//! Ports that belong to one mesh for as long as it lives, its processes running or not.
//!
//! They lie below the range that the kernel gives to outgoing connections, so none of those takes the port of a process
//! that is just being restarted; and they come in blocks, of which each is held by a lock on a file, so no other mesh on
//! this machine takes them either.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

const FIRST: u16 = 10_240;
const BLOCK: u16 = 32;
const BLOCKS: u16 = 700;

/// Ports of one mesh.
pub struct Ports {
    free: Vec<u16>,
    /// Held for their locks.
    blocks: Vec<File>,
}

impl Ports {
    /// No port yet.
    pub fn new() -> Self {
        Self { free: Vec::new(), blocks: Vec::new() }
    }

    /// A port that nobody listens on, and that is this mesh's from now on.
    pub fn take(&mut self) -> u16 {
        loop {
            while let Some(port) = self.free.pop() {
                if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
                    return port;
                }
            }
            self.take_block();
        }
    }

    /// Waits until no other mesh of tests uses the ports that config files name, and keeps them until this one ends.
    pub fn take_named(&mut self) {
        let file = File::create(folder().join("named")).expect("a lock file for ports");
        file.lock().expect("a lock on a file");
        self.blocks.push(file);
    }

    fn take_block(&mut self) {
        let folder = folder();
        // Each process begins elsewhere, so that they seldom meet.
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        for block in (0..BLOCKS).map(|step| (start + step) % BLOCKS) {
            let file = File::create(folder.join(block.to_string())).expect("a lock file for ports");
            if file.try_lock().is_ok() {
                let first = FIRST + block * BLOCK;
                self.free = (first..first + BLOCK).rev().collect();
                self.blocks.push(file);
                return;
            }
        }
        panic!("all {BLOCKS} blocks of ports are taken");
    }
}

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join("shoal-testbed-ports");
    fs::create_dir_all(&folder).expect("a folder for the locks of ports");
    folder
}
