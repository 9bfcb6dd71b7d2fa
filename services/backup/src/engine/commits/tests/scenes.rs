//! Single stories on a real server.
