-- Two calls, one of them refused, as the first schema held them.
INSERT INTO calls VALUES
    ('01a20c2d-7f00-7001-8000-000000000001', '2026-11-24 10:00:00.000123+00', 300, 40000, 90000,
     60090000, 60000000000, 11000000, 7000000, 'completed', 'caller', 0, 200, true, false, 'USD',
     'trunk-1', 'publisher-1', 'campaign-1', '+18005550100', 'buyer-1', 'target-1', 'b1',
     '\x00', '\x0102'),
    ('01a20c2d-7f00-7001-8000-000000000002', '2026-11-25 00:00:00+00', 1, null, null, 2, 0, 0, 0,
     'blocked', 'none', 2, 404, false, false, 'USD', 'trunk-1', null, null, null, null, null, null,
     '\x00', '\x');
INSERT INTO attempts VALUES
    ('01a20c2d-7f00-7001-8000-000000000001', 2000, 40000, 90000, null, 1, 0, 200, 'answered',
     'target-1', 'gateway-1');
INSERT INTO auctions VALUES
    ('01a20c2d-7f00-7001-8100-000000000001', '01a20c2d-7f00-7001-8000-000000000001',
     '2026-11-24 10:00:00.000123+00', 1000000, 1, 1, 3, 0, 'second', 'USD', 'CA', '{546,500}',
     '{1,1}', '{"sub_id": "s1"}', '\x00ff2e00');
INSERT INTO bids VALUES
    ('01a20c2d-7f00-7001-8100-000000000001', 100, 12000000, 11000000, 1, false, 'b1', 'buyer-1',
     'target-1'),
    ('01a20c2d-7f00-7001-8100-000000000001', 99, 11000000, 10000000, 2, true, 'b2', 'buyer-2',
     'target-2');
INSERT INTO ledger_entries VALUES
    ('01a20c2d-7f00-7001-8000-000000000001', '2026-11-24 10:01:00+00', 11000000, 'revenue',
     'buyer', 0, 'buyer-1', 'USD'),
    ('01a20c2d-7f00-7001-8000-000000000001', '2026-11-24 10:01:00+00', -11000000, 'revenue',
     'revenue', 1, '', 'USD');
INSERT INTO top_ups VALUES
    ('01a20c2d-7f00-7001-8000-000000000009', '2026-11-24 09:00:00+00', 5000000, 'buyer-1', 'USD',
     'key-1');
INSERT INTO plans VALUES (1, '\x01', '{}', '2026-11-24 08:00:00+00', '2026-11-24 08:00:01+00');
INSERT INTO api_tokens VALUES ('\x02', 'ops', '2026-11-24 08:00:00+00');
INSERT INTO record_cursors VALUES (0, 12, '2026-11-24 10:02:00+00');
INSERT INTO rejected_facts VALUES (0, 7, 11, '\x91', 'no fact', '2026-11-24 10:02:00+00');
INSERT INTO reason_names VALUES (546, 'outbid');
