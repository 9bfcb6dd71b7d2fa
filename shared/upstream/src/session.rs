//! What a connection knows of its session.
//!
//! A server may talk without end; what is kept of it has a bound.

use std::collections::VecDeque;

use weir_pgwire::backend::{BackendKeyData, Message, ParameterStatus, TransactionStatus, tag};

use crate::ServerError;

/// Notices kept of one statement; of more, the oldest go.
const NOTICES_MAX: usize = 32;
/// What is kept of one field of a notice.
const NOTICE_FIELD_BYTES_MAX: usize = 4 * 1024;
/// Settings kept, and what is kept of one. PostgreSQL reports about fifteen.
const SETTINGS_MAX: usize = 128;
const SETTING_BYTES_MAX: usize = 4 * 1024;
/// Encodings of clients, by PostgreSQL's names, in which a byte that looks like a backslash or a quote may be the second
/// half of another character. They are all that PostgreSQL knows for clients and not for databases.
const ASCII_IN_CHARACTERS: [&str; 7] = ["SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"];

/// The state of one session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) status: TransactionStatus,
    /// From the first byte of a request to the end of its reply. Whoever drops a future in between leaves it set.
    pub(crate) is_in_reply: bool,
    /// The server let the user in without asking for anything.
    pub(crate) is_trusted: bool,
    pub(crate) process_id: i32,
    /// Empty where the server gave none.
    pub(crate) key: Vec<u8>,
    settings: Vec<(String, String)>,
    /// Whether a byte of ASCII in a text for this session is always the character that it looks like.
    pub(crate) reads_ascii: bool,
    notices: VecDeque<ServerError>,
}

impl Session {
    /// A session that has just begun, in the middle of the server's first reply.
    pub(crate) const fn new() -> Self {
        Self {
            status: TransactionStatus::Idle,
            is_in_reply: true,
            is_trusted: false,
            process_id: 0,
            key: Vec::new(),
            settings: Vec::new(),
            reads_ascii: true,
            notices: VecDeque::new(),
        }
    }

    /// Takes note of what the server says unasked, at any time.
    pub(crate) fn hear(&mut self, message: &Message<'_>) {
        match message {
            Message::NoticeResponse(fields) => {
                if self.notices.len() == NOTICES_MAX {
                    self.notices.pop_front();
                }
                self.notices
                    .push_back(ServerError::read(fields, NOTICE_FIELD_BYTES_MAX));
            }
            Message::ParameterStatus(setting) => self.set(*setting),
            Message::BackendKeyData(BackendKeyData { process_id, key }) => {
                self.process_id = *process_id;
                self.key = key.to_vec();
            }
            // Nobody listens on such a connection, so notifications are not for us.
            _ => {}
        }
    }

    fn set(&mut self, setting: ParameterStatus<'_>) {
        if setting.name.len() + setting.value.len() > SETTING_BYTES_MAX {
            return;
        }
        let name = String::from_utf8_lossy(setting.name);
        let value = String::from_utf8_lossy(setting.value).into_owned();
        if name == "client_encoding" {
            self.reads_ascii = !ASCII_IN_CHARACTERS.contains(&value.as_str());
        }
        if let Some((_, known)) = self.settings.iter_mut().find(|(known, _)| *known == name) {
            *known = value;
        } else if self.settings.len() < SETTINGS_MAX {
            self.settings.push((name.into_owned(), value));
        }
    }

    /// A setting that the server reports.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All settings that the server reports.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The notices since the last statement began.
    pub(crate) fn take_notices(&mut self) -> Vec<ServerError> {
        std::mem::take(&mut self.notices).into()
    }

    pub(crate) fn forget_notices(&mut self) {
        self.notices.clear();
    }
}

/// Whether a server may send this frame at any time, whatever it was asked.
pub(crate) const fn is_unasked(tag: u8) -> bool {
    matches!(
        tag,
        tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE
    )
}

#[cfg(test)]
mod tests {
    use weir_pgwire::backend::ErrorFields;

    use super::*;

    #[test]
    fn a_server_that_talks_without_end_is_not_remembered_without_end() {
        let mut session = Session::new();
        let long = [b"M".as_slice(), &[b'x'; 2 * SETTING_BYTES_MAX], b"\0\0"].concat();
        for number in 0..1_000 {
            let name = number.to_string();
            session.hear(&Message::NoticeResponse(
                ErrorFields::parse("NoticeResponse", &long).unwrap(),
            ));
            session.hear(&Message::ParameterStatus(ParameterStatus {
                name: name.as_bytes(),
                value: b"v",
            }));
            session.hear(&Message::ParameterStatus(ParameterStatus {
                name: b"1",
                value: &long,
            }));
        }
        assert_eq!(
            (session.settings.len(), session.setting("1")),
            (SETTINGS_MAX, Some("v"))
        );
        let notices = session.take_notices();
        assert_eq!(notices.len(), NOTICES_MAX);
        assert!(
            notices
                .iter()
                .all(|notice| notice.message.len() <= NOTICE_FIELD_BYTES_MAX + "…".len())
        );
    }

    #[test]
    fn the_last_value_of_a_setting_counts() {
        let mut session = Session::new();
        for value in [b"UTC".as_slice(), b"CET"] {
            session.hear(&Message::ParameterStatus(ParameterStatus {
                name: b"TimeZone",
                value,
            }));
        }
        assert_eq!(session.setting("TimeZone"), Some("CET"));
        assert_eq!(session.setting("timezone"), None);
    }
}
