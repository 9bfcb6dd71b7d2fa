//! A cancel request, which travels on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use weir_pgwire::frontend;

use crate::channel::Channel;
use crate::dial::{Peer, dial_again};
use crate::error::Error;
use crate::target::{SslMode, Target};

/// Time for one cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// What it takes to cancel whatever a connection is doing, from anywhere. Cheap to clone.
#[derive(Clone)]
pub struct CancelToken(Arc<Request>);

struct Request {
    target: Target,
    peer: Peer,
    encryption: SslMode,
    process_id: i32,
    key: Vec<u8>,
}

impl std::fmt::Debug for CancelToken {
    /// Without the key: whoever has it may cancel.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken")
            .field("peer", &self.0.peer)
            .field("process_id", &self.0.process_id)
            .finish()
    }
}

impl CancelToken {
    pub(crate) fn new(target: Target, peer: Peer, encryption: SslMode, process_id: i32, key: Vec<u8>) -> Self {
        Self(Arc::new(Request {
            target,
            peer,
            encryption,
            process_id,
            key,
        }))
    }

    /// Asks the server to cancel, and returns when it has passed that on. A statement that ends in the meantime is not
    /// cancelled; one that begins on the same connection in the meantime may be. So wait for this before reusing it.
    pub async fn cancel(&self) -> Result<(), Error> {
        let place = self.0.target.place();
        let asked = tokio::time::timeout(CANCEL_TIMEOUT, self.ask()).await;
        asked.unwrap_or(Err(Error::Timeout {
            place,
            after: CANCEL_TIMEOUT,
        }))
    }

    async fn ask(&self) -> Result<(), Error> {
        let Request {
            target,
            peer,
            encryption,
            process_id,
            key,
        } = &*self.0;
        if key.is_empty() {
            return Err(Error::Protocol {
                place: target.place(),
                reason: "it gave no key to cancel with".to_owned(),
            });
        }
        let stream = dial_again(target, peer, *encryption).await?;
        let mut channel = Channel::new(stream, target.place());
        frontend::cancel_request(channel.outbox(), *process_id, key)?;
        channel.send().await?;
        // There is no answer; the server closes the connection when it has passed the request on.
        channel.end().await;
        Ok(())
    }
}
