//! The way between two processes: messages, and sockets that travel with them.
//!
//! A message that is half read stays where it is, so that reading can be given up and begun again.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use prost::Message as _;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use weir_proto::gateway::v1::HandoverMessage;
use weir_proto::gateway::v1::handover_message::Message;

/// As many sockets as ever travel with one message.
const SOCKETS_MAX: usize = 16;
/// No message is longer.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Its length, ahead of it.
const LENGTH_BYTES: usize = 4;
const READ_BYTES: usize = 4 * 1024;
/// Longest time until the other process has taken what it is told, or has said what it was asked.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// One end of the way.
#[derive(Debug)]
pub(super) struct Channel {
    stream: Arc<UnixStream>,
    inbound: BytesMut,
    sockets: Vec<OwnedFd>,
}

/// The half that speaks, for whoever is not the one that listens.
#[derive(Debug, Clone)]
pub(super) struct Voice(Arc<UnixStream>);

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream: Arc::new(stream),
            inbound: BytesMut::new(),
            sockets: Vec::new(),
        }
    }

    pub(super) fn voice(&self) -> Voice {
        Voice(self.stream.clone())
    }

    /// Whether both ends belong to the same user of this machine.
    pub(super) fn is_among_own(&self) -> io::Result<bool> {
        Ok(self.stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
    }

    /// Says something, within a time in which anybody who lives hears it.
    pub(super) async fn say(&self, message: Message, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let said = tokio::time::timeout(SOON, say(&self.stream, message, sockets)).await;
        said.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The next message. `None`: the other end has gone.
    pub(super) async fn hear(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            let (stream, sockets) = (&self.stream, &mut self.sockets);
            let mut read = [0; READ_BYTES];
            let receive = || receive(stream, &mut read, sockets);
            let count = match stream.async_io(Interest::READABLE, receive).await {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            };
            self.inbound.extend_from_slice(read.get(..count).unwrap_or_default());
        }
    }

    /// The sockets that came so far.
    pub(super) fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets)
    }

    /// A message that is there as a whole and of a kind that is known.
    fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            let Some(mut length) = self.inbound.get(..LENGTH_BYTES) else {
                return Ok(None);
            };
            let length = length.get_u32() as usize;
            if length > MESSAGE_BYTES_MAX {
                return Err(io::Error::other("a message is too long"));
            }
            if self.inbound.len() < LENGTH_BYTES + length {
                return Ok(None);
            }
            self.inbound.advance(LENGTH_BYTES);
            let message = HandoverMessage::decode(self.inbound.split_to(length).freeze());
            if let Some(known) = message.map_err(io::Error::other)?.message {
                return Ok(Some(known));
            }
        }
    }
}

impl Voice {
    /// Says something, however long the other end takes to hear it.
    pub(super) async fn say(&self, message: Message) -> io::Result<()> {
        say(&self.0, message, &[]).await
    }
}

async fn say(stream: &UnixStream, message: Message, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let frame = frame(message)?;
    let (mut rest, mut carried) = (frame.as_ref(), sockets);
    while !rest.is_empty() {
        let send = || send(stream, rest, carried);
        let count = stream.async_io(Interest::WRITABLE, send).await?;
        rest = rest.get(count..).unwrap_or_default();
        carried = &[];
    }
    Ok(())
}

fn frame(message: Message) -> io::Result<BytesMut> {
    let message = HandoverMessage { message: Some(message) };
    let length = u32::try_from(message.encoded_len()).map_err(io::Error::other)?;
    let mut frame = BytesMut::new();
    frame.put_u32(length);
    message.encode(&mut frame).map_err(io::Error::other)?;
    Ok(frame)
}

fn send(stream: &UnixStream, bytes: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("too many sockets for one message"));
    }
    let bytes = [IoSlice::new(bytes)];
    Ok(sendmsg(stream.as_fd(), &bytes, &mut control, SendFlags::NOSIGNAL)?)
}

fn receive(stream: &UnixStream, into: &mut [u8], sockets: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(into)];
    let received = recvmsg(stream.as_fd(), &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(carried) = message {
            sockets.extend(carried);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("not all sockets arrived: too many open files?"));
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use tokio::io::AsyncWriteExt as _;
    use weir_proto::gateway::v1::{HandoverCancel, HandoverDoors, HandoverServing};

    use super::*;

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (Channel::new(one), Channel::new(other))
    }

    #[tokio::test]
    async fn sockets_arrive_with_their_message_and_still_listen() {
        let (one, mut other) = pair();
        assert!(one.is_among_own().unwrap());
        let bound = ["127.0.0.1:0", "127.0.0.1:0"].map(|address| TcpListener::bind(address).unwrap());
        let addresses = bound.each_ref().map(|listener| listener.local_addr().unwrap());
        let doors = HandoverDoors {
            names: vec!["a".to_owned(), "b".to_owned()],
            ..HandoverDoors::default()
        };
        let borrowed = bound.each_ref().map(AsFd::as_fd);
        one.say(Message::Doors(doors.clone()), &borrowed).await.unwrap();
        one.say(Message::Serving(HandoverServing {}), &[]).await.unwrap();
        drop(bound);
        assert_eq!(other.hear().await.unwrap(), Some(Message::Doors(doors)));
        let arrived: Vec<_> = other.take_sockets().into_iter().map(TcpListener::from).collect();
        let there: Vec<SocketAddr> = arrived.iter().map(|it| it.local_addr().unwrap()).collect();
        assert_eq!(there, addresses);
        assert!(addresses.iter().all(|door| std::net::TcpStream::connect(door).is_ok()));
        assert_eq!(other.hear().await.unwrap(), Some(Message::Serving(HandoverServing {})));
        drop(one);
        assert_eq!(other.hear().await.unwrap(), None);
    }

    #[tokio::test]
    async fn unknown_kinds_are_passed_over_and_halves_waited_for() {
        let (mut raw, other) = UnixStream::pair().unwrap();
        let mut other = Channel::new(other);
        let cancel = Message::Cancel(HandoverCancel {
            process_id: 7,
            key: vec![1, 2].into(),
        });
        // Field 90 is a kind of a later version.
        raw.write_all(&[0, 0, 0, 3, 0xd2, 0x05, 0x00]).await.unwrap();
        let frame = frame(cancel.clone()).unwrap();
        let (half, rest) = frame.split_at(5);
        raw.write_all(half).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(50), other.hear()).await;
        assert!(waited.is_err(), "half a message was taken for one: {waited:?}");
        raw.write_all(rest).await.unwrap();
        assert_eq!(other.hear().await.unwrap(), Some(cancel));
        raw.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        assert!(other.hear().await.is_err());
    }
}
