//! Who can read a project's exports: age recipients, and the identities that belong to them.

use std::io::Read as _;
use std::path::Path;
use std::str::FromStr as _;

use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::repo::seal::hexadecimal;
use crate::settings::FileProject;

/// Those to whom something is encrypted.
#[derive(Clone)]
pub(crate) struct Readers {
    recipients: Vec<Recipient>,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl Readers {
    /// Those of these public keys.
    pub(crate) fn of(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            let read = Recipient::from_str(text.trim());
            read.map_err(|reason| format!("{text:?} is no age recipient (age1…): {reason}"))
        };
        let recipients: Result<Vec<_>, _> = texts.iter().map(read).collect();
        match recipients {
            Ok(recipients) if recipients.is_empty() => Err("there is no recipient".to_owned()),
            recipients => recipients.map(|recipients| Self { recipients }),
        }
    }

    /// Whoever has this identity.
    pub(crate) fn with(identity: &Identity) -> Self {
        Self {
            recipients: vec![identity.to_public()],
        }
    }

    /// Their public keys, in order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.recipients.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// What the catalogue calls them: derived from the public keys.
    pub(crate) fn key_id(&self) -> String {
        key_id(&self.texts())
    }

    /// A writer that encrypts to them. It has to be finished.
    pub(crate) fn encrypting<W: std::io::Write>(&self, to: W) -> std::io::Result<age::stream::StreamWriter<W>> {
        let recipients = self.recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients);
        encryptor
            .map_err(|error| std::io::Error::other(error.to_string()))?
            .wrap_output(to)
    }

    /// Some bytes, encrypted to them.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        use std::io::Write as _;
        let mut writer = self.encrypting(Vec::with_capacity(plain.len() + 1024))?;
        writer.write_all(plain)?;
        writer.finish()
    }
}

/// What the catalogue calls those with these public keys.
pub(crate) fn key_id(recipients: &[String]) -> String {
    let hash = blake3::derive_key("weir 2026 backup project key id", recipients.join("\n").as_bytes());
    hexadecimal(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
}

/// Identities at hand.
#[derive(Clone)]
pub(crate) struct Identities(Vec<Identity>);

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.publics()).finish()
    }
}

impl Identities {
    /// This one.
    pub(crate) fn of(identity: Identity) -> Self {
        Self(vec![identity])
    }

    /// Those in a file as `age-keygen` writes it.
    pub(crate) fn from_file(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?;
        let text = Zeroizing::new(text);
        Self::read(&text).map_err(|reason| Error::Refused {
            slug: "backup-project-key",
            reason: format!("{}: {reason}", file.display()),
        })
    }

    /// Those in a text as `age-keygen` writes it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        // What it says may not repeat the line: that is a secret.
        let read =
            |line: &str| Identity::from_str(line).map_err(|reason| format!("a line is no age identity: {reason}"));
        let identities: Result<Vec<_>, _> = lines.map(read).collect();
        match identities {
            Ok(identities) if identities.is_empty() => Err("it holds no age identity".to_owned()),
            identities => identities.map(Self),
        }
    }

    /// Their public keys.
    pub(crate) fn publics(&self) -> Vec<String> {
        self.0.iter().map(|identity| identity.to_public().to_string()).collect()
    }

    /// Whether one of them is among these.
    pub(crate) fn fit(&self, recipients: &[String]) -> bool {
        self.publics().iter().any(|public| recipients.contains(public))
    }

    /// A reader of something encrypted. An error where none of them fits.
    pub(crate) fn decrypting<R: std::io::BufRead>(
        &self,
        from: R,
    ) -> Result<age::stream::StreamReader<R>, DecryptError> {
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        Decryptor::new_buffered(from)?.decrypt(identities)
    }

    /// Some bytes, decrypted.
    pub(crate) fn decrypt(&self, sealed: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let mut plain = Vec::new();
        let read = self.decrypting(sealed)?.read_to_end(&mut plain);
        read.map(|_| plain).map_err(DecryptError::from)
    }
}

/// What is wrong with who is to read a project's exports, in the settings.
pub(crate) fn trouble(project: &FileProject) -> Option<String> {
    let readers = if project.recipients.is_empty() {
        None
    } else {
        match Readers::of(&project.recipients) {
            Ok(readers) => Some(readers),
            Err(reason) => return Some(reason),
        }
    };
    let file = project.identity_file.as_ref()?;
    match (Identities::from_file(file), readers) {
        (Err(error), _) => Some(error.to_string()),
        (Ok(_), None) => Some("it has an identity_file and no recipients".to_owned()),
        (Ok(identities), Some(readers)) if !identities.fit(&readers.texts()) => Some(format!(
            "the identity in {} is of none of its recipients",
            file.display()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_identity_reads() {
        let (one, other) = (Identity::generate(), Identity::generate());
        let sealed = Readers::with(&one).encrypt(b"what only one may read").unwrap();
        assert_eq!(
            Identities::of(one.clone()).decrypt(&sealed).unwrap(),
            b"what only one may read"
        );
        let wrong = Identities::of(other).decrypt(&sealed);
        assert!(matches!(wrong, Err(DecryptError::NoMatchingKeys)), "{wrong:?}");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(Identities::of(one.clone()).decrypt(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn what_a_key_is_called_does_not_hang_on_the_order() {
        let texts: Vec<String> = (0..3).map(|_| Identity::generate().to_public().to_string()).collect();
        let mut turned = texts.clone();
        turned.reverse();
        let (one, other) = (Readers::of(&texts).unwrap(), Readers::of(&turned).unwrap());
        assert_eq!(one.key_id(), other.key_id());
        assert_ne!(one.key_id(), Readers::of(&texts[..2]).unwrap().key_id());
        assert!(Readers::of(&[]).is_err());
        assert!(Readers::of(&["age1nonsense".to_owned()]).is_err());
    }

    #[test]
    fn an_identity_is_read_as_age_writes_it_and_never_repeated() {
        use age::secrecy::ExposeSecret as _;
        let identity = Identity::generate();
        let secret = identity.to_string();
        let text = format!(
            "# created: now\n# public key: {}\n{}\n",
            identity.to_public(),
            secret.expose_secret()
        );
        let read = Identities::read(&text).unwrap();
        assert_eq!(read.publics(), [identity.to_public().to_string()]);
        let cut = secret.expose_secret().replace("SECRET", "S3CRET");
        let reason = Identities::read(&cut).unwrap_err();
        assert!(!reason.contains(&cut[10..30]), "{reason}");
        assert!(!format!("{read:?}").contains(&secret.expose_secret()[20..]));
    }
}
