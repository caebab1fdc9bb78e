//! `shoal down`: drains the mesh of a folder, and waits until it has ended.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::cli::DownArgs;
use crate::data_folder::DataFolder;
use crate::exit;
use crate::failure::Failure;
use crate::keeper::ECHO;
use crate::lock::holder;
use crate::run_file::RunFile;
use crate::status::running;

/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Ends the mesh of a folder.
///
/// # Errors
/// Where none runs there, or it cannot be told to end.
pub async fn run(args: DownArgs) -> Result<u8, Failure> {
    let (pid, _) = running(&args.data)?;
    let folder = DataFolder::at(&args.data).map_err(Failure::while_trying("to find the folder"))?;
    tell(pid, Signal::TERM)?;
    if args.now {
        // Before that, it would be taken for the echo of the first.
        sleep(ECHO + LOOK).await;
        tell(pid, Signal::TERM)?;
    }
    println!("told pid {pid} to {}", if args.now { "end at once" } else { "drain" });
    wait(pid, &folder).await?;
    println!("ended");
    Ok(exit::DONE)
}

fn tell(pid: u32, signal: Signal) -> Result<(), Failure> {
    let named =
        Pid::from_raw(pid.cast_signed()).ok_or_else(|| io::Error::other("its process id is not known here"));
    let told = named.and_then(|named| Ok(kill_process(named, signal)?));
    match told {
        // It has ended meanwhile, which is what is wanted.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
        other => other.map_err(Failure::while_trying(format!("to tell pid {pid} to end"))),
    }
}

/// Says which processes remain, whenever that changes, until the folder is nobody's.
async fn wait(pid: u32, folder: &DataFolder) -> Result<(), Failure> {
    let mut said = None;
    while holder(&folder.lock_file()).map_err(Failure::while_trying("to see whether it has ended"))?
        == Some(pid)
    {
        let left = remaining(&folder.run_file());
        if said.as_ref() != Some(&left) && !left.is_empty() {
            println!("still running: {}", left.join(", "));
        }
        said = Some(left);
        sleep(LOOK).await;
    }
    Ok(())
}

fn remaining(file: &Path) -> Vec<String> {
    let run = RunFile::read(file).ok().flatten();
    let left = run.into_iter().flat_map(|run| run.processes).filter(|process| process.pid.is_some());
    left.map(|process| process.name).collect()
}
