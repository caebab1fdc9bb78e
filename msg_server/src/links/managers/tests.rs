use mesh::outbox::Outbox;
use protocol::ids::UserId;
use protocol::packet;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A manager's link as a msg_server holds it, and the manager's end.
async fn linked(managers: &Managers, uuid: &str) -> (Arc<Manager>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (_read, write) = listener.accept().await.unwrap().0.into_split();
    let mut turn = Turn::default();
    let manager = managers.enter(LinkId::fresh(), uuid, &Outbox::new(write, 1 << 20), &mut turn);
    turn.flush().await;
    (manager, theirs)
}

/// The next frame's body.
async fn next(stream: &mut TcpStream) -> Vec<u8> {
    let mut input = Vec::new();
    loop {
        if let Some((body, _)) = packet::split(&input, 1 << 20).unwrap() {
            return body.to_vec();
        }
        assert!(stream.read_buf(&mut input).await.unwrap() > 0, "the link ended");
    }
}

fn topics_of(user: &str) -> (LogName, Request) {
    let user = UserId::new(user).unwrap();
    (LogName::inbox(&user), Request::Topics { user })
}

#[tokio::test]
async fn a_question_that_is_given_up_leaves_nothing_behind() {
    let managers = Managers::default();
    let (manager, _theirs) = linked(&managers, "18000").await;
    let (log, question) = topics_of("amy");
    let asked = managers.ask_within(Duration::from_millis(20), &log, &question).await;
    assert_eq!(asked, Err(AskError::TimedOut));
    assert!(manager.waiting.lock().asks.is_empty());
}

#[tokio::test]
async fn a_manager_that_links_hears_first_what_the_clock_of_the_last_one_showed() {
    let managers = Arc::new(Managers::default());
    let (first, mut theirs) = linked(&managers, "18000").await;
    let (log, question) = topics_of("amy");
    let asking = tokio::spawn({
        let managers = Arc::clone(&managers);
        async move { managers.ask_within(Duration::from_secs(10), &log, &question).await }
    });
    let body = next(&mut theirs).await;
    let Frame::Ask(ask, _) = Frame::parse(&body).unwrap() else { panic!("no question: {body:?}") };
    let stamp = 1 << 51;
    let reply = Reply::LoggedIn { stamp, logs: Vec::new(), revision: 0, invites: Vec::new(), welcome: None };
    first.replied(ask, &serde_json::to_vec(&reply).unwrap());
    asking.await.unwrap().unwrap();
    managers.leave(&first);
    let (_, mut theirs) = linked(&managers, "18000").await;
    let body = next(&mut theirs).await;
    let Frame::Notice(json) = Frame::parse(&body).unwrap() else { panic!("no news: {body:?}") };
    let Notice::Clock { shows } = serde_json::from_slice(json).unwrap() else { panic!("other news") };
    assert!((stamp..stamp + 60_000_000).contains(&shows), "{shows}");
}
