//! A router over real sockets, with msg_servers at the other end of its links that say what the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[path = "../../mesh/tests/link_end/mod.rs"]
mod link_end;

use std::time::Duration;

use link_end::{LinkEnd, Links, PATIENCE};
use mesh::config::{AuthMode, RoleConfig, RouterConfig, Secret};
use mesh::link::Secrecy;
use mesh::process::Shutdown;
use protocol::channel::Channel;
use protocol::ids::{MessageId, UserId};
use protocol::link::request::{Mark, Notice};
use protocol::link::{Change, Confirm, Direction, Frame, Send};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

struct Router {
    shutdown: Shutdown,
    running: JoinHandle<Result<(), router::RouterError>>,
}

impl Router {
    async fn start(servers: &[&Links], secret: Option<&str>) -> Self {
        let list: Vec<&str> = servers.iter().map(|links| &*links.addr).collect();
        let mut config = json!({"Listen": "127.0.0.1:0", "MsgServerList": list, "LinkQueueBytes": 1 << 20});
        if let Some(secret) = secret {
            config["MeshSecret"] = json!(secret);
        }
        let config = RouterConfig::parse(&config.to_string(), "router.json").unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let running = tokio::spawn(router::run(config, listener, shutdown.clone()));
        Self { shutdown, running }
    }

    async fn drained(self) {
        self.shutdown.drain();
        tokio::time::timeout(PATIENCE, self.running).await.expect("an end in time").unwrap().unwrap();
        tokio::time::timeout(PATIENCE, self.shutdown.tasks_ended()).await.expect("no task left");
    }
}

fn session(number: u64, log: &str, stamp: u64) -> Frame<'_> {
    let channel = Channel::ClientStatus as u8;
    Frame::Change(Change { number, channel, direction: Direction::Begin, log, device: Some("phone"), stamp })
}

fn topic(number: u64, log: &str) -> Frame<'_> {
    let channel = Channel::TopicSync as u8;
    Frame::Change(Change { number, channel, direction: Direction::Begin, log, device: None, stamp: 0 })
}

fn end(frame: Frame<'_>, number: u64) -> Frame<'_> {
    let Frame::Change(change) = frame else { panic!("not a change: {frame:?}") };
    Frame::Change(Change { number, direction: Direction::End, ..change })
}

fn message<'a>(log: &'a str, content: &'a [u8]) -> Frame<'a> {
    Frame::Send(Send { log, version: 7, time: 9, content })
}

const SNAPSHOT_ENDS: [Frame<'static>; 2] =
    [Frame::Confirm(Confirm { number: 0 }), Frame::Confirm(Confirm { number: 0 })];

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn news(body: &[u8]) -> Notice {
    match Frame::parse(body).unwrap() {
        Frame::Notice(json) => serde_json::from_slice(json).unwrap(),
        other => panic!("{other:?} is no news"),
    }
}

/// A link whose snapshot is `changes`, confirmed.
async fn linked(links: &Links, changes: &[Frame<'_>]) -> LinkEnd {
    let mut link = links.link().await;
    link.send_all(changes).await;
    link.send_all(&SNAPSHOT_ENDS).await;
    // Both ends of the snapshot may be read in one turn or in two.
    asked(&mut link).await;
    link
}

/// Waits until everything that was sent before is handled; what comes meanwhile must be confirmations or news of peers.
async fn asked(link: &mut LinkEnd) {
    let question = serde_json::to_vec(&Notice::WhoIsOnline { ask: 99, users: vec![] }).unwrap();
    link.send(Frame::Notice(&question)).await;
    loop {
        let body = link.next().await.unwrap();
        match Frame::parse(&body).unwrap() {
            Frame::Confirm(_) => {}
            Frame::Notice(_) => match news(&body) {
                Notice::Online { ask: 99, .. } => return,
                Notice::PeerChanged { .. } => {}
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// The next frame that is neither a confirmation nor news of a peer.
async fn next(link: &mut LinkEnd) -> Vec<u8> {
    loop {
        let body = link.next().await.unwrap();
        match Frame::parse(&body).unwrap() {
            Frame::Confirm(_) => {}
            Frame::Notice(_) if matches!(news(&body), Notice::PeerChanged { .. }) => {}
            _ => return body,
        }
    }
}

async fn two_servers() -> (Links, Links) {
    (Links::start(Secrecy::default()).await, Links::start(Secrecy::default()).await)
}

#[tokio::test]
async fn a_message_reaches_every_other_follower_as_the_same_bytes() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let mut a = linked(&a, &[topic(0, "t/garden")]).await;
    let mut b = linked(&b, &[topic(0, "t/garden"), session(0, "u/bob", 1)]).await;
    assert_eq!(a.greeting.role, "router");
    assert_eq!(
        a.channels,
        ["/sysctrl/send", "/sysctrl/client-status", "/sysctrl/topic-sync", "/sysctrl/topic-status"]
    );
    let (to_topic, to_bob) = (message("t/garden", b"hi"), message("u/bob", b"psst"));
    a.send_all(&[message("u/nobody", b"?"), to_topic.clone(), to_bob.clone()]).await;
    assert_eq!(next(&mut b).await, to_topic.to_bytes()[4..]);
    assert_eq!(next(&mut b).await, to_bob.to_bytes()[4..]);
    // Nothing came back to where it came from.
    asked(&mut a).await;
    router.drained().await;
}

#[tokio::test]
async fn a_confirmation_says_up_to_where_the_directory_has_the_changes() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let (mut a, mut b) = (linked(&a, &[]).await, linked(&b, &[]).await);
    b.send_all(&[session(1, "u/bob", 1), topic(2, "t/x"), topic(3, "t/y")]).await;
    let mut confirmed = 0;
    while confirmed < 3 {
        let body = b.next().await.unwrap();
        if let Frame::Confirm(Confirm { number }) = Frame::parse(&body).unwrap() {
            assert!(number > confirmed, "{number} after {confirmed}");
            confirmed = number;
        }
    }
    a.send_all(&[message("t/x", b"1"), message("t/y", b"2")]).await;
    assert_eq!(next(&mut b).await, message("t/x", b"1").to_bytes()[4..]);
    assert_eq!(next(&mut b).await, message("t/y", b"2").to_bytes()[4..]);
    b.send(end(topic(0, "t/x"), 4)).await;
    asked(&mut b).await;
    a.send_all(&[message("t/x", b"3"), message("t/y", b"4")]).await;
    assert_eq!(next(&mut b).await, message("t/y", b"4").to_bytes()[4..]);
    router.drained().await;
}

#[tokio::test]
async fn others_hear_when_a_msg_server_goes_and_when_it_is_back_with_its_snapshot() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let mut at_a = linked(&a, &[]).await;
    let at_b = linked(&b, &[session(0, "u/bob", 1)]).await;
    let changed = |addr: &str, up| Notice::PeerChanged { addr: addr.into(), up };
    assert_eq!(news(&at_a.next().await.unwrap()), changed(&b.addr, true));
    drop(at_b);
    assert_eq!(news(&at_a.next().await.unwrap()), changed(&b.addr, false));
    let online = Notice::WhoIsOnline { ask: 5, users: vec![user("bob")] };
    at_a.send(Frame::Notice(&serde_json::to_vec(&online).unwrap())).await;
    assert_eq!(news(&at_a.next().await.unwrap()), Notice::Online { ask: 5, users: vec![] });
    let mut again = b.link().await;
    again.send_all(&[session(0, "u/bob", 1), SNAPSHOT_ENDS[0].clone()]).await;
    at_a.send(message("u/bob", b"early")).await;
    // It is not whole yet, but what it said holds already.
    assert_eq!(next(&mut again).await, message("u/bob", b"early").to_bytes()[4..]);
    again.send(SNAPSHOT_ENDS[1].clone()).await;
    assert_eq!(news(&at_a.next().await.unwrap()), changed(&b.addr, true));
    router.drained().await;
}

#[tokio::test]
async fn news_goes_to_the_msg_servers_of_its_addressee_and_the_online_are_named() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let mut a = linked(&a, &[session(0, "u/amy", 1)]).await;
    let mut b = linked(&b, &[session(0, "u/bob", 1), session(0, "u/bob", 2)]).await;
    let id = MessageId::new("m1").unwrap();
    let receipt = Notice::Receipt { user: user("bob"), peer: user("amy"), id, mark: Mark::Read };
    a.send(Frame::Notice(&serde_json::to_vec(&receipt).unwrap())).await;
    assert_eq!(news(&next(&mut b).await), receipt);
    let users = ["amy", "bob", "eve"].map(user).to_vec();
    b.send(Frame::Notice(&serde_json::to_vec(&Notice::WhoIsOnline { ask: 4, users }).unwrap())).await;
    assert_eq!(
        news(&next(&mut b).await),
        Notice::Online { ask: 4, users: ["amy", "bob"].map(user).to_vec() }
    );
    b.send_all(&[end(session(0, "u/bob", 1), 1), end(session(0, "u/bob", 2), 2)]).await;
    asked(&mut b).await;
    let users = vec![user("bob")];
    a.send(Frame::Notice(&serde_json::to_vec(&Notice::WhoIsOnline { ask: 5, users }).unwrap())).await;
    assert_eq!(news(&next(&mut a).await), Notice::Online { ask: 5, users: vec![] });
    router.drained().await;
}

#[tokio::test]
async fn that_access_ended_is_told_to_every_other_msg_server_whoever_is_online_there() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let mut a = linked(&a, &[session(0, "u/amy", 1)]).await;
    let mut b = linked(&b, &[]).await;
    let ended = Notice::AccessEnded { user: user("amy"), device: None, kept: None, before: 7, code: 3005 };
    a.send(Frame::Notice(&serde_json::to_vec(&ended).unwrap())).await;
    assert_eq!(news(&next(&mut b).await), ended);
    router.drained().await;
}

#[tokio::test]
async fn a_login_is_told_to_where_the_user_is_online_already() {
    let (a, b) = two_servers().await;
    let router = Router::start(&[&a, &b], None).await;
    let at = b.addr.to_string();
    let mut a = linked(&a, &[session(0, "u/amy", 10)]).await;
    let mut b = linked(&b, &[]).await;
    b.send(session(1, "u/amy", 11)).await;
    let device = Some("phone".parse().unwrap());
    let began = Notice::SessionBegan { user: user("amy"), device, stamp: 11, at: at.clone() };
    assert_eq!(news(&next(&mut a).await), began);
    let old = Change {
        number: 2,
        channel: Channel::ClientStatus as u8,
        direction: Direction::Begin,
        log: "u/amy",
        device: Some(""),
        stamp: 12,
    };
    b.send(Frame::Change(old)).await;
    let began = Notice::SessionBegan { user: user("amy"), device: None, stamp: 12, at };
    assert_eq!(news(&next(&mut a).await), began);
    router.drained().await;
}

#[tokio::test]
async fn one_that_does_not_read_loses_its_link_and_nobody_else_loses_anything() {
    let (a, b) = two_servers().await;
    let c = Links::start(Secrecy::default()).await;
    let router = Router::start(&[&a, &b, &c], None).await;
    let mut at_a = linked(&a, &[]).await;
    let mut slow = linked(&b, &[topic(0, "t/x")]).await;
    let mut at_c = linked(&c, &[topic(0, "t/x")]).await;
    let content = vec![7; 512 << 10];
    for _ in 0..64 {
        at_a.send(message("t/x", &content)).await;
        assert_eq!(next(&mut at_c).await, message("t/x", &content).to_bytes()[4..]);
    }
    slow.closed().await;
    linked(&b, &[topic(0, "t/x")]).await;
    router.drained().await;
}

#[tokio::test]
async fn a_msg_server_of_another_mode_is_not_linked_and_the_others_are() {
    let (mut a, b) = two_servers().await;
    a.mode = AuthMode::Accounts;
    let router = Router::start(&[&a, &b], None).await;
    let refused = a.try_link().await.err().unwrap().to_string();
    for part in [&*a.addr, "accounts", "router", "open", "set the same in every process"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    linked(&b, &[]).await;
    a.mode = AuthMode::Open;
    linked(&a, &[]).await;
    router.drained().await;
}

#[tokio::test]
async fn volatile_messages_end_no_link_and_leave_room_for_the_others() {
    let (a, b) = two_servers().await;
    let c = Links::start(Secrecy::default()).await;
    let router = Router::start(&[&a, &b, &c], None).await;
    let mut at_a = linked(&a, &[]).await;
    let mut slow = linked(&b, &[topic(0, "t/x")]).await;
    let mut at_c = linked(&c, &[topic(0, "t/x")]).await;
    let content = vec![7; 200 << 10];
    let volatile = || Frame::Send(Send { log: "t/x", version: 0, time: 0, content: &content });
    for _ in 0..160 {
        at_a.send(volatile()).await;
        assert_eq!(next(&mut at_c).await, volatile().to_bytes()[4..]);
    }
    at_a.send(message("t/x", b"durable")).await;
    let mut came = 0;
    loop {
        let body = next(&mut slow).await;
        if body == message("t/x", b"durable").to_bytes()[4..] {
            break;
        }
        assert_eq!(body, volatile().to_bytes()[4..]);
        came += 1;
    }
    assert!((1..160).contains(&came), "{came} volatile messages waited for one that does not read");
    router.drained().await;
}

#[tokio::test]
async fn a_msg_server_with_another_secret_is_not_linked() {
    let theirs = Secrecy::new(Some(Secret::new("another secret of 16")));
    let ours = Secrecy::new(Some(Secret::new("the secret of the mesh")));
    let (stranger, friend) = (Links::start(theirs).await, Links::start(ours).await);
    let router = Router::start(&[&stranger, &friend], Some("the secret of the mesh")).await;
    assert!(stranger.try_link().await.is_err());
    linked(&friend, &[]).await;
    router.drained().await;
}
