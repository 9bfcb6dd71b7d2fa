//! `weir probe`: one HTTP request to an ops port; no more is needed in a container.

use std::path::PathBuf;

use clap::Args;

use crate::http::{Place, Trust};
use crate::terminal::{Failure, say};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Such as <http://127.0.0.1:8001/readyz>; `https://` is understood too.
    url: String,
    /// A file with authorities (PEM) to trust beside the system's, for `https://`.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (base, path) = parts(&arguments.url);
    let place = Place {
        url: base.to_owned(),
        trust: Trust::of_option(arguments.ca_file),
        token: None,
    };
    let answer = place.get(path).await?;
    say(answer.body.trim_end())?;
    match answer.code() {
        Some(200..300) => Ok(()),
        Some(code) => Err(format!("{} answered {code}", arguments.url).into()),
        None => Err("the answer is not HTTP".into()),
    }
}

/// An address, and the path at it.
fn parts(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let slash = url.get(after_scheme..).and_then(|rest| rest.find('/'));
    match slash {
        Some(at) => {
            let (base, path) = url.split_at(after_scheme + at);
            (base, path.trim_start_matches('/'))
        }
        None => (url, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_path_or_none() {
        assert_eq!(parts("http://h:1/readyz?x=/y"), ("http://h:1", "readyz?x=/y"));
        assert_eq!(parts("https://h"), ("https://h", ""));
        assert_eq!(parts("h/x"), ("h", "x"));
    }
}
