//! Clients: the PostgreSQL wire protocol, sessions, and the one place where compiler meets engine.
