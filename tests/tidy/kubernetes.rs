//! `deploy/k8s` says what the code says: each setting, port, program and path of the manifests is compared with the settings
//! reference, with the images that `deploy/compose/Dockerfile` makes, and with each other.

mod manifests;
mod rules;

use manifests::Manifests;

use crate::facts;
use crate::settings::Settings;

const FOLDER: &str = "deploy/k8s";
const DOCKERFILE: &str = "deploy/compose/Dockerfile";
const REFERENCE: &str = "docs/reference/settings.md";

#[test]
fn the_manifests_agree_with_the_code() {
    let files = facts::files().into_iter();
    let files: Vec<_> = files
        .filter(|file| file.path.starts_with(FOLDER) && file.path.ends_with(".yaml"))
        .collect();
    let manifests = Manifests::parse(&files).expect("the manifests are understood");
    let settings = Settings::parse(&facts::text(REFERENCE).unwrap_or_default());
    let dockerfile = facts::text(DOCKERFILE).unwrap_or_default();
    crate::assert_none(&rules::all(&manifests, &settings, &dockerfile));
}
