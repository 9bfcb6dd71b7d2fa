//! Settings of a cluster of several servers: where the others are, and which of them read.

use weir_config::Setting;
use weir_upstream::Target;

/// The doors of further servers, as `host:port` each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replicas(Vec<String>);

impl Replicas {
    /// Each of them, with everything but its door as the first server has it.
    pub fn targets(&self, first: &Target) -> Result<Vec<Target>, String> {
        let targets = self.0.iter().map(|door| first.at(door));
        targets
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string().replace("the database url", "a server in the list"))
    }
}

impl Setting for Replicas {
    fn kind() -> String {
        "a list such as db2:5432,db3:5432".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let doors = text.split(',').map(str::trim).filter(|door| !door.is_empty());
        Ok(Self(doors.map(str::to_owned).collect()))
    }

    fn show(&self) -> String {
        self.0.join(",")
    }
}

/// Who answers what only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The primary, as everything else.
    Primary,
    /// A replica, where one is fit.
    Replicas,
}

impl Reads {
    /// Its name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replicas => "replicas",
        }
    }
}

impl Setting for Reads {
    fn kind() -> String {
        "primary or replicas".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        let found = [Self::Primary, Self::Replicas]
            .into_iter()
            .find(|reads| reads.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not {}", Self::kind()))
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_or_without_spaces() {
        let first = Target::parse("postgres://u@h/d").unwrap();
        let read = |text: &str| Replicas::read(text).unwrap().targets(&first).map(|found| found.len());
        assert_eq!(read(""), Ok(0));
        assert_eq!(read("a:1, b:2"), Ok(2));
        assert!(read("a:b").unwrap_err().contains("a server in the list"));
    }
}
