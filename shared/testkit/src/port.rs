//! Ports that parallel test processes do not take from each other.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::place::shared_dir;

/// Below the ports that the kernel gives to outgoing connections, so that no client takes one between choice and use.
const PORTS: Range<u16> = 20_000..28_000;

/// The locks on the ports this process has been given; the kernel lets go of them when it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that is free, and that no other process using this function gets while this one lives.
pub fn free_port() -> u16 {
    let folder = shared_dir().join("ports");
    fs::create_dir_all(&folder).expect("create the folder of port locks");
    let count = PORTS.end - PORTS.start;
    let first = u16::try_from(Uuid::now_v7().as_u128() % u128::from(count)).expect("a remainder below the count");
    for step in 0..count {
        let port = PORTS.start + (first + step) % count;
        let lock = File::create(folder.join(port.to_string())).expect("open a port's lock file");
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            HELD.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return port;
        }
    }
    panic!("no port from {} to {} is free on 127.0.0.1", PORTS.start, PORTS.end - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_port_stays_reserved_for_this_process() {
        let port = free_port();
        let lock = File::open(shared_dir().join("ports").join(port.to_string())).unwrap();
        assert!(lock.try_lock().is_err(), "another process could have taken port {port}");
    }
}
