//! A wire tap: passes bytes on, and remembers how each connection began.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The first eight bytes of each connection that came.
type Openings = Arc<Mutex<Vec<[u8; 8]>>>;

/// A relay towards one port. Its threads end with their connections, and the one that listens with the process.
pub(crate) struct Relay {
    pub(crate) port: u16,
    openings: Openings,
}

impl Relay {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let openings = Openings::default();
        let seen = openings.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen) = (client.unwrap(), seen.clone());
                thread::spawn(move || pass_on(client, server, &seen));
            }
        });
        Self { port, openings }
    }

    pub(crate) fn openings(&self) -> Vec<[u8; 8]> {
        self.openings.lock().unwrap().clone()
    }
}

fn pass_on(mut client: TcpStream, server: u16, seen: &Openings) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).unwrap();
    let mut opening = [0; 8];
    client.read_exact(&mut opening).unwrap();
    seen.lock().unwrap().push(opening);
    server.write_all(&opening).unwrap();
    let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || copy(back_from, back_to));
    copy(client, server);
}

/// Until one side ends, which may be in the middle of anything.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
