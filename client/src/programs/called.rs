//! By which name people run these programs: their own, or as a command of `shoal`, which becomes them.

use std::path::Path;

/// `text` with the programs' names as whoever runs this one knows them. `shoal` says so by its name for this process:
/// `shoal p2p`.
pub fn as_called(text: &str) -> String {
    renamed(text, std::env::args_os().next().is_some_and(|name| is_command_of_shoal(Path::new(&name))))
}

fn is_command_of_shoal(name: &Path) -> bool {
    name.file_name().is_some_and(|name| name == "shoal p2p" || name == "shoal topic")
}

fn renamed(text: &str, by_shoal: bool) -> String {
    if !by_shoal {
        return text.to_owned();
    }
    text.replace("client_p2p", "shoal p2p").replace("client_topic", "shoal topic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_shoal_speaks_of_shoal() {
        assert!(is_command_of_shoal(Path::new("shoal topic")));
        assert!(!is_command_of_shoal(Path::new("/usr/bin/client_topic")));
        assert_eq!(renamed("client_p2p --to bob", true), "shoal p2p --to bob");
        assert_eq!(renamed("client_p2p --to bob", false), "client_p2p --to bob");
    }
}
