//! The `router` process.

fn main() -> std::process::ExitCode {
    mesh::process::run(router::run)
}
