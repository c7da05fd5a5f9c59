-- Everything is the owner's alone again. The roles belong to the whole server and stay.

DROP POLICY by_account ON top_ups;
DROP POLICY by_account ON ledger_entries;
DROP POLICY by_account ON facts;
DROP POLICY by_account ON bids;
DROP POLICY by_account ON auctions;
DROP POLICY by_account ON attempts;
DROP POLICY by_account ON calls;

DO $$
DECLARE name text; role text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'top_ups', 'ledger_entries', 'facts', 'bids', 'auctions', 'attempts', 'calls'
    ] LOOP
        EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
    GRANT EXECUTE ON FUNCTION ensure_days, detach_days TO PUBLIC;
    FOR role IN SELECT rolname FROM pg_roles WHERE rolname IN ('dce_api', 'dce_record') LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), role);
        EXECUTE format('REVOKE ALL ON FUNCTION ensure_days, detach_days FROM %I', role);
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', current_schema(), role);
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM %I', current_database(), role);
    END LOOP;
END $$;
