-- The record by day: calls, their attempts, auctions, bids and facts lie in one partition a UTC day
-- of the call's arrival, made ahead of time and detached by retention. Every row of a call carries
-- that instant, so that whoever has a call's id (its first 48 bits are the millisecond) or its row
-- finds all of it in one partition.
-- Rows are copied straight into the partitions; reports and the API ask the parents.

DROP VIEW call_records;
DROP VIEW account_balances;

CREATE TYPE fact_kind AS ENUM (
    'started', 'clock_set', 'plan_applied', 'call_routed', 'attempt_failed', 'call_answered',
    'answer_sent', 'call_closed', 'top_up_posted', 'talk_ended'
);

CREATE TABLE calls_by_day (
    call_id        uuid        NOT NULL,
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
    personal       bytea       NOT NULL,
    CONSTRAINT calls_key PRIMARY KEY (received_at, call_id)
) PARTITION BY RANGE (received_at);

CREATE TABLE attempts_by_day (
    call_id     uuid        NOT NULL,
    received_at timestamptz NOT NULL,
    invited_us  bigint,
    ringing_us  bigint,
    answered_us bigint,
    ended_us    bigint,
    number      smallint    NOT NULL,
    entry       smallint    NOT NULL,
    status      smallint    NOT NULL,
    cause       text        NOT NULL,
    target      text        NOT NULL,
    gateway     text        NOT NULL,
    CONSTRAINT attempts_key PRIMARY KEY (received_at, call_id, number)
) PARTITION BY RANGE (received_at);

CREATE TABLE auctions_by_day (
    auction_id    uuid        NOT NULL,
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
    reasons       bytea,
    CONSTRAINT auctions_key PRIMARY KEY (received_at, auction_id)
) PARTITION BY RANGE (received_at);

CREATE TABLE bids_by_day (
    auction_id   uuid        NOT NULL,
    received_at  timestamptz NOT NULL,
    score        bigint      NOT NULL,
    bid_micros   bigint      NOT NULL,
    price_micros bigint      NOT NULL,
    place        smallint    NOT NULL,
    runner_up    boolean     NOT NULL,
    bid_id       text        NOT NULL,
    buyer        text        NOT NULL,
    target       text        NOT NULL,
    CONSTRAINT bids_key PRIMARY KEY (received_at, auction_id, place)
) PARTITION BY RANGE (received_at);

-- Where each fact stands in the journal: what happened to a call in which order, and from which
-- record on to read it there. received_at: of the call, to the millisecond that its id tells;
-- other facts have the instant of their own. engine_ns: the journal's clock. Heartbeats and the
-- bids of a plan are not listed.
CREATE TABLE facts (
    received_at timestamptz NOT NULL,
    seq         bigint      NOT NULL,
    engine_ns   bigint      NOT NULL,
    kind        fact_kind   NOT NULL,
    worker      smallint    NOT NULL,
    about       uuid,
    CONSTRAINT facts_key PRIMARY KEY (received_at, worker, seq)
) PARTITION BY RANGE (received_at);

-- One partition for ever: the settlement key must be unique over all days.
CREATE TABLE ledger_entries_kept (
    source_id     uuid           NOT NULL,
    posted_at     timestamptz    NOT NULL,
    amount_micros bigint         NOT NULL,
    kind          posting_kind   NOT NULL,
    account       ledger_account NOT NULL,
    line          smallint       NOT NULL,
    owner         text           NOT NULL,
    currency      text           NOT NULL,
    CONSTRAINT ledger_entries_key PRIMARY KEY (source_id, kind, line)
) PARTITION BY HASH (source_id);

CREATE TABLE top_ups_kept (
    top_up_id       uuid        NOT NULL,
    posted_at       timestamptz NOT NULL,
    amount_micros   bigint      NOT NULL,
    account         text        NOT NULL,
    currency        text        NOT NULL,
    idempotency_key text        NOT NULL,
    CONSTRAINT top_ups_key PRIMARY KEY (top_up_id)
) PARTITION BY HASH (top_up_id);

-- Make the partitions of these days where they are missing. It runs as the owner of the tables, so
-- that who may only copy rows needs no right to make tables. A partition is granted to whoever may
-- insert into its parent. The lock that it takes on a parent lets readers and writers go on.
CREATE FUNCTION ensure_days(days date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '5s' AS $$
DECLARE
    day date; parent text; leaf text; grantee text; made integer := 0;
BEGIN
    FOREACH day IN ARRAY days LOOP
        IF day < '2000-01-01' OR day >= '2200-01-01' THEN
            RAISE datetime_field_overflow USING MESSAGE = format('no call was on %s', day);
        END IF;
        FOREACH parent IN ARRAY ARRAY['calls', 'attempts', 'auctions', 'bids', 'facts'] LOOP
            leaf := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
            CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', leaf, parent
            );
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, leaf,
                day::text || ' 00:00+00', (day + 1)::text || ' 00:00+00'
            );
            FOR grantee IN
                SELECT DISTINCT acl.grantee::regrole::text
                FROM pg_class AS c, aclexplode(c.relacl) AS acl
                WHERE c.oid = to_regclass(parent) AND acl.privilege_type = 'INSERT'
                AND acl.grantee NOT IN (0, c.relowner)
            LOOP
                EXECUTE format('GRANT INSERT ON TABLE %I TO %s', leaf, grantee);
            END LOOP;
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Take whole days before this one out of the record: the partitions stay as tables of their own,
-- detached_<table>_<day>, for whoever archives and drops them. At most `most` partitions a time.
CREATE FUNCTION detach_days(before date, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
    part record; name text; taken integer := 0;
BEGIN
    FOR part IN
        SELECT p.relname AS parent, c.relname AS leaf
        FROM pg_inherits AS i
        JOIN pg_class AS p ON p.oid = i.inhparent
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE p.oid IN (
            to_regclass('calls'), to_regclass('attempts'), to_regclass('auctions'),
            to_regclass('bids'), to_regclass('facts')
        ) AND p.relkind = 'p' AND to_date(right(c.relname, 8), 'YYYYMMDD') < before
        ORDER BY right(c.relname, 8), p.relname LIMIT most
    LOOP
        name := 'detached_' || part.leaf;
        WHILE to_regclass(name) IS NOT NULL LOOP  -- the day was copied again and is old once more
            name := name || '_again';
        END LOOP;
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', part.parent, part.leaf);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', part.leaf, name);
        taken := taken + 1;
    END LOOP;
    RETURN taken;
END $$;

-- Names mean the tables of this schema, never a temporary table of whoever calls.
DO $$ BEGIN
    EXECUTE format(
        'ALTER FUNCTION ensure_days(date[]) SET search_path TO %I, pg_temp', current_schema()
    );
    EXECUTE format(
        'ALTER FUNCTION detach_days(date, integer) SET search_path TO %I, pg_temp', current_schema()
    );
END $$;

-- What was recorded so far moves over.
ALTER TABLE calls RENAME TO calls_0001;
ALTER TABLE attempts RENAME TO attempts_0001;
ALTER TABLE auctions RENAME TO auctions_0001;
ALTER TABLE bids RENAME TO bids_0001;
ALTER TABLE ledger_entries RENAME TO ledger_entries_0001;
ALTER TABLE top_ups RENAME TO top_ups_0001;
ALTER TABLE calls_by_day RENAME TO calls;
ALTER TABLE attempts_by_day RENAME TO attempts;
ALTER TABLE auctions_by_day RENAME TO auctions;
ALTER TABLE bids_by_day RENAME TO bids;
ALTER TABLE ledger_entries_kept RENAME TO ledger_entries;
ALTER TABLE top_ups_kept RENAME TO top_ups;
CREATE TABLE ledger_entries_all PARTITION OF ledger_entries
    FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE top_ups_all PARTITION OF top_ups FOR VALUES WITH (MODULUS 1, REMAINDER 0);

SELECT ensure_days(array_agg(DISTINCT (received_at AT TIME ZONE 'UTC')::date))
FROM (SELECT received_at FROM calls_0001 UNION ALL SELECT received_at FROM auctions_0001) AS known
HAVING count(*) > 0;

INSERT INTO calls SELECT * FROM calls_0001;
INSERT INTO attempts
SELECT
    a.call_id, c.received_at, a.invited_us, a.ringing_us, a.answered_us, a.ended_us, a.number,
    a.entry, a.status, a.cause, a.target, a.gateway
FROM attempts_0001 AS a JOIN calls_0001 AS c USING (call_id);
INSERT INTO auctions SELECT * FROM auctions_0001;
INSERT INTO bids
SELECT
    b.auction_id, a.received_at, b.score, b.bid_micros, b.price_micros, b.place, b.runner_up,
    b.bid_id, b.buyer, b.target
FROM bids_0001 AS b JOIN auctions_0001 AS a USING (auction_id);
INSERT INTO ledger_entries SELECT * FROM ledger_entries_0001;
INSERT INTO top_ups SELECT * FROM top_ups_0001;
DROP TABLE calls_0001, attempts_0001, auctions_0001, bids_0001, ledger_entries_0001, top_ups_0001;

-- What the list of calls and the reports by campaign, publisher, buyer and target walk along.
CREATE INDEX calls_campaign_day ON calls (campaign, received_at, call_id)
    WHERE campaign IS NOT NULL;
CREATE INDEX calls_publisher_day ON calls (publisher, received_at, call_id)
    WHERE publisher IS NOT NULL;
CREATE INDEX calls_buyer_day ON calls (buyer, received_at, call_id) WHERE buyer IS NOT NULL;
CREATE INDEX calls_target_day ON calls (target, received_at, call_id) WHERE target IS NOT NULL;
CREATE INDEX ledger_entries_owner ON ledger_entries (owner, posted_at) WHERE owner <> '';
CREATE INDEX top_ups_account ON top_ups (account, posted_at);

CREATE VIEW call_records WITH (security_invoker = true) AS
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

CREATE VIEW account_balances WITH (security_invoker = true) AS
SELECT account, owner, currency, sum(amount_micros)::bigint AS balance_micros
FROM ledger_entries
GROUP BY account, owner, currency;
