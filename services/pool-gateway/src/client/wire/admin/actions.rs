//! What an operator can do, by the console or by gRPC.

use std::sync::Arc;

use super::super::Door;
use super::super::refusal::Refusal;
use super::super::seat::KILL;
use crate::pool::Pool;

impl Door {
    /// Hands out no connection of a database, or of any; clients wait. Returns how many pools that concerns.
    pub(crate) fn pause(&self, database: Option<&str>) -> Result<usize, Refusal> {
        self.for_pools(database, |pool| pool.pause())
    }

    /// Goes on.
    pub(crate) fn resume(&self, database: Option<&str>) -> Result<usize, Refusal> {
        self.for_pools(database, Pool::resume)
    }

    /// Closes idle connections.
    pub(crate) fn reconnect(&self, database: Option<&str>) -> Result<usize, Refusal> {
        self.for_pools(database, |pool| pool.distrust_idle())
    }

    /// Ends one client.
    pub(crate) fn kill(&self, id: i32) -> Result<(), Refusal> {
        let seat = self.seats.all().into_iter().find(|seat| seat.id == id);
        let none = || Refusal::new("42704", format!("there is no client {id}"));
        seat.ok_or_else(none)?.wish(KILL);
        Ok(())
    }

    /// Ends every client of a database, and says how many those are.
    pub(crate) fn kill_database(&self, database: &str) -> usize {
        let all = self.seats.all().into_iter();
        let ends: Vec<_> = all.filter(|seat| seat.who.database == database).collect();
        ends.iter().for_each(|seat| seat.wish(KILL));
        ends.len()
    }

    /// Reads the settings file again.
    pub(crate) fn reload(&self) -> Result<(), Refusal> {
        self.steward.reload().map_err(|error| unfit(&error))
    }

    /// Sets one setting, until the next reload.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), Refusal> {
        self.steward.set(key, value).map_err(|error| unfit(&error))
    }

    /// Does something with the pools of a database, or with all.
    fn for_pools(&self, database: Option<&str>, act: impl Fn(&Arc<Pool>)) -> Result<usize, Refusal> {
        let all = self.pools.all().into_iter();
        let own = all.filter(|pool| database.is_none_or(|database| database == pool.key.database));
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            let said = format!("no pool of database \"{}\"", database.unwrap_or_default());
            return Err(Refusal::new("3D000", said));
        }
        own.iter().for_each(act);
        Ok(own.len())
    }
}

fn unfit(error: &weir_config::Error) -> Refusal {
    Refusal::new("F0000", error.to_string())
}
