//! How a section is declared.

use crate::error::Error;
use crate::field::{Effective, Field};
use crate::sources::Sources;

/// A typed group of settings. Implemented by [`section!`](crate::section!), never by hand.
pub trait Section: Sized {
    /// The section's name in the file.
    const NAME: &'static str;
    /// What the section is for.
    fn doc() -> String;
    /// Its settings, in the order of the declaration.
    fn fields() -> Vec<Field>;
    /// Reads every setting; the first one that cannot be is the error.
    fn read(sources: &Sources) -> Result<Self, Error>;
    /// Every value in force and where it came from, secrets masked.
    fn effective(sources: &Sources) -> Result<Vec<Effective>, Error>;
    /// The keys whose values differ between two sources, those of secrets too.
    fn changed(before: &Sources, after: &Sources) -> Result<Vec<&'static str>, Error>;
}

/// A section as data, for those who list all of them (`weir config check`, the reference, the tidy tests).
#[derive(Clone, Copy)]
pub struct SectionInfo {
    /// The section's name in the file.
    pub name: &'static str,
    /// What the section is for.
    pub doc: fn() -> String,
    /// Its settings.
    pub fields: fn() -> Vec<Field>,
    /// Every value in force.
    pub effective: fn(&Sources) -> Result<Vec<Effective>, Error>,
    /// The keys whose values differ between two sources.
    pub changed: fn(&Sources, &Sources) -> Result<Vec<&'static str>, Error>,
}

impl SectionInfo {
    /// The data of a section type.
    pub const fn of<S: Section>() -> Self {
        Self {
            name: S::NAME,
            doc: S::doc,
            fields: S::fields,
            effective: S::effective,
            changed: S::changed,
        }
    }
}

/// Joins the lines of a doc comment.
#[doc(hidden)]
pub fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Declares a section: a struct whose fields are settings.
///
/// ```
/// use std::time::Duration;
/// weir_config::section! {
///     /// How long tea takes.
///     pub struct TeaSettings("runtime") {
///         /// How long the water stays on the leaves.
///         steep: Duration = "3m", also ["TEA_SECONDS" in "s"],
///     }
/// }
/// ```
#[macro_export]
macro_rules! section {
    ($(#[doc = $sdoc:literal])+ $vis:vis struct $name:ident ($section:literal) {
        $($(#[doc = $doc:literal])+ $field:ident : $ty:ty = $default:expr $(, also [$($alias:literal in $unit:literal),* $(,)?])?),* $(,)?
    }) => {
        $(#[doc = $sdoc])+
        #[derive(Debug, Clone)]
        $vis struct $name { $($(#[doc = $doc])+ pub $field: $ty),* }

        impl $crate::Section for $name {
            const NAME: &'static str = $section;

            fn doc() -> String {
                $crate::joined(&[$($sdoc),+])
            }

            fn fields() -> Vec<$crate::Field> {
                vec![$($crate::Field {
                    key: stringify!($field),
                    doc: $crate::joined(&[$($doc),+]),
                    kind: <$ty as $crate::Setting>::kind(),
                    default: $crate::DefaultValue::from($default),
                    aliases: vec![$($($crate::Alias { name: $alias, unit: $unit }),*)?],
                }),*]
            }

            fn read(sources: &$crate::Sources) -> Result<Self, $crate::Error> {
                let reader = sources.reader::<Self>()?;
                Ok(Self { $($field: reader.value::<$ty>(stringify!($field))?.0),* })
            }

            fn effective(sources: &$crate::Sources) -> Result<Vec<$crate::Effective>, $crate::Error> {
                let reader = sources.reader::<Self>()?;
                Ok(vec![$(reader.effective::<$ty>(stringify!($field))?),*])
            }

            fn changed(before: &$crate::Sources, after: &$crate::Sources) -> Result<Vec<&'static str>, $crate::Error> {
                let (before, after) = (before.reader::<Self>()?, after.reader::<Self>()?);
                let keys = [$((stringify!($field), before.differs::<$ty>(&after, stringify!($field))?)),*];
                Ok(keys.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect())
            }
        }
    };
}
