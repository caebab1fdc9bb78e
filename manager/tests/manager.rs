//! A manager over real sockets and a real store, with the test at the msg_server's end of its link.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[allow(dead_code, reason = "shared by the tests of this crate, each of which uses a part")]
mod harness;
#[path = "../../mesh/tests/link_end/mod.rs"]
mod link_end;

use harness::{Came, Manager, PageRead, Pair, Server, config, create, log, p2p, received, topic, user};
use link_end::Links;
use mesh::config::Secret;
use mesh::link::Secrecy;
use protocol::code::ErrorCode;
use protocol::content::Content;
use protocol::event::Stored as Certain;
use protocol::ids::{MessageId, Version};
use protocol::link::request::{Notice, Receipt, Reply, Request};
use protocol::link::{Append, Appended, Frame, Outcome, Read};
use serde_json::json;

fn refused(code: ErrorCode) -> Came {
    Came::Refused(code.number(), Certain::No)
}

#[track_caller]
fn code(reply: Reply) -> ErrorCode {
    match reply {
        Reply::Refused { code, message } => {
            assert!(!message.is_empty());
            ErrorCode::from_number(code).unwrap()
        }
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_manager_says_who_it_is_and_whose_store_it_has() {
    let pair = Pair::start().await;
    let greeting = &pair.server.link.greeting;
    assert_eq!((&*greeting.role, &*greeting.uuid, greeting.store.len()), ("manager", "18000", 32));
    assert_eq!(pair.server.link.channels, ["/store/message", "/store/client-info", "/store/topic-info"]);
    pair.manager.drained().await;
}

#[tokio::test]
async fn p2p_messages_are_stored_in_both_inboxes_in_the_order_in_which_they_came() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    let came = server
        .send(&[("amy", "bob", "1"), ("amy", "bob", "2"), ("bob", "amy", "3"), ("amy", "amy", "4")])
        .await;
    assert_eq!(came, [Came::Stored(1, 1), Came::Stored(2, 2), Came::Stored(3, 3), Came::Stored(4, 0)]);
    let page = server.read("u/amy", Some("amy"), 1, 2).await;
    let entries = [(2, "2"), (3, "3")].map(|(version, id)| (version, id.to_owned())).to_vec();
    assert_eq!(page, PageRead { head: 4, entries, refused: 0 });
    manager.drained().await;
}

#[tokio::test]
async fn the_same_message_again_is_answered_as_before_and_another_under_its_id_is_refused() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob", "eve"]).await;
    let came = server.send(&[("amy", "bob", "1"), ("amy", "bob", "1"), ("amy", "eve", "1")]).await;
    assert_eq!(came, [Came::Stored(1, 1), Came::Stored(1, 1), refused(ErrorCode::IdReused)]);
    assert_eq!(server.send(&[("amy", "nobody", "2")]).await, [refused(ErrorCode::UnknownUser)]);
    assert_eq!(server.read("u/amy", None, 0, 9).await.head, 1);
    manager.drained().await;
}

#[tokio::test]
async fn a_sender_whose_login_was_not_told_yet_is_not_refused_for_that() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["bob"]).await;
    // As after a start of the manager: amy is on the msg_server, and her message is here before her login is.
    assert_eq!(
        server.send(&[("amy", "bob", "1"), ("amy", "amy", "2")]).await,
        [Came::Stored(1, 1), Came::Stored(2, 0)]
    );
    assert_eq!(server.send(&[("bob", "amy", "3")]).await, [Came::Stored(2, 3)]);
    manager.drained().await;
}

#[tokio::test]
async fn only_members_send_to_a_topic_and_read_it() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    let create = |name, volatile| create(name, "amy", volatile);
    let join = |name: &str| Request::JoinTopic { topic: topic(name), user: user("bob"), device: None };
    let Reply::Joined { log: state, already: false } = server.ask(&create("garden", false)).await else {
        panic!("not joined")
    };
    assert_eq!((state.log, state.head), (log("t/garden"), Version(0)));
    assert_eq!(code(server.ask(&create("garden", true)).await), ErrorCode::TopicExists);
    assert_eq!(server.publish("amy", "garden", "1").await, Came::Stored(1, 0));
    assert_eq!(server.publish("bob", "garden", "2").await, refused(ErrorCode::NotAMember));
    assert_eq!(server.read("t/garden", Some("bob"), 0, 9).await.refused, ErrorCode::NotAMember.number());
    assert_eq!(server.publish("amy", "house", "3").await, refused(ErrorCode::UnknownTopic));
    assert_eq!(code(server.ask(&join("house")).await), ErrorCode::UnknownTopic);
    assert!(matches!(server.ask(&join("garden")).await, Reply::Joined { already: false, .. }));
    assert_eq!(server.publish("bob", "garden", "2").await, Came::Stored(2, 0));
    assert_eq!(server.read("t/garden", Some("bob"), 0, 9).await.entries.len(), 2);
    server.ask(&create("ticks", true)).await;
    assert_eq!(server.publish("amy", "ticks", "4").await, refused(ErrorCode::WrongDurability));
    let leave = Request::LeaveTopic { topic: topic("garden"), user: user("bob") };
    assert_eq!(server.ask(&leave).await, Reply::Left);
    assert_eq!(server.publish("bob", "garden", "5").await, refused(ErrorCode::NotAMember));
    manager.drained().await;
}

#[tokio::test]
async fn what_is_asked_in_one_go_happens_in_that_order() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    for name in ["x", "y", "z"] {
        let json = |request: &Request| serde_json::to_vec(request).unwrap();
        let bob = user("bob");
        let create = json(&create(name, "amy", false));
        let join = json(&Request::JoinTopic { topic: topic(name), user: bob.clone(), device: None });
        let leave = json(&Request::LeaveTopic { topic: topic(name), user: bob });
        let content = |id| Content::text("bob", id, None, "hi").to_bytes();
        let (log, first, second) = (format!("t/{name}"), content("1"), content("2"));
        let append = |ask, content| Frame::Append(Append { ask, log: &log, pair: false, content });
        let asked = [
            Frame::Ask(1, &create),
            Frame::Ask(2, &join),
            append(3, &first),
            Frame::Ask(4, &leave),
            append(5, &second),
        ];
        server.link.send_all(&asked).await;
        let (mut stored, mut joined) = (Vec::new(), 0);
        for _ in asked {
            let body = server.frame().await.unwrap();
            match Frame::parse(&body).unwrap() {
                Frame::Appended(Appended { ask, outcome }) => {
                    stored.push((ask, matches!(outcome, Outcome::Stored(_))));
                }
                Frame::Answer(_, json) => {
                    let reply: Reply = serde_json::from_slice(json).unwrap();
                    joined += usize::from(matches!(reply, Reply::Joined { .. }));
                    assert!(!matches!(reply, Reply::Refused { .. }), "{reply:?}");
                }
                other => panic!("{other:?}"),
            }
        }
        stored.sort_unstable();
        assert_eq!((stored, joined), (vec![(3, true), (5, false)], 2));
    }
    manager.drained().await;
}

#[tokio::test]
async fn more_than_may_be_under_way_is_refused_as_busy_and_the_rest_is_stored_in_order() {
    let (folder, links) = (tempfile::tempdir().unwrap(), Links::start(Secrecy::default()).await);
    let keys = json!({"LinkQueueBytes": 1 << 20});
    let manager = Manager::start(config(&[&links], folder.path(), keys)).await;
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy"]).await;
    let body = "x".repeat(100 << 10);
    let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
    let contents: Vec<_> =
        ids.iter().map(|id| Content::text("amy", id, Some("amy"), &body).to_bytes()).collect();
    let appends = contents
        .iter()
        .zip(1000..)
        .map(|(content, ask)| Frame::Append(Append { ask, log: "u/amy", pair: true, content }));
    let appends: Vec<_> = appends.collect();
    server.link.send_all(&appends).await;
    let mut stored = Vec::new();
    for (came, id) in server.answers(1000, 100).await.into_iter().zip(&ids) {
        match came {
            Came::Stored(version, _) => stored.push((version, id.clone())),
            came => assert_eq!(came, refused(ErrorCode::Busy)),
        }
    }
    let mut read = Vec::new();
    loop {
        let page = server.read("u/amy", None, read.len() as u64, 1000).await;
        if page.entries.is_empty() {
            break;
        }
        read.extend(page.entries);
    }
    assert_eq!(read, stored);
    manager.drained().await;
}

#[tokio::test]
async fn members_and_topics_are_listed_page_by_page() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob", "cleo"]).await;
    server.ask(&create("x", "amy", false)).await;
    for name in ["bob", "cleo"] {
        server.ask(&Request::JoinTopic { topic: topic("x"), user: user(name), device: None }).await;
    }
    let ask = |who, after: Option<&str>| Request::Members {
        topic: topic("x"),
        user: user(who),
        after: after.map(user),
        limit: 2,
    };
    let members =
        |names: &[&str], more| Reply::Members { members: names.iter().copied().map(user).collect(), more };
    assert_eq!(server.ask(&ask("amy", None)).await, members(&["amy", "bob"], true));
    assert_eq!(server.ask(&ask("amy", Some("bob"))).await, members(&["cleo"], false));
    assert_eq!(code(server.ask(&ask("dan", None)).await), ErrorCode::NotAMember);
    server.publish("amy", "x", "1").await;
    let Reply::Topics { topics, .. } = server.ask(&Request::Topics { user: user("bob") }).await else {
        panic!("no topics")
    };
    let heads: Vec<_> = topics.iter().map(|state| (state.log.clone(), state.head)).collect();
    assert_eq!(heads, [(log("t/x"), Version(1))]);
    manager.drained().await;
}

#[tokio::test]
async fn a_login_is_numbered_and_told_the_state_of_every_log() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    server.ask(&create("x", "amy", false)).await;
    server.send(&[("bob", "amy", "1"), ("bob", "amy", "2")]).await;
    server.ask(&received("amy", "u/amy", 1)).await;
    let login = Request::Login { user: user("amy"), device: None };
    let mut last = 0;
    for _ in 0..3 {
        let Reply::LoggedIn { stamp, logs, revision, .. } = server.ask(&login).await else {
            panic!("no login")
        };
        assert!(stamp > last && stamp < 1 << 53);
        last = stamp;
        assert!(revision > 0);
        let states: Vec<_> =
            logs.iter().map(|state| (state.log.as_str(), state.head.0, state.cursor.0)).collect();
        assert_eq!(states, [("u/amy", 2, 1), ("t/x", 0, 0)]);
    }
    let bounds = Request::Bounds { logs: vec![log("u/amy"), log("u/nobody")] };
    let Reply::Bounds { bounds } = server.ask(&bounds).await else { panic!("no bounds") };
    assert_eq!(bounds.iter().map(|bounds| bounds.head.0).collect::<Vec<_>>(), [2, 0]);
    manager.drained().await;
}

#[tokio::test]
async fn logins_go_on_from_what_the_managers_clock_showed_though_the_own_is_behind() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    let login = Request::Login { user: user("amy"), device: None };
    let shows = 1 << 51;
    let news = serde_json::to_vec(&Notice::Clock { shows }).unwrap();
    server.link.send(Frame::Notice(&news)).await;
    let mut last = shows - 1;
    for _ in 0..3 {
        let Reply::LoggedIn { stamp, .. } = server.ask(&login).await else { panic!("no login") };
        assert!((last + 1..shows + 60_000_000).contains(&stamp), "{stamp} after {last}");
        last = stamp;
    }
    manager.drained().await;
}

#[tokio::test]
async fn a_cursor_that_moves_tells_whose_messages_it_passed_and_never_moves_back() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob", "eve"]).await;
    server
        .send(&[("amy", "bob", "a1"), ("bob", "amy", "b1"), ("eve", "bob", "e1"), ("amy", "bob", "a2")])
        .await;
    let receipts = |pairs: &[(&str, &str)]| {
        let receipt =
            |(sender, id): &(&str, &str)| Receipt { sender: user(sender), id: MessageId::new(id).unwrap() };
        Reply::Moved { receipts: pairs.iter().map(receipt).collect() }
    };
    assert_eq!(server.ask(&received("bob", "u/bob", 2)).await, receipts(&[("amy", "a1")]));
    assert_eq!(server.ask(&received("bob", "u/bob", 99)).await, receipts(&[("eve", "e1"), ("amy", "a2")]));
    for again in [4, 1] {
        assert_eq!(server.ask(&received("bob", "u/bob", again)).await, receipts(&[]));
    }
    assert_eq!(code(server.ask(&received("eve", "u/bob", 1)).await), ErrorCode::NotYourLog);
    assert_eq!(code(server.ask(&received("eve", "t/none", 1)).await), ErrorCode::UnknownTopic);
    manager.drained().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_always_answered() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    for (log, pair, content) in [
        ("u/bob", true, p2p("amy", "bob", "1")),
        ("nonsense", true, p2p("amy", "bob", "1")),
        ("t/x", false, p2p("amy", "bob", "1")),
        ("u/amy", true, bytes::Bytes::from_static(b"\xff\xff")),
        ("t/x", false, Content::void().to_bytes()),
    ] {
        assert_eq!(server.append(log, pair, &content).await, refused(ErrorCode::BadRequest), "{log}");
    }
    for json in [&b"{}"[..], b"nonsense", br#"{"Do":"Fly"}"#, br#"{"Do":"Topics","User":"a b"}"#] {
        assert_eq!(code(server.ask_json(json).await), ErrorCode::UnknownCommand);
    }
    assert_eq!(server.read("nonsense", None, 0, 1).await.refused, ErrorCode::BadRequest.number());
    assert_eq!(server.read("u/bob", Some("amy"), 0, 1).await.refused, ErrorCode::NotYourLog.number());
    assert_eq!(server.send(&[("amy", "bob", "1")]).await, [Came::Stored(1, 1)]);
    manager.drained().await;
}

#[tokio::test]
async fn a_page_is_bounded_whatever_is_asked() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy"]).await;
    let ids: Vec<String> = (1..=1100).map(|id| id.to_string()).collect();
    let messages: Vec<_> = ids.iter().map(|id| ("amy", "amy", &**id)).collect();
    server.send(&messages).await;
    let page = server.read("u/amy", None, 0, u64::MAX).await;
    assert_eq!((page.head, page.entries.len()), (1100, 1000));
    assert_eq!(server.read("u/amy", None, 1000, 0).await.entries.len(), 1);
    let large = "x".repeat(400 << 10);
    for id in ["large1", "large2", "large3"] {
        let content = Content::text("amy", id, Some("amy"), &large).to_bytes();
        let came = server.append("u/amy", true, &content).await;
        assert!(matches!(came, Came::Stored(..)), "{came:?}");
    }
    assert_eq!(server.read("u/amy", None, 1100, 9).await.entries.len(), 2);
    manager.drained().await;
}

#[tokio::test]
async fn what_retention_took_is_told_by_the_first_version_of_every_page_and_bound() {
    let (folder, links) = (tempfile::tempdir().unwrap(), Links::start(Secrecy::default()).await);
    let keys = json!({"RetentionDays": 0.5 / 86_400.0});
    let manager = Manager::start(config(&[&links], folder.path(), keys)).await;
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy"]).await;
    let ids: Vec<String> = (1..=10).map(|id| id.to_string()).collect();
    let messages: Vec<_> = ids.iter().map(|id| ("amy", "amy", &**id)).collect();
    server.send(&messages).await;
    let ask = Request::Bounds { logs: vec![log("u/amy")] };
    let deadline = tokio::time::Instant::now() + link_end::PATIENCE;
    loop {
        let Reply::Bounds { bounds } = server.ask(&ask).await else { panic!("no bounds") };
        assert_eq!(bounds[0].head, Version(10));
        if bounds[0].first == Version(10) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "retention took only what is before {bounds:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for after in [0, 4, 9] {
        server
            .link
            .send(Frame::Read(Read {
                ask: 900,
                log: "u/amy",
                reader: None,
                after,
                max_entries: 9,
                max_bytes: 1 << 20,
            }))
            .await;
        let body = server.link.next().await.unwrap();
        let Frame::Page(page) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
        let versions: Vec<_> = page.entries.iter().map(|entry| entry.version).collect();
        assert_eq!((page.first, page.head, versions), (10, 10, vec![10]), "after {after}");
    }
    assert_eq!(
        server.send(&messages[..3]).await,
        [1, 2, 3].map(|version| Came::Stored(version, 0)),
        "repeats are known"
    );
    manager.drained().await;
}

#[tokio::test]
async fn pages_wait_for_a_slow_link_and_none_of_them_ends_it() {
    let (folder, links) = (tempfile::tempdir().unwrap(), Links::start(Secrecy::default()).await);
    let manager = Manager::start(config(&[&links], folder.path(), json!({"LinkQueueBytes": 1 << 20}))).await;
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy"]).await;
    let body = "x".repeat(50 << 10);
    for id in 0..20 {
        let content = Content::text("amy", &id.to_string(), Some("amy"), &body).to_bytes();
        assert_eq!(server.append("u/amy", true, &content).await, Came::Stored(id + 1, 0));
    }
    // Far more than sockets and the link's queue hold; nothing is taken out before all is asked for.
    let read = |ask| Read { ask, log: "u/amy", reader: None, after: 0, max_entries: 1, max_bytes: 1 };
    let reads: Vec<_> = (0..600).map(|ask| Frame::Read(read(ask))).collect();
    server.link.send_all(&reads).await;
    let mut asks = Vec::new();
    for _ in 0..600 {
        let body = server.link.next().await.unwrap();
        let Frame::Page(page) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
        assert_eq!((page.entries.len(), page.head, page.refused), (1, 20, 0));
        asks.push(page.ask);
    }
    asks.sort_unstable();
    assert!(asks.into_iter().eq(0..600));
    manager.drained().await;
}

#[tokio::test]
async fn a_drained_manager_has_answered_everything_and_another_goes_on_from_there() {
    let Pair { folder, links, manager, mut server } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    let ids: Vec<String> = (0..300).map(|id| id.to_string()).collect();
    let messages: Vec<_> = ids.iter().map(|id| ("amy", "bob", &**id)).collect();
    let first = server.send_unanswered(&messages).await;
    manager.shutdown.drain();
    let mut stored = 0;
    while let Ok((ask, came)) = server.answer().await {
        let number = ask - first;
        match came {
            Came::Stored(version, _) => stored = stored.max(version),
            came => assert_eq!(came, refused(ErrorCode::Draining), "{number}"),
        }
    }
    manager.drained().await;
    let again = Manager::start(config(&[&links], folder.path(), json!({}))).await;
    let mut server = Server::linked(&links).await;
    assert_eq!(server.read("u/amy", None, 0, 1).await.head, stored);
    let came = server.send(&messages).await;
    let expected: Vec<_> = (1..=300).map(|version| Came::Stored(version, version)).collect();
    assert_eq!(came, expected);
    again.drained().await;
}

#[tokio::test]
async fn a_msg_server_with_another_secret_is_not_linked() {
    let theirs = Secrecy::new(Some(Secret::new("another secret of 16")));
    let ours = Secrecy::new(Some(Secret::new("the secret of the mesh")));
    let (stranger, friend) = (Links::start(theirs).await, Links::start(ours).await);
    let folder = tempfile::tempdir().unwrap();
    let keys = json!({"MeshSecret": "the secret of the mesh"});
    let manager = Manager::start(config(&[&stranger, &friend], folder.path(), keys)).await;
    assert!(stranger.try_link().await.is_err());
    Server::linked(&friend).await.log_in(&["amy"]).await;
    manager.drained().await;
}

#[tokio::test]
async fn one_store_serves_one_manager_and_the_second_is_told_who_has_it() {
    let Pair { folder, links, manager, .. } = Pair::start().await;
    let second = Manager::start(config(&[&links], folder.path(), json!({}))).await;
    let error = second.failed().await.to_string();
    assert!(error.contains("is in use by"), "{error}");
    manager.drained().await;
}

#[tokio::test]
async fn whoever_is_a_member_of_as_many_topics_as_may_be_joins_no_more_until_one_is_left() {
    let (folder, links) = (tempfile::tempdir().unwrap(), Links::start(Secrecy::default()).await);
    let keys = json!({"MaxTopicsPerUser": 3});
    let manager = Manager::start(config(&[&links], folder.path(), keys)).await;
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy", "bob"]).await;
    let made = |who, name| create(name, who, false);
    let join = |name| Request::JoinTopic { topic: topic(name), user: user("amy"), device: None };
    for request in [made("bob", "b1"), made("bob", "b2"), made("amy", "a1"), made("amy", "a2"), join("b1")] {
        assert!(matches!(server.ask(&request).await, Reply::Joined { .. }));
    }
    for one_more in [made("amy", "a3"), join("b2")] {
        assert_eq!(code(server.ask(&one_more).await), ErrorCode::LimitReached);
    }
    for had in [made("amy", "a1"), join("b1")] {
        assert!(matches!(server.ask(&had).await, Reply::Joined { already: true, .. }));
    }
    let leave = Request::LeaveTopic { topic: topic("a2"), user: user("amy") };
    assert!(matches!(server.ask(&leave).await, Reply::Left));
    assert!(matches!(server.ask(&join("b2")).await, Reply::Joined { already: false, .. }));
    assert_eq!(code(server.ask(&made("amy", "a3")).await), ErrorCode::LimitReached);
    manager.drained().await;
}
