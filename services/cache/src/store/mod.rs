//! SQL on the cache service's own tables, and nothing else.

mod policies;

pub(crate) use policies::{
    PolicyRow, count_policies, delete_policy, generation, policies, put_policy, revise, take_file,
};
