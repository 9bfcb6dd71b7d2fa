//! Maintenance's own tables.

mod pieces;

pub(crate) use pieces::{After, Calibration, NewPiece, PieceRow, Pieces};
