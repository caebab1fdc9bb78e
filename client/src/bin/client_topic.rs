//! Talks in topics: at a prompt, or in a pipe. `client_topic --help` says how.

fn main() -> std::process::ExitCode {
    client::programs::topic::main()
}
