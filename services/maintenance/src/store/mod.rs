//! Maintenance's own tables.

pub(crate) mod advice;
pub(crate) mod ages;
mod pieces;

pub(crate) use pieces::{After, Calibration, NewPiece, PieceRow, Pieces};
