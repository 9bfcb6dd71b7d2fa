//! One command and its reply, as text.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A busy machine may take so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a command and returns what came back.
pub(super) fn command(port: u16, words: &[String]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect to Redis");
    stream.set_read_timeout(Some(PATIENCE)).expect("limit the wait");
    stream.write_all(&encoded(words)).expect("send a command to Redis");
    match read(&mut BufReader::new(stream)) {
        Ok(reply) => reply,
        Err(refusal) => panic!("Redis refuses {words:?}: {refusal}"),
    }
}

fn encoded(words: &[String]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", words.len());
    for word in words {
        frame.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    frame.into_bytes()
}

/// A text, a number, nothing (an empty line), or the elements of an array, one a line.
fn read(stream: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    stream.read_line(&mut line).expect("read a reply of Redis");
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).expect("a reply has a kind");
    let count: usize = rest.parse().unwrap_or(0);
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "$" if rest.starts_with('-') => Ok(String::new()),
        "$" => Ok(text(stream, count)),
        "*" => (0..count)
            .map(|_| read(stream))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| all.join("\n")),
        _ => Err(rest.to_owned()),
    }
}

fn text(stream: &mut impl BufRead, count: usize) -> String {
    let mut bytes = vec![0; count + 2];
    stream.read_exact(&mut bytes).expect("read a text of Redis");
    bytes.truncate(count);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reply_is_text() {
        for (reply, text) in [
            ("+OK\r\n", "OK"),
            (":7\r\n", "7"),
            ("$-1\r\n", ""),
            ("$4\r\na\r\nb\r\n", "a\r\nb"),
            ("*2\r\n$1\r\na\r\n*1\r\n:1\r\n", "a\n1"),
        ] {
            assert_eq!(read(&mut reply.as_bytes()).as_deref(), Ok(text));
        }
        assert_eq!(read(&mut "-ERR no\r\n".as_bytes()), Err("ERR no".to_owned()));
    }
}
