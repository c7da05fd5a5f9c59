-- Who may do what. Two group roles without any right to change the schema: dce_record copies rows,
-- dce_api reads them and keeps plans and tokens. A login of the services is a member of one or
-- both; the owner of the tables migrates. Where the owner may not make roles (one login for
-- everything), there are none, and row security holds for the owner too.
--
-- Rows by account: a transaction sees those of the account that dce.account names, '*' stands for
-- the operator, and without that setting there is no row at all. Partitions have no policies: the
-- record copies straight into them, and nobody else has a right on them.

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dce_api', 'dce_record'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- of another database here
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'no role %: this login may not make roles', name;
        END;
        BEGIN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        EXCEPTION WHEN undefined_object OR insufficient_privilege THEN NULL;
        END;
    END LOOP;
END $$;

-- Run a GRANT for a role if there is that role.
CREATE FUNCTION pg_temp.share(role name, rights text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('GRANT %s TO %I', rights, role);
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION ensure_days, detach_days FROM PUBLIC;

SELECT
    pg_temp.share(role, format('USAGE ON SCHEMA %I', current_schema())),
    pg_temp.share(role, 'SELECT ON calls, attempts, auctions, bids, facts, ledger_entries, top_ups,
        reason_names, schema_migrations')
FROM unnest(ARRAY['dce_api', 'dce_record']) AS role;

SELECT
    pg_temp.share('dce_api', 'SELECT ON call_records, account_balances, record_cursors'),
    pg_temp.share('dce_api', 'SELECT, INSERT, DELETE ON plans, api_tokens');

SELECT
    pg_temp.share('dce_record', format('TEMPORARY ON DATABASE %I', current_database())),
    pg_temp.share('dce_record', 'EXECUTE ON FUNCTION ensure_days, detach_days'),
    pg_temp.share('dce_record', 'INSERT ON calls, attempts, auctions, bids, facts, ledger_entries,
        top_ups, ledger_entries_all, top_ups_all, rejected_facts'),
    pg_temp.share('dce_record', 'SELECT, INSERT, UPDATE ON record_cursors, plans, reason_names'),
    pg_temp.share('dce_record', 'SELECT ON rejected_facts');

-- The days that are there already.
SELECT pg_temp.share('dce_record', format('INSERT ON TABLE %s', i.inhrelid::regclass))
FROM pg_inherits AS i
WHERE i.inhparent IN (
    'calls'::regclass, 'attempts'::regclass, 'auctions'::regclass, 'bids'::regclass,
    'facts'::regclass
);

-- A call is its publisher's and its buyer's; so are its attempts, but a buyer sees those to the
-- target that answered only, and of an auction its own bids only.
ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON calls
USING ((SELECT current_setting('dce.account', true)) IN ('*', publisher, buyer))
WITH CHECK ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON attempts
USING (
    (SELECT current_setting('dce.account', true)) = '*'
    OR EXISTS (
        SELECT FROM calls AS c
        WHERE c.received_at = attempts.received_at AND c.call_id = attempts.call_id
        AND (
            c.publisher = current_setting('dce.account', true)
            OR (c.buyer = current_setting('dce.account', true) AND c.target = attempts.target)
        )
    )
)
WITH CHECK ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE auctions ENABLE ROW LEVEL SECURITY;
ALTER TABLE auctions FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON auctions
USING ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE bids ENABLE ROW LEVEL SECURITY;
ALTER TABLE bids FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON bids
USING ((SELECT current_setting('dce.account', true)) IN ('*', buyer))
WITH CHECK ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE facts FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON facts
USING ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE ledger_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON ledger_entries
USING (
    (SELECT current_setting('dce.account', true)) = '*'
    OR (owner <> '' AND owner = (SELECT current_setting('dce.account', true)))
)
WITH CHECK ((SELECT current_setting('dce.account', true)) = '*');

ALTER TABLE top_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE top_ups FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON top_ups
USING ((SELECT current_setting('dce.account', true)) IN ('*', account))
WITH CHECK ((SELECT current_setting('dce.account', true)) = '*');

DROP FUNCTION pg_temp.share;
