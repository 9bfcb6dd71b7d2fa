//! The latest of what happened, in order, bounded. Pure.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use weir_model::Project;

const EVENTS_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who may hear of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Those of the project, and operators who look at it or at all.
    Project(Project),
    /// The same, each their own: figures of a project as its people (false) or operators (true) see them. None: of all.
    Watching(Option<Project>, bool),
}

#[derive(Debug)]
struct Told {
    kind: &'static str,
    audience: Audience,
    frame: Bytes,
}

/// What a viewer wants to hear of.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// None: of every project.
    pub(crate) project: Option<Project>,
    /// Whether it sees what concerns the whole server.
    pub(crate) is_operator: bool,
    /// First words of kinds, or whole ones. None: every kind.
    pub(crate) kinds: Vec<String>,
}

/// What was read of the ring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// One after the other, whole.
    pub(crate) frames: Bytes,
    /// Where to go on.
    pub(crate) next: u64,
    /// How many were told and forgotten before they were read; some may have been for others.
    pub(crate) missed: u64,
}

/// The latest of what happened.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    told: VecDeque<Told>,
    bytes: usize,
    /// The number of the first that is still here.
    first: u64,
}

impl Ring {
    /// The number of what is told next.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.told.len() as u64
    }

    pub(crate) fn push(&mut self, kind: &'static str, audience: Audience, frame: Bytes) {
        self.bytes += frame.len();
        self.told.push_back(Told { kind, audience, frame });
        while self.told.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            self.drop_first();
        }
    }

    /// Everything is forgotten, and one more that never came: whoever has not read all has missed something.
    pub(crate) fn forget(&mut self) {
        self.first = self.next() + 1;
        self.told.clear();
        self.bytes = 0;
    }

    fn drop_first(&mut self) {
        if let Some(gone) = self.told.pop_front() {
            self.bytes -= gone.frame.len();
            self.first += 1;
        }
    }

    /// What is wanted from `at` on, up to so many bytes or one frame.
    pub(crate) fn read(&self, at: u64, wanted: &Wanted, bytes_max: usize) -> Read {
        let from = at.max(self.first);
        let mut next = from;
        let mut frames = BytesMut::new();
        let skip = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        for told in self.told.iter().skip(skip) {
            let is_wanted = wanted.wants(told);
            if is_wanted && !frames.is_empty() && frames.len() + told.frame.len() > bytes_max {
                break;
            }
            if is_wanted {
                frames.extend_from_slice(&told.frame);
            }
            next += 1;
        }
        Read {
            frames: frames.freeze(),
            next,
            missed: from - at,
        }
    }

    /// The latest of a kind that is wanted.
    pub(crate) fn latest(&self, kind: &str, wanted: &Wanted) -> Option<Bytes> {
        let found = self
            .told
            .iter()
            .rev()
            .find(|told| told.kind == kind && wanted.wants(told));
        found.map(|told| told.frame.clone())
    }
}

impl Wanted {
    fn wants(&self, told: &Told) -> bool {
        self.hears(&told.audience) && self.likes(told.kind)
    }

    fn hears(&self, audience: &Audience) -> bool {
        match audience {
            Audience::Project(project) => self.project.as_ref().is_none_or(|wanted| wanted == project),
            Audience::Watching(project, is_operator) => self.project == *project && self.is_operator == *is_operator,
        }
    }

    fn likes(&self, kind: &str) -> bool {
        let word = kind.split('.').next().unwrap_or(kind);
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind || wanted == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> Project {
        Project::parse(name).unwrap()
    }

    fn wanted(name: Option<&str>, kinds: &[&str]) -> Wanted {
        Wanted {
            project: name.map(project),
            is_operator: name.is_none(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    }

    fn told() -> Ring {
        let mut ring = Ring::default();
        let mut tell = |kind, audience, text: &'static str| ring.push(kind, audience, Bytes::from(text));
        tell("alert.firing", Audience::Project(project("shop")), "1");
        tell("job.started", Audience::Project(project("bank")), "2");
        tell("figures", Audience::Watching(Some(project("shop")), false), "3");
        tell("figures", Audience::Watching(None, true), "4");
        tell("job.failed", Audience::Project(project("shop")), "5");
        ring
    }

    fn frames(ring: &Ring, at: u64, wanted: &Wanted) -> String {
        String::from_utf8(ring.read(at, wanted, 1_000).frames.to_vec()).unwrap()
    }

    #[test]
    fn each_hears_what_is_theirs_and_wanted() {
        let ring = told();
        assert_eq!(frames(&ring, 0, &wanted(Some("shop"), &[])), "135");
        assert_eq!(frames(&ring, 0, &wanted(Some("bank"), &[])), "2");
        assert_eq!(frames(&ring, 0, &wanted(None, &[])), "1245");
        assert_eq!(frames(&ring, 0, &wanted(None, &["job"])), "25");
        assert_eq!(frames(&ring, 0, &wanted(None, &["job.failed", "figures"])), "45");
        assert_eq!(frames(&ring, 3, &wanted(Some("shop"), &[])), "5");
        assert_eq!(ring.latest("figures", &wanted(Some("shop"), &[])), Some("3".into()));
        assert_eq!(ring.latest("figures", &wanted(Some("bank"), &[])), None);
    }

    #[test]
    fn a_read_is_bounded_and_goes_on_where_it_ended() {
        let ring = told();
        let all = wanted(None, &[]);
        let read = ring.read(0, &all, 2);
        assert_eq!((read.frames.as_ref(), read.next, read.missed), (b"12".as_slice(), 3, 0));
        let read = ring.read(read.next, &all, 2);
        assert_eq!((read.frames.as_ref(), read.next), (b"45".as_slice(), 5));
        assert_eq!(ring.read(5, &all, 2).next, 5);
    }

    #[test]
    fn what_is_too_much_is_forgotten_from_the_front_and_counted() {
        let mut ring = told();
        for _ in 0..EVENTS_MAX {
            ring.push(
                "pool.state",
                Audience::Project(project("shop")),
                Bytes::from_static(b"x"),
            );
        }
        assert_eq!(ring.read(2, &wanted(None, &["alert"]), 10).missed, 3);
        let large = Bytes::from(vec![b'x'; BYTES_MAX / 2]);
        for _ in 0..3 {
            ring.push("pool.state", Audience::Project(project("shop")), large.clone());
        }
        assert!(ring.bytes <= BYTES_MAX && ring.told.len() == 2, "{}", ring.told.len());
    }

    #[test]
    fn after_a_loss_everybody_who_had_not_read_all_is_told() {
        let mut ring = told();
        let (next, all) = (ring.next(), wanted(None, &[]));
        ring.forget();
        assert_eq!(ring.read(next, &all, 10).missed, 1);
        assert_eq!(ring.read(ring.next(), &all, 10).missed, 0);
    }
}
