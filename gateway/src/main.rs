//! The `gateway` process.

fn main() -> std::process::ExitCode {
    mesh::process::run(gateway::run)
}
