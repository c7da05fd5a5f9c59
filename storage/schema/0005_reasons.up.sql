-- The reason vector of an auction is kept for some days, then only its histogram. The index holds
-- those that still have one, so that finding the old ones costs nothing for all the rest.

CREATE INDEX auctions_with_reasons ON auctions (received_at, auction_id)
    WHERE reasons IS NOT NULL;

DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dce_record') THEN
        GRANT UPDATE (reasons) ON auctions TO dce_record;
    END IF;
END $$;
