"""Every bound of the exchange, in one file, asserted against each other at import.

A container that a peer can grow takes its bound from here; full means a named refusal.
Units are last in the name: _bytes, _max (count), _ns, _ms, _s, _micros.
"""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

# SIP messages (RFC 3261 §18.1.1: a UDP datagram is at most 65,535 bytes)
message_bytes_max = 65_535
headers_max = 200
header_line_bytes_max = 8_192
via_max = 70
uri_bytes_max = 2_048
branch_bytes_max = 256
call_id_bytes_max = 256
tag_bytes_max = 256
host_bytes_max = 255
route_set_max = 16
early_dialogs_max = 8
tags_per_call_max = 16
tag_value_bytes_max = 256

# Timers (RFC 3261 §17.1.1.1; configurable at start, these are the defaults)
t1_ns = 500 * NS_PER_MS
t2_ns = 4 * NS_PER_S
t4_ns = 5 * NS_PER_S
retransmits_max = 11
provisional_repeat_ns = 60 * NS_PER_S  # RFC 3261 §13.3.1.1
no_response_ns = 4 * NS_PER_S
ring_ns = 25 * NS_PER_S
ladder_ns = 90 * NS_PER_S
setup_ns = 120 * NS_PER_S
durable_wait_ns = 2 * NS_PER_S
max_forwards = 70

# Live objects of one signal worker
transactions_max = 1_000_000
legs_max = 400_000
calls_max = 200_000
calls_per_s_max = 20_000
pump_rounds_max = 64
retry_after_s = 5
dialog_requests_max = 512  # INFO and OPTIONS of one leg that live: sixteen a second for 32 s
gateway_rest_s_max = 3_600  # however long a gateway's Retry-After says

# Streams
stream_connections_max = 4_096
stream_per_source_max = 64
stream_write_bytes_max = 1_048_576
stream_idle_ns = 30 * NS_PER_S
stream_message_ns = 10 * NS_PER_S

# Sockets
udp_receive_buffer_bytes = 4 * 1_048_576
udp_batch_max = 128
udp_wakes_max = 8  # wake-ups in one window after which a socket is read on a timer
udp_wake_window_ns = 4 * NS_PER_MS
udp_moderation_min_ns = 2 * NS_PER_MS
udp_moderation_max_ns = 6 * NS_PER_MS
udp_datagrams_per_s_max = 8_000  # that the shorter moderation serves
udp_empty_reads_max = 10  # readings on end that find nothing, then readiness serves again
udp_errors_per_wake_max = 64
udp_tries_max = 16  # of one datagram, each met by the ICMP answer to another one
flows_cached_max = 16_384  # per UDP socket; a forged source overwrites, it never grows
routes_cached_max = 4_096
stream_connect_ns = 4 * NS_PER_S
stream_backlog_max = 256

# Names of hosts (dns_ttl bounds hold for what a server says; stale addresses outlive its failure)
dns_query_ns = 3 * NS_PER_S
dns_queries_max = 16
dns_addresses_max = 16
dns_ttl_min_ns = 5 * NS_PER_S
dns_ttl_max_ns = 3_600 * NS_PER_S
dns_retry_ns = 30 * NS_PER_S
dns_stale_ns = 3_600 * NS_PER_S

# Plan
plan_bytes_max = 64 * 1_048_576
plan_objects_max = 200_000
plan_rows_max = 20_000  # objects of a kind that have rows of their own in PostgreSQL
id_bytes_max = 64
name_bytes_max = 200
trunks_max = 10_000
networks_per_trunk_max = 256
numbers_max = 1_000_000
buyers_max = 50_000
publishers_max = 50_000
campaigns_max = 50_000
targets_max = 50_000
gateways_max = 10_000
schedules_max = 10_000
schedule_days_back = 1
schedule_days_ahead = 400
plan_refresh_s = 30 * 86_400  # age at which a plan's calendar is made anew
plan_refresh_look_ns = 3_600 * NS_PER_S
priority_max = 1_000
plan_depth_max = 12  # lists and maps inside each other
plan_errors_shown_max = 1_000
sources_remembered_max = 8_192  # source address → trunk, forgotten all at once when full

# Auction
bids_max = 1_000_000
bids_per_buyer_max = 10_000
ladder_max = 10
candidates_max = 65_535
criteria_values_max = 512
bid_verticals_max = 1_024
bid_states_max = 256
bid_zones_max = 1_024
bid_currencies_max = 255
bid_ids_remembered_max = 2 * bids_max
connect_expected_s = 8  # decision → buyer's 200: a bid must outlive it (exchange rule 11)

# Money: micro-units of one currency. 10^15 micros = one thousand million units.
money_micros_max = 10**15
price_micros_max = 10**12
score_max = 2**62
quality_ppm_max = 4_000_000

# Terms
qualify_s_max = 86_400

# Journal and record
segment_bytes = 64 * 1_048_576
start_segment_bytes = 4 * 1_048_576  # of a process start: its zeros are written before it serves
first_segment_bytes = 1_048_576  # of a first one, on a full disk and without reserve
record_bytes_max = 1_048_576
journal_reserve_bytes = 64 * 1_048_576  # for the ends of some 50,000 calls once the disk is full
journal_retention_ns = 60 * NS_PER_S  # between two looks at what may be removed
record_cursor_ns = 10 * NS_PER_S  # between two notes of it beside the journal
journal_retry_ns = NS_PER_S  # between two looks whether there is room again
journal_seq_max = 2**63 - 1
journal_pending_bytes_max = 64 * 1_048_576
record_batch_records_max = 20_000
copied_texts_max = 65_536  # words that rows repeat: ids of plans, numbers
partition_days_ahead = 3
reasons_forgotten_max = 5_000  # in one statement
reasons_forgotten_rounds_max = 20  # at one time
partitions_detached_max = 50  # at one time, ten days' worth
checkpoint_every_ns = 10 * NS_PER_S
checkpoint_every_records = 100_000
heartbeat_ns = NS_PER_S
heap_trim_ns = 10 * NS_PER_S
heap_mapped_bytes = 262_144  # an allocation from here on has pages of its own
collector_young_max = 50_000  # new containers until the youngest are walked
journal_sync_gap_ns = 4 * NS_PER_MS  # between the starts of two syncs; none while calls are few
journal_records_per_s_max = 6_000  # that this gap serves; it is twice as long above them
idempotency_keys_max = 1_000_000
turns_per_heartbeat_max = 4_096  # further ones follow with the next heartbeats

# Processes (a supervisor's tick is one beat of its children)
child_beat_ns = NS_PER_S
child_stuck_ns = 20 * NS_PER_S  # silence of a child that served: its loop is stuck
child_start_ns = 120 * NS_PER_S  # silence of one that does not serve yet: imports, a large plan
restart_first_ns = 100 * NS_PER_MS
restart_longest_ns = 30 * NS_PER_S
child_stable_ns = 60 * NS_PER_S  # a child that served so long is started again without a wait
stacks_ns = NS_PER_S  # for a stuck child to write its stacks before it is killed
descriptors_max = 16_384  # every stream connection, links, HTTP, files, and as many again

# What `dce check` warns of
sync_slow_ns = 20 * NS_PER_MS
clock_error_ns = NS_PER_S
disk_low_bytes = 2 * 1_073_741_824

# Link and HTTP
frame_bytes_max = 128 * 1_048_576
http_body_bytes_max = plan_bytes_max
page_rows_max = 500
idempotency_key_characters_max = 200
amount_characters_max = 32
token_characters_max = 200
cursor_characters_max = 200
api_tokens_max = 10_000
database_connections_max = 8
candidates_named_max = 5_000  # of one decision, in an answer
link_connections_max = 64
link_requests_max = 256

# What people read and write
config_bytes_max = 1_048_576
setting_shown_characters_max = 80
log_value_characters_max = 2_000
command_shown_characters_max = 120
caller_shown_characters_max = 40
demo_calls_listed_max = 200
demo_sdp_lines_max = 1_000
demo_trace_messages_max = 20_000  # a demo makes some 500; later ones are not kept

assert price_micros_max * quality_ppm_max <= score_max
assert header_line_bytes_max < message_bytes_max
assert ladder_max < candidates_max <= bids_max
assert ring_ns < ladder_ns < setup_ns
assert 2 * plan_refresh_s < schedule_days_ahead * 86_400
assert no_response_ns < ring_ns
assert no_response_ns < connect_expected_s * NS_PER_S < ring_ns
assert durable_wait_ns < 64 * t1_ns
assert checkpoint_every_ns > heartbeat_ns
assert child_beat_ns < child_stuck_ns < child_start_ns
assert restart_first_ns < restart_longest_ns < child_stable_ns
assert descriptors_max > 2 * stream_connections_max
assert record_bytes_max < start_segment_bytes <= segment_bytes
assert record_bytes_max < segment_bytes <= frame_bytes_max
# One reason per candidate is indexed by a 16-bit ordinal.
assert candidates_max < 2**16
