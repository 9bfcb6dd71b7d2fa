//! SQL on the gateway's own tables, and nothing else.

mod firewall;

pub(crate) use firewall::{
    ModeRow, ShapeRow, Writing, are_there, count_shapes, decide_shapes, forget_old, horizon, modes, put_mode,
    shapes_since, sight_shapes, take_mode,
};
