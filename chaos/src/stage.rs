//! What all clients of a run share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::history::{At, Incident};
use crate::record::Record;
use crate::workload::Workload;

/// What all clients of a run share.
pub struct Stage {
    /// Who talks to whom.
    pub workload: Workload,
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// One for each client.
    pub records: Vec<Arc<Mutex<Record>>>,
    incidents: Mutex<Vec<Incident>>,
    began: Instant,
    act: AtomicU8,
}

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// They talk.
    Talk,
    /// They say nothing new, and get what they were not answered answered.
    Hush,
    /// They leave.
    Leave,
}

impl Stage {
    /// The time of the run begins now.
    pub fn new(workload: Workload, gateway: SocketAddr) -> Self {
        let record = |number| Arc::new(Mutex::new(Record::new(number, &workload)));
        let records = (0..workload.clients).map(record).collect();
        let incidents = Mutex::default();
        Self { records, workload, gateway, incidents, began: Instant::now(), act: AtomicU8::new(0) }
    }

    /// Now.
    pub fn now(&self) -> At {
        At(u32::try_from(self.began.elapsed().as_micros()).unwrap_or(u32::MAX))
    }

    /// What clients do at the moment.
    pub fn act(&self) -> Act {
        match self.act.load(Ordering::Relaxed) {
            0 => Act::Talk,
            1 => Act::Hush,
            _ => Act::Leave,
        }
    }

    /// What clients do from now on.
    pub fn set(&self, act: Act) {
        self.act.store(act as u8, Ordering::Relaxed);
    }

    /// Something was done to the mesh.
    pub fn incident(&self, what: String) {
        self.incidents.lock().push(Incident { at: self.now(), what });
    }

    /// What was done to the mesh.
    pub fn incidents(&self) -> Vec<Incident> {
        self.incidents.lock().clone()
    }
}
