//! Pure. What was not told yet, and the messages that tell it.

use std::collections::HashMap;
use std::sync::Arc;

use weir_proto::events::v1::{CacheInvalidated, InvalidatedTag};
use weir_tags::Tag;

use super::decode::About;

/// Tags in one message: a message stays well below what a bus carries.
pub(crate) const MESSAGE_TAGS_MAX: usize = 4_096;

/// How far everything is in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Positions {
    pub(crate) applied_lsn: u64,
    pub(crate) visible_lsn: u64,
    pub(crate) kill_lsn: u64,
    pub(crate) policy_generation: u64,
}

/// What the messages of an epoch say in their heads.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) epoch: Arc<str>,
    pub(crate) upstream: Arc<str>,
    pub(crate) database: Arc<str>,
}

/// What was not told yet.
#[derive(Debug)]
pub(crate) struct News {
    head: Head,
    sequence: u64,
    told: Option<Positions>,
    tags: HashMap<Tag, (u64, About)>,
    received_unix_us: i64,
}

impl News {
    pub(crate) fn new(head: Head) -> Self {
        Self {
            head,
            sequence: 0,
            told: None,
            tags: HashMap::new(),
            received_unix_us: 0,
        }
    }

    /// A commit that ended here touched this.
    pub(crate) fn touch(&mut self, tag: Tag, commit_lsn: u64, about: About) {
        let known = self.tags.entry(tag).or_insert((commit_lsn, about));
        known.0 = known.0.max(commit_lsn);
    }

    /// A commit was received at this time.
    pub(crate) const fn received(&mut self, unix_us: i64) {
        self.received_unix_us = unix_us;
    }

    /// Whether there is enough for a message already.
    pub(crate) fn is_full(&self) -> bool {
        self.tags.len() >= MESSAGE_TAGS_MAX
    }

    /// The messages that tell all there is to tell. Only the last one says how far everything is: before it, not all
    /// is told.
    pub(crate) fn messages(&mut self, now: Positions) -> Vec<CacheInvalidated> {
        if self.told == Some(now) && self.tags.is_empty() {
            return Vec::new();
        }
        let before = self.told.unwrap_or_default();
        let early = Positions {
            kill_lsn: now.kill_lsn,
            ..before
        };
        let mut tags: Vec<InvalidatedTag> = self.tags.drain().map(invalidated).collect();
        let mut messages = Vec::new();
        while tags.len() > MESSAGE_TAGS_MAX {
            let rest = tags.split_off(MESSAGE_TAGS_MAX);
            messages.push(self.message(early, std::mem::replace(&mut tags, rest)));
        }
        messages.push(self.message(now, tags));
        self.told = Some(now);
        self.received_unix_us = 0;
        messages
    }

    fn message(&mut self, at: Positions, tags: Vec<InvalidatedTag>) -> CacheInvalidated {
        self.sequence += 1;
        CacheInvalidated {
            epoch: self.head.epoch.to_string(),
            sequence: self.sequence,
            upstream: self.head.upstream.to_string(),
            database: self.head.database.to_string(),
            applied_lsn: at.applied_lsn,
            visible_lsn: at.visible_lsn,
            kill_lsn: at.kill_lsn,
            tags,
            policy_generation: at.policy_generation,
            received_unix_us: self.received_unix_us,
        }
    }
}

fn invalidated((tag, (commit_lsn, about)): (Tag, (u64, About))) -> InvalidatedTag {
    InvalidatedTag {
        tag: tag.number(),
        commit_lsn,
        relation: about.relation.to_string(),
        columns: about.column.iter().map(|column| column.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news() -> News {
        News::new(Head {
            epoch: "e".into(),
            upstream: "u".into(),
            database: "d".into(),
        })
    }

    fn at(applied_lsn: u64, visible_lsn: u64, kill_lsn: u64) -> Positions {
        Positions {
            applied_lsn,
            visible_lsn,
            kill_lsn,
            policy_generation: 0,
        }
    }

    fn about() -> About {
        About {
            relation: "public.t".into(),
            column: None,
        }
    }

    #[test]
    fn what_was_told_is_not_told_again_and_every_change_is() {
        let mut news = news();
        assert_eq!(news.messages(at(5, 5, 5)).len(), 1, "the first is told even of nothing");
        assert!(news.messages(at(5, 5, 5)).is_empty());
        for (position, sequence) in [(at(6, 5, 5), 2), (at(6, 6, 5), 3), (at(6, 6, 6), 4)] {
            let messages = news.messages(position);
            assert_eq!((messages.len(), messages[0].sequence), (1, sequence));
        }
        let rules = Positions {
            policy_generation: 1,
            ..at(6, 6, 6)
        };
        assert_eq!(news.messages(rules)[0].policy_generation, 1);
        news.touch(Tag::table(1), 6, about());
        news.touch(Tag::table(1), 9, about());
        news.touch(Tag::table(1), 8, about());
        news.received(77);
        let told = news.messages(rules).remove(0);
        assert_eq!(
            (told.tags.len(), told.tags[0].commit_lsn, told.received_unix_us),
            (1, 9, 77)
        );
    }

    #[test]
    fn only_the_last_of_several_messages_says_how_far_it_is() {
        let mut news = news();
        news.messages(at(10, 9, 1));
        let count = u32::try_from(2 * MESSAGE_TAGS_MAX + 1).unwrap();
        (0..count).for_each(|table| news.touch(Tag::table(table), 20, about()));
        assert!(news.is_full());
        let messages = news.messages(at(20, 15, 20));
        let sizes: Vec<usize> = messages.iter().map(|message| message.tags.len()).collect();
        assert_eq!(sizes, [MESSAGE_TAGS_MAX, MESSAGE_TAGS_MAX, 1]);
        let positions = messages
            .iter()
            .map(|told| (told.sequence, told.applied_lsn, told.visible_lsn, told.kill_lsn));
        let expected = [(2, 10, 9, 20), (3, 10, 9, 20), (4, 20, 15, 20)];
        assert_eq!(positions.collect::<Vec<_>>(), expected);
    }
}
