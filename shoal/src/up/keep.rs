//! The loop that carries out what the keeper decides.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::signal::unix::{Signal as Listened, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::{next_steps, words};
use crate::children::{Children, Programs};
use crate::data_folder::DataFolder;
use crate::failure::Failure;
use crate::keeper::{Action, Event, Keeper, Notice, Outcome};
use crate::log_tail::{last_lines, length};
use crate::plan::Member;
use crate::run_file::{RunFile, Running};
use crate::screen::{Form, Screen, Tone};

/// How many of its last lines are shown of a process that died.
const LAST_LINES: usize = 8;

/// A mesh that is being run.
pub struct Run {
    members: Vec<Member>,
    keeper: Keeper,
    children: Children,
    happened: UnboundedReceiver<Event>,
    signals: Signals,
    screen: Screen,
    run_file: std::path::PathBuf,
    program: std::path::PathBuf,
    /// How long each log was when its process was last started.
    log_starts: Vec<u64>,
    began: Instant,
    greeted: bool,
}

impl Run {
    /// Is ready to run `members`; nothing is started yet. Who does not answer for `silence` is replaced.
    ///
    /// # Errors
    /// Where signals cannot be heard.
    pub fn new(
        members: Vec<Member>,
        silence: Option<Duration>,
        programs: Programs,
        folder: &DataFolder,
        screen: Screen,
    ) -> Result<Self, Failure> {
        let (children, happened) = Children::new(programs, members.len());
        Ok(Self {
            keeper: Keeper::new(members.iter().map(|member| (member.role, member.drain)), silence),
            children,
            happened,
            signals: Signals::listen().map_err(Failure::while_trying("to listen to signals"))?,
            screen,
            run_file: folder.run_file(),
            program: std::env::current_exe().unwrap_or_default(),
            log_starts: vec![0; members.len()],
            began: Instant::now(),
            greeted: false,
            members,
        })
    }

    /// Keeps the mesh running until it has ended.
    pub async fn keep(mut self) -> Outcome {
        let actions = self.keeper.begin();
        self.carry_out(actions);
        loop {
            if let Some(outcome) = self.keeper.outcome() {
                self.tell_outcome(outcome);
                return outcome;
            }
            let actions = self.next().await;
            self.carry_out(actions);
        }
    }

    /// Waits until something happens; gives what is to be done about it.
    async fn next(&mut self) -> Vec<Action> {
        let wake_at = self.keeper.wake_at().map(|at| self.began + at);
        let due = async {
            match wake_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            Some(event) = self.happened.recv() => self.keeper.take(self.began.elapsed(), event),
            () = self.signals.next() => {
                self.keeper.take(self.began.elapsed(), Event::Told)
            }
            () = due => self.keeper.tick(self.began.elapsed()),
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Start(index) => queue.extend(self.start(index)),
                Action::Drain(index) => self.children.signal(index, Signal::TERM),
                Action::Kill(index) => self.children.signal(index, Signal::KILL),
                Action::Tell(notice) => self.tell(&notice),
            }
        }
        self.note_run();
        if self.screen.form() == Form::InPlace {
            self.paint();
        }
    }

    fn start(&mut self, index: usize) -> Vec<Action> {
        self.log_starts[index] = length(&self.members[index].log_file);
        let event = self.children.start(index, &self.members[index]);
        self.keeper.take(self.began.elapsed(), event)
    }

    fn tell(&mut self, notice: &Notice) {
        let last_lines = match notice {
            Notice::Died { index, .. } => self.last_words(*index),
            _ => Vec::new(),
        };
        let form = self.screen.form();
        if form == Form::Json {
            let event = words::event(notice, &self.members, self.keeper.processes(), &last_lines);
            self.screen.event(&event);
            return;
        }
        let shown_by_table = form == Form::InPlace && matches!(notice, Notice::Changed(_));
        if !shown_by_table
            && let Some((line, tone)) = words::line(notice, &self.members, self.keeper.processes())
        {
            self.screen.say(&line, tone);
        }
        for line in last_lines {
            self.screen.say(&format!("    {line}"), None);
        }
        if *notice == (Notice::AllReady { first: true }) {
            self.greeted = true;
            if form == Form::Lines {
                self.paint();
            }
        }
    }

    /// What it wrote to stderr, where panics and refusals go, then its log.
    fn last_words(&self, index: usize) -> Vec<String> {
        let member = &self.members[index];
        let mut lines = last_lines(&member.out_file, 0, LAST_LINES);
        lines.extend(last_lines(&member.log_file, self.log_starts[index], LAST_LINES));
        lines
    }

    fn paint(&mut self) {
        let rows: Vec<_> = std::iter::zip(&self.members, self.keeper.processes())
            .map(|(member, process)| words::row(member, process))
            .collect();
        let greet = self.greeted && !self.keeper.is_ending();
        let below = if greet { next_steps::lines(&self.members, &self.program) } else { Vec::new() };
        self.screen.paint(&rows, &below);
    }

    fn tell_outcome(&mut self, outcome: Outcome) {
        let (name, line, tone) = words::outcome(outcome);
        self.screen.event(&json!({ "Event": "ended", "Outcome": name }));
        self.screen.say_unless_json(line, Some(tone));
    }

    /// Writes down what runs. The mesh goes on where that fails: only `shoal status` knows less.
    fn note_run(&mut self) {
        let processes = std::iter::zip(&self.members, self.keeper.processes());
        let running = processes.map(|(member, process)| Running {
            name: member.name.clone(),
            role: member.role.to_string(),
            address: member.address.to_string(),
            listen: member.listen,
            pid: process.pid,
            restarts: process.restarts,
            conf_file: member.conf_file.clone(),
            log_file: member.log_file.clone(),
        });
        let gateway = self.members.first().map(|member| member.address.to_string()).unwrap_or_default();
        let web = self.members.iter().find_map(|member| member.web);
        let run = RunFile { pid: std::process::id(), gateway, web, processes: running.collect() };
        if let Err(error) = run.write(&self.run_file) {
            let line = format!("what runs cannot be written to {}: {error}", self.run_file.display());
            self.screen.say_unless_json(&line, Some(Tone::Bad));
        }
    }
}

/// SIGINT and SIGTERM, from now on heard instead of obeyed by the system.
struct Signals {
    interrupt: Listened,
    terminate: Listened,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.terminate.recv() => {}
            else => pending().await,
        }
    }
}
