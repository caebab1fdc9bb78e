//! The tables of codes, channels, frames and tags.

use std::collections::{BTreeMap, BTreeSet};

use protocol::access::{Act, Join, Object, TABLE};
use protocol::channel::Channel;
use protocol::code::{DisconnectCode, ErrorCode};
use protocol::event;
use protocol::fields::Fields;
use protocol::link::{
    Append, Appended, Change, Confirm, Direction, Frame, Outcome, Page, PageEntry, Read, Send, Stored,
};

use crate::PAGE;

/// The rows of the table whose head begins with these columns.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let begins = PAGE.find(&format!("| {head}")).unwrap_or_else(|| panic!("the page has no table {head:?}"));
    let rows = PAGE[begins..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect())
        .collect()
}

#[test]
fn the_codes_are_those_of_the_code() {
    let disconnects = DisconnectCode::ALL.iter().map(|code| (code.number(), "DISCONNECT", code.meaning()));
    let errors = ErrorCode::ALL.iter().map(|code| (code.number(), "ERROR", code.meaning()));
    let wanted: BTreeSet<_> = disconnects.chain(errors).collect();
    let page = table("code | in | says");
    let page: BTreeSet<_> =
        page.iter().map(|row| (row[0].parse().expect("a number"), row[1], row[2])).collect();
    assert_eq!(page, wanted);
}

#[test]
fn the_channels_are_those_of_the_code() {
    let wanted: BTreeSet<_> = Channel::ALL.iter().map(|channel| (channel.name(), *channel as u8)).collect();
    let page = table("channel | number");
    let page: BTreeSet<_> = page.iter().map(|row| (row[0], row[1].parse().expect("a number"))).collect();
    assert_eq!(page, wanted);
}

/// What is done to topics, by which commands, and who may.
#[test]
fn who_may_do_what_to_a_topic_is_what_the_code_says() {
    let names = |join, act: Act| {
        let names = act.enough(join).iter().map(|standing| format!("{standing:?}").to_lowercase());
        names.collect::<Vec<_>>().join(", ")
    };
    let commands = |act: Act| {
        let rows = TABLE.iter().filter(|row| {
            row.object == Object::Topic(act) || (act == Act::Read && row.object == Object::Logs)
        });
        rows.map(|row| row.command).collect::<Vec<_>>().join(", ")
    };
    let wanted: Vec<_> = Act::ALL
        .iter()
        .map(|act| {
            let name = format!("{act:?}").to_lowercase();
            [name, commands(*act), names(Join::Open, *act), names(Join::Invite, *act)]
        })
        .collect();
    assert_eq!(table("what is done | by"), wanted);
}

/// A frame of each kind with all of its fields, by the name on the page.
fn frames() -> Vec<(&'static str, Vec<Frame<'static>>)> {
    let stored = Outcome::Stored(Stored { version: 1, peer_version: 1, time: 1, revision: 1 });
    let refused = Outcome::Refused { code: 1, message: "m", stored: event::Stored::Maybe };
    let entry = PageEntry { version: 1, time: 1, content: b"c" };
    let (device, direction) = (Some("d"), Direction::End);
    let page = Page { ask: 1, first: 1, head: 1, entries: vec![entry], refused: 1, revision: 1, since: 1 };
    let read = Read { ask: 1, log: "l", reader: Some("r"), after: 1, max_entries: 1, max_bytes: 1 };
    vec![
        ("Append", vec![Frame::Append(Append { ask: 1, log: "l", pair: true, content: b"c" })]),
        ("Appended", [stored, refused].map(|outcome| Frame::Appended(Appended { ask: 1, outcome })).into()),
        ("Send", vec![Frame::Send(Send { log: "l", version: 1, time: 1, content: b"c" })]),
        ("Read", vec![Frame::Read(read)]),
        ("Page", vec![Frame::Page(page)]),
        (
            "Change",
            vec![Frame::Change(Change { number: 1, channel: 1, direction, log: "l", device, stamp: 1 })],
        ),
        ("Confirm", vec![Frame::Confirm(Confirm { number: 1 })]),
        ("Ask", vec![Frame::Ask(1, b"{}")]),
        ("Answer", vec![Frame::Answer(1, b"{}")]),
        ("Report", vec![Frame::Report(b"{}")]),
        ("Order", vec![Frame::Order(b"{}")]),
        ("Notice", vec![Frame::Notice(b"{}")]),
    ]
}

#[test]
fn the_frames_have_the_fields_that_the_page_gives_them() {
    let tags: BTreeMap<u8, &str> =
        table("tag | field").iter().map(|row| (row[0].parse().expect("a number"), row[1])).collect();
    let page = table("kind | frame");
    assert_eq!(page.len(), frames().len());
    for (row, (name, frames)) in page.iter().zip(frames()) {
        assert_eq!(row[1], name);
        let mut fields = BTreeSet::new();
        for frame in frames {
            let bytes = frame.to_bytes();
            assert_eq!(bytes[4].to_string(), row[0], "the kind of {name}");
            for field in Fields::new(&bytes[5..]) {
                fields.insert(tags[&field.expect("fields").0]);
            }
        }
        let words = row[3].split('.').next().unwrap_or_default();
        let listed: BTreeSet<_> = words
            .split([',', ';'])
            .map(|field| {
                field
                    .trim()
                    .trim_start_matches("then ")
                    .trim_start_matches("or ")
                    .trim_start_matches("any number of ")
            })
            .collect();
        assert_eq!(listed, fields, "the fields of {name}");
    }
}
