-- What the exchange is configured with and what people write beside its facts, for reports and the
-- API to join with the record. Objects of a plan are named by the ids that the plan gives them
-- (slug); a row that left the plan stays, closed, because the record goes on naming it. The truth
-- of a plan is its source in `plans`; balances are sums of ledger_entries and stand nowhere else.
-- Keys are UUIDv7, made by whoever writes. Money is in micro-units.

CREATE TYPE account_kind AS ENUM ('publisher', 'buyer', 'broker', 'admin');
CREATE TYPE account_status AS ENUM ('pending', 'active', 'paused', 'suspended', 'banned', 'closed');
CREATE TYPE object_status AS ENUM ('active', 'paused', 'closed');
CREATE TYPE destination_kind AS ENUM ('sip_uri', 'number', 'registered_user', 'browser_agent');
CREATE TYPE charge_unit AS ENUM ('call', 'second');
CREATE TYPE consent_kind AS ENUM ('express', 'implied', 'prior_business');
CREATE TYPE dispute_state AS ENUM ('open', 'upheld', 'partial', 'denied');
CREATE TYPE invoice_state AS ENUM ('draft', 'issued', 'paid', 'void');
CREATE TYPE user_role AS ENUM ('admin', 'operator', 'auditor', 'publisher', 'buyer', 'broker');
CREATE TYPE correction_kind AS ENUM ('dispute', 'refund', 'rerate', 'note');

CREATE TABLE accounts (
    id                  uuid           NOT NULL PRIMARY KEY,
    credit_limit_micros bigint         NOT NULL DEFAULT 0,
    plan_version        bigint,
    created_at          timestamptz    NOT NULL DEFAULT now(),
    updated_at          timestamptz    NOT NULL DEFAULT now(),
    kind                account_kind   NOT NULL,
    status              account_status NOT NULL,
    slug                text           NOT NULL,
    name                text           NOT NULL,
    currency            text           NOT NULL,
    time_zone           text           NOT NULL,
    payment_terms       jsonb          NOT NULL DEFAULT '{}',
    quality             jsonb          NOT NULL DEFAULT '{}',
    settings            jsonb          NOT NULL DEFAULT '{}',
    CONSTRAINT accounts_slug UNIQUE (kind, slug)
);

CREATE TABLE campaigns (
    id           uuid          NOT NULL PRIMARY KEY,
    floor_micros bigint        NOT NULL,
    plan_version bigint,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    status       object_status NOT NULL,
    slug         text          NOT NULL UNIQUE,
    name         text          NOT NULL,
    vertical     text          NOT NULL,
    strategy     text          NOT NULL,
    price_kind   text          NOT NULL,
    currency     text          NOT NULL,
    schedule     text,
    terms        jsonb         NOT NULL DEFAULT '{}',
    payout       jsonb         NOT NULL DEFAULT '{}',
    settings     jsonb         NOT NULL DEFAULT '{}'
);

CREATE TABLE numbers (
    id           uuid          NOT NULL PRIMARY KEY,
    plan_version bigint,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    status       object_status NOT NULL,
    slug         text          NOT NULL UNIQUE,  -- the number itself, E.164
    campaign     text          NOT NULL,
    publisher    text          NOT NULL,
    pool         text
);

CREATE TABLE gateways (
    id           uuid          NOT NULL PRIMARY KEY,
    plan_version bigint,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    port         integer       NOT NULL,
    status       object_status NOT NULL,
    slug         text          NOT NULL UNIQUE,
    host         text          NOT NULL,
    transport    text          NOT NULL,
    cost         jsonb         NOT NULL DEFAULT '{}',
    settings     jsonb         NOT NULL DEFAULT '{}'
);

CREATE TABLE targets (
    id           uuid             NOT NULL PRIMARY KEY,
    plan_version bigint,
    created_at   timestamptz      NOT NULL DEFAULT now(),
    updated_at   timestamptz      NOT NULL DEFAULT now(),
    concurrency  integer,
    priority     integer          NOT NULL,
    weight       integer          NOT NULL,
    ring_s       integer,
    status       object_status    NOT NULL,
    kind         destination_kind NOT NULL,
    slug         text             NOT NULL UNIQUE,
    buyer        text             NOT NULL,
    destination  text             NOT NULL,
    schedule     text,
    gateways     jsonb            NOT NULL DEFAULT '[]',
    caps         jsonb            NOT NULL DEFAULT '{}',
    skills       jsonb            NOT NULL DEFAULT '{}'
);

CREATE TABLE standing_bids (
    id            uuid          NOT NULL PRIMARY KEY,
    amount_micros bigint        NOT NULL,
    budget_micros bigint,
    plan_version  bigint,
    created_at    timestamptz   NOT NULL DEFAULT now(),
    updated_at    timestamptz   NOT NULL DEFAULT now(),
    quality_ppm   integer       NOT NULL,
    status        object_status NOT NULL,
    per           charge_unit   NOT NULL,
    slug          text          NOT NULL UNIQUE,
    buyer         text          NOT NULL,
    target        text          NOT NULL,
    currency      text          NOT NULL,
    expires       text,
    criteria      jsonb         NOT NULL DEFAULT '{}'
);

-- subject: keyed hash of the consumer's number. proof_sha256: of what proves it, kept elsewhere.
CREATE TABLE consents (
    id           uuid         NOT NULL PRIMARY KEY,
    given_at     timestamptz  NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    created_at   timestamptz  NOT NULL DEFAULT now(),
    updated_at   timestamptz  NOT NULL DEFAULT now(),
    kind         consent_kind NOT NULL,
    account      text         NOT NULL,
    subject      bytea        NOT NULL,
    proof_sha256 bytea        NOT NULL,
    proof        jsonb        NOT NULL DEFAULT '{}'
);
CREATE INDEX consents_subject ON consents (subject, account);

CREATE TABLE dnc_entries (
    id         uuid        NOT NULL PRIMARY KEY,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    list       text        NOT NULL,
    source     text        NOT NULL,
    subject    bytea       NOT NULL,
    CONSTRAINT dnc_entries_subject UNIQUE (list, subject)
);

CREATE TABLE rule_packs (
    id         uuid        NOT NULL PRIMARY KEY,
    valid_from timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version    text        NOT NULL UNIQUE,
    source     text        NOT NULL,
    digest     bytea       NOT NULL,
    rules      jsonb       NOT NULL
);

CREATE TABLE users (
    id         uuid           NOT NULL PRIMARY KEY,
    created_at timestamptz    NOT NULL DEFAULT now(),
    updated_at timestamptz    NOT NULL DEFAULT now(),
    status     account_status NOT NULL,
    roles      user_role[]    NOT NULL,
    login      text           NOT NULL UNIQUE,
    account    text,
    password   text,  -- an argon2 hash
    settings   jsonb          NOT NULL DEFAULT '{}'
);

CREATE TABLE disputes (
    id            uuid          NOT NULL PRIMARY KEY,
    call_id       uuid          NOT NULL,
    amount_micros bigint        NOT NULL,
    opened_at     timestamptz   NOT NULL,
    closed_at     timestamptz,
    created_at    timestamptz   NOT NULL DEFAULT now(),
    updated_at    timestamptz   NOT NULL DEFAULT now(),
    state         dispute_state NOT NULL,
    account       text          NOT NULL,
    currency      text          NOT NULL,
    reason        text          NOT NULL,
    evidence      jsonb         NOT NULL DEFAULT '{}'
);
CREATE INDEX disputes_call ON disputes (call_id);
CREATE INDEX disputes_account ON disputes (account, opened_at);

CREATE TABLE invoices (
    id            uuid          NOT NULL PRIMARY KEY,
    amount_micros bigint        NOT NULL,
    period_from   timestamptz   NOT NULL,
    period_to     timestamptz   NOT NULL,
    created_at    timestamptz   NOT NULL DEFAULT now(),
    updated_at    timestamptz   NOT NULL DEFAULT now(),
    state         invoice_state NOT NULL,
    account       text          NOT NULL,
    number        text          NOT NULL UNIQUE,
    currency      text          NOT NULL,
    lines         jsonb         NOT NULL DEFAULT '[]'
);
CREATE INDEX invoices_account ON invoices (account, period_from);

-- Append-only, both: what a correction corrects stays as it was, and each event's hash covers the
-- one before it.
CREATE TABLE corrections (
    id         uuid            NOT NULL PRIMARY KEY,
    corrects   uuid            NOT NULL,
    made_at    timestamptz     NOT NULL,
    kind       correction_kind NOT NULL,
    account    text            NOT NULL,
    actor      text            NOT NULL,
    changes    jsonb           NOT NULL
);
CREATE INDEX corrections_of ON corrections (corrects);

CREATE TABLE audit_events (
    id       uuid        NOT NULL PRIMARY KEY,
    seq      bigint      NOT NULL UNIQUE,
    at       timestamptz NOT NULL,
    actor    text        NOT NULL,
    action   text        NOT NULL,
    object   text        NOT NULL,
    previous bytea       NOT NULL,
    hash     bytea       NOT NULL,
    changes  jsonb       NOT NULL
);

CREATE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = format('%s is append-only', TG_TABLE_NAME);
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'accounts', 'campaigns', 'numbers', 'gateways', 'targets', 'standing_bids', 'consents',
        'dnc_entries', 'rule_packs', 'users', 'disputes', 'invoices'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER touch BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION touch_row()',
            name
        );
    END LOOP;
    FOREACH name IN ARRAY ARRAY['corrections', 'audit_events'] LOOP
        EXECUTE format(
            'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW '
            'EXECUTE FUNCTION refuse_change()', name
        );
    END LOOP;
END $$;

-- Rows by account as in 0003; what belongs to no account is the operator's.
CREATE FUNCTION pg_temp.isolate(name text, owners text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format(
        'CREATE POLICY by_account ON %I '
        'USING ((SELECT current_setting(''dce.account'', true)) IN (''*''%s)) '
        'WITH CHECK ((SELECT current_setting(''dce.account'', true)) = ''*'')', name, owners
    );
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dce_api') THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO dce_api', name);
    END IF;
END $$;
SELECT pg_temp.isolate(name, owners) FROM (VALUES
    ('accounts', ', slug'), ('campaigns', ''), ('numbers', ', publisher'), ('gateways', ''),
    ('targets', ', buyer'), ('standing_bids', ', buyer'), ('consents', ', account'),
    ('dnc_entries', ''), ('rule_packs', ''), ('users', ', account'), ('disputes', ', account'),
    ('invoices', ', account'), ('corrections', ', account'), ('audit_events', '')
) AS known (name, owners);
DROP FUNCTION pg_temp.isolate;
