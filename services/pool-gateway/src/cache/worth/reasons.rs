//! Pure. Where answers came from, and why they did not come from memory: the names that statistics and metrics use.

macro_rules! reasons {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $meaning:literal])+ $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[doc = $meaning])+ $variant),+ }

        impl $name {
            /// All of them, each at its place.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// Its name, as statistics and metrics have it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

reasons! {
    /// Where an answer from memory came from.
    Level {
        /// The gateway's own memory.
        Memory = "memory",
        /// What the gateways share.
        Shared = "shared",
    }
}

reasons! {
    /// Why PostgreSQL answered although memory was asked.
    MissReason {
        /// There was no such result.
        Absent = "absent",
        /// A commit has changed what it depends on.
        Invalidated = "invalidated",
        /// Its time was over.
        Expired = "expired",
        /// The session needs a newer one, or the lease of the one there is too old.
        NewerNeeded = "newer_needed",
        /// It had been removed to make room.
        Evicted = "evicted",
        /// Another statement has the same short key.
        Collision = "collision",
    }
}

reasons! {
    /// Why memory was not asked.
    BypassReason {
        /// The results of such a statement may not be kept.
        NotCacheable = "not_cacheable",
        /// A rule, a setting or the caller says so.
        Policy = "policy",
        /// It is not known how fresh the gateway's knowledge is.
        NoLease = "no_lease",
        /// A message about changes is missing.
        Gap = "gap",
        /// It is not known what the session has set.
        UnknownSession = "unknown_session",
        /// A transaction sees its own state of the data.
        InTransaction = "in_transaction",
        /// It was measured that asking costs more than it brings.
        NoBenefit = "no_benefit",
    }
}

reasons! {
    /// Why the result of a miss was not kept.
    FillRefusal {
        /// It is larger than results may be.
        TooLarge = "too_large",
        /// What it depends on changed while it was read.
        Overtaken = "overtaken",
        /// What is there is worth more.
        NotAdmitted = "not_admitted",
        /// It is larger than what its project may hold.
        Budget = "budget",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_at_its_place_and_named_as_the_protocol_documents_it() {
        for (place, reason) in MissReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
        let proto = include_str!("../../../../../proto/weir/cache/v1/cache.proto");
        let misses = MissReason::ALL.iter().map(|reason| reason.as_str());
        let bypasses = BypassReason::ALL.iter().map(|reason| reason.as_str());
        let refusals = FillRefusal::ALL.iter().map(|reason| reason.as_str());
        for name in misses.chain(bypasses).chain(refusals) {
            assert!(proto.contains(&format!("`{name}`")), "{name}");
        }
    }
}
