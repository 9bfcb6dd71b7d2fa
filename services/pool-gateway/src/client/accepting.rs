//! Letting callers in: one socket after the other, until the port is released.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;
use weir_runtime::Release;

/// How long accepting rests when the process has no more file handles.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The next who comes in, as a socket that no reactor watches yet. `None`: the port is released.
pub(super) async fn next_caller(listener: &TcpListener, release: &Release) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = release.told() => return None,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // Without it every second small answer would wait for an acknowledgement.
                let ready = tcp.set_nodelay(true).and_then(|()| tcp.into_std());
                if let Ok(tcp) = ready {
                    return Some((tcp, peer));
                }
            }
            // Out of file handles, or the caller has gone again: the door stays open.
            Err(error) => {
                tracing::warn!(error = %error, "a caller could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}
