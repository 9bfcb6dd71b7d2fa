//! The reference of the command line, written from its own description.

use clap::{Arg, CommandFactory as _};

use super::Command;

const HEAD: &str = "# The command line

Written from the declarations in the code by `just reference`; a test fails when it drifts. `weir COMMAND --help` says the
same; [the tour](../guides/command.md) goes by task.

## Exit statuses

| status | means |
| --- | --- |
| 0 | done; for `weir doctor`: nothing is worse than a note; for `weir probe`: the answer's code was 2xx |
| 1 | failed, or found something: a service away or not ready (`weir status`), a job that failed or was cancelled (`--wait`), a proof that failed (`weir backup drill`), warnings and problems (`weir doctor`), a channel that refused (`weir alerts test`) |
| 2 | settings that cannot be, or a command line that cannot be |

`weir backup wal-push` and `weir backup wal-fetch` are called by PostgreSQL and end as its `archive_command` and
`restore_command` expect: 0 done, 1 not now and not here, above 125 only where the server has to give up. `weir up` ends with 1 also where work
was cut off while stopping.

What a command writes for programs (`--json`) goes to standard output; why it failed, in one line, to standard error.

## Options of every command

`--config FILE` names the settings file; without it the one that `WEIR_CONFIG` names counts, else only the environment.
";

/// The whole page.
pub(super) fn page() -> String {
    let mut command = Command::command();
    command.build();
    let mut page = HEAD.to_owned();
    for child in command.get_subcommands() {
        section(child, "weir", 2, &mut page);
    }
    page
}

fn section(command: &clap::Command, above: &str, depth: usize, page: &mut String) {
    let name = format!("{above} {}", command.get_name());
    let aliases: Vec<String> = command
        .get_visible_aliases()
        .map(|alias| format!("`{above} {alias}`"))
        .collect();
    page.push_str(&format!("\n{} {name}\n\n", "#".repeat(depth)));
    let about = command.get_long_about().or_else(|| command.get_about());
    let also = if aliases.is_empty() {
        String::new()
    } else {
        format!(" Also {}.", aliases.join(", "))
    };
    page.push_str(&format!(
        "{}{also}\n",
        sentence(&about.map(ToString::to_string).unwrap_or_default())
    ));
    let arguments: Vec<String> = command
        .get_arguments()
        .filter(|argument| is_own(argument))
        .map(row)
        .collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | means | default |\n| --- | --- | --- |\n");
        page.push_str(&arguments.concat());
    }
    for child in command.get_subcommands() {
        section(child, &name, (depth + 1).min(4), page);
    }
}

/// Whether an argument belongs to the command, and not to all of them.
fn is_own(argument: &Arg) -> bool {
    !["config", "help", "version"].contains(&argument.get_id().as_str()) && !argument.is_hide_set()
}

fn row(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let takes = argument.get_action().takes_values();
    let value = if takes { values.join(" ") } else { String::new() };
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long} {value}"),
        (Some(long), None) => format!("--{long} {value}"),
        (None, Some(short)) => format!("-{short} {value}"),
        (None, None) => value,
    };
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut means = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if takes && !possible.is_empty() && argument.get_long() != Some("enabled") {
        means = format!("{means} One of {}.", possible.join(", "));
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    let default = match (takes, defaults.join(", ")) {
        (true, default) if !default.is_empty() => format!("`{default}`"),
        _ => String::new(),
    };
    format!(
        "| `{}` | {} | {default} |\n",
        name.trim().replace('|', "\\|"),
        means.replace('|', "\\|")
    )
}

/// Help as a sentence on one line.
fn sentence(help: &str) -> String {
    let line = help.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().last() {
        None => line,
        Some('.' | '!' | '?') => line,
        Some(_) => format!("{line}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_is_explained_and_says_its_default() {
        let page = page();
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let means = line.split(" | ").nth(1).unwrap_or_default();
            assert!(means.len() > 3, "nothing explains {line}");
        }
        assert!(page.contains("## weir doctor") && page.contains("### weir backup create"));
        assert!(page.contains("Also `weir advice`") && page.contains("Also `weir pool`"));
        assert!(
            page.contains("| `--timeout SECONDS` |") && page.contains("| `5` |"),
            "{page}"
        );
    }

    #[test]
    fn help_is_a_sentence() {
        assert_eq!(sentence("Print\n  JSON"), "Print JSON.");
        assert_eq!(sentence("Is it?"), "Is it?");
    }
}
