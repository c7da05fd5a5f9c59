DROP TABLE
    accounts, campaigns, numbers, gateways, targets, standing_bids, consents, dnc_entries,
    rule_packs, users, disputes, invoices, corrections, audit_events;
DROP FUNCTION refuse_change;
DROP FUNCTION touch_row;
DROP TYPE correction_kind;
DROP TYPE user_role;
DROP TYPE invoice_state;
DROP TYPE dispute_state;
DROP TYPE consent_kind;
DROP TYPE charge_unit;
DROP TYPE destination_kind;
DROP TYPE object_status;
DROP TYPE account_status;
DROP TYPE account_kind;
