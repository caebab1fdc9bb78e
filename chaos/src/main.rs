//! `chaos`: see the library.

use std::process::ExitCode;

use chaos::Settings;
use clap::Parser;

/// Kills the processes of a mesh while clients talk, and checks that nothing is lost, doubled or out of order.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  chaos --seconds 60 --msg-servers 3 --clients 200 --rate 5000 --seed 7
  chaos --seconds 30 --kill router,msg_server-1 --json
  chaos --seconds 30 --via library

Exit code: 0 all promises kept, 1 one was broken, 2 the run could not be made.
Set TESTBED_PROGRAMS to a folder of programs to test those; otherwise they are built."
)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Prints the figures as one JSON object
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match chaos::run(&arguments.settings).await {
        Ok(outcome) => {
            println!("{}", if arguments.json { outcome.json() } else { outcome.text() });
            if outcome.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}
