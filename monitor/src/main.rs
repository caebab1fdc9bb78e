//! The `monitor` process.

fn main() -> std::process::ExitCode {
    mesh::process::run(monitor::run)
}
