//! Who is online anywhere: asked of a router.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesh::outbox::Turn;
use parking_lot::Mutex;
use protocol::ids::UserId;
use protocol::link::Frame;
use protocol::link::request::Notice;
use tokio::sync::oneshot;

use crate::server::Server;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Questions that wait for a router's answer.
#[derive(Default)]
pub(crate) struct Questions {
    asked: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Vec<UserId>>>>,
}

impl Questions {
    /// A router's answer came.
    pub(crate) fn answered(&self, ask: u64, online: Vec<UserId>) {
        if let Some(sender) = self.waiting.lock().remove(&ask) {
            let _ = sender.send(online);
        }
    }
}

impl Server {
    /// Those of `users` that have a session on another msg_server; `None` if no router answers.
    pub(crate) async fn online_elsewhere(&self, users: Vec<UserId>) -> Option<Vec<UserId>> {
        let (sender, receiver) = oneshot::channel();
        let ask = self.questions.asked.fetch_add(1, Ordering::Relaxed);
        self.questions.waiting.lock().insert(ask, sender);
        let mut turn = Turn::default();
        let asked = self.notify(&Notice::WhoIsOnline { ask, users }, &mut turn);
        turn.flush().await;
        let answer = if asked { tokio::time::timeout(ANSWER_WITHIN, receiver).await.ok() } else { None };
        self.questions.waiting.lock().remove(&ask);
        answer?.ok()
    }

    /// Sends news to a router, which passes it on to whom it concerns; false if there is none.
    pub(crate) fn notify(&self, notice: &Notice, turn: &mut Turn) -> bool {
        let json = serde_json::to_vec(notice).unwrap_or_default();
        self.channels.tell_router(Frame::Notice(&json).to_bytes(), turn)
    }
}
