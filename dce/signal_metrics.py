"""The signal worker's counters, gauges and histograms as /metrics shows them."""

from dce import histogram
from dce.wiring import SignalCore
from vocabulary.commands import Histogram, Metric, Statistics

CALLS_HELP = "Calls by outcome since the start."
OUTCOMES = (
    "completed", "no_answer", "busy", "canceled", "blocked", "unsold", "failed", "no_ack",
)
DESK_GAUGES = {
    "calls_live": "Calls in progress.",
    "holds_live": "Open money holds.",
    "units_live": "Concurrency units held by dialled legs.",
    "answers_waiting": "Calls whose 200 waits for the disk.",
    "journal_seq": "Sequence of the newest fact.",
}
DESK_COUNTERS = {
    "calls_offered": "INVITEs that reached the desk.",
    "calls_answered": "Calls whose 200 left.",
    "calls_qualified": "Calls that met the buyer's terms.",
    "calls_unknown_source": "Calls refused with 403: no trunk names the source.",
    "calls_shed": "Calls refused with 503.",
    "attempts": "Legs dialled to buyers.",
    "reserve_lost": "Ladder entries that could not be reserved any more.",
    "durable_late": "Calls lost because the start record was late.",
    "ignored": "Inputs a call's state had no use for.",
    "faults": "Calls ended by an error of ours.",
    "revenue_micros": "Charged to buyers, in micro-units.",
    "payout_micros": "Owed to publishers, in micro-units.",
}
SIP_GAUGE_HELP = "Live objects of the SIP endpoint: 0 once all calls ended and 64·T1 passed."
SIP_GAUGES = {
    **dict.fromkeys(
        ("server_transactions", "client_transactions", "legs", "dialogs", "timers"),
        SIP_GAUGE_HELP,
    ),
    "timer_late_ns_max": "Latest that a SIP timer ever fired since the start, in ns.",
}
SOCKET_GAUGES = {
    "stream_connections": "Open TCP connections.",
    "flows_cached": "Peers of UDP whose flow is kept at hand.",
    "receive_buffer_bytes": "Smallest receive buffer of a UDP socket.",
    "receive_buffer_asked_bytes": "Receive buffer that was asked for.",
}


def statistics(core: SignalCore) -> Statistics:
    """Everything at this instant."""
    metrics = [*_desk_metrics(core), *_sip_metrics(core), *_journal_metrics(core)]
    pump = core.pump
    return Statistics(
        tuple(metrics),
        (
            _shown("dce_decision_cpu_seconds", "Thread CPU from offer to dial.",
                   pump.decision_cpu),
            _shown("dce_decision_seconds", "Wall time from offer to dial.", pump.decision_wall),
            _shown("dce_answer_durable_wait_seconds",
                   "Wait of an answer for its start record.", pump.wait_durable),
            _shown("dce_timer_lateness_seconds", "How late timers fire.", pump.late),
            _shown("dce_gc_pause_seconds", "Length of one garbage collection.", core.gc_pauses),
        ),
    )


def _desk_metrics(core: SignalCore) -> list[Metric]:
    found = core.desk.statistics()
    rows = [
        Metric("dce_calls_total", "counter", CALLS_HELP, (("outcome", name),),
               found[f"calls_{name}"])
        for name in OUTCOMES
    ]
    rows += [
        Metric(f"dce_{name}_total", "counter", text, (), found[name])
        for name, text in DESK_COUNTERS.items()
    ]
    rows += [
        Metric(f"dce_{name}", "gauge", text, (), found[name])
        for name, text in DESK_GAUGES.items()
    ]
    rows.append(Metric("dce_desk_timers_live", "gauge", "Armed timers of calls.", (),
                       found["timers_live"]))
    rows.append(Metric("dce_plan_version", "gauge", "Plan in force.", (),
                       core.desk.market.version))
    rows.append(Metric("dce_bids_standing", "gauge", "Standing bids.", (),
                       len(core.desk.market.book)))
    closed = core.desk.admission_closed
    rows.append(Metric("dce_admission_open", "gauge", "1 while new calls are taken, else why not.",
                       (("reason", closed),), 0 if closed else 1))
    return rows


def _sip_metrics(core: SignalCore) -> list[Metric]:
    rows: list[Metric] = []
    for name, value in core.endpoint.statistics().items():
        if name in SIP_GAUGES:
            rows.append(Metric(f"dce_sip_{name}", "gauge", SIP_GAUGES[name], (), value))
        else:
            rows.append(Metric("dce_sip_events_total", "counter",
                               "Counters of the SIP endpoint.", (("event", name),), value))
    for name, value in core.sockets.statistics().items():
        if name in SOCKET_GAUGES:
            rows.append(Metric(f"dce_sip_{name}", "gauge", SOCKET_GAUGES[name], (), value))
        else:
            rows.append(Metric("dce_sip_socket_events_total", "counter",
                               "Counters of the SIP sockets.", (("event", name),), value))
    return rows


def _journal_metrics(core: SignalCore) -> list[Metric]:
    found = core.journal.statistics()
    return [
        Metric("dce_journal_records_total", "counter", "Records on disk.", (), found.records),
        Metric("dce_journal_bytes_total", "counter", "Bytes on disk.", (), found.bytes),
        Metric("dce_journal_syncs_total", "counter", "Syncs of the journal.", (), found.syncs),
        Metric("dce_journal_pending_bytes", "gauge", "Bytes not yet on disk.", (),
               found.pending_bytes),
        Metric("dce_journal_durable_seq", "gauge", "Newest durable sequence.", (),
               found.durable_seq),
        Metric("dce_journal_failed", "gauge", "1 once the journal has failed.", (),
               1 if core.journal.failed else 0),
        Metric("dce_journal_full", "gauge", "1 while there is no reserve: no new calls.", (),
               1 if found.full else 0),
        Metric("dce_journal_segments", "gauge", "Segments, at the last look.", (),
               core.keeping.segments),
        Metric("dce_journal_segments_removed_total", "counter", "Segments nobody needed.", (),
               core.keeping.removed),
        Metric("dce_journal_oldest_seq", "gauge", "Oldest fact that is kept, by who keeps it.",
               (("held_by", core.keeping.held_by),), core.keeping.oldest_seq),
        Metric("dce_journal_spare_failed", "gauge",
               "1 while the next segment cannot be prepared.", (), 1 if found.spare_failed else 0),
        Metric("dce_pump_turns_total", "counter", "Turns of the pump.", (), core.pump.turns),
        Metric("dce_pump_refused_total", "counter", "Commands a leg did not allow.", (),
               core.pump.refused),
        Metric("dce_pump_overruns_total", "counter", "Turns cut short.", (), core.pump.overruns),
    ]


def _shown(name: str, text: str, held: histogram.Histogram) -> Histogram:
    bounds, counts = held.bounds_and_counts()
    return Histogram(name, text, bounds, counts, held.total_ns / 1e9)
