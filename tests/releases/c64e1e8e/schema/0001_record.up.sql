-- The record: a projection of the journal. Nothing here is read back into the engine.
-- No foreign keys and no unique keys but the facts' own: the journal has accepted these rows
-- already, and a constraint that it does not know would stop the copy for ever.
-- Columns of fixed width stand first, so that no row pays for padding.

CREATE TYPE disposition AS ENUM (
    'completed', 'no_answer', 'busy', 'canceled', 'blocked', 'unsold', 'failed', 'no_ack'
);
CREATE TYPE party AS ENUM ('none', 'caller', 'buyer', 'exchange');
CREATE TYPE ledger_account AS ENUM (
    'buyer', 'publisher_pending', 'publisher_payable', 'revenue', 'payout_cost', 'carrier_cost',
    'carrier_payable', 'bank', 'adjustment'
);
CREATE TYPE posting_kind AS ENUM ('revenue', 'payout', 'carrier', 'top_up', 'adjustment');

-- One row a finished call. Offsets in microseconds from received_at, null where the call never
-- came there. personal: sealed bytes of numbers, names and headers.
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
CREATE INDEX calls_received ON calls (received_at, call_id);
CREATE INDEX calls_campaign ON calls (campaign, received_at, call_id) WHERE campaign IS NOT NULL;
CREATE INDEX calls_publisher ON calls (publisher, received_at, call_id)
    WHERE publisher IS NOT NULL;
CREATE INDEX calls_buyer ON calls (buyer, received_at, call_id) WHERE buyer IS NOT NULL;

-- One row a dialled leg, offsets as in calls.
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

-- One row a decision. reasons: one ordinal a candidate in index order, run-length coded;
-- reason_ids and reason_counts: how often each reason stood, what stays when reasons goes.
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
CREATE INDEX auctions_call ON auctions (call_id);

-- The ladder from 1 on in its order, the runner-up behind it. No other candidate has a row.
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

-- Lines of double entries: debit positive, credit negative; those of one source and kind sum to
-- zero. The settlement key is (source_id, kind).
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

-- Configuration, the one thing whose truth is here. applied_at comes from the journal.
CREATE TABLE plans (
    version    bigint      NOT NULL PRIMARY KEY,
    digest     bytea       NOT NULL,
    source     text,
    stored_at  timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz
);

-- Tokens by SHA-256; the token itself is shown once and kept nowhere.
CREATE TABLE api_tokens (
    digest     bytea       NOT NULL PRIMARY KEY,
    name       text        NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- How far each worker's journal is copied; moves in the transaction of the rows it stands for.
CREATE TABLE record_cursors (
    worker     smallint    NOT NULL PRIMARY KEY,
    seq        bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Facts that the tables would not take: kept whole, so that one of them never stops the rest.
CREATE TABLE rejected_facts (
    worker      smallint    NOT NULL,
    seq         bigint      NOT NULL,
    kind        smallint    NOT NULL,
    payload     bytea       NOT NULL,
    error       text        NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (worker, seq)
);

-- Names of reason numbers, filled by the record process from the code's enums.
CREATE TABLE reason_names (
    id   smallint NOT NULL PRIMARY KEY,
    name text     NOT NULL
);

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
