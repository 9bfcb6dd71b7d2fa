//! To which addresses the connections of a server lead, and whether its name still does.
//!
//! A connection holds its address and reads one flag of it; the decision is made once for all of them.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An address is left when so many answers in a row were without it. A name with many servers behind it answers with
/// some of them in turn: one answer without an address says little, and the next most likely has it again. A server
/// that was moved is in none. More than three would only keep callers longer on a server that is not meant any more;
/// an address that is left for nothing costs a new connection, after the use of the old one.
const MISSED_MAX: u32 = 3;

/// One address, as the connections hold it that lead there.
#[derive(Debug, Default)]
pub(crate) struct Address {
    is_left: AtomicBool,
}

impl Address {
    /// Whether the server's name leads there no longer.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Known {
    ip: IpAddr,
    address: Arc<Address>,
    /// Answers in a row that were without it.
    missed: u32,
}

/// The addresses of one server that connections lead to.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<Vec<Known>>);

impl Addresses {
    /// A connection has been opened to this address, which the name led to a moment ago; none, where it is a socket.
    pub(crate) fn opened(&self, ip: Option<IpAddr>) -> Arc<Address> {
        let Some(ip) = ip else { return Arc::default() };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter_mut().find(|known| known.ip == ip) {
            known.seen();
            return known.address.clone();
        }
        all.retain(Known::is_used);
        let address = Arc::<Address>::default();
        all.push(Known {
            ip,
            address: address.clone(),
            missed: 0,
        });
        address
    }

    /// Takes note of where the name leads now. Returns the addresses that are left from now on. An answer without any
    /// says nothing.
    pub(super) fn heed(&self, found: &[IpAddr]) -> Vec<IpAddr> {
        if found.is_empty() {
            return Vec::new();
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(Known::is_used);
        let missing = all.iter_mut().filter_map(|known| {
            if found.contains(&known.ip) {
                known.seen();
                None
            } else {
                known.is_missed().then_some(known.ip)
            }
        });
        missing.collect()
    }
}

impl Known {
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.address) > 1
    }

    fn seen(&mut self) {
        self.missed = 0;
        self.address.is_left.store(false, Ordering::Relaxed);
    }

    /// One more answer is without it. True: this is the one that decides.
    fn is_missed(&mut self) -> bool {
        self.missed = self.missed.saturating_add(1);
        let decides = self.missed == MISSED_MAX;
        if decides {
            self.address.is_left.store(true, Ordering::Relaxed);
        }
        decides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_is_left_after_three_answers_without_it_and_taken_up_again_with_one() {
        let addresses = Addresses::default();
        let old = addresses.opened(Some(ip(1)));
        assert!(addresses.heed(&[ip(2)]).is_empty() && addresses.heed(&[ip(2)]).is_empty());
        assert!(!old.is_left(), "two answers are not enough");
        assert_eq!(addresses.heed(&[ip(2), ip(3)]), [ip(1)]);
        assert!(old.is_left());
        assert!(addresses.heed(&[ip(2)]).is_empty(), "it is news once");
        assert!(addresses.heed(&[ip(3), ip(1)]).is_empty());
        assert!(!old.is_left(), "the name leads there again");
    }

    #[test]
    fn answers_that_take_turns_or_say_nothing_leave_no_address() {
        let addresses = Addresses::default();
        let held = [1, 2, 3, 4].map(|last| addresses.opened(Some(ip(last))));
        for round in 0..20_u8 {
            // Two of four at a time, so that each is missing in two of four answers, and in another order each time.
            let [one, other] = [round % 4 + 1, (round + 1) % 4 + 1].map(ip);
            assert!(addresses.heed(&[one, other]).is_empty(), "{round}");
            assert!(addresses.heed(&[]).is_empty());
        }
        assert!(held.iter().all(|address| !address.is_left()));
    }

    #[test]
    fn a_connection_that_is_opened_there_begins_the_count_anew() {
        let addresses = Addresses::default();
        let old = addresses.opened(Some(ip(1)));
        addresses.heed(&[ip(2)]);
        addresses.heed(&[ip(2)]);
        let new = addresses.opened(Some(ip(1)));
        assert!(Arc::ptr_eq(&old, &new));
        assert!(addresses.heed(&[ip(2)]).is_empty() && !old.is_left());
    }

    #[test]
    fn what_no_connection_leads_to_is_forgotten_and_a_socket_is_never_left() {
        let addresses = Addresses::default();
        drop(addresses.opened(Some(ip(1))));
        let socket = addresses.opened(None);
        for _ in 0..5 {
            assert!(addresses.heed(&[ip(2)]).is_empty());
        }
        assert!(!socket.is_left());
    }
}
