//! What every linked msg_server is told unasked: that somebody's part in a topic has ended. It goes out before whoever
//! asked for it is answered, over the links that stand, so that it needs no router; a msg_server whose link is down asks
//! for all it follows when it stands again.

use mesh::outbox::Turn;
use protocol::ids::{TopicName, UserId};
use protocol::link::Frame;
use protocol::link::request::Notice;

use crate::desk::{Desk, push};

/// A membership ended, as the `revision`th one of its topic.
pub async fn membership_ended(desk: &Desk, topic: TopicName, user: UserId, revision: u64) {
    tell(desk, &Notice::MembershipEnded { topic, user, revision }).await;
}

/// A topic was dissolved.
pub async fn topic_dissolved(desk: &Desk, topic: TopicName) {
    tell(desk, &Notice::TopicDissolved { topic }).await;
}

async fn tell(desk: &Desk, notice: &Notice) {
    let frame = Frame::Notice(&serde_json::to_vec(notice).unwrap_or_default()).to_bytes();
    let mut turn = Turn::default();
    for outbox in desk.vitals().outboxes() {
        push(&outbox, frame.clone(), &mut turn);
    }
    turn.flush().await;
}
