-- Back to tables that are not divided. What only the younger schema knows, the facts, goes.

DROP VIEW account_balances;
DROP VIEW call_records;
DROP FUNCTION detach_days;
DROP FUNCTION ensure_days;

ALTER TABLE calls RENAME TO calls_0002;
ALTER TABLE attempts RENAME TO attempts_0002;
ALTER TABLE auctions RENAME TO auctions_0002;
ALTER TABLE bids RENAME TO bids_0002;
ALTER TABLE ledger_entries RENAME TO ledger_entries_0002;
ALTER TABLE top_ups RENAME TO top_ups_0002;

CREATE TABLE calls (
    call_id        uuid        NOT NULL PRIMARY KEY,
    received_at    timestamptz NOT NULL,
    decided_us     bigint,
    ringing_us     bigint,
    answered_us    bigint,
    ended_us       bigint,
    connected_ns   bigint      NOT NULL,
    revenue_micros bigint      NOT NULL,
    payout_micros  bigint      NOT NULL,
    disposition    disposition NOT NULL,
    hangup         party       NOT NULL,
    refused        smallint    NOT NULL,
    sip_status     smallint    NOT NULL,
    qualified      boolean     NOT NULL,
    recovered      boolean     NOT NULL,
    currency       text        NOT NULL,
    trunk          text,
    publisher      text,
    campaign       text,
    number         text,
    buyer          text,
    target         text,
    bid_id         text,
    subject        bytea       NOT NULL,
    personal       bytea       NOT NULL
);

CREATE TABLE attempts (
    call_id     uuid     NOT NULL,
    invited_us  bigint,
    ringing_us  bigint,
    answered_us bigint,
    ended_us    bigint,
    number      smallint NOT NULL,
    entry       smallint NOT NULL,
    status      smallint NOT NULL,
    cause       text     NOT NULL,
    target      text     NOT NULL,
    gateway     text     NOT NULL,
    PRIMARY KEY (call_id, number)
);

CREATE TABLE auctions (
    auction_id    uuid        NOT NULL PRIMARY KEY,
    call_id       uuid        NOT NULL,
    received_at   timestamptz NOT NULL,
    floor_micros  bigint      NOT NULL,
    book_seq      bigint      NOT NULL,
    plan_version  bigint      NOT NULL,
    candidates    integer     NOT NULL,
    attestation   smallint    NOT NULL,
    price_kind    text        NOT NULL,
    currency      text        NOT NULL,
    area          text,
    reason_ids    smallint[]  NOT NULL,
    reason_counts integer[]   NOT NULL,
    tags          jsonb,
    reasons       bytea
);

CREATE TABLE bids (
    auction_id   uuid     NOT NULL,
    score        bigint   NOT NULL,
    bid_micros   bigint   NOT NULL,
    price_micros bigint   NOT NULL,
    place        smallint NOT NULL,
    runner_up    boolean  NOT NULL,
    bid_id       text     NOT NULL,
    buyer        text     NOT NULL,
    target       text     NOT NULL,
    PRIMARY KEY (auction_id, place)
);

CREATE TABLE ledger_entries (
    source_id     uuid           NOT NULL,
    posted_at     timestamptz    NOT NULL,
    amount_micros bigint         NOT NULL,
    kind          posting_kind   NOT NULL,
    account       ledger_account NOT NULL,
    line          smallint       NOT NULL,
    owner         text           NOT NULL,
    currency      text           NOT NULL,
    PRIMARY KEY (source_id, kind, line)
);

CREATE TABLE top_ups (
    top_up_id       uuid        NOT NULL PRIMARY KEY,
    posted_at       timestamptz NOT NULL,
    amount_micros   bigint      NOT NULL,
    account         text        NOT NULL,
    currency        text        NOT NULL,
    idempotency_key text        NOT NULL
);

INSERT INTO calls SELECT * FROM calls_0002;
INSERT INTO attempts
SELECT
    call_id, invited_us, ringing_us, answered_us, ended_us, number, entry, status, cause, target,
    gateway
FROM attempts_0002;
INSERT INTO auctions SELECT * FROM auctions_0002;
INSERT INTO bids
SELECT
    auction_id, score, bid_micros, price_micros, place, runner_up, bid_id, buyer, target
FROM bids_0002;
INSERT INTO ledger_entries SELECT * FROM ledger_entries_0002;
INSERT INTO top_ups SELECT * FROM top_ups_0002;
DROP TABLE calls_0002, attempts_0002, auctions_0002, bids_0002, ledger_entries_0002, top_ups_0002;
DROP TABLE facts;
DROP TYPE fact_kind;


CREATE INDEX calls_received ON calls (received_at, call_id);
CREATE INDEX calls_campaign ON calls (campaign, received_at, call_id) WHERE campaign IS NOT NULL;
CREATE INDEX calls_publisher ON calls (publisher, received_at, call_id)
    WHERE publisher IS NOT NULL;
CREATE INDEX calls_buyer ON calls (buyer, received_at, call_id) WHERE buyer IS NOT NULL;
CREATE INDEX auctions_call ON auctions (call_id);

CREATE VIEW call_records AS
SELECT
    c.call_id,
    c.received_at,
    c.disposition,
    c.sip_status,
    r.name AS refused,
    c.hangup,
    c.publisher,
    c.campaign,
    c.number,
    c.buyer,
    c.target,
    c.ringing_us / 1000 AS post_dial_delay_ms,
    c.answered_us / 1000 AS setup_ms,
    c.received_at + c.answered_us * interval '1 microsecond' AS answered_at,
    c.received_at + c.ended_us * interval '1 microsecond' AS ended_at,
    c.connected_ns / 1000000000.0 AS connected_s,
    c.qualified,
    c.revenue_micros / 1000000.0 AS revenue,
    c.payout_micros / 1000000.0 AS payout,
    (c.revenue_micros - c.payout_micros) / 1000000.0 AS margin,
    c.currency,
    c.recovered
FROM calls AS c
LEFT JOIN reason_names AS r ON r.id = c.refused AND c.refused <> 0;

CREATE VIEW account_balances AS
SELECT account, owner, currency, sum(amount_micros)::bigint AS balance_micros
FROM ledger_entries
GROUP BY account, owner, currency;
