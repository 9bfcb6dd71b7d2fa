//! The reference page and the example file, written from the declarations so that they cannot lie.

use std::fmt::Write as _;

use crate::field::{DefaultValue, Field};
use crate::section::SectionInfo;

/// `docs/reference/settings.md`.
pub fn reference(sections: &[SectionInfo]) -> String {
    let mut page = String::from(
        "# Settings\n\nWritten from the declarations in the code by `just reference`; a test fails when it drifts.\n\n\
         One file, `weir.toml` (`--config`, or `WEIR_CONFIG`), holds a section for each service. `WEIR_<SECTION>__<KEY>`\n\
         overrides a key; an established name, where one is listed, is also understood. The order of precedence is:\n\
         `WEIR_…` variable, established name, file, default. `weir config check` prints what is in force and why.\n\n\
         `profile` (top level, or `WEIR_PROFILE`) is `development` (the default), `staging` or `production`.\n",
    );
    for section in sections {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, (section.doc)());
        page.push_str("| setting | meaning | value | default | environment |\n| --- | --- | --- | --- | --- |\n");
        for field in (section.fields)() {
            page.push_str(&reference_row(section.name, &field));
        }
    }
    page
}

fn reference_row(section: &str, field: &Field) -> String {
    let variable = format!("`WEIR_{}__{}`", section.to_uppercase(), field.key.to_uppercase());
    let aliases = field.aliases.iter().map(|alias| match alias.unit {
        "" => format!("`{}`", alias.name),
        unit => format!("`{}` ({unit})", alias.name),
    });
    let names: Vec<String> = std::iter::once(variable).chain(aliases).collect();
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}` | {} | {} | {} | {} |\n",
        field.key,
        cell(&field.doc),
        cell(&field.kind),
        cell(&default_words(&field.default)),
        names.join(", ")
    )
}

fn default_words(default: &DefaultValue) -> String {
    match default {
        DefaultValue::Unset => "none".to_owned(),
        DefaultValue::Text("") => "empty".to_owned(),
        DefaultValue::Text(text) => format!("`{text}`"),
        DefaultValue::ByProfile([development, staging, production]) => {
            format!("`{development}` in development, `{staging}` in staging, `{production}` in production")
        }
        DefaultValue::Computed(words, _) => (*words).to_owned(),
    }
}

/// `deploy/weir.example.toml`: every setting, commented out, at its default.
pub fn example(sections: &[SectionInfo]) -> String {
    let mut file = String::from(
        "# Every setting of Weir at its default. Written from the code by `just reference`.\n\
         # Copy what you change; `weir config check --config weir.toml` validates it.\n\n\
         # development, staging or production\n# profile = \"development\"\n",
    );
    for section in sections {
        let _ = write!(file, "\n[{}]\n", section.name);
        for field in (section.fields)() {
            let _ = writeln!(file, "# {} ({})", field.doc, field.kind);
            let _ = writeln!(file, "# {} = {}", field.key, example_value(&field));
        }
    }
    file
}

fn example_value(field: &Field) -> String {
    let text = match &field.default {
        DefaultValue::Unset => return "…".to_owned(),
        DefaultValue::Computed(words, _) => return format!("… {words}"),
        DefaultValue::Text(text) => *text,
        DefaultValue::ByProfile([development, ..]) => *development,
    };
    let bare = text.parse::<f64>().is_ok() || text == "true" || text == "false" || text.starts_with('[');
    if bare { text.to_owned() } else { format!("{text:?}") }
}
