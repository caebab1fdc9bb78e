//! Every planted fault is found, by the check that is meant for it.

use super::*;
use crate::history::{At, Client, How, Log, Oddity, Seen, Send, Session, Stored};

const TOPIC: LogNo = 2;

/// Three messages of client 0 to a topic of both, then one p2p message from client 1 to client 0: all as it should be.
fn sound() -> History {
    let mut history = History { settled: Some(At(900)), ..History::default() };
    for (name, inbox) in [("c0", 0), ("c1", 1)] {
        let session = Session { server: "s".into(), began: At(1), ..Session::default() };
        history.clients.push(Client {
            user: name.into(),
            inbox,
            follows: vec![inbox, TOPIC],
            sessions: vec![session],
            ..Client::default()
        });
    }
    history.logs = ["u/c0", "u/c1", "t/t0"].map(|name| Log { name: name.into(), ..Log::default() }).into();
    for number in 0..3 {
        send(&mut history, 0, TOPIC, None, 10 + number);
    }
    send(&mut history, 1, 1, Some(0), 20);
    history
}

fn id(client: u16, number: u32) -> MessageId {
    MessageId { client, number }
}

/// Sends, stores, acknowledges and pushes one message.
fn send(history: &mut History, from: u16, log: LogNo, peer: Option<LogNo>, at: u32) {
    let sender = &mut history.clients[usize::from(from)];
    let message = id(from, sender.sends.len() as u32);
    let version = history.logs[log as usize].head + 1;
    sender.sends.push(Send {
        log,
        peer,
        at: At(at),
        session: 0,
        again: Vec::new(),
        acked: Some((At(at + 100), version)),
        refused: false,
        out_of_turn: false,
    });
    for log in [Some(log), peer].into_iter().flatten() {
        let one = &mut history.logs[log as usize];
        one.head += 1;
        one.stored.push(Stored { version: one.head, message: Some(message) });
        for (number, client) in history.clients.iter_mut().enumerate() {
            if client.follows.contains(&log) {
                let how = if number == usize::from(from) { How::Acked } else { How::Pushed };
                let version = one.head;
                let seen = Seen { at: At(at + 100), session: 0, how, log, version, message: Some(message) };
                client.seen.push(seen);
            }
        }
    }
}

/// The promises that were broken.
fn broken(history: &History) -> Vec<&'static str> {
    all(history).iter().filter(|verdict| verdict.count > 0).map(|verdict| verdict.promise).collect()
}

#[track_caller]
fn is_found(history: &History, words: &[&str]) {
    let broken = broken(history);
    for word in words {
        assert!(broken.iter().any(|promise| promise.contains(word)), "{word:?} is not among {broken:?}");
    }
    assert_eq!(broken.len(), words.len(), "{broken:?}");
}

#[test]
fn a_sound_history_has_no_fault() {
    is_found(&sound(), &[]);
}

#[test]
fn a_lost_acknowledged_message_is_found() {
    let mut history = sound();
    history.logs[2].stored.pop();
    history.logs[2].head = 2;
    is_found(&history, &["what was acknowledged is stored", "what sessions saw is what is stored"]);
}

#[test]
fn a_message_lost_from_the_recipients_inbox_is_found() {
    let mut history = sound();
    history.logs[0].stored.pop();
    history.logs[0].head = 0;
    history.clients[0].seen.retain(|seen| seen.log != 0);
    is_found(&history, &["what was acknowledged is stored", "in both inboxes"]);
}

#[test]
fn a_message_stored_twice_is_found() {
    let mut history = sound();
    history.logs[2].stored.push(Stored { version: 4, message: Some(id(0, 1)) });
    history.logs[2].head = 4;
    for (client, how) in [(0, How::Acked), (1, How::Pushed)] {
        let again = Seen { at: At(500), session: 0, how, log: TOPIC, version: 4, message: Some(id(0, 1)) };
        history.clients[client].seen.push(again);
    }
    is_found(&history, &["stored at most once", "tells the same version"]);
}

#[test]
fn a_version_that_nothing_stands_at_is_found() {
    let mut history = sound();
    history.logs[2].stored[2].version = 4;
    history.logs[2].head = 4;
    history.clients[0].sends[2].acked = Some((At(112), 4));
    for client in &mut history.clients {
        client.seen.iter_mut().filter(|seen| seen.version == 3).for_each(|seen| seen.version = 4);
    }
    is_found(&history, &["2, 3 … without a hole", "saw each log without a hole", "has everything"]);
}

#[test]
fn a_log_that_could_not_be_read_is_found() {
    let mut history = sound();
    history.logs[0].unread = Some("no answer".into());
    is_found(&history, &["could be read"]);
}

#[test]
fn a_push_that_comes_twice_is_found() {
    let mut history = sound();
    let first = history.clients[1].seen[0];
    history.clients[1].seen.push(Seen { at: At(600), ..first });
    is_found(&history, &["nothing twice"]);
}

#[test]
fn pushes_out_of_order_are_found() {
    let mut history = sound();
    history.clients[1].seen.swap(0, 1);
    is_found(&history, &["saw each log without a hole", "nothing twice"]);
}

#[test]
fn a_push_that_was_left_out_is_found_even_if_it_comes_later() {
    let mut history = sound();
    let left_out = history.clients[1].seen.remove(1);
    history.clients[1].seen.push(left_out);
    is_found(&history, &["saw each log without a hole", "nothing twice"]);
}

#[test]
fn the_last_push_of_all_that_never_comes_is_found() {
    let mut history = sound();
    history.clients[1].seen.retain(|seen| (seen.log, seen.version) != (TOPIC, 3));
    is_found(&history, &["has everything"]);
}

#[test]
fn an_own_send_that_is_answered_only_after_a_later_push_is_found() {
    let mut history = sound();
    send(&mut history, 1, TOPIC, None, 30);
    let seen = &mut history.clients[0].seen;
    let last_ok = seen.iter().position(|seen| (seen.log, seen.version) == (TOPIC, 3)).unwrap();
    let late = seen.remove(last_ok);
    seen.push(late);
    is_found(&history, &["saw each log without a hole"]);
    history.clients[0].sessions[0].merged = true;
    is_found(&history, &[]);
}

#[test]
fn an_own_send_that_was_pushed_as_well_is_no_repeat() {
    let mut history = sound();
    let answered = history.clients[0].seen[0];
    history.clients[0].seen.insert(1, Seen { how: How::Pushed, ..answered });
    is_found(&history, &[]);
}

#[test]
fn a_session_that_resumes_is_told_what_comes_after_and_nothing_before() {
    let mut history = sound();
    let client = &mut history.clients[1];
    let resumed = vec![(TOPIC, 2)];
    client.sessions.push(Session { server: "r".into(), began: At(111), resumed, ..Session::default() });
    client
        .seen
        .iter_mut()
        .filter(|seen| seen.log == TOPIC && seen.version == 3)
        .for_each(|seen| seen.session = 1);
    is_found(&history, &[]);
    history.clients[1].sessions[1].resumed[0].1 = 1;
    is_found(&history, &["saw each log without a hole"]);
    history.clients[1].sessions[1].resumed[0].1 = 3;
    is_found(&history, &["nothing twice"]);
}

#[test]
fn sends_stored_in_another_order_are_found() {
    let mut history = sound();
    let entries = &mut history.logs[2].stored;
    let (second, third) = (entries[1].message, entries[2].message);
    (entries[1].message, entries[2].message) = (third, second);
    for client in &mut history.clients {
        for seen in client.seen.iter_mut().filter(|seen| seen.log == TOPIC) {
            seen.message = match seen.version {
                2 => third,
                3 => second,
                _ => seen.message,
            };
        }
    }
    history.clients[0].sends[1].acked = Some((At(111), 3));
    history.clients[0].sends[2].acked = Some((At(112), 2));
    is_found(&history, &["in the order sent"]);
    history.clients[0].sends[1].out_of_turn = true;
    is_found(&history, &[]);
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    for forged in [None, Some(id(0, 77)), Some(id(9, 0)), Some(id(1, 0))] {
        let mut history = sound();
        history.logs[2].stored.push(Stored { version: 4, message: forged });
        history.logs[2].head = 4;
        for (number, client) in history.clients.iter_mut().enumerate() {
            let seen =
                Seen { at: At(500), session: 0, how: How::Pushed, log: TOPIC, version: 4, message: forged };
            client.seen.push(Seen { at: At(500 + number as u32), ..seen });
        }
        let broken = broken(&history);
        assert!(broken.iter().any(|promise| promise.contains("never sent")), "{forged:?}: {broken:?}");
    }
}

#[test]
fn two_sessions_that_saw_different_messages_at_one_version_are_found() {
    let mut history = sound();
    history.clients[1].seen[0].message = Some(id(0, 1));
    is_found(&history, &["what sessions saw is what is stored"]);
}

#[test]
fn a_push_of_another_users_log_is_found() {
    let mut history = sound();
    let theirs =
        Seen { at: At(500), session: 0, how: How::Pushed, log: 0, version: 1, message: Some(id(1, 0)) };
    history.clients[1].seen.push(theirs);
    is_found(&history, &["what sessions saw is what is stored"]);
}

#[test]
fn a_refused_message_that_is_stored_is_found() {
    let mut history = sound();
    history.clients[0].sends[2].refused = true;
    is_found(&history, &["refused as not stored"]);
}

#[test]
fn an_acknowledgement_of_another_version_is_found() {
    let mut history = sound();
    let again = history.clients[0].seen[0];
    history.clients[0].seen.push(Seen { version: 2, ..again });
    is_found(&history, &["tells the same version"]);
}

#[test]
fn an_end_in_the_silence_is_found() {
    let mut history = sound();
    history.clients[1].sessions[0].ended = Some((At(800), "killed".into()));
    is_found(&history, &[]);
    history.clients[1].sessions[0].ended = Some((At(901), "thrown out".into()));
    is_found(&history, &["disconnected in the silence"]);
    history.clients[1].sessions[0].ended = None;
    history.settled = None;
    is_found(&history, &["disconnected in the silence"]);
}

#[test]
fn an_odd_packet_is_found() {
    let mut history = sound();
    history.clients[0].oddities.push(Oddity { at: At(5), what: "an OK that nobody waits for".into() });
    is_found(&history, &["that should not be"]);
}

#[test]
fn a_story_has_the_message_its_neighbours_and_what_was_killed() {
    let mut history = sound();
    history.incidents.push(crate::history::Incident { at: At(15), what: "router-0 is killed".into() });
    history.clients[1].seen.retain(|seen| (seen.log, seen.version) != (TOPIC, 2));
    let verdicts = all(&history);
    let verdict =
        verdicts.iter().find(|verdict| verdict.promise.contains("saw each log without a hole")).unwrap();
    let story = story::tell(&history, &verdict.faults[0]).join("\n");
    for part in ["c0-1 is sent to t/t0", "router-0 is killed", "c1 (session 0) is pushed 3=c0-2", "2=c0-1"] {
        assert!(story.contains(part), "{part:?} is not in\n{story}");
    }
}
