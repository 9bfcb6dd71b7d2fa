//! Settings of the server: ALTER SYSTEM, and what the server makes of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_upstream::Connection;

use super::error::AdviceError;
use crate::error::Error;
use crate::observe::advice as observe;

/// How long the server may take to read its files.
const RELOAD_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether this user may do all that a change takes; what is missing is named.
pub(super) async fn is_allowed(connection: &mut Connection, option: &str, statement: String) -> Result<(), Error> {
    let switch = observe::setting(connection, "allow_alter_system").await?;
    if switch.is_some_and(|switch| switch.is("off")) {
        let missing =
            "the server does not allow ALTER SYSTEM (allow_alter_system is off): set it where the server is configured"
                .to_owned();
        return Err(AdviceError::Rights { missing, statement }.into());
    }
    let rights = observe::rights(connection, option).await?;
    let user = format!("\"{}\"", rights.user.replace('"', "\"\""));
    let needed = [
        (rights.alter_system, format!("alter system on parameter {option}")),
        (rights.reload, "execute on function pg_reload_conf()".to_owned()),
        (rights.read_file, "select on pg_file_settings".to_owned()),
        (
            rights.read_file,
            "execute on function pg_show_all_file_settings()".to_owned(),
        ),
    ];
    let grants: Vec<String> = needed
        .into_iter()
        .filter(|(has, _)| !has)
        .map(|(_, right)| format!("grant {right} to {user}"))
        .collect();
    if grants.is_empty() {
        return Ok(());
    }
    let missing = format!(
        "user {user} may not change settings of the server: {}",
        grants.join("; ")
    );
    Err(AdviceError::Rights { missing, statement }.into())
}

/// Asks the server to read its files; it will, sooner or later.
pub(super) async fn ask_to_reload(connection: &mut Connection) -> Result<(), Error> {
    connection.simple_query("select pg_catalog.pg_reload_conf()").await?;
    Ok(())
}

/// Has the server read its files, and waits until this session has, too.
pub(super) async fn reload_anyway(connection: &mut Connection) -> Result<(), Error> {
    let before = observe::loaded_at(connection).await?;
    ask_to_reload(connection).await?;
    let deadline = Instant::now() + RELOAD_WITHIN;
    while observe::loaded_at(connection).await? == before {
        if Instant::now() >= deadline {
            let reason = "it did not read its files again".to_owned();
            let option = "a setting".to_owned();
            return Err(AdviceError::Refused { option, reason }.into());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The same, and looks whether a setting has the value that was written. True where it waits for a restart.
pub(super) async fn reload(connection: &mut Connection, option: &str, value: Option<&str>) -> Result<bool, Error> {
    reload_anyway(connection).await?;
    let refused = |reason: String| AdviceError::Refused {
        option: option.to_owned(),
        reason,
    };
    let Some(setting) = observe::setting(connection, option).await? else {
        return Err(refused("it has no such setting".to_owned()).into());
    };
    let is_in_force = value.is_none_or(|value| setting.holds(value));
    if is_in_force || setting.pending_restart {
        return Ok(setting.pending_restart);
    }
    let errors = observe::file_errors(connection, "true").await?;
    let reason = if errors.is_empty() {
        format!("it is still {} (from {})", setting.shown, setting.source)
    } else {
        errors
    };
    Err(refused(reason).into())
}
