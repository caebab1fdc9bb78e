//! `bench`: see the library.

use std::process::ExitCode;

use bench::{BenchError, Options, proc, run};
use clap::Parser;

/// Measures rate, latency, CPU per message and memory per connection of a mesh, over the wire.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Examples:
  bench --scenario p2p,p2p-volatile --seconds 10
  bench --scenario fanout-volatile --members 1000
  bench --scenario append --senders 1 --in-flight 64
  bench --scenario idle --connections 10000 --json
  bench --scenario p2p --gateway 127.0.0.1:17000

Run it with --release: the mesh is built in the same profile. Exit code: 0 measured, 1 something was wrong, 2 nothing could be measured.
Set TESTBED_PROGRAMS to a folder of programs to measure those; otherwise they are built."
)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let options = Arguments::parse().options;
    proc::raise_file_limit();
    match measure(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(options: &Options) -> Result<bool, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| BenchError::Actor(error.into()))?;
    let mut sound = true;
    for scenario in &options.scenario {
        let measured = runtime.block_on(run(*scenario, options))?;
        println!("{}", if options.json { measured.json() } else { measured.text() });
        sound &= measured.wrong == 0;
    }
    Ok(sound)
}
