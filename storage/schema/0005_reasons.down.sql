-- Vectors that are gone stay gone.
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dce_record') THEN
        REVOKE UPDATE (reasons) ON auctions FROM dce_record;
    END IF;
END $$;

DROP INDEX auctions_with_reasons;
