//! Where the randomness of log-ins comes from. The machines themselves take it as an argument.

use ring::rand::{SystemRandom, generate};

use super::refusal::Refusal;
use super::verifier::Strangers;

/// What one log-in draws: 18 bytes make a nonce of 24 characters, as PostgreSQL's, and four of them a salt for MD5.
pub(crate) type Random = [u8; 18];

/// Randomness for one log-in, of the operating system.
pub(crate) fn random() -> Result<Random, Refusal> {
    let drawn = generate(&SystemRandom::new()).map_err(|_| Refusal::NoRandom)?;
    Ok(drawn.expose())
}

impl Strangers {
    /// With a secret of this process.
    pub(crate) fn random() -> Result<Self, Refusal> {
        let drawn = generate::<[u8; 32]>(&SystemRandom::new()).map_err(|_| Refusal::NoRandom)?;
        Ok(Self::new(&drawn.expose()))
    }
}
