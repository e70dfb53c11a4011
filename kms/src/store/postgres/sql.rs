//! The statements of a transaction, each of one form so that it is prepared once.

use tokio_postgres::types::Type;

/// A statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    GetRecord,
    GetAudit,
    /// From a key on, to the table's end.
    ScanFrom,
    /// From a key on, up to but without another.
    ScanBetween,
    ScanAudit,
    /// Any number of records at once.
    PutRecords,
    PutAudit,
    DeleteRecord,
    DeleteAudit,
}

impl Query {
    pub(super) const ALL: [Query; 9] = [
        Query::GetRecord,
        Query::GetAudit,
        Query::ScanFrom,
        Query::ScanBetween,
        Query::ScanAudit,
        Query::PutRecords,
        Query::PutAudit,
        Query::DeleteRecord,
        Query::DeleteAudit,
    ];

    pub(super) fn types(self) -> &'static [Type] {
        const INT: Type = Type::INT4;
        const LONG: Type = Type::INT8;
        const BYTES: Type = Type::BYTEA;
        match self {
            Query::GetRecord | Query::DeleteRecord => &[INT, BYTES],
            Query::GetAudit | Query::DeleteAudit => &[LONG],
            Query::ScanFrom => &[INT, BYTES, LONG],
            Query::ScanBetween => &[INT, BYTES, BYTES, LONG],
            Query::ScanAudit => &[LONG, LONG, LONG],
            Query::PutRecords => &[Type::INT4_ARRAY, Type::BYTEA_ARRAY, Type::BYTEA_ARRAY],
            Query::PutAudit => &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
        }
    }

    /// The text, over the tables of a schema; its name needs no quotes (`url.rs`).
    fn text(self, schema: &str) -> String {
        let (records, audit) = (format!("{schema}.records"), format!("{schema}.audit"));
        match self {
            Query::GetRecord => {
                format!("SELECT value FROM {records} WHERE tab = $1 AND key = $2")
            }
            Query::GetAudit => format!("SELECT record FROM {audit} WHERE seq = $1"),
            Query::ScanFrom => format!(
                "SELECT key, value FROM {records} WHERE tab = $1 AND key >= $2 \
                 ORDER BY key LIMIT $3"
            ),
            Query::ScanBetween => format!(
                "SELECT key, value FROM {records} WHERE tab = $1 AND key >= $2 AND key < $3 \
                 ORDER BY key LIMIT $4"
            ),
            Query::ScanAudit => format!(
                "SELECT seq, record FROM {audit} WHERE seq BETWEEN $1 AND $2 ORDER BY seq LIMIT $3"
            ),
            Query::PutRecords => format!(
                "INSERT INTO {records} (tab, key, value) SELECT * FROM unnest($1, $2, $3) \
                 ON CONFLICT (tab, key) DO UPDATE SET value = excluded.value"
            ),
            Query::PutAudit => format!(
                "INSERT INTO {audit} (seq, record) SELECT * FROM unnest($1, $2) \
                 ON CONFLICT (seq) DO UPDATE SET record = excluded.record"
            ),
            Query::DeleteRecord => format!("DELETE FROM {records} WHERE tab = $1 AND key = $2"),
            Query::DeleteAudit => format!("DELETE FROM {audit} WHERE seq = $1"),
        }
    }
}

/// The texts for one schema.
pub(super) struct Sql {
    texts: [String; Query::ALL.len()],
    /// Begins a transaction that changes and takes the lock that serialises them, as one message.
    pub(super) begin_write: String,
}

/// Begins a transaction that only reads: one snapshot for all of it.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Sql {
    /// `wait` is how long the lock is waited for, in milliseconds.
    pub(super) fn new(schema: &str, wait: u128) -> Self {
        // One lock for each schema of a database, by a number that only its name decides.
        let digest = keyfold::crypto::hash::Sha256::digest(format!("keyfold/{schema}").as_bytes());
        let number = digest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        // READ COMMITTED takes a snapshot for each statement, so what is read after the lock is
        // what its last holder left; one snapshot for the whole would be older than the lock.
        let begin_write = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {wait}; \
             SET LOCAL idle_in_transaction_session_timeout = {IDLE_LIMIT}; \
             SELECT pg_advisory_xact_lock({number})"
        );
        Sql { texts: Query::ALL.map(|query| query.text(schema)), begin_write }
    }

    pub(super) fn text(&self, query: Query) -> &str {
        &self.texts[query as usize]
    }
}

/// How long a process that stands still may hold the lock over an open transaction before the
/// server ends it, in milliseconds.
const IDLE_LIMIT: u32 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_has_its_place_and_its_parameters() {
        let sql = Sql::new("keyfold", 5000);
        for (place, query) in Query::ALL.into_iter().enumerate() {
            assert_eq!(query as usize, place);
            let text = sql.text(query);
            let used = (1..10).filter(|number| text.contains(&format!("${number}"))).count();
            assert_eq!(used, query.types().len(), "{text}");
        }
    }

    #[test]
    fn schemas_have_locks_of_their_own() {
        assert_ne!(Sql::new("a", 1).begin_write, Sql::new("b", 1).begin_write);
    }
}
