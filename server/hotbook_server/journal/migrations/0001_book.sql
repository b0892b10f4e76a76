-- The book's tables. Every index is named with the query that uses it; tests/server/test_journal_sqlite.py
-- asks SQLite whether it does.

-- Facts about the store itself.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The positions as they stand. `record` is everything that the book holds of one; the other columns
-- repeat parts of it, for indexes and for people who read the store with SQL. `crc` covers the
-- record and the columns that the store goes by, and is looked at whenever a row is read.
CREATE TABLE positions (
    position_uuid TEXT NOT NULL,
    hotkey        TEXT NOT NULL,
    trade_pair    TEXT NOT NULL,
    campaign_id   TEXT,              -- NULL: an ordinary position
    open_ms       INTEGER NOT NULL,
    close_ms      INTEGER,           -- NULL: open
    version       INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    record        BLOB NOT NULL,
    crc           INTEGER NOT NULL
);

-- Writing and reading one position.
CREATE UNIQUE INDEX positions_by_uuid ON positions (position_uuid);

-- One hotkey's positions, and clearing them.
CREATE INDEX positions_by_hotkey ON positions (hotkey);

-- What is open on a pair; and the last line of defence of the rule of one.
CREATE UNIQUE INDEX positions_open ON positions (hotkey, trade_pair)
    WHERE close_ms IS NULL AND campaign_id IS NULL;

-- Legs of a campaign, by status: for people who read the store with SQL. The book has its own.
CREATE INDEX positions_legs ON positions (campaign_id, close_ms)
    WHERE campaign_id IS NOT NULL;

-- The campaigns as they stand, written as positions are.
CREATE TABLE campaigns (
    campaign_id TEXT NOT NULL,
    hotkey      TEXT NOT NULL,
    trade_pair  TEXT NOT NULL,
    state       INTEGER NOT NULL,    -- 1 forming, 2 active, 3 dormant, 4 completed, 5 failed
    version     INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    record      BLOB NOT NULL,
    crc         INTEGER NOT NULL
);

-- Writing one campaign.
CREATE UNIQUE INDEX campaigns_by_id ON campaigns (campaign_id);

-- Clearing a hotkey's campaigns.
CREATE INDEX campaigns_by_hotkey ON campaigns (hotkey);

-- The latest price of each trade pair, written as positions are.
CREATE TABLE marks (
    trade_pair TEXT NOT NULL,
    price      TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    record     BLOB NOT NULL,
    crc        INTEGER NOT NULL
);

-- Writing one mark.
CREATE UNIQUE INDEX marks_by_pair ON marks (trade_pair);

-- The newest changes, in order. `chain` links each to the one before.
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,       -- position: 1 saved, 2 removed; 3 cleared;
                                     -- campaign: 4 saved, 5 removed; 6 marked
    flags    INTEGER NOT NULL,       -- 1: the position was open before; 2: the last of its commit
    key      TEXT NOT NULL,          -- uuid, campaign id or trade pair; for cleared: hotkey, or
                                     -- empty for the whole book
    hotkey   TEXT NOT NULL,          -- whose it is; empty for the whole book, and for a mark
    wire     BLOB,
    at_ms    INTEGER NOT NULL,
    crc      INTEGER NOT NULL,
    chain    BLOB NOT NULL
);

-- Requests that were answered. Looked up by sequence: the ids are in the server's memory.
CREATE TABLE requests (
    sequence    INTEGER PRIMARY KEY,
    request_id  TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    outcome     BLOB NOT NULL,
    at_ms       INTEGER NOT NULL,
    crc         INTEGER NOT NULL
);

-- Rows that were found damaged, as they were found.
CREATE TABLE quarantine (
    found_ms INTEGER NOT NULL,
    kind     TEXT NOT NULL,          -- position, campaign, mark or request
    key      TEXT,                   -- uuid, campaign id or trade pair; NULL: a request
    hotkey   TEXT,
    reason   TEXT NOT NULL,
    data     BLOB                    -- the record, or the outcome of a request
);
