//! `weir completions` and `weir man`: what shells and `man` know of this command, from its own description.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Command;
use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
pub(super) struct CompletionArguments {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The directory, such as /usr/local/share/man/man1; it is made where it is missing.
    directory: PathBuf,
}

/// Writes the script to standard output.
pub(super) fn complete(arguments: &CompletionArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Command::command(), "weir", &mut script);
    say(String::from_utf8(script)?.trim_end())
}

/// Writes one page for each subcommand.
pub(super) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let wrong = |error: std::io::Error| format!("cannot write to {}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(wrong)?;
    clap_mangen::generate_to(Command::command(), directory).map_err(wrong)?;
    say(&format!(
        "written to {}; read with man weir, man weir-doctor, …",
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Stdio;

    use clap::ValueEnum as _;

    use super::*;

    fn script(shell: Shell) -> String {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Command::command(), "weir", &mut script);
        String::from_utf8(script).unwrap()
    }

    #[test]
    fn every_shell_knows_every_subcommand() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Command::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell} does not know {}",
                    command.get_name()
                );
            }
            assert!(script.contains("--only") || script.contains("only"), "{shell}");
        }
    }

    /// Bash reads the script whole, and says what it offers.
    #[test]
    fn bash_completes_a_subcommand() {
        let ask = "COMP_WORDS=(weir doc); COMP_CWORD=1; _weir weir doc weir; echo \"${COMPREPLY[@]}\"";
        // Longer than an argument may be.
        let text = format!("{}\n{ask}\n", script(Shell::Bash));
        let mut bash = std::process::Command::new("bash")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        bash.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let run = bash.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), "doctor", "{run:?}");
    }

    #[test]
    fn every_subcommand_has_its_page() {
        let directory = PathBuf::from(format!("/tmp/weir-man-{}", std::process::id()));
        let arguments = ManArguments {
            directory: directory.clone(),
        };
        man(&arguments).unwrap();
        for command in Command::command().get_subcommands() {
            let page = std::fs::read_to_string(directory.join(format!("weir-{}.1", command.get_name()))).unwrap();
            assert!(page.contains(".SH DESCRIPTION") || page.contains(".SH NAME"), "{page}");
        }
        assert!(directory.join("weir-backup-create.1").exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
