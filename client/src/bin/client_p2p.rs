//! Talks to one person at a time: at a prompt, or in a pipe. `client_p2p --help` says how.

fn main() -> std::process::ExitCode {
    client::programs::p2p::main()
}
