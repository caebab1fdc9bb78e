//! The processes themselves: started, asked how they are, told to end, waited for.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::keeper::{Event, Exit};
use crate::plan::Member;
use crate::probe::{self, Health};
use crate::program::PARENT;

/// How often a process is asked that was not ready when it was asked last.
const ASK_SOON: Duration = Duration::from_millis(100);

/// How often a process is asked that was ready.
const ASK_LATER: Duration = Duration::from_secs(1);

/// Which programs the processes run.
#[derive(Debug, Clone)]
pub enum Programs {
    /// This executable, called by the role's name.
    Itself(PathBuf),
    /// The stand-alone programs in this folder.
    Folder(PathBuf),
}

/// The running processes of a mesh. Dropping it ends none of them.
pub struct Children {
    programs: Programs,
    events: UnboundedSender<Event>,
    /// The way to the task of each process, by its index, while it runs.
    orders: Vec<Option<UnboundedSender<Signal>>>,
    tasks: JoinSet<()>,
}

impl Children {
    /// No process yet, of `count` that there may be; what happens to them comes out of the receiver.
    pub fn new(programs: Programs, count: usize) -> (Self, UnboundedReceiver<Event>) {
        let (events, happened) = unbounded_channel();
        (Self { programs, events, orders: vec![None; count], tasks: JoinSet::new() }, happened)
    }

    /// Starts the process `index`, which is `member`; gives what came of it.
    pub fn start(&mut self, index: usize, member: &Member) -> Event {
        match self.spawn(member) {
            Ok((child, pid)) => {
                let (orders, ordered) = unbounded_channel();
                self.orders[index] = Some(orders);
                let attendant =
                    Attendant { index, pid, child, listen: member.listen, events: self.events.clone() };
                self.tasks.spawn(attendant.attend(ordered));
                Event::Started { index, pid }
            }
            Err(error) => Event::Exited { index, exit: Exit::NotStarted(error.to_string()) },
        }
    }

    /// Sends `signal` to the process `index`, where it runs.
    pub fn signal(&self, index: usize, signal: Signal) {
        if let Some(orders) = &self.orders[index] {
            // A task that has ended has reaped its process: there is nobody left to tell.
            let _ = orders.send(signal);
        }
    }

    fn spawn(&self, member: &Member) -> io::Result<(Child, u32)> {
        let out = File::create(&member.out_file)?;
        let child = self
            .command(member)
            .arg("--conf-file")
            .arg(&member.conf_file)
            .env(PARENT, std::process::id().to_string())
            // Away from the terminal's group: its Ctrl-C is for shoal alone, which drains in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("it has no process id"))?;
        Ok((child, pid))
    }

    fn command(&self, member: &Member) -> Command {
        match &self.programs {
            Programs::Itself(program) => {
                let mut command = Command::new(program);
                command.arg0(member.role.name());
                command
            }
            Programs::Folder(folder) => Command::new(folder.join(member.role.name())),
        }
    }
}

/// Looks after one process until it has ended. It alone reaps it, so a signal never meets a stranger that got the
/// same process id.
struct Attendant {
    index: usize,
    pid: u32,
    child: Child,
    listen: std::net::SocketAddr,
    events: UnboundedSender<Event>,
}

impl Attendant {
    async fn attend(mut self, mut orders: UnboundedReceiver<Signal>) {
        let (index, pid) = (self.index, self.pid);
        let address = crate::host::dialled_here(self.listen);
        let ask_after = |wait| async move {
            sleep(wait).await;
            probe::ask(address).await
        };
        let mut asking = Box::pin(ask_after(Duration::ZERO));
        let exit = loop {
            tokio::select! {
                ended = self.child.wait() => break exit_of(ended),
                Some(signal) = orders.recv() => self.send(signal),
                health = &mut asking => {
                    let wait = if health == Health::Ready { ASK_LATER } else { ASK_SOON };
                    asking.set(ask_after(wait));
                    self.tell(Event::Answered { index, pid, health });
                }
            }
        };
        self.tell(Event::Exited { index, exit });
    }

    fn send(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // Refused only where it has just ended, which the next turn sees.
            let _ = kill_process(pid, signal);
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more once the mesh has ended.
        let _ = self.events.send(event);
    }
}

fn exit_of(ended: io::Result<ExitStatus>) -> Exit {
    match ended {
        Ok(status) => status.signal().map_or_else(|| Exit::Code(status.code().unwrap_or(1)), Exit::Signal),
        Err(error) => Exit::NotStarted(error.to_string()),
    }
}
