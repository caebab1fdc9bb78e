//! The `manager` process.

fn main() -> std::process::ExitCode {
    mesh::process::run(manager::run)
}
