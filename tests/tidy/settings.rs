//! The settings, as their generated reference (`docs/reference/settings.md`) tells them.

/// A row of the reference.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) section: String,
    pub(crate) key: String,
    /// The default where it is a plain value.
    pub(crate) default: Option<String>,
    /// The environment variables that set it.
    names: Vec<String>,
}

/// Every setting, and the variables that the text around the tables explains.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    rows: Vec<Setting>,
    others: Vec<String>,
}

impl Settings {
    pub(crate) fn parse(page: &str) -> Self {
        let mut settings = Self::default();
        let mut section = "";
        for line in page.lines() {
            if let Some(title) = line.strip_prefix("## `[") {
                section = title.trim_end_matches("]`");
            }
            match row(section, line) {
                Some(row) => settings.rows.push(row),
                None => settings.others.extend(variables(line)),
            }
        }
        settings
    }

    /// The names of all environment variables that set something.
    pub(crate) fn known(&self) -> Vec<String> {
        let rows = self.rows.iter().flat_map(|row| row.names.iter());
        rows.chain(&self.others).cloned().collect()
    }

    /// The section of a program: the one that its name ends with, if it has a listening address.
    pub(crate) fn section_of(&self, binary: &str) -> Option<&str> {
        // The console has one door for everything.
        let listeners = self
            .rows
            .iter()
            .filter(|row| ["grpc_listen", "listen"].contains(&row.key.as_str()));
        listeners
            .map(|row| row.section.as_str())
            .find(|section| binary.ends_with(section))
    }

    /// The keys under which a section listens, with their default ports, gRPC before ops.
    pub(crate) fn listeners(&self, section: &str) -> Vec<(&str, &str)> {
        let rows = self.rows.iter().filter(|row| row.section == section);
        rows.filter_map(|row| {
            let port = row.default.as_deref()?.rsplit_once(':')?.1;
            row.key.ends_with("listen").then_some((row.key.as_str(), port))
        })
        .collect()
    }

    pub(crate) fn default_of(&self, section: &str, key: &str) -> Option<&str> {
        let row = self.rows.iter().find(|row| row.section == section && row.key == key)?;
        row.default.as_deref()
    }
}

/// A row `| key | meaning | value | default | environment |`; none for another line.
fn row(section: &str, line: &str) -> Option<Setting> {
    let line = line.replace("\\|", "/");
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [key, _, _, default, names] = cells.as_slice() else {
        return None;
    };
    let names = variables(names);
    (!names.is_empty()).then(|| Setting {
        section: section.to_owned(),
        key: key.trim_matches('`').to_owned(),
        default: default
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'))
            .map(str::to_owned),
        names,
    })
}

/// The names between backticks that can be an environment variable.
fn variables(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let fits = |name: &&str| {
        name.contains('_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    quoted.filter(fits).map(str::to_owned).collect()
}

#[test]
fn the_reference_is_understood() {
    let settings = Settings::parse(
        "`WEIR_<SECTION>__<KEY>` overrides, or `WEIR_PROFILE`.\n\n## `[gateway]`\n\n| setting | meaning | value | default | environment |\n\
         | --- | --- | --- | --- | --- |\n\
         | `grpc_listen` | the door (a \\| b) | an address | `127.0.0.1:7001` | `WEIR_GATEWAY__GRPC_LISTEN`, `OTHER_NAME` (ms) |\n\
         | `url` | where | text | none | `WEIR_GATEWAY__URL` |\n",
    );
    let known = [
        "WEIR_GATEWAY__GRPC_LISTEN",
        "OTHER_NAME",
        "WEIR_GATEWAY__URL",
        "WEIR_PROFILE",
    ];
    assert_eq!(settings.known(), known);
    assert_eq!(settings.section_of("pool-gateway"), Some("gateway"));
    assert_eq!(settings.section_of("weir"), None);
    assert_eq!(settings.listeners("gateway"), [("grpc_listen", "7001")]);
    assert_eq!(settings.default_of("gateway", "url"), None);
}
