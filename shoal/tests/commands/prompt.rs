//! The programs at a prompt, in real terminals.

use std::path::Path;
use std::process::Stdio;

use crate::running::{Up, gateway, kill, shoal};
use crate::terminal::{Terminal, key};

const SMALL: &[&str] = &["--no-monitor", "--msg-servers", "1"];

fn p2p(folder: &Path, columns: u16, id: &str, to: &str) -> Terminal {
    let gateway = gateway(folder);
    let terminal = Terminal::start(folder, columns, &["p2p", "--gateway", &gateway, "--id", id, "--to", to]);
    terminal.shows("connected to");
    terminal
}

/// Says one thing from a script.
fn say(folder: &Path, id: &str, to: &str, text: &str) {
    let args = ["p2p", "--gateway", &gateway(folder), "--id", id, "--to", to, "--once"];
    let mut child = shoal(folder).args(args).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_that_is_being_typed_survives_what_comes_and_the_arrow_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), SMALL);
    let bob = p2p(folder.path(), 80, "bob", "amy");
    let amy = p2p(folder.path(), 80, "amy", "bob");
    amy.press("half a sen");
    amy.edits("bob> half a sen");
    bob.press("are you there?\r");
    amy.shows("bob: are you there?");
    amy.edits("bob> half a sen");
    amy.press("tence");
    amy.press(key::ENTER);
    bob.shows("amy: half a sentence");
    let rows = amy.shows("you: half a sentence ✓");
    let typed = rows.iter().filter(|row| row.contains("half a sentence") && row.starts_with("bob>"));
    assert_eq!(typed.count(), 0, "what was typed is shown once: {rows:#?}");

    amy.press(key::UP);
    amy.edits("bob> half a sentence");
}

#[test]
fn marks_say_what_was_received_and_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), SMALL);
    let gateway = gateway(folder.path());
    let listens = ["p2p", "--gateway", &gateway, "--id", "bob", "--listen", "--json"];
    let mut listener = shoal(folder.path()).args(listens).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(listener.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut said, &mut String::new()).unwrap();

    let amy = p2p(folder.path(), 80, "amy", "bob");
    amy.press("one\r");
    amy.shows("you: one ✓");
    amy.shows("✓✓ bob has received: one");
    kill(listener.id(), rustix::process::Signal::TERM);
    listener.wait().unwrap();

    let bob = p2p(folder.path(), 80, "bob", "amy");
    bob.shows("amy: one");
    amy.shows("✓✓ bob has read: one");
}

#[test]
fn long_lines_are_broken_between_words() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), SMALL);
    let bob = p2p(folder.path(), 40, "bob", "amy");
    say(folder.path(), "amy", "bob", "the quick brown fox jumps over the lazy dog");
    let rows = bob.shows("lazy dog");
    assert!(rows.iter().any(|row| row.ends_with("amy: the quick brown fox jumps")), "{rows:#?}");
    assert!(rows.iter().any(|row| row == "       over the lazy dog"), "{rows:#?}");

    bob.press("the quick brown fox jumps over the lazy dog, and that again and again");
    bob.edits("lazy dog, and that again and again");
    bob.press(key::ENTER);
    let rows = bob.until("what was said", |rows| rows.iter().any(|row| row.contains("✓")));
    assert!(!rows.iter().any(|row| row.starts_with("amy> the")), "what was typed is shown once: {rows:#?}");
}

#[test]
fn ctrl_d_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), SMALL);
    let amy = p2p(folder.path(), 80, "amy", "amy");
    amy.edits("amy>");
    amy.press(key::CTRL_D);
    assert_eq!(amy.ended().code(), Some(0));

    let args = ["topic", "--gateway", &gateway(folder.path()), "--id", "amy", "--create", "garden"];
    let amy = Terminal::start(folder.path(), 80, &args);
    amy.edits("garden>");
    amy.press(key::CTRL_D);
    assert_eq!(amy.ended().code(), Some(0));
}

#[test]
fn two_prompts_of_one_person_live_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::ready(folder.path(), SMALL);
    let (first, second) = (p2p(folder.path(), 80, "amy", "amy"), p2p(folder.path(), 80, "amy", "amy"));
    first.press("to both\r");
    first.shows("you: to both ✓");
    second.shows("you to amy: to both");
    second.press("from both\r");
    first.shows("you to amy: from both");
}

#[test]
fn ctrl_c_drains_a_mesh_and_the_table_stays_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let up = Terminal::start(folder.path(), 200, &[&["up", "--free-ports"], SMALL].concat());
    let rows =
        up.until("all to be ready", |rows| rows.iter().filter(|row| row.contains("  ready ")).count() == 4);
    assert_eq!(rows.iter().filter(|row| row.starts_with("PROCESS ")).count(), 1, "{rows:#?}");
    up.press(key::CTRL_C);
    let rows = up.shows("all processes have drained and ended");
    assert!(rows.iter().any(|row| row == "draining: gateway"), "{rows:#?}");
    assert_eq!(up.ended().code(), Some(0));
}
