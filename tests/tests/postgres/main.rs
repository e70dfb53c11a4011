//! keyfold over PostgreSQL: the contract of stores, several processes over one database, lost
//! connections, crashes of the server, moves between databases. Every test has a server of its own.

mod store;
