//! Mail: a small SMTP server that takes what is sent, or does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use weir_runtime::{Stage, Tasks};
use weir_testkit::{Postgres, eventually};

use super::harness::{Post, SOON, firing, named, resolved};
use crate::alert::Notice;

/// What the server says to the end of a mail, and before, to each recipient.
type Script = Arc<Mutex<(&'static str, &'static str)>>;

/// The server. It offers logging in, and no encryption.
struct MailServer {
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    script: Script,
}

#[derive(Debug, Clone, Default)]
struct Mail {
    commands: Vec<String>,
    text: String,
    accepted: bool,
}

impl Mail {
    /// A header, its lines joined.
    fn header(&self, name: &str) -> String {
        let head = self
            .text
            .split("\r\n\r\n")
            .next()
            .unwrap()
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        let start = format!("{name}: ");
        let found: Vec<_> = head
            .split("\r\n")
            .filter_map(|line| line.strip_prefix(&start))
            .collect();
        assert_eq!(found.len(), 1, "{name} in {head}");
        found[0].to_owned()
    }
}

impl MailServer {
    async fn start(tasks: &Tasks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            mails: Arc::default(),
            script: Arc::new(Mutex::new(("250 taken", "250 known"))),
        };
        let (mails, script, at) = (server.mails.clone(), server.script.clone(), tasks.clone());
        tasks.spawn(Stage::Watch, "mail server", |stop| async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let (mails, script, stop) = (mails.clone(), script.clone(), stop.clone());
                at.spawn_short(Stage::Watch, "mail", async move {
                    stop.run_until_cancelled(serve(stream, mails, script)).await;
                });
            }
            Ok(())
        });
        server
    }

    async fn until(&self, count: usize) -> Vec<Mail> {
        eventually("the mails", SOON, || async {
            let mails = self.mails.lock().unwrap().clone();
            if mails.len() >= count {
                Ok(mails)
            } else {
                Err(format!("{mails:?}"))
            }
        })
        .await
    }

    fn says(&self, to_the_end: &'static str, to_a_recipient: &'static str) {
        *self.script.lock().unwrap() = (to_the_end, to_a_recipient);
    }
}

async fn serve(stream: TcpStream, mails: Arc<Mutex<Vec<Mail>>>, script: Script) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut mail = Mail::default();
    stream.write_all(b"220 here\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        mail.commands.push(line.trim().to_owned());
        let word = line.get(..4).unwrap_or_default().to_uppercase();
        let (end, recipient) = *script.lock().unwrap();
        let answer = match word.as_str() {
            "EHLO" => "250-here\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "AUTH" => "235 come in",
            "RCPT" => recipient,
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                while !mail.text.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail.text).await.ok()?;
                }
                mail.accepted = end.starts_with("250");
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                end
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

fn channel(port: u16, encryption: &str, more: &str) -> String {
    let addresses = r#"from = "Weir <weir@example.org>", to = ["ops@example.org", "Night Shift <night@example.org>"]"#;
    format!(
        r#"[{{ name = "mail", kind = "email", smtp = "127.0.0.1:{port}", encryption = "{encryption}", group_interval = "1s", {addresses}{more} }}]"#
    )
}

#[tokio::test]
async fn a_group_is_a_mail_with_an_id_of_its_own_that_a_repetition_keeps() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let server = MailServer::start(&helpers).await;
    server.says("451 try later", "250 known");
    let login = r#", user = "weir", password = "sesame""#;
    let post = Post::start(&database.url(), &channel(server.port, "none", login)).await;
    post.tell(&[firing(1, "g"), firing(2, "g")]).await;
    server.until(1).await;
    server.says("250 taken", "250 known");
    let mails = server.until(2).await;
    post.is_done().await;
    assert_eq!((mails[0].accepted, mails[1].accepted), (false, true));
    let id = mails[1].header("Message-ID");
    assert!(id.starts_with("<weir-") && id.ends_with("@example.org>"), "{id}");
    assert_eq!(mails[0].header("Message-ID"), id);
    let mail = &mails[1];
    assert_eq!(mail.header("Subject"), "[2 firing]: slow-query in shop");
    assert_eq!(
        mail.header("To"),
        "ops@example.org, \"Night Shift\" <night@example.org>"
    );
    assert!(mail.text.contains("text/plain") && mail.text.contains("text/html") && mail.text.contains("1234 ms"));
    let commands = mail.commands.join("\n");
    // AUTH PLAIN says "\0weir\0sesame" in base64.
    for wanted in [
        "EHLO example.org",
        "AUTH PLAIN AHdlaXIAc2VzYW1l",
        "FROM:<weir@example.org>",
        "TO:<ops@example.org>",
        "TO:<night@example.org>",
    ] {
        assert!(commands.contains(wanted), "{wanted} is missing in {commands}");
    }
    post.tell(&[resolved(1, "g"), resolved(2, "g")]).await;
    let mails = server.until(3).await;
    assert_eq!(mails[2].header("Subject"), "[2 resolved]: slow-query in shop");
    assert_eq!(
        mails[2].header("References"),
        mail.header("References"),
        "a group is a thread"
    );
    assert!(mails[2].header("Message-ID") != id, "{}", named(1, "resolved"));
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn nothing_that_an_alert_says_becomes_a_header_or_a_command() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let server = MailServer::start(&helpers).await;
    let post = Post::start(&database.url(), &channel(server.port, "none", "")).await;
    let hostile = Notice {
        rule: "slow\r\nBcc: thief@example.net\r\n\r\n<script>".to_owned(),
        project: "shop\nX-Own: 1".to_owned(),
        group: "g\r\nX-Group: 1 >".to_owned(),
        summary: "first\r\n.\r\nMAIL FROM:<thief@example.net>\r\n<img src=x onerror=alert(1)>\u{202e}".to_owned(),
        labels: [("a\r\nX: 1".to_owned(), "<b>&\"'\0".to_owned())].into(),
        ..firing(1, "g")
    };
    post.tell(&[hostile]).await;
    let mails = server.until(1).await;
    post.is_done().await;
    assert_eq!(server.mails.lock().unwrap().len(), 1);
    let mail = &mails[0];
    let head = mail.text.split("\r\n\r\n").next().unwrap();
    let names: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    for name in &names {
        let known = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "References",
            "MIME-Version",
            "Content-Type",
        ];
        assert!(known.contains(name), "{name} in {head}");
    }
    assert!(
        !mail.commands.iter().any(|command| command.contains("thief")),
        "{:?}",
        mail.commands
    );
    let html = mail.text.split("text/html").nth(1).unwrap();
    assert!(
        html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
    assert!(!mail.text.contains('\u{202e}') && !mail.text.contains('\0'));
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_server_that_refuses_for_good_is_not_asked_again() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let server = MailServer::start(&helpers).await;
    server.says("250 taken", "550 no such user");
    let post = Post::start(&database.url(), &channel(server.port, "none", "")).await;
    post.tell(&[firing(1, "g")]).await;
    post.counts("mail", "refused", 1).await;
    let shown = post.channel("mail").await;
    assert!(
        shown.last_error.contains("550") && shown.last_error.contains("no such user"),
        "{shown:?}"
    );
    assert_eq!(shown.pending, 0);
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_password_does_not_leave_without_encryption_that_was_asked_for() {
    let (helpers, database) = (Tasks::new(), Postgres::shared().await.database().await);
    let server = MailServer::start(&helpers).await;
    let login = r#", user = "weir", password = "sesame", timeout = "2s""#;
    let post = Post::start(&database.url(), &channel(server.port, "starttls", login)).await;
    let said = post.deliverer.try_channel("mail").await.unwrap();
    assert!(!said.accepted && !said.answer.is_empty(), "{said:?}");
    assert!(server.mails.lock().unwrap().is_empty());
    post.stop().await;
    helpers.descend(Duration::from_secs(5)).await;
}
